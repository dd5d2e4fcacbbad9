"""Random tensors: fresh ones, `*_like`, and the in-place fills. Bit-equal to PyTorch's CPU generator."""

from __future__ import annotations

from typing import Any

from rushlight import device as devices
from rushlight import dtype as dtypes
from rushlight import random as rng
from rushlight.errors import explain_error
from rushlight.functional.checks import write_apart
from rushlight.functional.creation import check_differentiable, size_of
from rushlight.functional.registry import as_int, public, write_out
from rushlight.ir.layout import format_name, stride_of
from rushlight.ir.meta import meta
from rushlight.ir.op import TABLE
from rushlight.layout import check_strided
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record
from rushlight.lazy.views import record_inplace
from rushlight.ops.random import largest, layout_of
from rushlight.ops.rules import dense_stride

for _function in (rng.manual_seed, rng.seed, rng.initial_seed, rng.get_rng_state, rng.set_rng_state):
    public()(_function)


def _draw(op: str, inputs: tuple, static: tuple, generator: Any) -> Any:
    """Record a random op; its last static argument is the generator."""
    return record(TABLE[op], inputs, (*static, rng.enter_generator(generator)))


def _fresh(
    op: str, numbers: tuple, size: tuple[int, ...], options: dict[str, Any], *, layout: Any = None, dtype: Any = None
) -> Any:
    """A new tensor; `options` are the keyword arguments that all factories take."""
    kind = options.pop("dtype", None) or dtype or dtypes.get_default_dtype()
    out, generator = options.pop("out", None), options.pop("generator", None)
    requires_grad, place = options.pop("requires_grad", False), devices.resolve(options.pop("device", None))
    check_strided(op.removesuffix("_op"), options.pop("layout", None))
    unknown = set(options) - {"pin_memory", "names"}
    if unknown:
        raise TypeError(
            f"{op.removesuffix('_op')}: got an unexpected keyword argument {sorted(unknown)[0]!r}; known are "
            f"generator, out, dtype, device, requires_grad."
        )
    if out is not None:
        kind = out.dtype
    if requires_grad:
        check_differentiable(kind)
    if place.type == "meta":
        result = record(TABLE["full_op"], (0,), (size, kind, place))
    else:
        result = _draw(op, numbers, (size, layout, kind, place), generator)
    if requires_grad:
        result.requires_grad_()
    return result if out is None else write_out(out, result)


def _size(size: tuple, options: dict[str, Any]) -> tuple[int, ...]:
    return size_of((options.pop("size"),) if "size" in options else size)


@public()
def rand(*size: Any, **options: Any) -> Any:
    """Uniform samples from [0, 1): `rand(2, 3, generator=, out=, dtype=, device=, requires_grad=)`.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0); torch.rand(3)
    tensor([0.4963, 0.7682, 0.0885])
    """
    return _fresh("uniform_op", (0.0, 1.0), _size(size, options), options)


@public()
def randn(*size: Any, **options: Any) -> Any:
    """Standard normal samples; arguments as `rand`.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randn(2)
    tensor([ 1.5410, -0.2934])
    """
    return _fresh("normal_op", (0.0, 1.0), _size(size, options), options)


def _last(name: str, low: Any, high: Any, kind: Any) -> tuple[int, int]:
    """The bounds as recorded, both included: the largest is then an int64 too."""
    try:
        low, high = as_int(low), as_int(high)
    except TypeError:
        raise TypeError(
            explain_error(name, got=f"low={low!r}, high={high!r}", expected="integers", fix="int(...)")
        ) from None
    if low >= high:
        raise RuntimeError(
            f"{name}: random_ expects 'from' to be less than 'to', but got from={low} >= to={high}. Fix: high "
            f"itself is never drawn; raise it."
        )
    if kind.category < dtypes.FLOATING:
        top = largest(kind)
        least = -top - 1 if kind.is_signed else 0
        for word, bound in (("from", low), ("to - 1", high - 1)):
            if not least <= bound <= top:
                raise RuntimeError(
                    f"{name}: {word} is out of bounds for {kind}: got {bound}; expected {least} to {top}. Fix: use "
                    f"another dtype."
                )
    return low, high - 1


@public()
def randint(*bounds: Any, **options: Any) -> Any:
    """Integers: `randint(high, size)` or `randint(low, high, size)`; high is never drawn.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0); torch.randint(0, 10, (3,))
    tensor([4, 9, 3])
    """
    given = list(bounds)
    size = options.pop("size") if "size" in options else given.pop() if given else None
    low, high = options.pop("low", None), options.pop("high", None)
    if low is None and (len(given) == 2 or (given and high is not None)):
        low = given.pop(0)
    if high is None and given:
        high = given.pop(0)
    if given or high is None or not isinstance(size, (tuple, list)):
        raise TypeError(
            explain_error(
                "randint",
                got=f"arguments {bounds}",
                expected="randint(high, size) or randint(low, high, size)",
                fix="write size as a tuple, such as (3,)",
            )
        )
    kind = options.get("dtype") or (options["out"].dtype if options.get("out") is not None else dtypes.int64)
    return _fresh("randint_op", _last("randint", low or 0, high, kind), size_of((size,)), options, dtype=dtypes.int64)


@public()
def randperm(
    n: int,
    *,
    generator: Any = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """The integers 0 … n-1 in random order.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randperm(4)
    tensor([0, 1, 3, 2])
    """
    check_strided("randperm", layout)
    kind = dtype or (out.dtype if out is not None else dtypes.int64)
    result = _draw("randperm_op", (), (as_int(n), kind, devices.resolve(device)), generator)
    if requires_grad:
        result.requires_grad_()
    return result if out is None else write_out(out, result)


def _like(op: str, numbers: tuple, input: Any, options: dict[str, Any]) -> Any:
    """A fresh tensor with the shape, dtype, device and order of memory of `input`."""
    if not isinstance(input, Handle):
        raise TypeError(
            explain_error(op.removesuffix("_op") + "_like", got=f"a {type(input).__name__}", expected="a tensor")
        )
    m = input._meta
    layout = None
    name = format_name(op.removesuffix("_op") + "_like", options.pop("memory_format", None))
    if name != "preserve_format":
        layout = layout_of(meta(m.shape, m.dtype, stride=stride_of(name, m.shape)))
    else:
        layout = layout_of(meta(m.shape, m.dtype, stride=dense_stride(m.shape, (m,))))
    options["dtype"] = options.get("dtype") or m.dtype
    options["device"] = options.get("device") or m.device
    return _fresh(op, numbers, tuple(m.shape), options, layout=layout)


@public()
def rand_like(input: Any, **options: Any) -> Any:
    """Uniform samples from [0, 1), shaped as `input`.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.rand_like(torch.zeros(2))
    tensor([0.4963, 0.7682])
    """
    return _like("uniform_op", (0.0, 1.0), input, options)


@public()
def randn_like(input: Any, **options: Any) -> Any:
    """Standard normal samples, shaped as `input`."""
    return _like("normal_op", (0.0, 1.0), input, options)


@public()
def randint_like(input: Any, low: Any = None, high: Any = None, **options: Any) -> Any:
    """Integers, shaped as `input`: `randint_like(x, high)` or `randint_like(x, low, high)`."""
    if high is None:
        low, high = 0, low
    kind = options.get("dtype") or input.dtype
    return _like("randint_op", _last("randint_like", low or 0, high, kind), input, options)


@public()
def normal(mean: Any, std: Any = 1.0, size: Any = None, **options: Any) -> Any:
    """Normal samples: mean and std are tensors of one shape, or numbers with a size.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.normal(torch.zeros(2), 1.0)
    tensor([ 1.5410, -0.2934])
    """
    if isinstance(mean, Handle) or isinstance(std, Handle):
        out, generator = options.pop("out", None), options.pop("generator", None)
        least = mean if isinstance(mean, Handle) else std
        if not isinstance(std, Handle):
            _check("normal", "std", std, std >= 0, ">= 0")
        result = _draw("normal_each_op", (mean, std), (least._meta.dtype,), generator)
        return result if out is None else write_out(out, result)
    if size is None:
        raise TypeError(
            explain_error(
                "normal", got="two numbers", expected="a size beside them", fix="normal(mean, std, size=(2, 3))"
            )
        )
    _check("normal", "std", std, std >= 0, ">= 0")
    return _fresh("normal_op", (float(mean), float(std)), size_of((size,)), options)


def _check(op: str, name: str, value: Any, good: bool, expected: str) -> None:
    if not good:
        raise RuntimeError(
            explain_error(op, got=f"{name}={value}", expected=f"{name} {expected}", fix=f"pass another {name}")
        )


# --- in place -----------------------------------------------------------------------------------------------------


def _fill(op: str, input: Any, numbers: tuple, generator: Any) -> Any:
    m = input._meta
    if m.device.type == "meta":
        return input
    index = rng.enter_generator(generator)
    return record_inplace(TABLE[op + "_fill_op_"], (input, *numbers), (layout_of(m), m.dtype, index))


def _bounds(values: tuple, named: dict[str, Any], low: Any, high: Any) -> tuple[Any, Any]:
    """`from` and `to`, of which Python lets the first be a keyword only in `**`."""
    found = dict(zip(("from", "to"), values, strict=False))
    found.update(named)
    unknown = set(found) - {"from", "to"}
    if unknown or len(values) > 2:
        raise TypeError(explain_error("random fill", got=f"{values} {named}", expected="from, to and generator only"))
    return found.get("from", low), found.get("to", high)


@public(method=True, function=False)
def uniform_(input: Any, *bounds: Any, generator: Any = None, **named: Any) -> Any:
    """Overwrite with uniform samples from [from, to), by default [0, 1)."""
    low, high = _bounds(bounds, named, 0.0, 1.0)
    if not low <= high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}. Fix: swap the two "
            f"bounds."
        )
    return _fill("uniform", input, (float(low), float(high)), generator)


@public(method=True, function=False)
def normal_(input: Any, mean: float = 0, std: float = 1, *, generator: Any = None) -> Any:
    """Overwrite with normal samples."""
    _check("normal_", "std", std, std >= 0, ">= 0")
    return _fill("normal", input, (float(mean), float(std)), generator)


@public(method=True, function=False)
def random_(input: Any, *bounds: Any, generator: Any = None, **named: Any) -> Any:
    """Overwrite with integers: `random_()` over the whole dtype, `random_(to)`, `random_(from, to)`."""
    if len(bounds) == 1:
        bounds = (0, *bounds)
    low, high = _bounds(bounds, named, None, None)
    if low is None and high is None:
        return _fill("random_full", input, (), generator)
    if high is None:
        high = largest(input.dtype) + 1
    return _fill("randint", input, _last("random_", low or 0, high, input.dtype), generator)


@public(method=True, function=False)
def exponential_(input: Any, lambd: float = 1, *, generator: Any = None) -> Any:
    """Overwrite with samples of density lambd * exp(-lambd * x)."""
    _check("exponential_", "lambd", lambd, lambd > 0, "> 0")
    return _fill("exponential", input, (float(lambd),), generator)


@public(method=True, function=False)
def log_normal_(input: Any, mean: float = 1, std: float = 2, *, generator: Any = None) -> Any:
    """Overwrite with exp of normal samples."""
    _check("log_normal_", "std", std, std > 0, "> 0")
    return _fill("log_normal", input, (float(mean), float(std)), generator)


@public(method=True, function=False)
def cauchy_(input: Any, median: float = 0, sigma: float = 1, *, generator: Any = None) -> Any:
    """Overwrite with Cauchy samples."""
    _check("cauchy_", "sigma", sigma, sigma > 0, "> 0")
    return _fill("cauchy", input, (float(median), float(sigma)), generator)


@public(method=True, function=False)
def geometric_(input: Any, p: float, *, generator: Any = None) -> Any:
    """Overwrite with the number of trials up to the first success."""
    _check("geometric_", "p", p, 0 < p < 1, "in (0, 1)")
    return _fill("geometric", input, (float(p),), generator)


@public(method=True, function=False)
def bernoulli_(input: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
    """Overwrite with zeros and ones; p is a number, or a tensor with a probability for each element."""
    if isinstance(p, Handle):
        index = rng.enter_generator(generator)
        return record_inplace(TABLE["bernoulli_each_op_"], (input, p), (layout_of(input._meta), index))
    _check("bernoulli_", "p", p, 0 <= p <= 1, "in [0, 1]")
    return _fill("bernoulli", input, (float(p),), generator)


# --- from tensors -------------------------------------------------------------------------------------------------


@public(method=True)
def bernoulli(input: Any, p: Any = None, *, generator: Any = None, out: Any = None) -> Any:
    """Zeros and ones, one with the probability that `input` holds (or p, shaped as input).

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.bernoulli(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if p is None:
        result = _draw("bernoulli_each_op", (input, input), (None,), generator)
    else:
        options = {"generator": generator, "dtype": input.dtype, "device": input.device}
        result = _fresh("bernoulli_op", (_probability(p),), tuple(input.shape), options)
    return result if out is None else write_out(out, result)


def _probability(p: Any) -> float:
    _check("bernoulli", "p", p, 0 <= p <= 1, "in [0, 1]")
    return float(p)


@public(method=True)
def multinomial(
    input: Any, num_samples: int, replacement: bool = False, *, generator: Any = None, out: Any = None
) -> Any:
    """Indices drawn by the weights in `input`, from each row.

    >>> import rushlight as torch
    >>> torch.multinomial(torch.tensor([0.0, 1.0]), 1)
    tensor([1])
    """
    result = _draw("multinomial_op", (input,), (as_int(num_samples), bool(replacement), input.dtype), generator)
    return write_apart("multinomial", out, result, input)


@public()
def poisson(input: Any, generator: Any = None) -> Any:
    """Poisson counts with the rates in `input`."""
    return _draw("poisson_op", (input,), (input.dtype,), generator)


@public()
def binomial(count: Any, prob: Any, generator: Any = None) -> Any:
    """How many of `count` trials succeed, each with the chance `prob`: floating tensors of one dtype, broadcast.

    >>> import rushlight as torch
    >>> torch.binomial(torch.tensor([4.0, 4.0]), torch.tensor([0.0, 1.0]))
    tensor([0., 4.])
    """
    return _draw("binomial_op", (count, prob), (count.dtype,), generator)


def dropout_mask(input: Any, keep_probability: float, shape: Any = None) -> Any:
    """Zeros and ones in input's dtype, one with the given probability: two words an element, in order of memory.

    `shape`: another shape than input's, as the dropout of whole channels needs.
    """
    keep = _probability(keep_probability)
    if shape is None:
        return _like("bernoulli_op", (keep,), input, {})
    return _fresh("bernoulli_op", (keep,), size_of((shape,)), {"dtype": input.dtype, "device": input.device})
