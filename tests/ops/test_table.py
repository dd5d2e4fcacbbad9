"""Generated from the op table: every op with samples against real PyTorch, its gradients against finite differences."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import rushlight
from rushlight.backend.numpy.half import to_compute, to_storage
from rushlight.functional import FUNCTIONS, METHODS
from rushlight.ir.op import TABLE, Op
from rushlight.lazy.record import record
from rushlight.lazy.views import record_view

torch = pytest.importorskip("torch")

OPS = {name: op for name, op in TABLE.items() if not op.inplace}
SAMPLED = sorted(name for name, op in OPS.items() if op.samples is not None and not op.random)
DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "bool", "complex128")
TOLERANCE = {
    "float64": 1e-10,
    "float32": 2e-5,
    "float16": 4e-3,
    "bfloat16": 3e-2,
    "complex128": 1e-10,
    "complex64": 2e-5,
    "complex32": 4e-3,
}

# Public functions of PyTorch whose arguments are others than the op's, or that are something else: no direct comparison.
OTHER_SIGNATURE = {
    "conv": "PyTorch's name is convolution", "convolution": "compared through the convolution modules",
    "index": "PyTorch writes x[...]", "slice": "PyTorch writes x[...]", "cast": "PyTorch's name is Tensor.to", "scaled_dot_product_attention": "compared by its own tests",
}  # fmt: skip
# Here more dtypes are supported, or fewer on purpose.
OTHER_DTYPES = {
    ("cummax", "complex128"): "PyTorch takes complex scalars only", ("cummin", "complex128"): "PyTorch takes complex scalars only",
    ("sinc", "complex128"): "real dtypes only", ("logcumsumexp", "complex128"): "real dtypes only",
}  # fmt: skip
# Differentiable, but without samples.
_LINALG = "results are defined up to signs and orders: gradients are checked through the public functions of linalg"
NO_SAMPLES = (
    dict.fromkeys(("cofactor_op", "eig_op", "eigvalsh_op", "eigh_op", "svd_op"), _LINALG)
    | dict.fromkeys(("_standard_gamma_grad", "_dirichlet_grad"), "their gradient only says that there is none")
    | {"sparse_rows_part": "its operands describe one matrix; tests/sparse makes them"}
)


def bound(op: Op, args: tuple, kwargs: dict) -> dict[str, Any]:
    """Every parameter of the op with the sample's value or its default."""
    given = dict(zip((p.name for p in op.params), args, strict=False))
    return {p.name: given.get(p.name, kwargs.get(p.name, p.default)) for p in op.params}


def apply(op: Op, values: dict[str, Any]) -> Any:
    """Record the op itself."""
    slots = tuple(values[p.name] for p in op.slots)
    static = tuple(values[name] for name in op.statics)
    return record_view(op, slots[0], static) if op.view else record(op, slots, static)


def tensors(value: Any, make: Any) -> Any:
    """The sample's value with `make` applied to each array."""
    if isinstance(value, np.ndarray):
        return make(value)
    if isinstance(value, list):
        return [tensors(v, make) for v in value]
    return value


def as_tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def converted(array: np.ndarray, dtype: str) -> np.ndarray:
    """A float64 sample with values that the dtype can take; index and mask samples stay what they are."""
    if array.dtype != np.float64:
        return array
    if dtype == "int64":
        return np.rint(array * 3).astype(np.int64)
    if dtype == "bool":
        return array > 0
    if dtype == "complex128":
        return array + 0.5j * array[::-1] if array.ndim else array + 0.5j
    return array


def pairs(dtype: str) -> tuple[Any, Any]:
    """How a sample array becomes a tensor of each library."""

    def mine(array: np.ndarray) -> Any:
        made = rushlight.tensor(converted(array, dtype))
        return made.to(getattr(rushlight, dtype)) if array.dtype == np.float64 else made

    def theirs(array: np.ndarray) -> Any:
        made = torch.tensor(converted(array, dtype))
        return made.to(getattr(torch, dtype)) if array.dtype == np.float64 else made

    return mine, theirs


def their_function(name: str) -> Any:
    """PyTorch's function or method of an op's name."""
    if name in OTHER_SIGNATURE:
        return None
    for owner in (torch, torch.Tensor, torch.special, torch.nn.functional):
        found = getattr(owner, name, None)
        if callable(found):
            return found
    return None


def my_function(name: str) -> Any:
    return FUNCTIONS.get(name, METHODS.get(name))


def translated(value: Any) -> Any:
    """A static argument as PyTorch takes it."""
    return getattr(torch, value.name) if isinstance(value, rushlight.dtype) else value


def call(function: Any, args: tuple, kwargs: dict) -> tuple[Any, BaseException | None]:
    """The result with its values computed, and what was raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = function(*args, **kwargs)
            for t in as_tuple(result):
                if isinstance(t, rushlight.Tensor):
                    t._compute_array()
            return result, None
        except Exception as error:  # the class is what is compared
            return None, error


def array_of(t: Any) -> np.ndarray:
    """The values of either library's tensor, bfloat16 widened."""
    if t.dtype in (rushlight.bfloat16, torch.bfloat16):
        t = t.float()
    kind = {"complex32": "complex64"}.get(name := str(t.dtype).removeprefix("torch."), name)  # NumPy has no such type
    return np.asarray(t.detach().tolist(), np.dtype(kind)).reshape(tuple(t.shape))


def compare(mine: Any, theirs: Any, what: str, dtype: str) -> None:
    mine, theirs = as_tuple(mine), as_tuple(theirs)
    assert len(mine) == len(theirs), f"{what}: {len(mine)} results, PyTorch has {len(theirs)}"
    for a, b in zip(mine, theirs, strict=True):
        assert str(a.dtype) == str(b.dtype), f"{what}: dtype {a.dtype}, PyTorch {b.dtype}"
        assert tuple(a.shape) == tuple(b.shape), f"{what}: shape {tuple(a.shape)}, PyTorch {tuple(b.shape)}"
        x, y = array_of(a), array_of(b)
        tolerance = TOLERANCE.get(str(b.dtype).removeprefix("torch."), 0) or (
            0 if dtype in ("int64", "bool") else TOLERANCE.get(dtype, 0)
        )
        assert np.allclose(x, y, rtol=tolerance, atol=tolerance, equal_nan=True), f"{what}:\n{x}\nPyTorch:\n{y}"


@pytest.mark.parametrize("name", [n for n in SAMPLED if my_function(n) and their_function(n)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_forward_like_pytorch(name: str, dtype: str) -> None:
    op = OPS[name]
    if (name, dtype) in OTHER_DTYPES:
        pytest.skip(OTHER_DTYPES[name, dtype])
    mine, theirs = pairs(dtype)
    for number, (args, kwargs) in enumerate(op.samples()):
        what = f"{name} in {dtype}, sample {number}"
        expected, refusal = call(
            their_function(name),
            tuple(translated(tensors(a, theirs)) for a in args),
            {k: translated(tensors(v, theirs)) for k, v in kwargs.items()},
        )
        found, error = call(
            my_function(name), tuple(tensors(a, mine) for a in args), {k: tensors(v, mine) for k, v in kwargs.items()}
        )
        if refusal is not None:
            if "not implemented for" in str(refusal) or isinstance(refusal, NotImplementedError):
                # a gap of PyTorch's CPU kernels, not a rule; but no error of NumPy's may come through
                assert error is None or isinstance(error, RuntimeError), f"{what}: {error!r}"
                continue
            assert error is not None, f"{what}: PyTorch raises {refusal!r}, here {found}"
            assert isinstance(error, type(refusal)), f"{what}: PyTorch raises {refusal!r}, here {error!r}"
            continue
        assert error is None, f"{what}: {error!r}"
        compare(found, expected, what, dtype)


@pytest.mark.parametrize("name", SAMPLED)
def test_inference_agrees_with_reference(name: str) -> None:
    """The shape and dtype known before running are those of what the reference computes; recording and compiling change no value by
    more than rounding does."""
    op = OPS[name]
    for args, kwargs in op.samples():
        values = bound(op, args, kwargs)
        found = apply(op, {k: tensors(v, rushlight.tensor) for k, v in values.items()})
        inputs = [values[p.name] for p in op.slots]
        metas = [metas_of(v) for v in inputs]
        static = {k: values[k] for k in op.statics}
        kind = op.promote(*metas, **static) if op.promote is not None else None
        arrays = [prepared(v, kind) for v in inputs]
        with np.errstate(all="ignore"):
            expected = op.reference(*arrays, **static)
        found, expected = as_tuple(found), expected if isinstance(expected, tuple) else (expected,)
        assert len(found) == len(expected)
        for t, array in zip(found, expected, strict=True):
            array = np.asarray(array)
            assert tuple(t.shape) == array.shape
            array = to_compute(to_storage(array, t.dtype), t.dtype)
            computed = t._compute_array()
            if array.dtype.kind in "fc":
                tolerance = 1e-13 if array.dtype.itemsize >= 8 else 1e-6
                assert np.allclose(computed, array, rtol=tolerance, atol=tolerance, equal_nan=True)
            else:
                assert np.array_equal(computed, array)


def metas_of(value: Any) -> Any:
    from rushlight.ir.meta import WEAK

    if isinstance(value, list):
        return tuple(metas_of(v) for v in value)
    if isinstance(value, np.ndarray):
        return rushlight.tensor(value)._meta
    return None if value is None else WEAK[type(value)]


def prepared(value: Any, kind: Any) -> Any:
    if isinstance(value, list):
        return [prepared(v, kind) for v in value]
    if value is None:
        return None
    array = np.asarray(value)
    return array if kind is None else array.astype(kind.compute)


# --- gradients ----------------------------------------------------------------------------------------------------


def tracked_slots(op: Op, values: dict[str, Any]) -> list[str]:
    """The slots that a gradient flows to: float64 arrays whose rule is not None."""
    rules = op.vjp if isinstance(op.vjp, tuple) else [True] * len(op.slots)
    found = []
    for p, rule in zip(op.slots, rules, strict=False):
        value = values[p.name]
        floats = [
            v
            for v in (value if isinstance(value, list) else [value])
            if isinstance(v, np.ndarray) and v.dtype == np.float64
        ]
        if rule is not None and floats and (op.name, p.name) not in NO_GRADIENT:
            found.append(p.name)
    return found


# Ops whose input is taken as symmetric: they read one triangle.
SYMMETRIC = {"cholesky_op", "cholesky_ex_op", "eigh_op", "eigvalsh_op", "eigh", "cholesky"}

# Slots of ops with one rule for all of them that take no gradient.
NO_GRADIENT: dict[tuple[str, str], str] = {
    ("igamma", "input"): "raises NotImplementedError, as in PyTorch",
    ("igammac", "input"): "raises NotImplementedError, as in PyTorch",
}


def gradient_case(op: Op, args: tuple, kwargs: dict, kind: str = "float64") -> tuple[Any, list]:
    """A function of the op's differentiable tensors, and those tensors, in a dtype."""

    def made(array: np.ndarray) -> Any:
        return rushlight.tensor(array.astype(kind) if array.dtype == np.float64 else array)

    values = bound(op, args, kwargs)
    names = tracked_slots(op, values)
    inputs: list[Any] = []
    places: list[tuple[str, int | None]] = []
    for name in names:
        value = values[name]
        for index, array in enumerate(value if isinstance(value, list) else [value]):
            inputs.append(made(array).requires_grad_())
            places.append((name, index if isinstance(value, list) else None))
    fixed = {k: tensors(v, made) for k, v in values.items()}

    def function(*given: Any) -> tuple:
        now = {k: list(v) if isinstance(v, list) else v for k, v in fixed.items()}
        for (name, index), t in zip(places, given, strict=True):
            if op.name in SYMMETRIC:
                t = (t + t.mT) / 2
            if index is None:
                now[name] = t
            else:
                now[name][index] = t
        found = as_tuple(apply(op, now))
        return tuple(
            real
            for t in found
            for real in ((t.real, t.imag) if t.is_complex() else (t,))
            if t.is_floating_point() or t.is_complex()
        )

    return function, inputs


DIFFERENTIABLE = [n for n in SAMPLED if OPS[n].differentiable]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient(name: str) -> None:
    op = OPS[name]
    checked = 0
    if name in NOT_CHECKED:
        return
    for args, kwargs in op.samples():
        function, inputs = gradient_case(op, args, kwargs)
        if checked and sum(t.numel() for t in inputs) > 14:
            continue  # another small sample tells as much in less time
        if inputs and any(t.requires_grad for t in function(*inputs)):
            assert rushlight.autograd.gradcheck(function, tuple(inputs))
            checked += 1
    assert checked, "no sample of this op reached its gradient rule"


# Ops whose gradient flows to complex tensors only, or is zero by definition.
NOT_CHECKED = {
    "real_part": "complex input", "imag_part": "complex input", "view_as_real": "complex input",
    "fft_c2c_op": "complex input", "fft_c2r_op": "complex input", "trunc_divide": "zero everywhere",
    "mode_dim": "finite differences part the equal values",
}  # fmt: skip

# First order only.
FIRST_ORDER = {"ctc_loss_op": "raises NotImplementedError for the second order"}


@pytest.mark.parametrize("name", [n for n in DIFFERENTIABLE if n not in FIRST_ORDER and n not in NOT_CHECKED])
def test_second_gradient(name: str) -> None:
    op = OPS[name]
    for args, kwargs in op.samples():
        function, inputs = gradient_case(op, args, kwargs)
        if inputs and sum(t.numel() for t in inputs) <= 12 and any(t.requires_grad for t in function(*inputs)):
            assert rushlight.autograd.gradgradcheck(function, tuple(inputs))
            return


# --- in place, layouts, declarations --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in SAMPLED if n + "_" in TABLE and not OPS[n].name.endswith("_write")])
def test_in_place_like_out_of_place(name: str) -> None:
    from rushlight.lazy.views import record_inplace

    op, sibling = OPS[name], TABLE[name + "_"]
    for args, kwargs in op.samples():
        values = {k: tensors(v, rushlight.tensor) for k, v in bound(op, args, kwargs).items()}
        first = op.slots[0].name
        expected = apply(op, values)
        target = values[first] = values[first].clone()
        if tuple(expected.shape) != tuple(target.shape):
            continue
        alias = target[...]
        static = tuple(values[n] for n in op.statics)
        got, error = call(record_inplace, (sibling, tuple(values[p.name] for p in op.slots), static), {})
        if error is not None:
            assert isinstance(error, RuntimeError) and expected.dtype is not target.dtype
            continue
        assert got is target
        assert target.tolist() == expected.to(target.dtype).tolist()
        assert alias.tolist() == target.tolist()


@pytest.mark.parametrize("name", [n for n in SAMPLED if n != "view_dtype"])
def test_layout_of_inputs_changes_nothing(name: str) -> None:
    op = OPS[name]

    def turned(array: np.ndarray) -> Any:
        return (
            rushlight.tensor(array.T.copy()).permute(tuple(range(array.ndim))[::-1])
            if array.ndim > 1
            else rushlight.tensor(array)
        )

    for args, kwargs in op.samples():
        values = bound(op, args, kwargs)
        found, error = call(lambda v: as_tuple(apply(op, v)), ({k: tensors(v, turned) for k, v in values.items()},), {})
        if error is not None and op.view:  # a view of another layout may not exist
            continue
        assert error is None, repr(error)
        for a, b in zip(
            found, as_tuple(apply(op, {k: tensors(v, rushlight.tensor) for k, v in values.items()})), strict=True
        ):
            assert a.dtype is b.dtype
            x, y = a._compute_array(), b._compute_array()
            if name not in ("as_strided",):
                assert np.allclose(x, y, rtol=1e-12, atol=1e-12, equal_nan=True)


def test_every_op_says_what_it_is() -> None:
    assert [name for name, op in TABLE.items() if not op.doc] == []
    assert [name for name, op in TABLE.items() if op.reference is None] == []


def test_every_differentiable_op_has_samples() -> None:
    missing = {
        n
        for n, op in OPS.items()
        if op.differentiable and op.samples is None and not op.random and not n.endswith(("_write", "_backward"))
    }
    assert missing <= set(NO_SAMPLES)
