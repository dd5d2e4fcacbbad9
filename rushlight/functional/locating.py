"""Positions of elements: argwhere, nonzero_static, unravel_index; and counts of points in boxes (histogramdd)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.creation import wrap
from rushlight.functional.indexing import nonzero
from rushlight.functional.joining import tensor_split
from rushlight.functional.registry import FUNCTIONS, as_int, public, write_out
from rushlight.functional.results import RESULTS
from rushlight.lazy.handle import Handle


@public(method=True)
def argwhere(input: Any) -> Any:
    """The positions of non-zero elements, a row each.

    >>> import rushlight as torch
    >>> torch.argwhere(torch.tensor([[0, 7], [8, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    return nonzero(input)


@public(method=True)
def nonzero_static(input: Any, *, size: int, fill_value: int = -1, out: Any = None) -> Any:
    """The first `size` rows of `nonzero`, with rows of fill_value where there are fewer.

    >>> import rushlight as torch
    >>> torch.nonzero_static(torch.tensor([0, 5]), size=2)
    tensor([[ 1],
            [-1]])
    """
    size = as_int(size)
    if size < 0:
        raise RuntimeError(explain_error("nonzero_static", got=f"size={size}", expected="size >= 0"))
    found = nonzero(input)[:size]
    if found.shape[0] < size:
        rest = FUNCTIONS["full"]((size - found.shape[0], input.ndim), fill_value, dtype=dtypes.int64)
        found = FUNCTIONS["cat"]([found, rest])
    return found if out is None else write_out(out, found)


@public()
def unravel_index(indices: Any, shape: Any) -> tuple:
    """Positions counted in a flattened tensor of `shape`, as a tuple with a tensor of coordinates for each dimension.

    TypeError unless indices are integers; ValueError for negative sizes.

    >>> import rushlight as torch
    >>> torch.unravel_index(torch.tensor([4]), (2, 3))
    (tensor([1]), tensor([1]))
    """
    if not isinstance(indices, Handle) or indices._meta.dtype.category != dtypes.INTEGER:
        kind = indices._meta.dtype if isinstance(indices, Handle) else type(indices).__name__
        raise TypeError(
            explain_error("unravel_index", got=f"indices of {kind}", expected="a tensor of an integer dtype")
        )
    if not isinstance(shape, (int, Sequence)):
        raise TypeError(explain_error("unravel_index", got=f"shape={shape!r}", expected="an int or a sequence of ints"))
    sizes = (shape,) if isinstance(shape, int) else tuple(map(as_int, shape))
    if any(n < 0 for n in sizes):
        raise ValueError(explain_error("unravel_index", got=f"shape={shape}", expected="sizes that are not negative"))
    coordinates: list[Any] = []
    rest: Any = indices
    for n in reversed(sizes):
        coordinates.append(FUNCTIONS["remainder"](rest, n))
        rest = FUNCTIONS["div"](rest, n, rounding_mode="floor")
    return tuple(reversed(coordinates))


@public(method=True)
def dsplit(input: Any, indices_or_sections: Any) -> tuple:
    """Split along the third dimension, into equal pieces or at the given positions.

    >>> import rushlight as torch
    >>> [list(part.shape) for part in torch.dsplit(torch.zeros(1, 1, 4), 2)]
    [[1, 1, 2], [1, 1, 2]]
    """
    if input.ndim < 3:
        raise RuntimeError(
            f"torch.dsplit requires a tensor with at least 3 dimension, but got a tensor with {input.ndim} dimensions!"
        )
    if isinstance(indices_or_sections, int) and (indices_or_sections < 1 or input.shape[2] % indices_or_sections):
        raise RuntimeError(
            f"torch.dsplit attempted to split along dimension 2, but the size of the dimension {input.shape[2]} is not "
            f"divisible by the split_size {indices_or_sections}! Fix: use tensor_split(x, n, 2) for unequal pieces."
        )
    return tensor_split(input, indices_or_sections, 2)


@public()
def histogramdd(
    input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False, out: Any = None
) -> Any:
    """(hist, bin_edges): how many of the points in the last dimension of `input` lie in each box of a grid.

    bins: a number for all dimensions, one for each, or the edges of each as a vector. range: the lowest and highest edge of
    each dimension, in one row; by default what the points span.

    >>> import rushlight as torch
    >>> torch.histogramdd(torch.tensor([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]]), 2).hist
    tensor([[1., 0.],
            [1., 1.]])
    """
    if input.ndim < 2:
        raise RuntimeError(
            explain_error(
                "histogramdd", got=f"an input of shape {list(input.shape)}", expected="(*, points, dimensions)"
            )
        )
    n = input.shape[-1]
    points = input.detach()._compute_array().reshape(-1, n) if n else np.zeros((0, 0))
    given = [bins] * n if isinstance(bins, int) else list(bins)
    if len(given) != n:
        raise RuntimeError(
            explain_error("histogramdd", got=f"{len(given)} bins", expected=f"one for each of {n} dimensions")
        )
    edges = [_edges(points[:, d], b, d, range) for d, b in enumerate(given)]
    weights = None if weight is None else weight.detach()._compute_array().reshape(-1)
    hist = _counted(points, edges, weights)
    if density:
        widths = [np.diff(e.astype(np.float64)) for e in edges]
        with np.errstate(invalid="ignore", divide="ignore"):  # a density of nothing is nan
            hist = hist / hist.sum() / functools.reduce(np.multiply.outer, widths, np.ones(()))
    kind = input.dtype.storage
    result = RESULTS["histogramdd"](wrap(hist.astype(kind)), tuple(wrap(e.astype(kind)) for e in edges))
    if out is None:
        return result
    write_out(out[0], result[0])
    write_out(tuple(out[1]), result[1])
    return out


def _counted(points: np.ndarray, edges: list[np.ndarray], weights: np.ndarray | None) -> np.ndarray:
    """A bin holds its left edge and not its right one, which only the last holds."""
    hist = np.zeros([len(e) - 1 for e in edges])
    inside = np.ones(len(points), bool)
    places = []
    for values, e in zip(points.T, edges, strict=True):
        inside &= (values >= e[0]) & (values <= e[-1])
        places.append(np.minimum(np.searchsorted(e, values, "right") - 1, len(e) - 2))
    np.add.at(hist, tuple(p[inside] for p in places), 1 if weights is None else weights[inside])
    return hist


def _edges(values: np.ndarray, bins: Any, d: int, range: Any) -> np.ndarray:
    if isinstance(bins, Handle):
        return np.array(bins._compute_array(), values.dtype)
    if bins < 1:
        raise RuntimeError(explain_error("histogramdd", got=f"{bins} bins in dimension {d}", expected="at least one"))
    if range is not None:
        low, high = float(range[2 * d]), float(range[2 * d + 1])
    elif values.size:
        low, high = float(values.min()), float(values.max())
    else:
        low, high = 0.0, 1.0
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise RuntimeError(
            explain_error(
                "histogramdd", got=f"a range from {low} to {high} in dimension {d}", expected="finite limits in order"
            )
        )
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1, dtype=values.dtype)
