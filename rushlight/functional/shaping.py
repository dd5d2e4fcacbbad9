"""Composites that move elements: reshape, split, stack, expand, and friends."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.creation import size_of
from rushlight.functional.fitting import check_flatten
from rushlight.functional.registry import as_int, as_ints, public
from rushlight.ir.meta import Meta
from rushlight.ir.op import TABLE
from rushlight.lazy.record import Handle, record
from rushlight.lazy.views import leaf_of, record_inplace, record_view, turn_into_view
from rushlight.ops.movement import resolve_shape, view_stride
from rushlight.ops.rules import broadcast_shapes, wrap_dim


@public(method=True, function=False)
def view(input: Any, *size: Any) -> Any:
    """The same elements in another shape (or read as another dtype); never copies."""
    if len(size) == 1 and isinstance(size[0], dtypes.dtype):
        if size[0] is input.dtype:
            return record_view(TABLE["alias"], input, ())
        return record_view(TABLE["view_dtype"], input, (size[0],))
    if not size:
        raise TypeError("view() received an invalid combination of arguments: no shape was given. Fix: x.view(-1).")
    shape = size_of(size)
    if len(shape) == 2 and shape[0] == -1 and input.ndim == 4:
        check_flatten(input, shape[1])
    return record_view(TABLE["view"], input, (shape,))


@public(method=True, function=False)
def view_as(input: Any, other: Any) -> Any:
    """`view` with another tensor's shape."""
    return record_view(TABLE["view"], input, (tuple(other.shape),))


@functools.lru_cache(4096)
def _reshaping(meta: Meta, size: tuple[int, ...]) -> tuple[tuple[int, ...], bool]:
    """The full shape that `size` asks for, and whether a view can have it."""
    shape = resolve_shape("reshape", size, meta.numel)
    return shape, view_stride(meta, shape) is not None


@public(method=True)
def reshape(input: Any, *shape: Any) -> Any:
    """The same elements in another shape: a view where possible, else a copy."""
    if "shape" in shape:
        raise TypeError("reshape: give the shape as numbers or a tuple")
    size, viewable = _reshaping(input._meta, size_of(shape))
    if viewable:
        return record_view(TABLE["view"], input, (size,))
    return record_view(TABLE["view"], record(TABLE["clone"], (input,), ("contiguous",)), (size,))


@public(method=True, function=False)
def reshape_as(input: Any, other: Any) -> Any:
    """`reshape` with another tensor's shape."""
    return reshape(input, tuple(other.shape))


@public(method=True)
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dimensions start_dim … end_dim made one."""
    ndim = input.ndim
    if ndim == 0:
        return reshape(input, 1)
    first, last = wrap_dim(start_dim, ndim, "flatten"), wrap_dim(end_dim, ndim, "flatten")
    if first > last:
        raise RuntimeError(
            f"flatten() has invalid args: start_dim cannot come after end_dim; got {start_dim} and {end_dim}."
        )
    if first == last:
        return input
    shape = tuple(input.shape)
    return reshape(input, shape[:first] + (math.prod(shape[first : last + 1]),) + shape[last + 1 :])


@public(method=True)
def ravel(input: Any) -> Any:
    """One dimension, in row order."""
    return reshape(contiguous(input), -1)


@public(method=True)
def unflatten(input: Any, dim: int, sizes: Sequence[int]) -> Any:
    """One dimension split into several."""
    d = wrap_dim(dim, input.ndim, "unflatten")
    try:
        parts = resolve_shape("unflatten", as_ints(tuple(sizes)), input.shape[d])
    except RuntimeError:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({input.shape[d]}) in the input tensor"
        ) from None
    shape = tuple(input.shape)
    return reshape(input, shape[:d] + parts + shape[d + 1 :])


@public(method=True, function=False)
def contiguous(input: Any, memory_format: Any = None) -> Any:
    """The tensor itself when its elements lie in rows, else a copy that does."""
    return input if input._meta.contiguous else record(TABLE["clone"], (input,), ("contiguous",))


@public(method=True)
def clone(input: Any, *, memory_format: Any = None) -> Any:
    """A copy, through which gradients flow."""
    text = None if memory_format is None else "contiguous" if "contiguous" in str(memory_format) else "preserve"
    return record(TABLE["clone"], (input,), (text,))


@public(method=True)
def permute(input: Any, *dims: Any) -> Any:
    """Dimensions in another order."""
    return record_view(TABLE["permute"], input, (size_of(dims),))


@public("transpose", "swapaxes", "swapdims", method=True)
def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Two dimensions exchanged."""
    return record_view(TABLE["transpose"], input, (as_ints(dim0), as_ints(dim1)))


@public(method=True)
def t(input: Any) -> Any:
    """The transpose of a matrix; vectors as they are."""
    if input.ndim > 2:
        raise RuntimeError(
            f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D. Fix: use .mT or .transpose(a, b)."
        )
    return record_view(TABLE["transpose"], input, (0, 1)) if input.ndim == 2 else record_view(TABLE["alias"], input, ())


def _become(input: Any, moved: Any) -> Any:
    """Let a tensor stand for a value of another shape."""
    if input._base is not None or any(v() is not None and v() is not moved for v in input._views or ()):
        raise NotImplementedError(
            "resize_ of a tensor that shares memory with others is not supported. Fix: make a new tensor of the wanted size."
        )
    value = record(TABLE["clone"], (moved,), (None,))
    input._array, input._history = None, None
    input._trace, input._slot, input._meta = value._trace, value._slot, value._meta
    input._version = input._version + 1
    from weakref import ref

    value._trace.handles[value._slot] = ref(input)
    return input


@public(method=True, function=False)
def t_(input: Any) -> Any:
    """In-place `t`."""
    if input.ndim > 2:
        raise RuntimeError(
            f"t_() expects a tensor with <= 2 dimensions, but self is {input.ndim}D. Fix: use .transpose_(a, b)."
        )
    return (
        turn_into_view(input, TABLE["transpose"], (0, 1))
        if input.ndim == 2
        else turn_into_view(input, TABLE["alias"], ())
    )


@public("transpose_", "swapaxes_", "swapdims_", method=True, function=False)
def transpose_(input: Any, dim0: int, dim1: int) -> Any:
    """In-place `transpose`."""
    return turn_into_view(input, TABLE["transpose"], (as_ints(dim0), as_ints(dim1)))


@public(method=True, function=False)
def unsqueeze_(input: Any, dim: int) -> Any:
    """In-place `unsqueeze`."""
    return turn_into_view(input, TABLE["unsqueeze"], (as_int(dim),))


@public(method=True, function=False)
def squeeze_(input: Any, dim: Any = None) -> Any:
    """In-place `squeeze`."""
    return turn_into_view(input, TABLE["squeeze"], (as_ints(dim),))


@public(method=True, function=False)
def resize_(input: Any, *size: Any, memory_format: Any = None) -> Any:
    """Change the shape in place; new elements are zero."""
    from rushlight.functional import FUNCTIONS

    shape = size_of(size)
    if tuple(input.shape) == shape:
        return input
    flat, count = input.detach().reshape(-1), math.prod(shape)
    if count > flat.numel():
        flat = FUNCTIONS["cat"]([flat, FUNCTIONS["zeros"](count - flat.numel(), dtype=input.dtype)])
    return _become(input, flat[:count].reshape(shape))


@public(method=True, function=False)
def expand(input: Any, *size: Any, implicit: bool = False) -> Any:
    """Dimensions of size 1 repeated without copying; -1 keeps a size."""
    return record_view(TABLE["expand"], input, (size_of(size),))


@public(method=True, function=False)
def expand_as(input: Any, other: Any) -> Any:
    """`expand` to another tensor's shape."""
    return record_view(TABLE["expand"], input, (tuple(other.shape),))


@public(method=True)
def broadcast_to(input: Any, size: Any) -> Any:
    """`expand`."""
    return record_view(TABLE["expand"], input, (size_of((size,)),))


@public()
def broadcast_tensors(*tensors: Any) -> tuple:
    """All tensors expanded to their common shape."""
    items = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    shape = broadcast_shapes("broadcast_tensors", *[t.shape for t in items])
    return tuple(t if tuple(t.shape) == shape else expand(t, shape) for t in items)


@public("broadcast_shapes")
def public_broadcast_shapes(*shapes: Any) -> Any:
    """The shape that the shapes broadcast to."""
    from rushlight.ir.meta import Size

    return Size(broadcast_shapes("broadcast_shapes", *[(s,) if isinstance(s, int) else s for s in shapes]))


@public(method=True, function=False)
def sum_to_size(input: Any, *size: Any) -> Any:
    """Summed over the dimensions that broadcasting to this shape had added."""
    shape = size_of(size)
    if tuple(input.shape) == shape:
        return input
    lead = input.ndim - len(shape)
    dims = tuple(range(lead)) + tuple(lead + d for d, n in enumerate(shape) if n == 1 and input.shape[lead + d] != 1)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, input.shape[lead:], strict=True)):
        raise RuntimeError(f"sum_to_size: size {list(shape)} is not expandable to size {list(input.shape)}.")
    found = input.sum(dims, True) if dims else input
    return found.reshape(shape) if lead else found


@public(method=True)
def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """`length` positions of a dimension from start."""
    if not input.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    begin = as_ints(start)
    d = wrap_dim(dim, input.ndim, "narrow")
    n = input.shape[d]
    begin = begin + n if begin < 0 else begin
    if begin > n or begin < 0 or length < 0 or begin + length > n:
        raise RuntimeError(f"narrow: start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return record_view(TABLE["slice"], input, (d, begin, begin + length, 1))


@public("split", "split_with_sizes", "unsafe_split", method=True)
def split(tensor: Any, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None) -> tuple:
    """Pieces of a dimension, of one size (the last may be smaller) or of the sizes given."""
    wanted = split_size if split_size_or_sections is None else split_size_or_sections
    d = wrap_dim(dim, tensor.ndim, "split")
    n = tensor.shape[d]
    if isinstance(wanted, (list, tuple)):
        sizes = as_ints(tuple(wanted))
        if sum(sizes) != n:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension {d}), but got split_sizes={list(sizes)}"
            )
    else:
        step = as_ints(wanted)
        if step < 0 or (step == 0 and n):
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={step}")
        sizes = tuple(min(step, n - at) for at in range(0, n, step)) if n else (0,)
    found, at = [], 0
    for length in sizes:
        found.append(record_view(TABLE["slice"], tensor, (d, at, at + length, 1)))
        at += length
    return tuple(found)


@public("chunk", "unsafe_chunk", method=True)
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple:
    """At most `chunks` equal pieces of a dimension."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = input.shape[wrap_dim(dim, input.ndim, "chunk")]
    return split(input, max(1, -(-n // chunks)), dim) if n else (input,) * chunks


@public(method=True)
def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple:
    """Pieces of a dimension: nearly equal ones, or cut at the given positions."""
    d = wrap_dim(dim, input.ndim, "tensor_split")
    n = input.shape[d]
    if isinstance(indices_or_sections, int):
        base, extra = divmod(n, indices_or_sections)
        cuts, at = [], 0
        for i in range(indices_or_sections - 1):
            at += base + (i < extra)
            cuts.append(at)
    else:
        cuts = [int(c) for c in indices_or_sections]
    edges = [None, *cuts], [*cuts, None]
    return tuple(record_view(TABLE["slice"], input, (d, a, b, 1)) for a, b in zip(*edges, strict=True))


@public(method=True)
def hsplit(input: Any, indices_or_sections: Any) -> tuple:
    """Split by columns."""
    return tensor_split(input, indices_or_sections, 0 if input.ndim == 1 else 1)


@public(method=True)
def vsplit(input: Any, indices_or_sections: Any) -> tuple:
    """Split by rows."""
    return tensor_split(input, indices_or_sections, 0)


@public(method=True)
def unbind(input: Any, dim: int = 0) -> tuple:
    """The slices of a dimension."""
    d = wrap_dim(dim, input.ndim, "unbind")
    return tuple(record_view(TABLE["select"], input, (d, i)) for i in range(input.shape[d]))


@public()
def stack(tensors: Sequence[Any], dim: int = 0, *, out: Any = None) -> Any:
    """Tensors of one shape joined along a new dimension."""
    if len(tensors) == 0:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = tensors[0]
    for index, item in enumerate(tensors):
        if not isinstance(item, Handle):
            raise TypeError(
                explain_error("stack", got=f"a {type(item).__name__} at position {index}", expected="tensors")
            )
        if tuple(item.shape) != tuple(first.shape):
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first.shape)} at entry 0 and {list(item.shape)} at entry {index}"
            )
    d = wrap_dim(dim, first.ndim + 1, "stack")
    return FUNCTION("cat")([item.unsqueeze(d) for item in tensors], d)


def FUNCTION(name: str) -> Any:
    """A public function by name, looked up at call time."""
    from rushlight.functional import FUNCTIONS

    return FUNCTIONS[name]


@public("cat", "concat", "concatenate")
def cat(tensors: Sequence[Any], dim: int = 0, *, out: Any = None, axis: int | None = None) -> Any:
    """Tensors joined along an existing dimension."""
    if isinstance(tensors, Handle):
        raise TypeError("cat(): argument 'tensors' must be tuple of Tensors, not Tensor. Fix: torch.cat([a, b]).")
    items = list(tensors)
    if not items:
        raise ValueError("cat: expected a non-empty list of Tensors")
    result = record(TABLE["cat"], (items,), (as_ints(dim if axis is None else axis),))
    return result if out is None else out.resize_(result.shape).copy_(result)


@public()
def hstack(tensors: Sequence[Any]) -> Any:
    """Joined side by side."""
    items = [FUNCTION("atleast_1d")(item) for item in tensors]
    return cat(items, 0 if items[0].ndim == 1 else 1)


@public("vstack", "row_stack")
def vstack(tensors: Sequence[Any]) -> Any:
    """Joined on top of each other."""
    return cat([FUNCTION("atleast_2d")(item) for item in tensors], 0)


@public()
def dstack(tensors: Sequence[Any]) -> Any:
    """Joined along the third dimension."""
    return cat([FUNCTION("atleast_3d")(item) for item in tensors], 2)


@public()
def column_stack(tensors: Sequence[Any]) -> Any:
    """Vectors as columns, matrices side by side."""
    return hstack([item.reshape(item.numel(), 1) if item.ndim <= 1 else item for item in tensors])


def _atleast(ndim: int) -> Any:
    def one(item: Any) -> Any:
        if item.ndim >= ndim:
            return item
        if ndim == 3:
            return {0: lambda: reshape(item, 1, 1, 1), 1: lambda: item[None, :, None], 2: lambda: item[:, :, None]}[
                item.ndim
            ]()
        return reshape(item, (1,) * (ndim - item.ndim) + tuple(item.shape))

    def atleast(*tensors: Any) -> Any:
        if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
            tensors = tuple(tensors[0])
        found = tuple(one(item) for item in tensors)
        return found[0] if len(found) == 1 else found

    return public(f"atleast_{ndim}d")(atleast)


atleast_1d, atleast_2d, atleast_3d = _atleast(1), _atleast(2), _atleast(3)


@public(method=True)
def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Dimensions moved to other places; the rest keeps its order."""
    sources = [wrap_dim(d, input.ndim) for d in ((source,) if isinstance(source, int) else source)]
    targets = [wrap_dim(d, input.ndim) for d in ((destination,) if isinstance(destination, int) else destination)]
    order: list[Any] = [None] * input.ndim
    for s, d in zip(sources, targets, strict=True):
        order[d] = s
    rest = iter(d for d in range(input.ndim) if d not in sources)
    return permute(input, [next(rest) if d is None else d for d in order])


@public("moveaxis", method=True)
def moveaxis(input: Any, source: Any, destination: Any) -> Any:
    """`movedim`."""
    return movedim(input, source, destination)


@public(method=True)
def flip(input: Any, *dims: Any) -> Any:
    """Dimensions reversed (a copy)."""
    return record(TABLE["flip"], (input,), (size_of(dims),))


@public(method=True)
def fliplr(input: Any) -> Any:
    """Columns reversed."""
    return flip(input, 1)


@public(method=True)
def flipud(input: Any) -> Any:
    """Rows reversed."""
    return flip(input, 0)


@public(method=True)
def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Positions shifted, those that fall out coming in at the other end."""
    shifts = (shifts,) if isinstance(shifts, int) else as_ints(tuple(shifts))
    dims = () if dims is None else (dims,) if isinstance(dims, int) else as_ints(tuple(dims))
    if dims and len(dims) != len(shifts):
        raise RuntimeError(f"roll: shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    return record(TABLE["roll"], (input,), (shifts, tuple(wrap_dim(d, input.ndim) for d in dims)))


@public(method=True)
def rot90(input: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """Rotated by k quarter turns in the plane of two dimensions."""
    k, (a, b) = k % 4, dims
    if k == 0:
        return clone(input)
    if k == 2:
        return flip(input, a, b)
    return transpose(flip(input, b), a, b) if k == 1 else flip(transpose(input, a, b), b)


@public(method=True, function=False)
def repeat(input: Any, *sizes: Any) -> Any:
    """The tensor tiled `sizes` times along its dimensions."""
    return record(TABLE["repeat"], (input,), (size_of(sizes),))


@public(method=True)
def tile(input: Any, *dims: Any) -> Any:
    """`repeat`, with missing leading counts taken as 1."""
    counts = size_of(dims)
    return repeat(input, (1,) * (input.ndim - len(counts)) + counts)


@public(method=True)
def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Each element (of a dimension) repeated."""
    from rushlight.functional.creation import tensor

    if repeats is None:
        counts = [int(c) for c in input.tolist()]
        return tensor([i for i, c in enumerate(counts) for _ in range(c)], dtype=dtypes.int64)
    if dim is None:
        input, dim = flatten(input), 0
    n = input.shape[dim]
    counts = [int(c) for c in repeats.reshape(-1).tolist()] if isinstance(repeats, Handle) else [int(repeats)]
    counts = counts * n if len(counts) == 1 else counts
    if len(counts) != n:
        raise RuntimeError(
            f"repeat_interleave: repeats must have the same size as input along dim, but got {len(counts)} and {n}"
        )
    return FUNCTION("index_select")(
        input, dim, tensor([i for i, c in enumerate(counts) for _ in range(c)], dtype=dtypes.int64)
    )


@public(method=True)
def as_strided(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """Any sizes and strides over the tensor's storage."""
    base = leaf_of(input)[0]
    if base.requires_grad and not input.requires_grad:
        base = base.detach()
    offset = input._meta.offset if storage_offset is None else storage_offset
    if base._meta.dtype is not input._meta.dtype:
        base = input
    if not base._meta.contiguous:  # dense in another order of its dimensions
        base = permute(base, sorted(range(base.ndim), key=lambda d: -base.stride(d)))
    return record_view(
        TABLE["as_strided"], base, (size_of((size,)), size_of((stride,)), as_ints(offset - base._meta.offset))
    )


@public()
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple:
    """Coordinate grids of vectors."""
    items = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    items = [reshape(item, -1) for item in items]
    if indexing == "xy" and len(items) >= 2:
        grids = meshgrid(items[1], items[0], *items[2:], indexing="ij")
        grids = tuple(transpose(g, 0, 1) for g in grids)
        return (grids[1], grids[0], *grids[2:])
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be one of 'xy' or 'ij', but received: {indexing}")
    shape = [item.numel() for item in items]
    return tuple(
        expand(reshape(item, [n if d == i else 1 for d, n in enumerate(shape)]), shape) for i, item in enumerate(items)
    )


@public(method=True)
def squeeze(input: Any, dim: Any = None) -> Any:
    """Dimensions of size 1 left out: all, or those given."""
    return record_view(TABLE["squeeze"], input, (as_ints(dim),))


@public(method=True)
def diag(input: Any, diagonal: int = 0) -> Any:
    """The diagonal of a matrix, or a matrix with this diagonal."""
    if input.ndim == 2:
        return clone(input.diagonal(diagonal))
    if input.ndim != 1:
        raise RuntimeError(f"diag: expected a vector or a matrix, got shape {list(input.shape)}.")
    return diag_embed(input, diagonal)


@public(method=True)
def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices with the last dimension on their diagonal."""
    n = input.shape[-1] + abs(offset)
    zeros = FUNCTION("zeros")((*input.shape[:-1], n, n), dtype=input.dtype)
    made = record(TABLE["diagonal_write"], (zeros, input), (offset, -2, -1))
    return movedim(made, (-2, -1), (dim1, dim2)) if (dim1, dim2) != (-2, -1) else made


@public(method=True)
def diagflat(input: Any, offset: int = 0) -> Any:
    """A matrix with the flattened input on its diagonal."""
    return diag_embed(reshape(input, -1), offset)


@public(method=True)
def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """A copy of input with one position of a dimension replaced."""
    return record(TABLE["select_write"], (input, src), (dim, index))


@public(method=True)
def slice_scatter(input: Any, src: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    """A copy of input with a slice replaced."""
    return record(TABLE["slice_write"], (input, src), (dim, start, end, step))


@public(method=True)
def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A copy of input with a diagonal replaced."""
    return record(TABLE["diagonal_write"], (input, src), (offset, dim1, dim2))


@public(method=True, function=False)
def copy_(input: Any, src: Any, non_blocking: bool = False) -> Any:
    """Write src (broadcast, converted) to this tensor."""
    return record_inplace(TABLE["copy_"], (input, src), ())


def _put_property(name: str, make: Any) -> None:
    from rushlight.functional.registry import METHODS

    METHODS[name] = property(make)


_put_property("T", lambda x: permute(x, tuple(range(x.ndim))[::-1]))


def _matrix_transpose(x: Any) -> Any:
    """The last two dimensions exchanged; 0-d tensors as they are."""
    if x.ndim == 1:
        raise RuntimeError(
            "tensor.mT is only supported on matrices or batches of matrices; got a 1-d tensor. Fix: unsqueeze(0) first."
        )
    return transpose(x, -2, -1) if x.ndim else x


_put_property("mT", _matrix_transpose)
_put_property("H", lambda x: transpose(x, 0, 1).conj() if x.ndim else x)
_put_property("mH", lambda x: transpose(x, -2, -1).conj())
_put_property("real", lambda x: record_view(TABLE["real_part"], x, ()) if x.is_complex() else x)
_put_property("imag", lambda x: record_view(TABLE["imag_part"], x, ()))
