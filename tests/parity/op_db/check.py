"""One entry of op_db: its samples, their gradients and its bad inputs, under PyTorch and under Rushlight."""

from __future__ import annotations

import contextlib
import random
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch

import rushlight

from . import arbiter, translate
from .compare import Difference, agree

DTYPES = (torch.float32, torch.float64, torch.int64, torch.bool, torch.complex64)
_WIDER = {torch.float32: torch.float64, torch.complex64: torch.complex128}
_SEED = 7

# Results that nobody has initialised: shape, dtype and strides are compared.
_UNINITIALISED = {"empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided"}
_UNINITIALISED |= {"resize_", "resize_as_"}
# Bases that are unique up to a phase: compared as the samples' `output_process_fn_grad` says.
_UP_TO_PHASE = {"linalg.eig", "linalg.eigh", "linalg.svd", "svd", "pca_lowrank", "svd_lowrank", "linalg.qr", "qr"}


# Any of several equal elements may be the one that is named: (values, indices), or indices alone.
_ANY_OF_EQUALS = {"topk", "kthvalue", "mode", "median", "nanmedian", "sort", "argsort"}


@dataclass
class Failure:
    dtype: str
    kind: str
    message: str
    samples: int = 1  # how many fail in this way; the message is the first one's


@dataclass
class Result:
    """What became of an entry. `outside` says why it is not compared at all."""

    entry: str
    outside: str = ""
    samples: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.outside and not self.failures

    def fail(self, dtype: str, kind: str, message: str) -> None:
        for known in self.failures:
            if (known.dtype, known.kind) == (dtype, kind):
                known.samples += 1
                return
        self.failures.append(Failure(dtype, kind, message))

    as_dict = asdict


@cache
def entries() -> list[Any]:
    """PyTorch's op_db; seconds to import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    return op_db


def title(entry: Any) -> str:
    return f"{entry.name}[{entry.variant_test_name}]" if entry.variant_test_name else entry.name


def outside(entry: Any) -> str:
    """Why an entry is not compared; empty for those that are."""
    if entry.name.startswith("sparse.") or entry.name == "to_sparse":
        return "sparse"
    if entry.name.startswith("jiterator"):
        return "jiterator"
    if not entry.supported_dtypes("cpu"):
        return "CUDA only"
    if not entry.supported_dtypes("cpu").intersection(DTYPES):
        return "quantised or eight-bit floats only"
    return ""


def check(entry: Any, *, cap: int, gradients: bool = True, errors: bool = True, dtypes: Iterable = DTYPES) -> Result:
    """Run at most about `cap` samples a dtype: the first half of them, and others spread evenly over the rest."""
    result = Result(title(entry), outside(entry))
    if result.outside:
        return result
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ours = translate.operator(entry)
        except translate.Missing as missing:
            result.fail("", "missing", str(missing))
            return result
        for dtype in dtypes:
            if dtype in entry.supported_dtypes("cpu"):
                _check_dtype(entry, ours, dtype, cap, gradients, result)
        if errors and entry.error_inputs_func is not None:
            _check_errors(entry, ours, result)
    if not result.samples and not result.failures:
        result.outside = "no sample of a kind that is compared"
    return result


def _check_dtype(entry: Any, ours: Callable, dtype: torch.dtype, cap: int, gradients: bool, result: Result) -> None:
    short = str(dtype).removeprefix("torch.")
    needs_gradient = gradients and entry.supports_autograd and dtype in entry.supported_backward_dtypes("cpu")
    _seed()
    for sample in spread(entry.sample_inputs("cpu", dtype, requires_grad=needs_gradient), cap):
        try:
            if not _check_values(entry, ours, sample):
                continue
            if needs_gradient:
                _check_gradients(entry, ours, sample)
        except translate.Outside:
            continue
        except Difference as difference:
            result.fail(short, difference.kind, f"{difference} <- {describe(sample)}")
        result.samples += 1


def _seed() -> None:
    """The same samples whatever ran before."""
    torch.manual_seed(_SEED)
    random.seed(_SEED)
    np.random.seed(_SEED)


def spread(samples: Iterable, cap: int) -> Iterator:
    """The first half of `cap` samples and as many others, evenly spread."""
    everything = list(samples)
    first = cap // 2
    yield from everything[:first]
    rest = everything[first:]
    step = max(1, -(-len(rest) // (cap - first)))
    yield from rest[::step]


def _run(function: Callable, library: Any, sample: Any) -> Any:
    library.manual_seed(_SEED)
    return function(sample.input, *sample.args, **sample.kwargs)


def _translated(sample: Any) -> tuple[translate.Translation, Any]:
    turn = translate.Translation()
    kwargs = {"args": turn(tuple(sample.args)), "kwargs": turn(sample.kwargs)}
    return turn, type(sample)(turn(sample.input), **kwargs)


def _exact(function: Callable, sample: Any) -> Any:
    """PyTorch's result in double precision; None where it takes none."""

    def widen(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.dtype in _WIDER:
            return value.detach().to(_WIDER[value.dtype]).requires_grad_(value.requires_grad)
        return _WIDER.get(value, value) if isinstance(value, torch.dtype) else value

    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # which is what integers become
    try:
        return _run(function, torch, sample.transform(widen))
    except Exception:
        return None
    finally:
        torch.set_default_dtype(usual)


def _ours(run: Callable[[], Any], group: str = "raises") -> Any:
    """The result, computed; whatever it raises is a difference."""
    try:
        found = run()
        _compute(found)
        return found
    except translate.Outside:
        raise
    except (AttributeError, NotImplementedError) as error:
        raise Difference("missing", f"{type(error).__name__}: {error}") from None
    except Exception as error:
        raise Difference(group, f"{type(error).__name__}: {error}") from None


def _compute(value: Any) -> None:
    if isinstance(value, rushlight.Tensor):
        translate.to_torch(value)
    elif isinstance(value, (tuple, list)):
        for item in value:
            _compute(item)


def _check_values(entry: Any, ours: Callable, sample: Any) -> bool:
    """False where PyTorch itself refuses the sample."""
    turn, mine = _ours(lambda: _translated(sample))
    try:
        theirs = _run(entry.op, torch, sample)
    except Exception:
        return False
    found = _ours(lambda: _run(ours, rushlight, mine))
    try:
        agree(found, theirs, values=entry.name not in _UNINITIALISED)
    except Difference as difference:
        if difference.kind != "value":
            raise
        if entry.name in _ANY_OF_EQUALS and _name_equals(found, theirs, sample.input):
            return True
        if entry.name in _UP_TO_PHASE:
            process = translate.function(sample.output_process_fn_grad)
            found, theirs = process(found), sample.output_process_fn_grad(theirs)
        if entry.name in arbiter.FORMULAS:
            theirs = arbiter.exact(entry.name, sample.input)
        agree(found, theirs, exact=_exact(entry.op, sample), inputs=turn.dtypes())
    return True


def _name_equals(found: Any, theirs: Any, source: torch.Tensor) -> bool:
    """Whether two results that end with indices agree but for which of several equal elements is named."""
    found, theirs = ([side] if isinstance(side, (torch.Tensor, rushlight.Tensor)) else side for side in (found, theirs))
    agree(list(found[:-1]), list(theirs[:-1]))
    mine, other, source = translate.to_torch(found[-1]), theirs[-1], torch.atleast_1d(source.detach())
    for dim in range(source.ndim):
        sides = [side if side.ndim == source.ndim else side.unsqueeze(dim) for side in (mine, other)]
        twice = (sides[0].sort(dim).values.diff(dim=dim) == 0).any()
        with contextlib.suppress(RuntimeError):  # not along this dimension
            if not twice and torch.equal(*(source.gather(dim, side) for side in sides)):
                return True
    return False


def _check_gradients(entry: Any, ours: Callable, sample: Any) -> None:
    """Gradients of the differentiable results, weighted with fixed random numbers."""
    turn, mine = _translated(sample)
    leaves = turn.needing_gradients()
    if not leaves:
        return
    try:
        theirs = _gradients(entry, sample, [pair[0] for pair in leaves])
    except Exception:
        return

    def run() -> list:
        library_call = translate.function(entry.gradcheck_wrapper)
        process = translate.function(sample.output_process_fn_grad)
        rushlight.manual_seed(_SEED)
        results = _flat(process(library_call(ours, mine.input, *mine.args, **mine.kwargs)), rushlight)
        chosen = [results[i] for i in theirs.places]
        if not all(result.requires_grad for result in chosen):
            raise Difference("grad", "a result needs no gradient where PyTorch's does")
        weights = [translate.Translation()(weight) for weight in theirs.weights]
        inputs = [pair[1] for pair in leaves]
        return list(rushlight.autograd.grad(chosen, inputs, weights, allow_unused=True))

    try:
        found = _ours(run, "grad")
    except Difference as difference:
        raise Difference("grad", str(difference).removeprefix("Difference: ")) from None
    wide = None
    for i, (left, right) in enumerate(zip(found, theirs.gradients)):
        shape = leaves[i][0]
        right = torch.zeros_like(shape) if right is None else right
        left = rushlight.zeros(tuple(shape.shape), dtype=translate.dtype(shape.dtype)) if left is None else left
        try:
            agree(left, right, kind="grad", inputs=turn.dtypes(), at=f" (gradient {i})")
        except Difference as difference:
            if difference.kind != "grad":
                raise Difference("grad", str(difference)) from None
            wide = wide or _exact_gradients(entry, sample, leaves, theirs.weights)
            try:
                agree(left, right, exact=wide[i], kind="grad", inputs=turn.dtypes(), at=f" (gradient {i})")
            except Difference:
                if not arbiter.sides_with(translate.to_torch(left), right, _slope(entry, sample, shape, theirs)):
                    raise


@dataclass
class _Gradients:
    places: list[int]  # which of the results are differentiated
    weights: list[torch.Tensor]
    gradients: list


def _flat(value: Any, library: Any) -> list:
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in _flat(item, library)]
    return [value] if isinstance(value, library.Tensor) else []


def _gradients(entry: Any, sample: Any, leaves: list, weights: list | None = None) -> _Gradients:
    torch.manual_seed(_SEED)
    results = entry.gradcheck_wrapper(entry.op, sample.input, *sample.args, **sample.kwargs)
    results = _flat(sample.output_process_fn_grad(results), torch)
    places = [i for i, result in enumerate(results) if result.requires_grad]
    if weights is None:
        source = torch.Generator().manual_seed(_SEED)
        weights = [torch.randn(results[i].shape, dtype=results[i].dtype, generator=source) for i in places]
    else:
        weights = [weight.to(results[i].dtype) for i, weight in zip(places, weights)]
    chosen = [results[i] for i in places]
    return _Gradients(places, weights, list(torch.autograd.grad(chosen, leaves, weights, allow_unused=True)))


def _slope(entry: Any, sample: Any, leaf: torch.Tensor, theirs: _Gradients) -> Callable:
    """PyTorch's function in double precision along a line through one of its inputs: step -> weighted results."""

    def along(direction: torch.Tensor, step: float) -> float:
        def moved(value: Any) -> Any:
            if not isinstance(value, torch.Tensor) or value.dtype not in arbiter.DOUBLE:
                return value
            wide = value.detach().to(arbiter.DOUBLE[value.dtype])
            return wide + step * direction if value is leaf else wide

        far = sample.transform(moved).with_metadata(output_process_fn_grad=sample.output_process_fn_grad)
        torch.manual_seed(_SEED)
        found = entry.gradcheck_wrapper(entry.op, far.input, *far.args, **far.kwargs)
        results = _flat(sample.output_process_fn_grad(found), torch)
        pairs = [(results[i], weight) for i, weight in zip(theirs.places, theirs.weights)]
        return float(sum((result * weight.to(result.dtype).conj()).real.sum() for result, weight in pairs))

    return along


def _exact_gradients(entry: Any, sample: Any, leaves: list, weights: list) -> list:
    """PyTorch's gradients in double precision; a list of None where it has none."""
    wide: dict[int, torch.Tensor] = {}

    def widen(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.dtype in arbiter.DOUBLE:
            wide[id(value)] = value.detach().to(arbiter.DOUBLE[value.dtype]).requires_grad_(value.requires_grad)
            return wide[id(value)]
        return _WIDER.get(value, value) if isinstance(value, torch.dtype) else value

    try:
        widened = sample.transform(widen).with_metadata(output_process_fn_grad=sample.output_process_fn_grad)
        inputs = [wide[id(theirs)] for theirs, _ in leaves]
        return _gradients(entry, widened, inputs, weights).gradients
    except Exception:
        return [None] * len(leaves)


def _check_errors(entry: Any, ours: Callable, result: Result) -> None:
    """Inputs that PyTorch refuses are refused with the same class."""
    _seed()
    for bad in list(entry.error_inputs("cpu")):
        sample = bad.sample_input
        if entry.op is getattr(torch.Tensor, entry.name, None) and not isinstance(sample.input, torch.Tensor):
            continue  # refused by Python, which binds no method of a C class to it
        try:
            turn, mine = _translated(sample)
        except translate.Outside:
            continue
        except Exception as error:
            result.fail("", "missing", f"{type(error).__name__}: {error}")
            continue
        try:
            _run(entry.op, torch, sample)
            continue  # refused on other devices only
        except Exception as error:
            theirs = error
        result.samples += 1
        try:
            _compute(_run(ours, rushlight, mine))
        except Exception as error:
            if not same_class(error, theirs):
                text = f"{type(error).__name__} ({_line(error)}) instead of {type(theirs).__name__} ({_line(theirs)})"
                result.fail("", "error-class", f"{text} <- {describe(sample)}")
        else:
            text = f"no error instead of {type(theirs).__name__} ({_line(theirs)})"
            result.fail("", "error-class", f"{text} <- {describe(sample)}")


def same_class(ours: Exception, theirs: Exception) -> bool:
    """Whether a handler of PyTorch's class catches ours; that a feature is missing is not a refusal of its input."""
    if isinstance(ours, NotImplementedError) != isinstance(theirs, NotImplementedError):
        return False
    return type(theirs).__name__ in {kind.__name__ for kind in type(ours).__mro__}


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:140]


def describe(sample: Any) -> str:
    """The sample in a line: tensors as dtype and shape."""

    def brief(value: Any) -> str:
        if isinstance(value, torch.Tensor):
            strides = "" if value.is_contiguous() else f" strides {value.stride()}"
            return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}{strides}"
        if isinstance(value, (list, tuple)):
            return f"({', '.join(map(brief, value))})"
        return str(value)[:60]

    parts = [brief(sample.input), *map(brief, sample.args), *(f"{k}={brief(v)}" for k, v in sample.kwargs.items())]
    return f"({', '.join(parts)})"[:300]
