"""Element by element: functions that keep zero, sums, differences and products with sparse tensors and with numbers."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.dtype import can_cast
from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS
from rushlight.sparse import structure
from rushlight.sparse.coo import CooTensor, added_up, coo, empty, mapped
from rushlight.sparse.dispatch import HANDLERS, handles, is_sparse
from rushlight.sparse.tensor import refusal

# Functions with f(0) = 0. Values of one place are added up first: f(a + b) is not f(a) + f(b).
KEEP_ZERO = (
    "abs", "absolute", "arcsin", "arcsinh", "arctan", "arctanh", "asin", "asinh", "atan", "atanh", "ceil", "deg2rad", "erf", "erfinv",
    "expm1", "fix", "floor", "frac", "isinf", "isnan", "isneginf", "isposinf", "log1p", "nan_to_num", "positive", "rad2deg", "relu",
    "round", "sgn", "sign", "signbit", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc", "conj_physical",
)  # fmt: skip


def _zero_keeper(name: str) -> Callable[..., Any]:
    function = FUNCTIONS[name]

    def apply(input: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        x = input.coalesce()
        if name == "relu":  # nn.functional's has a flag
            kwargs, args = {}, ()
        return mapped(x, lambda v: function(v, *args, **kwargs), f"{name.capitalize()}Backward0")

    apply.__name__ = name
    apply.__doc__ = function.__doc__
    return apply


for _name in KEEP_ZERO:
    if _name in FUNCTIONS:
        handles(_name)(_zero_keeper(_name))


@handles("neg", "negative")
def neg(input: Any, *, out: Any = None) -> Any:
    """-input."""
    return mapped(input, FUNCTIONS["neg"], "NegBackward0")


@handles("pow")
def power(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """input ** exponent, for an exponent above 0."""
    if is_sparse(exponent) or not isinstance(exponent, numbers.Number) or exponent == 0:
        raise RuntimeError(explain_error("pow", got=f"a sparse tensor and the exponent {exponent!r}", expected="a number other than 0", fix=".to_dense() first"))  # fmt: skip
    return mapped(input.coalesce(), lambda v: v**exponent, "PowBackward0")


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (numbers.Number, np.generic))
        or hasattr(value, "_meta")
        and not value.ndim
        and not is_sparse(value)
    )


@handles("mul", "multiply")
def mul(input: Any, other: Any, *, out: Any = None) -> Any:
    """Products with a number, with a dense tensor (the sparse one's places remain), or place by place."""
    if not is_sparse(input):
        input, other = other, input
    if _is_number(other):
        return mapped(input, lambda v: v * other, "MulBackward0")
    if not hasattr(other, "_meta"):
        raise TypeError(explain_error("mul", got=f"a {type(other).__name__}", expected="a tensor or a number"))
    if not is_sparse(other):
        return _times_dense(input, other)
    _same_shape("mul", input, other)
    a, b = input.coalesce(), other.coalesce()
    sizes = a.shape[: a.sparse_dim()]
    if a.sparse_dim() != b.sparse_dim():
        raise RuntimeError(
            explain_error("mul", got=f"{a.sparse_dim()} and {b.sparse_dim()} sparse dimensions", expected="as many")
        )
    if a._indices_part is b._indices_part:
        return coo(a._indices_part, a._values_part * b._values_part, a.shape, False, "MulBackward0")
    one, two = (structure.keys("mul", structure.host(x._indices_part), sizes) for x in (a, b))
    both, here, there = np.intersect1d(one, two, assume_unique=True, return_indices=True)
    values = a._values_part[structure.tensor_of(here)] * b._values_part[structure.tensor_of(there)]
    return coo(structure.tensor_of(structure.places(both, sizes)), values, a.shape, False, "MulBackward0")


def at_places(dense: Any, x: CooTensor) -> Any:
    """The elements of a dense tensor at the places of a sparse one."""
    return dense[tuple(x.rows())] if x.sparse_dim() else dense.unsqueeze(0).expand(x._nnz(), *dense.shape)


def _times_dense(x: CooTensor, dense: Any) -> CooTensor:
    if tuple(np.broadcast_shapes(x.shape, dense.shape)) != tuple(x.shape):
        raise RuntimeError(explain_error("mul", got=f"a sparse tensor of {list(x.shape)} and a dense one of {list(dense.shape)}", expected="a dense tensor that broadcasts to the sparse one's shape"))  # fmt: skip
    return x._with_values(x._values_part * at_places(dense.expand(x.shape), x), "MulBackward0")


@handles("div", "divide", "true_divide")
def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """Division by a number."""
    if not is_sparse(input) or not _is_number(other):
        got = (
            "a sparse divisor"
            if not is_sparse(input) or is_sparse(other)
            else f"a divisor of shape {list(other.shape)}"
        )
        raise RuntimeError(explain_error("div", got=got, expected="a sparse tensor over a number or a 0-d dense tensor", fix="multiply with the reciprocal, or .to_dense()"))  # fmt: skip
    x = input if rounding_mode is None else input.coalesce()
    return mapped(x, lambda v: FUNCTIONS["div"](v, other, rounding_mode=rounding_mode), "DivBackward0")


@handles("floor_divide")
def floor_divide(input: Any, other: Any, *, out: Any = None) -> Any:
    """Division by a number, rounded down."""
    return div(input, other, rounding_mode="floor")


def _same_shape(name: str, a: Any, b: Any) -> None:
    if tuple(a.shape) != tuple(b.shape):
        raise RuntimeError(explain_error(name, got=f"sizes {list(a.shape)} and {list(b.shape)}", expected="the same size: sparse tensors do not broadcast"))  # fmt: skip


@handles("add")
def add(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """input + alpha * other: both sparse, or a dense tensor plus a sparse one."""
    return _sum("add", input, other, alpha)


@handles("sub", "subtract")
def sub(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """input - alpha * other."""
    return _sum("sub", input, other, -alpha)


def _sum(name: str, a: Any, b: Any, alpha: Any) -> Any:
    if is_sparse(a) and is_sparse(b):
        return _sparse_sum(name, a, b, alpha)
    if is_sparse(a) or not hasattr(a, "_meta"):
        raise RuntimeError(explain_error(name, got="a sparse tensor and a dense one or a number, in this order", expected="two sparse tensors, or dense and then sparse", fix="torch.add(dense, sparse), or .to_dense()"))  # fmt: skip
    _same_shape(name, a, b)
    values = _scaled(b._values_part, alpha)
    kind = FUNCTIONS["promote_types"](a.dtype, values.dtype)
    return a.to(kind).index_put(tuple(b.rows()), values.to(kind), accumulate=True)


def _same_places(a: Any, b: Any) -> bool:
    """Whether the indices are known to be the same: those that wait to be computed are not looked at."""
    if a is b:
        return True
    return (
        a.shape == b.shape
        and a._trace is None
        and b._trace is None
        and np.array_equal(structure.host(a), structure.host(b))
    )


def _scaled(values: Any, alpha: Any) -> Any:
    return values if alpha.__class__ is int and alpha == 1 else values * alpha


def _sparse_sum(name: str, a: CooTensor, b: CooTensor, alpha: Any) -> CooTensor:
    _same_shape(name, a, b)
    if a.sparse_dim() != b.sparse_dim():
        raise RuntimeError(
            explain_error(name, got=f"{a.sparse_dim()} and {b.sparse_dim()} sparse dimensions", expected="as many")
        )
    made_by = f"{name.capitalize()}Backward0"
    kind = FUNCTIONS["promote_types"](a.dtype, b.dtype)
    one, two = a._values_part.to(kind), _scaled(b._values_part, alpha).to(kind)
    if _same_places(a._indices_part, b._indices_part):
        return a._with_values(one + two, made_by)
    values = FUNCTIONS["cat"]([one, two])
    if not (a._coalesced and b._coalesced):  # side by side: they add up where somebody coalesces
        return coo(FUNCTIONS["cat"]([a._indices_part, b._indices_part], 1), values, a.shape, False, made_by)
    sizes = a.shape[: a.sparse_dim()]
    numbers_ = [structure.keys(name, structure.host(x._indices_part), sizes) for x in (a, b)]
    unique, group = np.unique(np.concatenate(numbers_), return_inverse=True)
    total = added_up(values, structure.tensor_of(group.ravel()), len(unique))
    return coo(structure.tensor_of(structure.places(unique, sizes)), total, a.shape, True, made_by)


# --- in place -------------------------------------------------------------------------------------------------------


def _in_place(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def apply(input: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_sparse(input):
            return _dense_in_place(name, input, *args, **kwargs)
        made = function(input, *args, **kwargs)
        if not can_cast(made.dtype, input.dtype):
            raise RuntimeError(
                explain_error(name, got=f"a result of {made.dtype}", expected=f"one that {input.dtype} holds")
            )
        return input._become(made.to(input.dtype))

    apply.__name__ = name
    apply.__doc__ = f"In-place `{name[:-1]}`."
    return apply


def _dense_in_place(name: str, dense: Any, other: Any, *, alpha: Any = 1) -> Any:
    """dense += alpha * sparse."""
    if name not in ("add_", "sub_"):
        raise refusal(name, other)
    _same_shape(name, dense, other)
    values = _scaled(other._values_part, alpha if name == "add_" else -alpha)
    return dense.index_put_(tuple(other.rows()), values.to(dense.dtype), accumulate=True)


_IN_PLACE = {
    "add_": add,
    "sub_": sub,
    "mul_": mul,
    "div_": div,
    "neg_": neg,
    "pow_": power,
    "floor_divide_": floor_divide,
}
for _name in KEEP_ZERO:
    if _name in FUNCTIONS:
        _IN_PLACE[_name + "_"] = HANDLERS[_name]
for _name, _function in _IN_PLACE.items():
    handles(_name)(_in_place(_name, _function))


@handles("zero_")
def zero_(input: Any) -> Any:
    """Forget all values, in place."""
    return input._become(empty(input.shape, input.sparse_dim(), input.dtype))


@handles("copy_")
def copy_(input: Any, src: Any, non_blocking: bool = False) -> Any:
    """Take over the places and values of another sparse tensor."""
    if not (is_sparse(input) and is_sparse(src)):
        raise RuntimeError(explain_error("copy_", got="a sparse tensor and a dense one", expected="two tensors of one layout", fix="dense.copy_(sparse.to_dense())"))  # fmt: skip
    _same_shape("copy_", input, src)
    return input._become(src.to(input.dtype).clone())
