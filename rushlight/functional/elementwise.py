"""Functions of one element with PyTorch's extra arguments: limits, choices, comparisons within tolerances; and softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.registry import METHODS, as_ints, public, write_out
from rushlight.ir.op import TABLE
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record
from rushlight.lazy.views import record_inplace


@public(method=True)
def clamp_min(input: Any, min: Any) -> Any:
    """At least min.

    >>> import rushlight as torch
    >>> torch.clamp_min(torch.tensor([-1.0, 2.0]), 0)
    tensor([0., 2.])
    """
    return record(TABLE["clamp"], (input, min, None))


@public(method=True)
def clamp_max(input: Any, max: Any) -> Any:
    """At most max.

    >>> import rushlight as torch
    >>> torch.clamp_max(torch.tensor([-1.0, 2.0]), 0)
    tensor([-1.,  0.])
    """
    return record(TABLE["clamp"], (input, None, max))


public("clamp_min_", method=True)(lambda input, min: record_inplace(TABLE["clamp_"], (input, min, None)))
public("clamp_max_", method=True)(lambda input, max: record_inplace(TABLE["clamp_"], (input, None, max)))


@public(method=True)
def softmax(input: Any, dim: int, dtype: Any = None, *, out: Any = None) -> Any:
    """exp(input) / sum(exp(input)) along dim.

    Shapes: any; each slice along dim adds up to 1. RuntimeError for integers, IndexError for a dimension that is not
    there.

    >>> import rushlight as torch
    >>> torch.softmax(torch.tensor([[0.0, 0.0], [1.0, 3.0]]), dim=1)
    tensor([[0.5000, 0.5000],
            [0.1192, 0.8808]])
    """
    result = record(TABLE["softmax"], (input,), (as_ints(dim), dtype))
    return result if out is None else write_out(out, result)


@public(method=True)
def log_softmax(input: Any, dim: int, dtype: Any = None, *, out: Any = None) -> Any:
    """log(softmax(input)) along dim.

    Shapes: any. It is more precise than softmax and log after it. IndexError for a dimension that is not there.

    >>> import rushlight as torch
    >>> torch.log_softmax(torch.zeros(2), dim=0)
    tensor([-0.6931, -0.6931])
    """
    result = record(TABLE["log_softmax"], (input,), (as_ints(dim), dtype))
    return result if out is None else write_out(out, result)


@public()
def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """input where condition holds, other elsewhere; with the condition alone, the positions where it holds.

    Shapes: all three are broadcast; the dtype is the common one. RuntimeError where they cannot be, or for a
    condition that is not bool.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, -2.0])
    >>> torch.where(x > 0, x, 0.0)
    tensor([1., 0.])
    """
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    result = record(TABLE["where"], (condition, input, other))
    return result if out is None else write_out(out, result)


METHODS["where"] = lambda self, condition, other: where(condition, self, other)


@public(method=True, function=False)
def fill_(input: Any, value: Any) -> Any:
    """Set every element."""
    return record_inplace(TABLE["copy_"], (input, value))


public("fill")(lambda input, value: record(TABLE["copy"], (input, value)))


@public(method=True)
def zero_(input: Any) -> Any:
    """Set every element to zero."""
    return record_inplace(TABLE["copy_"], (input, 0))


@public(method=True)
def equal(input: Any, other: Any) -> bool:
    """Whether shapes and all elements agree.

    >>> import rushlight as torch
    >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))
    True
    """
    return tuple(input.shape) == tuple(other.shape) and bool((input == other).all().item())


@public(method=True)
def isclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """|input - other| <= atol + rtol * |other|, elementwise.

    >>> import rushlight as torch
    >>> torch.isclose(torch.tensor([1.0, 2.0]), torch.tensor([1.0 + 1e-7, 3.0]))
    tensor([ True, False])
    """
    if not isinstance(input, Handle) or not isinstance(other, Handle):
        raise TypeError(explain_error("isclose", got="a number", expected="two tensors", fix="torch.tensor(number)"))
    if input.dtype is not other.dtype:
        raise RuntimeError(
            explain_error(
                "isclose",
                got=f"{input.dtype} and {other.dtype}",
                expected="the same dtype",
                fix=f"other.to({input.dtype})",
            )
        )
    if not (rtol >= 0 and atol >= 0):
        raise RuntimeError(
            explain_error("isclose", got=f"rtol={rtol} and atol={atol}", expected="tolerances that are not negative")
        )
    near = input == other
    if input.dtype.category >= dtypes.FLOATING:
        near = near | (((input - other).abs() <= atol + rtol * other.abs()) & input.isfinite() & other.isfinite())
        if equal_nan:
            near = near | (input.isnan() & other.isnan())
    else:
        near = near | ((input.double() - other.double()).abs() <= atol + rtol * other.double().abs())
    return near


@public(method=True)
def allclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are close.

    >>> import rushlight as torch
    >>> torch.allclose(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).all().item())


@public(method=True)
def nan_to_num(input: Any, nan: float = 0.0, posinf: Any = None, neginf: Any = None, *, only_nan: bool = False) -> Any:
    """NaN and infinities replaced by numbers (the dtype's limits for infinities).

    >>> import rushlight as torch
    >>> torch.nan_to_num(torch.tensor([torch.nan, 1.0]))
    tensor([0., 1.])
    """
    if input.dtype.category < dtypes.FLOATING:
        return input.clone()
    found = where(input.isnan(), 0.0 if nan is None else nan, input)
    if only_nan:
        return found
    limits = dtypes.finfo(input.dtype)
    found = where(found.isposinf(), limits.max if posinf is None else posinf, found)
    return where(found.isneginf(), limits.min if neginf is None else neginf, found)


@public(method=True)
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours, n times.

    >>> import rushlight as torch
    >>> torch.diff(torch.tensor([1, 3, 6]))
    tensor([2, 3])
    """
    from rushlight.functional import FUNCTIONS

    if n < 0 or not input.ndim:
        raise RuntimeError(
            explain_error(
                "diff", got=f"n={n} and shape {list(input.shape)}", expected="n >= 0 and one dimension or more"
            )
        )
    if n == 0:
        return input.clone()
    parts: Sequence[Any] = [p for p in (prepend, input, append) if p is not None]
    x = FUNCTIONS["cat"](parts, dim) if len(parts) > 1 else input
    for _ in range(n):
        size = x.shape[dim]
        if not size:
            return x
        high, low = x.narrow(dim, 1, size - 1), x.narrow(dim, 0, size - 1)
        x = high ^ low if x.dtype is dtypes.bool_ else high - low
    return x


@public(method=True)
def conj(input: Any) -> Any:
    """The complex conjugate; real tensors as they are."""
    return record(TABLE["conj_physical"], (input,)) if input.is_complex() else input
