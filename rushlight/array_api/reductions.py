"""Sums, extremes, and what else makes one value of many."""

from __future__ import annotations

from typing import Any

import rushlight

__all__ = [
    "all",
    "any",
    "count_nonzero",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]

_SMALL = (rushlight.int8, rushlight.int16, rushlight.int32, rushlight.uint8, rushlight.bool)


def _axes(x: Any, axis: Any) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)


def _one_by_one(function: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """For functions of one dimension: over several, the last first."""
    for a in sorted((a % x.ndim for a in _axes(x, axis)), reverse=True):
        x = function(x, a, keepdim=keepdims)
    return x


def sum(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Of the elements; integers in int64."""
    axes = _axes(x, axis)
    return (
        rushlight.sum(x, axes, keepdim=keepdims, dtype=dtype)
        if axes
        else x.to(dtype or (rushlight.int64 if x.dtype in _SMALL else x.dtype))
    )


def prod(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The product of the elements; integers in int64."""
    x = x.to(dtype or (rushlight.int64 if x.dtype in _SMALL else x.dtype))
    return _one_by_one(rushlight.prod, x, axis, keepdims)


def mean(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum by the number of elements."""
    axes = _axes(x, axis)
    return rushlight.mean(x, axes, keepdim=keepdims) if axes else x.clone()


def var(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Squared distances from the mean, by the number of elements less `correction`."""
    axes = _axes(x, axis)
    return rushlight.var(x, axes, correction=correction, keepdim=keepdims) if axes else rushlight.zeros_like(x)


def std(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """The root of `var`."""
    axes = _axes(x, axis)
    return rushlight.std(x, axes, correction=correction, keepdim=keepdims) if axes else rushlight.zeros_like(x)


def max(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest."""
    axes = _axes(x, axis)
    return rushlight.amax(x, axes, keepdim=keepdims) if axes else x.clone()


def min(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest."""
    axes = _axes(x, axis)
    return rushlight.amin(x, axes, keepdim=keepdims) if axes else x.clone()


def all(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether every element is true."""
    return _one_by_one(rushlight.all, x != 0, axis, keepdims)


def any(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether some element is true."""
    return _one_by_one(rushlight.any, x != 0, axis, keepdims)


def count_nonzero(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """How many elements are not 0."""
    return sum(x != 0, axis=axis, keepdims=keepdims)


def _cumulative(function: Any, first: int, x: Any, axis: int | None, dtype: Any, include_initial: bool) -> Any:
    if axis is None:
        if x.ndim > 1:
            raise ValueError("cumulative: got axis=None for several dimensions; expected an axis.")
        axis = 0
    found = function(x, axis, dtype=dtype)
    if not include_initial:
        return found
    shape = list(found.shape)
    shape[axis] = 1
    return rushlight.cat([rushlight.full(shape, first, dtype=found.dtype), found], axis)


def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Sums of the first 1, 2, ... elements; with `include_initial` 0 before them."""
    return _cumulative(rushlight.cumsum, 0, x, axis, dtype, include_initial)


def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Products of the first 1, 2, ... elements; with `include_initial` 1 before them."""
    return _cumulative(rushlight.cumprod, 1, x, axis, dtype, include_initial)


def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours, `n` times over."""
    return rushlight.diff(x, n, axis, prepend, append)
