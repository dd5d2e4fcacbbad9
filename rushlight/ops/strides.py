"""Views of some of the elements: a position, a slice, a diagonal, sliding windows, any strides."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from rushlight.ir.meta import Meta, meta
from rushlight.ir.op import declare
from rushlight.ops import rearrange
from rushlight.ops.rules import like, wrap_dim
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T
from rushlight.ops.views import hole_vjp, put_through, simple_view, view_op, viewed


def _select_infer(x: Meta, dim: int, index: int) -> Meta:
    first, d, n, step = _first_of(x, dim)
    if not -n <= index < n:
        raise IndexError(f"index {index} is out of bounds for dimension {d} with size {n}")
    return first.at(x.offset + (index if index >= 0 else index + n) * step)


@functools.lru_cache(4096)
def _first_of(x: Meta, dim: int) -> tuple[Meta, int, int, int]:
    """Position 0 of a dimension; that dimension counted from the front, its size, and its stride."""
    if not x.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, x.ndim, "select")
    return viewed(x, x.shape[:d] + x.shape[d + 1 :], x.stride[:d] + x.stride[d + 1 :]), d, x.shape[d], x.stride[d]


def _select(x: np.ndarray, dim: int, index: int) -> np.ndarray:
    return x[(slice(None),) * (dim % x.ndim) + (index, ...)]


select = simple_view(
    "select(Tensor input, int dim, int index)", _select_infer, _select, lambda: [((values(3, 4), 1, 2), {}), ((values(3), 0, -1), {})],
    doc="one position of a dimension, which is dropped", quick=True,
)  # fmt: skip


def _bounds(n: int, start: int | None, end: int | None) -> tuple[int, int]:
    low, high, _ = slice(start, end).indices(n)
    return low, max(low, high)


def _slice_infer(x: Meta, dim: int, start: int | None, end: int | None, step: int) -> Meta:
    if not x.ndim:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    if step <= 0:
        raise ValueError("slice step must be greater than zero. Fix: use x.flip(dim) to reverse.")
    d = wrap_dim(dim, x.ndim, "slice")
    low, high = _bounds(x.shape[d], start, end)
    shape, stride = list(x.shape), list(x.stride)
    shape[d], stride[d] = (high - low + step - 1) // step, stride[d] * step
    return viewed(x, shape, stride, low * x.stride[d])


def _slice(x: np.ndarray, dim: int, start: int | None, end: int | None, step: int) -> np.ndarray:
    return x[(slice(None),) * (dim % x.ndim) + (slice(start, end, step), ...)]


slice_ = simple_view(
    "slice(Tensor input, int dim=0, int? start=None, int? end=None, int step=1)", _slice_infer, _slice,
    lambda: [((values(5, 3),), {"dim": 0, "start": 1, "end": 5, "step": 2}), ((values(3, 4),), {"dim": 1, "start": -2})],
    public="", doc="every step-th position from start to end of a dimension",
)  # fmt: skip


def _diagonal_infer(x: Meta, offset: int, dim1: int, dim2: int) -> Meta:
    a, b = wrap_dim(dim1, x.ndim, "diagonal"), wrap_dim(dim2, x.ndim, "diagonal")
    if a == b:
        raise RuntimeError(f"diagonal: dimensions cannot be identical: {dim1}, {dim2}.")
    length = max(min(x.shape[a] + min(offset, 0), x.shape[b] - max(offset, 0)), 0)
    start = (offset * x.stride[b] if offset >= 0 else -offset * x.stride[a]) if length else 0
    kept = [d for d in range(x.ndim) if d not in (a, b)]
    return viewed(
        x, [x.shape[d] for d in kept] + [length], [x.stride[d] for d in kept] + [x.stride[a] + x.stride[b]], start
    )


def _diagonal(x: np.ndarray, offset: int, dim1: int, dim2: int) -> np.ndarray:
    found = np.diagonal(x, offset, dim1, dim2)
    if not found.flags.writeable and x.flags.writeable:
        found.flags.writeable = True  # NumPy hands the true view out read-only
    return found


diagonal = simple_view(
    "diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1)", _diagonal_infer, _diagonal,
    lambda: [((values(3, 4),), {}), ((values(2, 3, 4), 1, 1, 2), {})], doc="the diagonal of two dimensions, put last",
)  # fmt: skip


def _unfold_infer(x: Meta, dimension: int, size: int, step: int) -> Meta:
    d = wrap_dim(dimension, x.ndim, "unfold")
    n = x.shape[d] if x.ndim else 1
    if size > n or size < 0 or step <= 0:
        raise RuntimeError(f"unfold: maximum size for tensor at dimension {d} is {n} but size is {size} (step {step}).")
    if not x.ndim:
        return viewed(x, [size], [1])
    shape, stride = list(x.shape), list(x.stride)
    shape[d] = (n - size) // step + 1
    inner = stride[d]
    stride[d] *= step
    return viewed(x, [*shape, size], [*stride, inner])


def _unfold(x: np.ndarray, dimension: int, size: int, step: int) -> np.ndarray:
    if x.ndim == 0:
        return x.reshape(1)[:size]
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=dimension, writeable=x.flags.writeable)
    return windows[(slice(None),) * (dimension % x.ndim) + (slice(None, None, step), ...)]


def _unfold_back(g: np.ndarray, input_sizes: Sequence[int], dim: int, size: int, step: int) -> np.ndarray:
    result = np.zeros(input_sizes, g.dtype)
    windows = np.moveaxis(_unfold(result, dim, size, step), dim % len(input_sizes), 0)
    parts = np.moveaxis(g, dim % len(input_sizes), 0)
    for i in range(len(parts)):  # windows overlap: one after the other
        windows[i] += parts[i]
    return result


unfold = view_op(
    "unfold(Tensor input, int dimension, int size, int step)", public="method", infer=_unfold_infer, reference=_unfold, put=put_through(_unfold),
    put_vjp=hole_vjp("unfold"),
    vjp=(lambda g, out, x, dimension, size, step: T.apply("unfold_backward", (g,), {"input_sizes": tuple(x.shape) or (1,), "dim": dimension, "size": size, "step": step}).reshape(x.shape),),
    samples=lambda: [((values(7), 0, 3, 2), {}), ((values(2, 6), 1, 2, 1), {})], doc="sliding windows of a dimension",
)  # fmt: skip
unfold_backward = declare(
    "unfold_backward(Tensor input, int[] input_sizes, int dim, int size, int step)",
    infer=lambda g, input_sizes, dim, size, step: like(g, shape=input_sizes), reference=_unfold_back,
    vjp=(lambda g, out, x, input_sizes, dim, size, step: g.unfold(dim, size, step),),
    samples=lambda: [((values(3, 3),), {"input_sizes": (7,), "dim": 0, "size": 3, "step": 2})],
    expand=rearrange.unfold_backward, doc="the sum of overlapping windows: gradient of unfold",
)  # fmt: skip


def _strided_infer(x: Meta, size: Sequence[int], stride: Sequence[int], storage_offset: int) -> Meta:
    if len(size) != len(stride):
        raise RuntimeError(f"as_strided: mismatch in length of strides and shape: {list(stride)} and {list(size)}.")
    if not x.contiguous:
        raise NotImplementedError(
            "as_strided on memory that is not laid out in rows is not supported. Fix: contiguous() first."
        )
    last = storage_offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if 0 not in size else -1
    if last >= x.numel or min([storage_offset, *stride, 0]) < 0:
        raise RuntimeError(
            f"as_strided: setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {storage_offset} are out of "
            f"bounds for storage of {x.numel} elements."
        )
    return meta(size, x.dtype, x.device, tuple(stride), storage_offset)


def _strided(x: np.ndarray, size: Sequence[int], stride: Sequence[int], storage_offset: int) -> np.ndarray:
    flat = x.reshape(-1)[storage_offset:]
    return np.lib.stride_tricks.as_strided(flat, size, [s * x.itemsize for s in stride])


def _strided_back(
    g: np.ndarray, input_sizes: Sequence[int], size: Sequence[int], stride: Sequence[int], storage_offset: int
) -> np.ndarray:
    places = np.arange(math.prod(input_sizes))
    flat = np.zeros(math.prod(input_sizes), g.dtype)
    np.add.at(flat, _strided(places, size, stride, storage_offset).reshape(-1), g.reshape(-1))
    return flat.reshape(input_sizes)


as_strided = view_op(
    "as_strided(Tensor input, int[] size, int[] stride, int storage_offset=0)", infer=_strided_infer, reference=_strided,
    vjp=(lambda g, out, x, size, stride, storage_offset: T.apply("as_strided_backward", (g,), {"input_sizes": tuple(x.shape), "size": size, "stride": stride, "storage_offset": storage_offset}),),
    put=put_through(_strided), put_vjp=hole_vjp("as_strided"), samples=lambda: [((values(6), (2, 2), (1, 2), 1), {})],
    doc="any sizes and strides over the same memory",
)  # fmt: skip
as_strided_backward = declare(
    "as_strided_backward(Tensor input, int[] input_sizes, int[] size, int[] stride, int storage_offset)",
    infer=lambda g, input_sizes, **_: like(g, shape=input_sizes), reference=_strided_back,
    vjp=(lambda g, out, x, input_sizes, size, stride, storage_offset: T.as_strided(g, size, stride, storage_offset),),
    samples=lambda: [((values(2, 2),), {"input_sizes": (6,), "size": (2, 2), "stride": (1, 2), "storage_offset": 1})],
    expand=rearrange.as_strided_backward, doc="sums what as_strided read: its gradient",
)  # fmt: skip
