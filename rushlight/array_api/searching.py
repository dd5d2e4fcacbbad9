"""Finding, sorting, and sets."""

from __future__ import annotations

from typing import Any, NamedTuple

import rushlight
from rushlight.array_api.elementwise import as_array

__all__ = [
    "argmax", "argmin", "argsort", "isin", "nonzero", "searchsorted", "sort", "take", "take_along_axis", "unique_all",
    "unique_counts", "unique_inverse", "unique_values", "where",
]  # fmt: skip


def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Where the largest is."""
    return rushlight.argmax(x, axis, keepdim=keepdims)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Where the smallest is."""
    return rushlight.argmin(x, axis, keepdim=keepdims)


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """In order along an axis."""
    return rushlight.sort(x, dim=axis, descending=descending, stable=stable).values


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """Where each element of `sort` was."""
    return rushlight.argsort(x, dim=axis, descending=descending, stable=stable)


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Any:
    """Where each element of `x2` would go in the sorted `x1`."""
    return rushlight.searchsorted(x1, x2, side=side, sorter=sorter)


def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Any:
    """Which elements of the first are among those of the second."""
    return rushlight.isin(x1, x2, invert=invert)


def nonzero(x: Any, /) -> tuple[Any, ...]:
    """Where elements are not 0: an array of indices for each dimension."""
    return tuple(rushlight.nonzero(x, as_tuple=True))


def where(condition: Any, x1: Any, x2: Any, /) -> Any:
    """Elements of the first where the condition holds, else of the second."""
    return rushlight.where(condition, as_array(x1, x2), as_array(x2, x1))


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
    """The slices at these places along an axis."""
    axis = 0 if axis is None else axis
    flat = rushlight.index_select(x, axis, rushlight.where(indices < 0, indices + x.shape[axis], indices).flatten())
    place = axis % x.ndim
    return flat.reshape(*x.shape[:place], *indices.shape, *x.shape[place + 1 :])


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """The elements at these places along an axis, for each place of the others."""
    return rushlight.take_along_dim(x, rushlight.where(indices < 0, indices + x.shape[axis], indices), axis)


class UniqueAll(NamedTuple):
    """What `unique_all` returns."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What `unique_counts` returns."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What `unique_inverse` returns."""

    values: Any
    inverse_indices: Any


def unique_values(x: Any, /) -> Any:
    """Each value once; NaNs are all different."""
    return rushlight.unique(x)


def unique_counts(x: Any, /) -> UniqueCounts:
    """Each value once, and how often it is there."""
    return UniqueCounts(*rushlight.unique(x, return_counts=True))


def unique_inverse(x: Any, /) -> UniqueInverse:
    """Each value once, and for each element which it is."""
    return UniqueInverse(*rushlight.unique(x, return_inverse=True))


def unique_all(x: Any, /) -> UniqueAll:
    """Each value once, where it is first, which each element is, and how often it is there."""
    values, inverse, counts = rushlight.unique(x, return_inverse=True, return_counts=True)
    flat = inverse.flatten()
    order = rushlight.argsort(flat, stable=True)
    first = order[counts.cumsum(0) - counts] if values.numel() else counts
    return UniqueAll(values, first, inverse, counts)
