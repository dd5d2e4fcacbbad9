"""Reading and writing at index tensors. Every index is checked; a bad one raises IndexError with the user's line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.errors import BoundsError, explain_error
from rushlight.ir import scalar as L
from rushlight.ir.meta import Meta, meta
from rushlight.ir.op import declare
from rushlight.ops import rearrange
from rushlight.ops.rules import broadcast_shapes, dense_stride, like, wrap_dim, written
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T


def checked(index: np.ndarray, size: int, dim: int, op: str = "index") -> np.ndarray:
    """The index with negative positions wrapped; IndexError when one is out of range."""
    index = index.astype(np.int64, copy=False)
    if index.size:
        low, high = int(index.min()), int(index.max())
        if low < -size or high >= size:
            bad = low if low < -size else high
            raise IndexError(
                explain_error(
                    op, got=f"index {bad} is out of bounds for dimension {dim} with size {size}",
                    expected=f"indices from {-size} to {size - 1}",
                )
            )  # fmt: skip
        if low < 0:
            index = np.where(index < 0, index + size, index)
    return index


def _nonnegative(index: np.ndarray, size: int, dim: int, op: str) -> np.ndarray:
    """As `checked`, for ops that do not wrap negative positions."""
    if index.size:
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= size:
            raise BoundsError(
                explain_error(
                    op, got=f"index {low if low < 0 else high} is out of bounds for dimension {dim} with size {size}",
                    expected=f"indices from 0 to {size - 1}",
                )
            )  # fmt: skip
    return index.astype(np.int64, copy=False)


def _index_layout(x: Meta, at: tuple[int, ...], indices: Sequence[Meta]) -> tuple[tuple[int, ...], bool]:
    """The result's shape, and whether the indexed dimensions are adjacent (else they come first)."""
    try:
        joint = broadcast_shapes("index", *[m.shape for m in indices])
    except RuntimeError as error:
        raise IndexError(f"shape mismatch: indexing tensors could not be broadcast together. {error}") from None
    adjacent = list(at) == list(range(at[0], at[0] + len(at)))
    rest = [n for d, n in enumerate(x.shape) if d not in at]
    where = at[0] if adjacent else 0
    return (*rest[:where], *joint, *rest[where:]), adjacent


def _key(x: np.ndarray, indices: Sequence[np.ndarray], dims: tuple[int, ...]) -> tuple:
    key: list[Any] = [slice(None)] * x.ndim
    for d, index in zip(dims, indices, strict=True):
        key[d] = checked(index, x.shape[d], d)
    return tuple(key)


def _index_infer(x: Meta, indices: Sequence[Meta], dims: tuple[int, ...]) -> Meta:
    for m in indices:
        if m.dtype.category != dtypes.INTEGER:
            raise IndexError(
                f"tensors used as indices must be long, int, byte or bool tensors; got {m.dtype}. Fix: convert with .long()."
            )
    shape, adjacent = _index_layout(x, dims, indices)
    if x.contiguous:
        return like(x, shape=shape)
    joint = len(shape) - x.ndim + len(dims)
    rest = [s for d, s in enumerate(x.stride) if d not in dims]
    at = dims[0] if adjacent else 0
    return like(
        x,
        shape=shape,
        stride=dense_stride(shape, [meta(shape, x.dtype, x.device, (*rest[:at], *(0,) * joint, *rest[at:]))]),
    )


def _index_put(
    x: np.ndarray, value: np.ndarray, indices: Sequence[np.ndarray], dims: tuple[int, ...], accumulate: bool
) -> np.ndarray:
    result = x.copy()
    key = _key(x, indices, dims)
    if accumulate:
        np.add.at(result, key, value)
    else:
        result[key] = value
    return result


index = declare(
    "index(Tensor input, Tensor[] indices, any dims)", public="", infer=_index_infer,
    reference=lambda x, indices, dims: x[_key(x, indices, dims)],
    vjp=(
        lambda g, out, x, indices, dims: T.apply(
            "index_put", (T.zeros(x.shape, dtype=g.dtype), g, indices), {"dims": dims, "accumulate": True}
        ),
        None,
    ),
    samples=lambda: [((values(4, 3), [np.array([0, 2, 2])], (0,)), {}), ((values(4, 3), [np.array([0, 3]), np.array([1, -1])], (0, 1)), {})],
    doc="the elements at index tensors, one for each dimension in `dims`",
)  # fmt: skip


def _index_put_infer(x: Meta, value: Meta, indices: Sequence[Meta], dims: tuple[int, ...], accumulate: bool) -> Meta:
    shape = _index_infer(x, indices, dims).shape
    if broadcast_shapes("index_put_", shape, value.shape) != tuple(shape):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing result of shape {list(shape)}"
        )
    return written(x)


index_put = declare(
    "index_put(Tensor input, Operand values, Tensor[] indices, any dims, bool accumulate=False)", infer=_index_put_infer,
    reference=_index_put,
    promote=None,
    vjp=(
        lambda g, out, x, value, indices, dims, accumulate: g if accumulate else T.apply(
            "index_put", (g, 0, indices), {"dims": dims, "accumulate": False}
        ),
        lambda g, out, x, value, indices, dims, accumulate: T.apply("index", (g, indices), {"dims": dims}),
        None,
    ),
    inplace=True,
    samples=lambda: [((values(4, 3), values(2, 3), [np.array([0, 2])], (0,), True), {}), ((values(4), values(2), [np.array([1, 3])], (0,), False), {})],
    expand=rearrange.index_put, moves=True, doc="input with elements at index tensors replaced (or added to)",
)  # fmt: skip


def _index_1d(op: str, x: Meta, dim: int, index: Meta) -> int:
    d = wrap_dim(dim, x.ndim, op)
    if index.ndim > 1:
        raise IndexError(f"{op}(): Index is supposed to be a vector; got shape {list(index.shape)}.")
    if index.dtype not in (dtypes.int32, dtypes.int64):
        raise RuntimeError(
            f"{op}(): Expected dtype int32 or int64 for index; got {index.dtype}. Fix: convert with .long()."
        )
    return d


def _index_select_infer(x: Meta, index: Meta, dim: int) -> Meta:
    d = _index_1d("index_select", x, dim, index)
    shape = list(x.shape)
    if x.ndim:
        shape[d] = index.numel
    return like(x, shape=shape)


def _select(x: np.ndarray, index: np.ndarray, dim: int) -> np.ndarray:
    return np.take(x, index, axis=dim) if x.ndim else x.copy()


index_select = declare(
    "index_select_op(Tensor input, Tensor index, int dim)", infer=_index_select_infer,
    reference=lambda x, index, dim: _select(x, _nonnegative(index.reshape(-1), x.shape[dim] if x.ndim else 1, dim, "index_select"), dim),
    vjp=(lambda g, out, x, index, dim: T.zeros(x.shape, dtype=g.dtype).index_add(dim, index, g) if x.ndim else g, None),
    samples=lambda: [((values(4, 3), np.array([0, 2, 2]), 0), {}), ((values(4, 3), np.array([1]), 1), {})],
    grad_name="IndexSelectBackward0", doc="positions of one dimension, in the order of `index`",
)  # fmt: skip


def _along(x: np.ndarray, dim: int, index: np.ndarray) -> tuple:
    return (slice(None),) * (dim % x.ndim) + (index,)


def _index_add(x: np.ndarray, index: np.ndarray, source: np.ndarray, alpha: np.ndarray, dim: int) -> np.ndarray:
    flat = x.reshape(1).copy() if x.ndim == 0 else x.copy()
    index = _nonnegative(index.reshape(-1), flat.shape[dim], dim, "index_add")
    np.add.at(
        flat,
        _along(flat, dim, index),
        (source * alpha).astype(x.dtype).reshape(flat.shape if x.ndim == 0 else source.shape),
    )
    return flat.reshape(x.shape)


index_add = declare(
    "index_add_op(Tensor input, Tensor index, Tensor source, Number alpha, int dim)",
    infer=lambda x, index, source, alpha, dim: _index_into("index_add", x, index, source, dim),
    reference=_index_add,
    vjp=(
        lambda g, out, x, index, source, alpha, dim: g, None,
        lambda g, out, x, index, source, alpha, dim: T.index_select(g, dim, index).reshape(source.shape) * alpha, None,
    ),
    inplace=True, samples=lambda: [((values(4, 3), np.array([0, 2, 2]), values(3, 3), 1.5, 0), {})],
    grad_name="IndexAddBackward0", expand=rearrange.index_add, doc="input with rows of source added at `index`",
)  # fmt: skip


def _index_into(op: str, x: Meta, index: Meta, source: Meta, dim: int) -> Meta:
    d = _index_1d(op, x, dim, index)
    if source is not None and not source.weak and x.ndim:
        want = [*x.shape[:d], index.numel, *x.shape[d + 1 :]]
        if list(source.shape) != want:
            raise RuntimeError(
                explain_error(
                    f"{op}()",
                    got=f"source of shape {list(source.shape)}",
                    expected=f"{want}: input's shape with dimension {d} as long as index",
                )
            )
        if source.dtype is not x.dtype:
            raise RuntimeError(
                explain_error(
                    f"{op}()", got=f"source of {source.dtype} and input of {x.dtype}", expected="the same dtype"
                )
            )
    return written(x)


def _index_copy(x: np.ndarray, index: np.ndarray, source: np.ndarray, dim: int, ends: bool) -> np.ndarray:
    result = x.reshape(1).copy() if x.ndim == 0 else x.copy()
    check = checked if ends else _nonnegative
    result[
        _along(result, dim, check(index.reshape(-1), result.shape[dim], dim, "index_fill" if ends else "index_copy"))
    ] = source
    return result.reshape(x.shape)


index_copy = declare(
    "index_copy_op(Tensor input, Tensor index, Operand source, int dim, bool ends=False)",  # ends: indices below 0 count from the end
    infer=lambda x, index, source, dim, ends: _index_into("index_copy", x, index, source, dim), reference=_index_copy,
    vjp=(
        lambda g, out, x, index, source, dim, ends: T.apply("index_copy_op", (g, index, 0), {"dim": dim, "ends": ends}), None,
        lambda g, out, x, index, source, dim, ends: T.index_select(g, dim, index).reshape(source.shape),
    ),
    inplace=True, samples=lambda: [((values(4, 3), np.array([0, 2]), values(2, 3), 0), {})],
    grad_name="IndexCopyBackward0", expand=rearrange.index_copy, moves=True, doc="input with positions of one dimension replaced",
)  # fmt: skip


def _gather_infer(x: Meta, index: Meta, dim: int) -> Meta:
    d = wrap_dim(dim, x.ndim, "gather")
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            f"gather(): Expected dtype int32/int64 for index; got {index.dtype}. Fix: convert with .long()."
        )
    if max(x.ndim, 1) != max(index.ndim, 1):
        raise RuntimeError(
            f"gather: Index tensor must have the same number of dimensions as input tensor; got shapes {list(index.shape)} and {list(x.shape)}."
        )
    for i, n in enumerate(index.shape):
        if x.ndim and i != d and n > x.shape[i]:
            raise RuntimeError(
                f"gather: Size does not match at dimension {i} expected index {list(index.shape)} to be smaller than self {list(x.shape)} apart from dimension {d}"
            )
    return like(x, shape=index.shape)


def _grid(index: np.ndarray, dim: int, chosen: np.ndarray) -> tuple:
    """Open mesh over the index's own positions, with `chosen` along `dim`."""
    key: list[Any] = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    key[dim] = chosen
    return tuple(key)


def _gather(x: np.ndarray, index: np.ndarray, dim: int) -> np.ndarray:
    if x.ndim == 0 or index.ndim == 0:
        return x.reshape(-1)[_nonnegative(index, x.size, 0, "gather")].reshape(index.shape)
    dim %= x.ndim
    return x[_grid(index, dim, _nonnegative(index, x.shape[dim], dim, "gather"))]


gather = declare(
    "gather_op(Tensor input, Tensor index, int dim)", infer=_gather_infer, reference=_gather,
    vjp=(lambda g, out, x, index, dim: T.zeros(x.shape, dtype=g.dtype).scatter_add(dim, index, g), None),
    samples=lambda: [((values(3, 4), np.array([[0, 2], [1, 1]]), 1), {})], grad_name="GatherBackward0",
    doc="out[i][j] = input[i][index[i][j]] for dim = 1",
)  # fmt: skip


def _scatter_infer(x: Meta, index: Meta, src: Meta, dim: int, reduce: str) -> Meta:
    d = wrap_dim(dim, x.ndim, "scatter")
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(f"scatter(): Expected dtype int64 for index; got {index.dtype}. Fix: convert with .long().")
    if not src.weak and src.dtype is not x.dtype:
        raise RuntimeError(
            f"scatter(): Expected self.dtype to be equal to src.dtype; got {x.dtype} and {src.dtype}. Fix: convert src with .to({x.dtype})."
        )
    if index.numel:
        if max(x.ndim, 1) != max(index.ndim, 1):
            raise RuntimeError(
                f"scatter(): Index tensor must have the same number of dimensions as self tensor; got shapes {list(index.shape)} and {list(x.shape)}."
            )
        for i, n in enumerate(index.shape):
            if x.ndim and (i != d and n > x.shape[i] or not src.weak and src.ndim and n > src.shape[i]):
                raise RuntimeError(
                    f"scatter(): Expected index {list(index.shape)} to be no larger than self {list(x.shape)} apart from "
                    f"dimension {d} and to be no larger than src {list(src.shape)}"
                )
    return written(x)


def _scatter(x: np.ndarray, index: np.ndarray, src: np.ndarray, dim: int, reduce: str) -> np.ndarray:
    if not index.size:
        return x.copy()
    result = np.atleast_1d(x).copy()
    index = np.atleast_1d(index)
    dim %= result.ndim
    chosen = _nonnegative(index, result.shape[dim], dim, "scatter")
    part = (
        np.broadcast_to(src, index.shape) if src.ndim == 0 else np.atleast_1d(src)[tuple(slice(n) for n in index.shape)]
    )
    key = _grid(index, dim, chosen)
    if reduce == "":
        result[key] = part
    else:
        {"add": np.add, "multiply": np.multiply}[reduce].at(result, key, part.astype(x.dtype))
    return result.reshape(x.shape)


scatter = declare(
    "scatter_op(Tensor input, Tensor index, Operand src, int dim, str reduce='')", infer=_scatter_infer, reference=_scatter,
    vjp=(
        lambda g, out, x, index, src, dim, reduce: T.scatter_gradient(g, out, x, index, dim, reduce), None,
        lambda g, out, x, index, src, dim, reduce: T.scatter_source_gradient(g, x, index, src, dim, reduce),
    ),
    inplace=True,
    samples=lambda: [((values(3, 4), np.array([[0, 2], [1, 3]]), values(2, 2), 1, ""), {}), ((values(3, 4), np.array([[0, 2], [1, 1]]), values(2, 2), 1, "add"), {})],
    grad_name="ScatterBackward0", expand=rearrange.scatter, moves=True, doc="input with src written (or added) at index along `dim`",
)  # fmt: skip


def _take_infer(x: Meta, index: Meta) -> Meta:
    if index.dtype is not dtypes.int64:
        raise RuntimeError(
            f"take(): Expected a long tensor for index, but got {index.dtype}. Fix: convert with .long()."
        )
    return like(x, shape=index.shape)


take = declare(
    "take(Tensor input, Tensor index)", infer=_take_infer,
    reference=lambda x, index: x.reshape(-1)[checked(index, x.size, 0, "take")],
    vjp=(lambda g, out, x, index: T.zeros(x.numel(), dtype=g.dtype).index_put((index.reshape(-1),), g.reshape(-1), True).reshape(x.shape), None),
    samples=lambda: [((values(3, 4), np.array([[0, 5], [11, -5]])), {})], expand=rearrange.take, moves=True, doc="elements of the flattened input",
)  # fmt: skip


def _masked_fill_infer(x: Meta, mask: Meta, value: Meta) -> Meta:
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype}. Fix: compare it, for example `mask != 0`."
        )
    if value.ndim:
        raise RuntimeError(
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    if value.dtype.is_complex and not x.dtype.is_complex:
        raise RuntimeError(
            f"masked_fill: value cannot be converted to type {x.dtype} without overflow; got a value of {value.dtype}."
        )
    return like(x, shape=broadcast_shapes("masked_fill", x.shape, mask.shape))


masked_fill = declare(
    "masked_fill(Tensor input, Tensor mask, Operand value)", infer=_masked_fill_infer,
    reference=lambda x, mask, value: np.where(mask, value.astype(x.dtype), x),
    vjp=(
        lambda g, out, x, mask, value: g.masked_fill(mask, 0), None,
        lambda g, out, x, mask, value: T.where(mask, g, T.zeros_like(g)).sum() if hasattr(value, "dtype") else None,
    ),
    pointwise=True, inplace=True, samples=lambda: [((values(2, 3), values(2, 3, seed=1) > 0, 0.25), {})],
    lower=lambda x, mask, value: L.select(mask, L.cast(value, x.kind), x), doc="input with value where mask holds",
)  # fmt: skip


def _bounded_infer(index: Meta, size: int) -> Meta:
    if index.dtype.category != dtypes.INTEGER:
        raise RuntimeError(f"Expected an integer tensor for index; got {index.dtype}. Fix: convert with .long().")
    return like(index)


bounded_index = declare(
    "bounded_index_part(Tensor input, int size)", infer=_bounded_infer, reference=lambda index, size: _nonnegative(index, size, 0, "index"),
    lower=lambda index, size: L.require((index >= 0) & (L.cast(index, "i64") < size), index), pointwise=True,
    samples=lambda: [((np.array([2, 0, 1]), 3), {})], doc="indices, each of which must lie below `size`",
)  # fmt: skip
