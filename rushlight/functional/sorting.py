"""Ordering, ranking, searching and counting."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.checks import check_apart
from rushlight.functional.creation import wrap
from rushlight.functional.registry import FUNCTIONS, as_int, public, write_out
from rushlight.functional.results import RESULTS
from rushlight.ir.op import TABLE
from rushlight.layout import check_strided
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record
from rushlight.ops.rules import wrap_dim


def _named(name: str, values: tuple, out: Any = None) -> Any:
    found = RESULTS[name](*values)
    return found if out is None else RESULTS[name](*write_out(out, tuple(found)))


@public(method=True)
def sort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool | None = None, out: Any = None) -> Any:
    """(values in order along dim, where they were). Equal elements keep their order; NaN counts as the largest.

    >>> import rushlight as torch
    >>> torch.tensor([3, 1, 2]).sort().indices
    tensor([1, 2, 0])
    """
    return _named("sort", record(TABLE["sort_op"], (input,), (as_int(dim), bool(descending))), out)


@public(method=True)
def argsort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    """Where the elements in order come from.

    >>> import rushlight as torch
    >>> torch.argsort(torch.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """
    return sort(input, dim, descending).indices


@public(method=True)
def msort(input: Any, *, out: Any = None) -> Any:
    """The values in order along the first dimension."""
    result = sort(input, 0).values
    return result if out is None else write_out(out, result)


@public(method=True)
def cummax(input: Any, dim: int, *, out: Any = None) -> Any:
    """(the largest so far along dim, where it was); of equal ones the later, and NaN counts as the largest.

    >>> import rushlight as torch
    >>> torch.tensor([1, 3, 2]).cummax(0).values
    tensor([1, 3, 3])
    """
    return _named("cummax", record(TABLE["cummax"], (input,), (as_int(dim),)), out)


@public(method=True)
def cummin(input: Any, dim: int, *, out: Any = None) -> Any:
    """(the smallest so far along dim, where it was); of equal ones the later, and NaN counts as the smallest.

    >>> import rushlight as torch
    >>> torch.tensor([3, 1, 2]).cummin(0).values
    tensor([3, 1, 1])
    """
    return _named("cummin", record(TABLE["cummin"], (input,), (as_int(dim),)), out)


@public(method=True)
def topk(
    input: Any, k: int, dim: int | None = None, largest: bool = True, sorted: bool = True, *, out: Any = None
) -> Any:
    """(the k largest along dim in falling order, where they are); the smallest with largest=False.

    Shapes: dim, the last unless given, gets size k. RuntimeError where it has fewer elements.

    >>> import rushlight as torch
    >>> torch.topk(torch.tensor([3, 1, 2]), 2)
    torch.return_types.topk(
    values=tensor([3, 2]),
    indices=tensor([0, 2]))
    """
    static = (as_int(k), -1 if dim is None else as_int(dim), bool(largest))
    return _named("topk", record(TABLE["topk_op"], (input,), static), out)


@public(method=True)
def kthvalue(input: Any, k: int, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """(the k-th smallest along dim, where it is).

    Shapes: dim, the last unless given, is left out, or 1 with keepdim. RuntimeError for a k that is not in 1 … size.

    >>> import rushlight as torch
    >>> torch.kthvalue(torch.tensor([3, 1, 2]), 2).values
    tensor(2)
    """
    static = (-1 if dim is None else as_int(dim), bool(keepdim), as_int(k))
    found = record(TABLE["kthvalue_dim"], (input,), static)
    if out is not None:
        check_apart("kthvalue", out[0], found[0], input)
    return _named("kthvalue", found, out)


@public(method=True)
def mode(input: Any, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """(the most frequent value along dim, its last place); the smallest of several.

    >>> import rushlight as torch
    >>> torch.mode(torch.tensor([1, 2, 2])).values
    tensor(2)
    """
    return _named("mode", record(TABLE["mode_dim"], (input,), (as_int(dim), bool(keepdim), 0)), out)


def _median(name: str) -> None:
    def median(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
        if dim is None:
            return record(TABLE["median_all_op"], (input,), (name == "nanmedian",))
        return _named(name, record(TABLE[f"{name}_dim"], (input,), (as_int(dim), bool(keepdim), 0)), out)

    median.__name__ = name
    median.__doc__ = "The median, the lower of two; with dim: (values, indices)." + (
        " NaN is left out." if "nan" in name else ""
    )
    public(name, method=True)(median)


_median("median")
_median("nanmedian")

# --- quantiles ----------------------------------------------------------------------------------------------------

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _ranks(op: str, input: Any, given: Any) -> Any:
    """q as a tensor, checked."""
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(
            f"{op}() input tensor must be either float or double dtype; got {input.dtype}. Fix: use .float()."
        )
    if not isinstance(given, Handle):
        if not 0 <= given <= 1:
            raise RuntimeError(f"{op}() q must be in the range [0, 1] but got {given}")
        return FUNCTIONS["full"]((), float(given), dtype=input.dtype)
    q: Any = given
    if q.dtype is not input.dtype:
        raise RuntimeError(f"{op}() q tensor must be same dtype as the input tensor; got {q.dtype} and {input.dtype}.")
    if q.ndim > 1:
        raise RuntimeError(explain_error(op, got=f"q of shape {list(q.shape)}", expected="a number or a vector"))
    array = q._compute_array()
    if not ((array >= 0) & (array <= 1)).all():
        raise RuntimeError(f"{op}() q values must be in the range [0, 1]; got {array.tolist()}")
    return q


def _quantile(op: str, input: Any, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Any:
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(f"{op}() interpolation must be one of {', '.join(_INTERPOLATIONS)}, but got {interpolation}")
    q = _ranks(op, input, q)
    if input.numel() == 0:
        raise RuntimeError(f"{op}() input tensor must be non-empty; got shape {list(input.shape)}")
    shape = input.shape
    if dim is None:
        x = input.reshape(-1)
        kept = [1] * len(shape)
    else:
        d = wrap_dim(dim, len(shape), op)
        x = input.reshape(1) if not shape else input.transpose(d, -1)
        kept = []
    ordered = sort(x, -1).values
    invalid = x.isnan()
    if op == "quantile":  # NaN sorts last: asking for the last rank gives NaN
        rank = (q.reshape(-1) * (x.shape[-1] - 1)).expand(*x.shape[:-1], q.numel())
        rank = rank.masked_fill(invalid.any(-1, True), x.shape[-1] - 1)
    else:
        count = (~invalid).sum(-1, True).to(x.dtype) - 1
        rank = q.reshape(-1) * count.clamp(min=0)
    found = _at_rank(ordered, rank, interpolation).movedim(-1, 0)  # the quantiles first
    if dim is not None and shape:
        wide = found.unsqueeze(-1).transpose(1 + d, -1)  # `x` has its last dimension in the place of `dim`
        found = wide if keepdim else wide.squeeze(1 + d)
    else:
        found = found.reshape([q.numel(), *(kept if keepdim else [])])
    return found if q.ndim else found.squeeze(0)


def _at_rank(ordered: Any, rank: Any, interpolation: str) -> Any:
    if interpolation == "lower":
        return ordered.gather(-1, rank.floor().long())
    if interpolation == "higher":
        return ordered.gather(-1, rank.ceil().long())
    if interpolation == "nearest":
        return ordered.gather(-1, rank.round().long())
    below = rank.floor()
    weight = 0.5 * (rank != below).to(rank.dtype) if interpolation == "midpoint" else rank - below
    low, high = ordered.gather(-1, below.long()), ordered.gather(-1, rank.ceil().long())
    return low.lerp(high, weight)


@public(method=True)
def quantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", out: Any = None
) -> Any:
    """The q-quantiles, interpolated between neighbours; NaN if there is a NaN.

    >>> import rushlight as torch
    >>> torch.tensor([1.0, 2.0, 4.0]).quantile(0.75)
    tensor(3.)
    """
    result = _quantile("quantile", input, q, dim, keepdim, interpolation)
    return result if out is None else write_out(out, result)


@public(method=True)
def nanquantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", out: Any = None
) -> Any:
    """The q-quantiles of what is not NaN."""
    result = _quantile("nanquantile", input, q, dim, keepdim, interpolation)
    return result if out is None else write_out(out, result)


# --- values that occur: the shape of the result depends on the data ------------------------------------------------


def _restored(array: np.ndarray, like: Any) -> Any:
    from rushlight.backend.numpy.half import to_storage

    return wrap(np.ascontiguousarray(to_storage(array, like.dtype)), like.dtype)


def _answers(values: Any, inverse: Any, counts: Any, return_inverse: bool, return_counts: bool) -> Any:
    found = [values]
    if return_inverse:
        found.append(wrap(np.asarray(inverse, np.int64, order="C")))
    if return_counts:
        found.append(wrap(np.ascontiguousarray(counts, np.int64)))
    return found[0] if len(found) == 1 else tuple(found)


@public(method=True)
def unique(
    input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The values that occur, in order; on request where each element went, and how often each occurs.

    >>> import rushlight as torch
    >>> torch.unique(torch.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    if dim is None and not input.is_complex():
        return _unique_values(input, return_inverse, return_counts)
    array = input._compute_array()
    if dim is None:
        values, inverse, counts = np.unique(array, return_inverse=True, return_counts=True, equal_nan=False)
        return _answers(
            _restored(values.reshape(-1), input), inverse.reshape(array.shape), counts, return_inverse, return_counts
        )
    d = wrap_dim(dim, array.ndim, "unique")
    values, inverse, counts = np.unique(array, return_inverse=True, return_counts=True, axis=d, equal_nan=False)
    return _answers(_restored(values, input), inverse.reshape(-1), counts, return_inverse, return_counts)


def _unique_values(input: Any, return_inverse: bool, return_counts: bool) -> Any:
    ordered, place = record(TABLE["sort_op"], (input.detach().reshape(-1),), (0, False))
    array = ordered._compute_array()
    fresh = np.ones(len(array), bool)
    np.not_equal(array[1:], array[:-1], out=fresh[1:])
    inverse = counts = None
    if return_inverse:
        inverse = np.empty(len(array), np.int64)
        inverse[place.numpy()] = np.cumsum(fresh) - 1
        inverse = inverse.reshape(input.shape)
    if return_counts:
        counts = np.diff(np.append(np.flatnonzero(fresh), len(array)))
    return _answers(_restored(array[fresh], input), inverse, counts, return_inverse, return_counts)


@public(method=True)
def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements (or slices along dim) that differ from the one before."""
    array = input._compute_array()
    if dim is not None and not array.ndim:
        raise IndexError(
            explain_error("unique_consecutive", got=f"dim={dim} for a tensor of no dimensions", expected="no dim")
        )
    rows = array.reshape(-1) if dim is None else np.moveaxis(array, wrap_dim(dim, array.ndim, "unique_consecutive"), 0)
    n = len(rows)
    fresh = np.ones(n, bool)
    if n:
        fresh[1:] = (rows[1:] != rows[:-1]).reshape(n - 1, math.prod(rows.shape[1:])).any(1)
    starts = np.flatnonzero(fresh)
    inverse = np.cumsum(fresh) - 1
    values = rows[fresh] if dim is None else np.moveaxis(rows[fresh], 0, dim)
    inverse = inverse.reshape(array.shape) if dim is None else inverse
    return _answers(_restored(values, input), inverse, np.diff(np.append(starts, n)), return_inverse, return_counts)


@public(method=True)
def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each integer occurs; with weights, the sum of their weights.

    >>> import rushlight as torch
    >>> torch.bincount(torch.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    if input.dtype.category != dtypes.INTEGER:
        raise NotImplementedError(
            explain_error("bincount", got=f"a tensor of {input.dtype}", expected="integers", fix="input.long()")
        )
    array = input._compute_array()
    if array.ndim != 1 or (array.size and array.min() < 0) or minlength < 0:
        got = (
            f"shape {list(array.shape)}"
            if array.ndim != 1
            else f"minimum {array.min()}"
            if array.size
            else f"minlength={minlength}"
        )
        raise RuntimeError(
            f"bincount only supports 1-d non-negative integral inputs: got {got}. Fix: flatten and shift the input."
        )
    if weights is None:
        return wrap(np.bincount(array, minlength=minlength).astype(np.int64))
    if tuple(weights.shape) != array.shape:
        raise RuntimeError(
            explain_error("bincount", got=f"weights of shape {list(weights.shape)}", expected=f"{list(array.shape)}")
        )
    found = np.bincount(array, weights._compute_array(), minlength)
    return wrap(found.astype(np.float32 if weights.dtype is dtypes.float32 else np.float64))


# --- searching ----------------------------------------------------------------------------------------------------


@public()
def searchsorted(
    sorted_sequence: Any,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    out: Any = None,
    sorter: Any = None,
) -> Any:
    """Where each value would be inserted to keep the order: before equal ones, or after them with right=True.

    >>> import rushlight as torch
    >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([0, 3, 9]))
    tensor([0, 1, 3])
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )
    if sorter is not None:
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    if not isinstance(input, Handle):
        input = FUNCTIONS["tensor"](input, dtype=sorted_sequence.dtype if isinstance(input, int) else None)
    result = record(TABLE["searchsorted_op"], (sorted_sequence, input), (right or side == "right", bool(out_int32)))
    return result if out is None else write_out(out, result)


@public()
def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False, out: Any = None) -> Any:
    """The index of the bucket between `boundaries` into which each value falls.

    >>> import rushlight as torch
    >>> torch.bucketize(torch.tensor([1.0, 5.0]), torch.tensor([1.0, 2.0, 3.0]))
    tensor([0, 3])
    """
    if boundaries.ndim != 1:
        raise RuntimeError(
            explain_error("bucketize", got=f"boundaries of shape {list(boundaries.shape)}", expected="a vector")
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


@public()
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each element is among the test elements.

    >>> import rushlight as torch
    >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2, 4]))
    tensor([False,  True, False])
    """
    if not isinstance(elements, Handle) and not isinstance(test_elements, Handle):
        raise TypeError(explain_error("isin", got="two numbers", expected="at least one tensor"))
    return record(TABLE["isin_op"], (elements, test_elements), (bool(invert),))


@public(method=True)
def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0, *, out: Any = None) -> Any:
    """How many elements fall into each of `bins` equal bins of [min, max]; equal limits mean those of the data.

    >>> import rushlight as torch
    >>> torch.histc(torch.tensor([0.0, 1.0, 1.0]), bins=2)
    tensor([1., 2.])
    """
    result = record(TABLE["histc_op"], (input,), (as_int(bins), float(min), float(max)))
    return result if out is None else write_out(out, result)


@public(method=True)
def histogram(
    input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False, out: Any = None
) -> Any:
    """(hist, bin_edges): counts, or sums of weights, per bin."""
    array = input._compute_array().reshape(-1)
    edges = bins._compute_array() if isinstance(bins, Handle) else bins  # type: ignore[attr-defined]
    weights = None if weight is None else weight._compute_array().reshape(-1)
    hist, found = np.histogram(array, edges, range, density=density, weights=weights)
    return _named("histogram", (_restored(hist, input), _restored(found, input)), out)


# --- index grids --------------------------------------------------------------------------------------------------


def _triangle(name: str, pick: Any) -> None:
    def indices(
        row: int, col: int, offset: int = 0, *, dtype: Any = None, layout: Any = None, device: Any = None
    ) -> Any:
        check_strided(name, layout)
        if row < 0 or col < 0:
            raise RuntimeError(explain_error(name, got=f"row={row}, col={col}", expected="sizes that are not negative"))
        return wrap(np.stack(pick(row, offset, col)).astype(np.int64)).to(dtype=dtype or dtypes.int64, device=device)

    indices.__name__ = name
    indices.__doc__ = (
        f"The (row, column) indices of the {'lower' if 'l' in name[:4] else 'upper'} triangle, as a 2-row matrix."
    )
    public(name)(indices)


_triangle("tril_indices", np.tril_indices)
_triangle("triu_indices", np.triu_indices)


@public()
def cartesian_prod(*tensors: Any) -> Any:
    """All tuples of elements, one from each vector, as rows."""
    if len(tensors) == 1:
        return tensors[0]
    grids = FUNCTIONS["meshgrid"](*tensors, indexing="ij")
    return FUNCTIONS["stack"]([g.reshape(-1) for g in grids], 1)


@public()
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All combinations of r elements of a vector, as rows."""
    if input.ndim != 1:
        raise RuntimeError(explain_error("combinations", got=f"shape {list(input.shape)}", expected="a vector"))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    if r == 0:
        return FUNCTIONS["empty"](0, dtype=input.dtype)
    places = np.array(list(choose(range(len(input)), r)), np.int64).reshape(-1, r)
    return input[wrap(places)]
