"""Views and other movement of elements. A view's `write` op puts a changed view back into its base."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta, contiguous_stride, meta
from rushlight.ir.op import Op, declare
from rushlight.ops.rules import broadcast_shapes, dense_stride, like, wrap_dim, wrap_dims
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T


def viewed(x: Meta, shape: Sequence[int], stride: Sequence[int], offset: int = 0, dtype: Any = None) -> Meta:
    """The meta of a view of `x`."""
    return meta(shape, dtype or x.dtype, x.device, tuple(stride), x.offset + offset)


def _view_op(
    signature: str, *, infer: Any, reference: Any, vjp: Any, put: Any, put_vjp: Any, samples: Any, **facts: Any
) -> Op:
    """A view and the op that writes it back: `put(base, value, **static)` copies base with the view replaced."""
    name = signature.partition("(")[0]
    write = None
    if put is not None:
        static = ", ".join(
            p for p in signature[signature.index("(") + 1 : -1].split(", ") if not p.startswith("Tensor ")
        )
        write = declare(
            f"{name}_write(Tensor input, Tensor src{', ' + static if static else ''})", infer=lambda x, src, **_: like(x, stride=x.stride),
            reference=put, vjp=put_vjp, inplace=True, doc=f"input with its `{name}` view replaced by src",
            samples=None, untracked=facts.get("untracked", False),
        )  # fmt: skip
    return declare(
        signature, infer=infer, reference=reference, vjp=vjp, view=True, write=write, samples=samples, **facts
    )


def _put(reference: Any) -> Any:
    """Write-back through NumPy's own view: copy the base, assign the view."""

    def put(x: np.ndarray, src: np.ndarray, **static: Any) -> np.ndarray:
        result = x.copy()
        reference(result, **static)[...] = src
        return result

    return put


def _put_vjp(name: str) -> Any:
    """Gradient of a write-back: base gets g with the hole zeroed, the value gets the hole."""
    return (
        lambda g, out, x, src, **s: T.apply(name + "_write", (g, T.zeros(src.shape, dtype=g.dtype)), s),
        lambda g, out, x, src, **s: T.apply(name, (g,), s),
    )


def _scatter_back(name: str) -> Any:
    """Gradient of a view: zeros with the hole filled by g."""
    return (lambda g, out, x, **s: T.apply(name + "_write", (T.zeros(x.shape, dtype=g.dtype), g), s),)


def _simple_view(signature: str, infer: Any, reference: Any, samples: Any, **facts: Any) -> Op:
    name = signature.partition("(")[0]
    facts.setdefault("vjp", _scatter_back(name))
    return _view_op(
        signature,
        infer=infer,
        reference=reference,
        put=_put(reference),
        put_vjp=_put_vjp(name),
        samples=samples,
        **facts,
    )


# --- aliases ------------------------------------------------------------------------------------------------------

_same = {"infer": lambda x: x.variant(requires_grad=False, leaf=False), "reference": lambda x: x}


def _alias_write(name: str, untracked: bool, vjp: Any) -> Op:
    return declare(
        f"{name}_write(Tensor input, Tensor src)", infer=lambda x, src: x.variant(requires_grad=False, leaf=False),
        reference=lambda x, src: src.copy(), vjp=vjp, inplace=True, untracked=untracked,
        doc="input, whose memory now holds src",
    )  # fmt: skip


# Writes to detached memory leave the gradient of the base as it was.
_through = (lambda g, out, x, src: g, None)
detach = declare(
    "detach(Tensor input)", **_same, view=True, write=_alias_write("detach", False, _through), doc="the same memory without a gradient history",
    samples=lambda: [((values(2, 3),), {})],
)  # fmt: skip
data = declare(
    "data(Tensor input)", public="", **_same, view=True, untracked=True, write=_alias_write("data", True, _through),
    doc="as detach, and writes are not counted as versions", samples=lambda: [((values(2, 3),), {})],
)  # fmt: skip
alias = declare(
    "alias(Tensor input)", public="", **_same, view=True, vjp=(lambda g, out, x: g,),
    write=_alias_write("alias", False, (None, lambda g, out, x, src: g)), doc="the same memory",
    samples=lambda: [((values(2, 3),), {})],
)  # fmt: skip

# --- views --------------------------------------------------------------------------------------------------------


def resolve_shape(op: str, shape: Sequence[int], numel: int) -> tuple[int, ...]:
    """Fill in a -1 and check that the sizes fit."""
    shape = tuple(shape)
    known = math.prod(n for n in shape if n != -1)
    if shape.count(-1) > 1:
        raise RuntimeError(f"{op}: only one dimension can be inferred; got {list(shape)}.")
    if any(n < -1 for n in shape):
        raise RuntimeError(f"{op}: invalid shape dimension {min(shape)}; got {list(shape)}.")
    if -1 in shape:
        if known == 0:
            raise RuntimeError(
                f"{op}: cannot reshape tensor of {numel} elements into shape {list(shape)} because the unspecified "
                "dimension size -1 can be any value and is ambiguous. Fix: write the size out."
            )
        if numel % known == 0:
            return tuple(numel // known if n == -1 else n for n in shape)
    elif known == numel:
        return shape
    raise RuntimeError(
        f"{op}: shape '{list(shape)}' is invalid for input of size {numel}."
        + (f" {numel} is not a multiple of {known}." if -1 in shape else f" The shape holds {known} elements.")
        + (" Fix: to keep the batch dimension write x.flatten(1) or x.view(x.size(0), -1)." if len(shape) == 2 else "")
    )


def view_stride(x: Meta, shape: Sequence[int]) -> tuple[int, ...] | None:
    """Strides of `x` seen with another shape, or None when that needs a copy."""
    if x.contiguous:
        return contiguous_stride(shape)
    chunks: list[list[int]] = []  # runs of dimensions that lie contiguously: [size, innermost stride]
    for n, s in zip(x.shape, x.stride, strict=True):
        if n == 1:
            continue
        if chunks and chunks[-1][1] == n * s:
            chunks[-1] = [chunks[-1][0] * n, s]
        else:
            chunks.append([n, s])
    result = [0] * len(shape)
    at = len(chunks) - 1
    left = chunks[at][0] if chunks else 1
    step = chunks[at][1] if chunks else 1
    for d in range(len(shape) - 1, -1, -1):
        if shape[d] == 1:
            result[d] = step
            continue
        if left == 1:
            at -= 1
            left, step = chunks[at]
        if left % shape[d]:
            return None
        result[d] = step
        step *= shape[d]
        left //= shape[d]
    return tuple(result)


def _view_infer(x: Meta, size: Sequence[int]) -> Meta:
    shape = resolve_shape("view", size, x.numel)
    stride = view_stride(x, shape)
    if stride is None:
        raise RuntimeError(
            f"view: view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            f"contiguous subspaces); got shape {list(x.shape)} with strides {list(x.stride)}. Fix: use .reshape(...) instead."
        )
    return viewed(x, shape, stride)


view = _view_op(
    "view(Tensor input, int[] size)", public="method", infer=_view_infer, reference=lambda x, size: x.reshape(size),
    vjp=(lambda g, out, x, size: g.reshape(x.shape),),
    put=lambda x, src, size: np.array(src.reshape(x.shape)),
    put_vjp=(None, lambda g, out, x, src, size: g.reshape(src.shape)),
    samples=lambda: [((values(2, 6), (3, 4)), {}), ((values(2, 6), (-1,)), {})], doc="the same elements in another shape",
)  # fmt: skip


def _permute_infer(x: Meta, dims: Sequence[int]) -> Meta:
    if len(dims) != x.ndim:
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {x.ndim} is not equal to len(dims) = {len(dims)}.".replace(
                "(sparse_coo)", ""
            )
        )
    order = tuple(wrap_dim(d, x.ndim, "permute") for d in dims)
    if len(set(order)) != len(order):
        raise RuntimeError("permute: duplicate dims are not allowed.")
    return viewed(x, [x.shape[d] for d in order], [x.stride[d] for d in order])


def _inverse(dims: Sequence[int]) -> tuple[int, ...]:
    back = [0] * len(dims)
    for i, d in enumerate(dims):
        back[d % len(dims)] = i
    return tuple(back)


permute = _view_op(
    "permute(Tensor input, int[] dims)", infer=_permute_infer, reference=lambda x, dims: x.transpose(dims),
    vjp=(lambda g, out, x, dims: g.permute(_inverse(dims)),),
    put=lambda x, src, dims: np.array(src.transpose(_inverse(dims))),
    put_vjp=(None, lambda g, out, x, src, dims: g.permute(dims)),
    samples=lambda: [((values(2, 3, 4), (2, 0, 1)), {})], doc="dimensions in another order",
)  # fmt: skip


def _transpose_infer(x: Meta, dim0: int, dim1: int) -> Meta:
    a, b = wrap_dim(dim0, x.ndim, "transpose"), wrap_dim(dim1, x.ndim, "transpose")
    if not x.ndim:
        return viewed(x, (), ())
    shape, stride = list(x.shape), list(x.stride)
    shape[a], shape[b], stride[a], stride[b] = shape[b], shape[a], stride[b], stride[a]
    return viewed(x, shape, stride)


def _swap(x: np.ndarray, dim0: int, dim1: int) -> np.ndarray:
    return x.swapaxes(dim0, dim1) if x.ndim else x


transpose = _view_op(
    "transpose(Tensor input, int dim0, int dim1)", infer=_transpose_infer, reference=_swap,
    vjp=(lambda g, out, x, dim0, dim1: g.transpose(dim0, dim1),),
    put=lambda x, src, dim0, dim1: np.array(_swap(src, dim0, dim1)),
    put_vjp=(None, lambda g, out, x, src, dim0, dim1: g.transpose(dim0, dim1)),
    samples=lambda: [((values(2, 3, 4), 0, -1), {})], doc="two dimensions exchanged",
)  # fmt: skip


def _expand_infer(x: Meta, size: Sequence[int]) -> Meta:
    lead = len(size) - x.ndim
    if lead < 0:
        raise RuntimeError(
            f"expand: the number of sizes provided ({len(size)}) must be greater or equal to the number of dimensions in the "
            f"tensor ({x.ndim}); got sizes {list(size)} for shape {list(x.shape)}."
        )
    shape, stride = [], []
    for i, n in enumerate(size):
        if i < lead:
            if n < 0:
                raise RuntimeError(
                    f"expand: the expanded size -1 is not allowed in a leading, non-existing dimension {i}."
                )
            shape.append(n)
            stride.append(0)
            continue
        old, step = x.shape[i - lead], x.stride[i - lead]
        n = old if n == -1 else n
        if n != old and old != 1:
            raise RuntimeError(
                f"expand: The expanded size of the tensor ({n}) must match the existing size ({old}) at non-singleton "
                f"dimension {i}. Target sizes: {list(size)}. Tensor sizes: {list(x.shape)}."
            )
        shape.append(n)
        stride.append(step if n == old else 0)
    return viewed(x, shape, stride)


def _expand(x: np.ndarray, size: Sequence[int]) -> np.ndarray:
    lead = len(size) - x.ndim
    shape = [x.shape[i - lead] if n == -1 else n for i, n in enumerate(size)]
    return (
        x.reshape(shape) if math.prod(shape) == x.size else np.broadcast_to(x, shape)
    )  # NumPy hands the latter out read-only


expand = _view_op(
    "expand(Tensor input, int[] size)", public="method", infer=_expand_infer, reference=_expand, put=lambda x, src, size: np.array(src.reshape(x.shape)),
    put_vjp=(None, lambda g, out, x, src, size: g.expand(src.shape)),
    vjp=(lambda g, out, x, size: g.sum_to_size(x.shape),),
    samples=lambda: [((values(3, 1), (2, 3, 4)), {}), ((values(3, 1), (-1, 4)), {})],
    doc="dimensions of size 1 repeated without copying",
)  # fmt: skip


def _unsqueeze_infer(x: Meta, dim: int) -> Meta:
    d = wrap_dim(dim, x.ndim + 1, "unsqueeze")
    step = x.shape[d] * x.stride[d] if d < x.ndim else 1
    return viewed(x, (*x.shape[:d], 1, *x.shape[d:]), (*x.stride[:d], step, *x.stride[d:]))


unsqueeze = _view_op(
    "unsqueeze(Tensor input, int dim)", infer=_unsqueeze_infer, reference=lambda x, dim: np.expand_dims(x, dim),
    vjp=(lambda g, out, x, dim: g.reshape(x.shape),), put=lambda x, src, dim: np.array(src.reshape(x.shape)),
    put_vjp=(None, lambda g, out, x, src, dim: g.unsqueeze(dim)), samples=lambda: [((values(2, 3), 1), {})],
    doc="a dimension of size 1 put in",
)  # fmt: skip


def _squeezed(shape: Sequence[int], dim: Any) -> tuple[int, ...]:
    dims = wrap_dims(dim, len(shape), "squeeze") if dim is not None else tuple(range(len(shape)))
    return tuple(d for d in range(len(shape)) if not (d in dims and shape[d] == 1))


def _squeeze_infer(x: Meta, dim: Any) -> Meta:
    kept = _squeezed(x.shape, dim) if x.ndim else ()
    return viewed(x, [x.shape[d] for d in kept], [x.stride[d] for d in kept])


squeeze = _view_op(
    "squeeze(Tensor input, int[]? dim=None)", infer=_squeeze_infer,
    reference=lambda x, dim: x.reshape([x.shape[d] for d in _squeezed(x.shape, dim)]) if x.ndim else x,
    vjp=(lambda g, out, x, dim: g.reshape(x.shape),), put=lambda x, src, dim: np.array(src.reshape(x.shape)),
    put_vjp=(None, lambda g, out, x, src, dim: g.reshape(src.shape)),
    samples=lambda: [((values(2, 1, 3),), {}), ((values(2, 1, 3), 1), {})], doc="dimensions of size 1 left out",
)  # fmt: skip


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


select = _simple_view(
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


slice_ = _simple_view(
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


diagonal = _simple_view(
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


unfold = _view_op(
    "unfold(Tensor input, int dimension, int size, int step)", public="method", infer=_unfold_infer, reference=_unfold, put=_put(_unfold),
    put_vjp=_put_vjp("unfold"),
    vjp=(lambda g, out, x, dimension, size, step: T.apply("unfold_backward", (g,), {"input_sizes": tuple(x.shape) or (1,), "dim": dimension, "size": size, "step": step}).reshape(x.shape),),
    samples=lambda: [((values(7), 0, 3, 2), {}), ((values(2, 6), 1, 2, 1), {})], doc="sliding windows of a dimension",
)  # fmt: skip
unfold_backward = declare(
    "unfold_backward(Tensor input, int[] input_sizes, int dim, int size, int step)",
    infer=lambda g, input_sizes, dim, size, step: like(g, shape=input_sizes), reference=_unfold_back,
    vjp=(lambda g, out, x, input_sizes, dim, size, step: g.unfold(dim, size, step),),
    samples=lambda: [((values(3, 3),), {"input_sizes": (7,), "dim": 0, "size": 3, "step": 2})],
    doc="the sum of overlapping windows: gradient of unfold",
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


as_strided = _view_op(
    "as_strided(Tensor input, int[] size, int[] stride, int storage_offset=0)", infer=_strided_infer, reference=_strided,
    vjp=(lambda g, out, x, size, stride, storage_offset: T.apply("as_strided_backward", (g,), {"input_sizes": tuple(x.shape), "size": size, "stride": stride, "storage_offset": storage_offset}),),
    put=_put(_strided), put_vjp=_put_vjp("as_strided"), samples=lambda: [((values(6), (2, 2), (1, 2), 1), {})],
    doc="any sizes and strides over the same memory",
)  # fmt: skip
as_strided_backward = declare(
    "as_strided_backward(Tensor input, int[] input_sizes, int[] size, int[] stride, int storage_offset)",
    infer=lambda g, input_sizes, **_: like(g, shape=input_sizes), reference=_strided_back,
    vjp=(lambda g, out, x, input_sizes, size, stride, storage_offset: T.as_strided(g, size, stride, storage_offset),),
    samples=lambda: [((values(2, 2),), {"input_sizes": (6,), "size": (2, 2), "stride": (1, 2), "storage_offset": 1})],
    doc="sums what as_strided read: its gradient",
)  # fmt: skip


def _bits_infer(x: Meta, dtype: Any) -> Meta:
    a, b = x.dtype.itemsize, dtype.itemsize
    if a == b:
        return viewed(x, x.shape, x.stride, 0, dtype)
    if not x.ndim or x.stride[-1] != 1 or (b > a and x.shape[-1] * a % b):
        raise RuntimeError(
            explain_error(
                "view(dtype)",
                got=f"shape {list(x.shape)} of {x.dtype} to {dtype}",
                expected="a last dimension that is dense and whose bytes divide evenly",
            )
        )
    shape = (*x.shape[:-1], x.shape[-1] * a // b)
    stride = tuple(s * a // b for s in x.stride[:-1]) + (1,)
    return meta(shape, dtype, x.device, stride, x.offset * a // b)


def _bits(x: np.ndarray, dtype: Any) -> np.ndarray:
    return x.view(dtype.storage)


view_dtype = _view_op(
    "view_dtype(Tensor input, dtype dtype)", public="", infer=_bits_infer, reference=_bits, vjp=None, put=_put(_bits), put_vjp=None,
    samples=lambda: [((values(2, 4), dtypes.int64), {})], doc="the same bits read as another dtype",
)  # fmt: skip


def _complex_part(name: str) -> Op:
    def infer(x: Meta) -> Meta:
        if not x.dtype.is_complex:
            raise RuntimeError(f"{name} is not implemented for tensors with non-complex dtypes; got {x.dtype}.")
        return viewed(x, x.shape, [2 * s for s in x.stride], x.offset + (name == "imag"), x.dtype.to_real())

    rule = {
        "real": lambda g, out, x: T.complex(g, T.zeros_like(g)), "imag": lambda g, out, x: T.complex(T.zeros_like(g), g),
    }[name]  # fmt: skip
    return _view_op(
        f"{name}_part(Tensor input)", infer=infer, reference=lambda x: getattr(x, name), vjp=(rule,),
        put=_put(lambda x: getattr(x, name)), put_vjp=None, samples=lambda: [((values(2, 3) + 1j * values(2, 3, seed=1),), {})],
        grad_name=f"{name.capitalize()}Backward0", doc=f"the {name} part of a complex tensor",
    )  # fmt: skip


real_part, imag_part = _complex_part("real"), _complex_part("imag")


def _as_real_infer(x: Meta) -> Meta:
    if not x.dtype.is_complex:
        raise RuntimeError(f"view_as_real is only supported for complex tensors; got {x.dtype}.")
    return meta((*x.shape, 2), x.dtype.to_real(), x.device, (*[2 * s for s in x.stride], 1), 2 * x.offset)


view_as_real = _view_op(
    "view_as_real(Tensor input)", public="function", infer=_as_real_infer,
    reference=lambda x: np.lib.stride_tricks.as_strided(x.real, (*x.shape, 2), (*x.strides, x.itemsize // 2)),
    vjp=(lambda g, out, x: T.view_as_complex(g.contiguous()),),
    put=lambda x, src: np.ascontiguousarray(src).view(x.dtype).reshape(x.shape), put_vjp=None,
    samples=lambda: [((values(2, 3) + 1j * values(2, 3, seed=1),), {})], doc="complex as pairs (real, imaginary)",
)  # fmt: skip


def _as_complex_infer(x: Meta) -> Meta:
    if not x.shape or x.shape[-1] != 2 or x.stride[-1] != 1 or x.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(
            explain_error(
                "view_as_complex",
                got=f"shape {list(x.shape)} of {x.dtype}",
                expected="a float tensor whose last dimension is 2 and dense",
            )
        )
    return meta(x.shape[:-1], x.dtype.to_complex(), x.device, tuple(s // 2 for s in x.stride[:-1]), x.offset // 2)


view_as_complex = _view_op(
    "view_as_complex(Tensor input)", public="function", infer=_as_complex_infer,
    reference=lambda x: np.ascontiguousarray(x).view(np.result_type(x, np.complex64))[..., 0],
    vjp=(lambda g, out, x: T.view_as_real(g.contiguous()),),
    put=lambda x, src: np.stack([src.real, src.imag], -1), put_vjp=None, samples=lambda: [((values(3, 2),), {})],
    doc="pairs (real, imaginary) as complex",
)  # fmt: skip

# --- copies -------------------------------------------------------------------------------------------------------


def _clone_infer(x: Meta, memory_format: Any) -> Meta:
    return like(x, stride=dense_stride(x.shape, [x]) if memory_format in (None, "preserve") else None)


clone = declare(
    "clone(Tensor input, *, any memory_format=None)", infer=_clone_infer, reference=lambda x, memory_format: np.array(x, order="C" if memory_format == "contiguous" else "K"),
    vjp=(lambda g, out, x, memory_format: g,), samples=lambda: [((values(2, 3),), {})], doc="a copy",
)  # fmt: skip


def _copy_infer(x: Meta, src: Meta) -> Meta:
    broadcast = broadcast_shapes("copy_", x.shape, src.shape)
    if broadcast != tuple(x.shape):
        raise RuntimeError(
            f"copy_: The expanded size of the tensor ({list(x.shape)}) must match the existing size ({list(src.shape)}): the "
            "source does not broadcast to the target."
        )
    return like(x, stride=x.stride)


copy = declare(
    "copy(Tensor input, Operand src)", public="", infer=_copy_infer,
    reference=lambda x, src: np.broadcast_to(src, x.shape).copy(),
    vjp=(None, lambda g, out, x, src: g.to(src.dtype) if hasattr(src, "dtype") else None), inplace=True, pointwise=True,
    grad_name="CopyBackwards", samples=lambda: [((values(2, 3), values(3)), {})], doc="src in the shape and dtype of input",
)  # fmt: skip


def _cat_infer(tensors: Sequence[Meta], dim: int) -> Meta:
    if not tensors:
        raise ValueError("cat: expected a non-empty list of Tensors")
    # a 1-d empty tensor is skipped, whatever the other shapes are: an old habit that scripts rely on
    real = [m for m in tensors if tuple(m.shape) != (0,)] or list(tensors)
    first = real[0]
    for index, m in enumerate(tensors):
        if m.ndim == 0:
            raise RuntimeError(
                f"cat: zero-dimensional tensor (at position {index}) cannot be concatenated. Fix: use torch.stack."
            )
    d = wrap_dim(dim, first.ndim, "cat")
    kind = first.dtype
    for index, m in enumerate(real):
        same = m.ndim == first.ndim and all(
            a == b for i, (a, b) in enumerate(zip(m.shape, first.shape, strict=True)) if i != d
        )
        if not same:
            raise RuntimeError(
                f"cat: Sizes of tensors must match except in dimension {d}. Expected {list(first.shape)} but got "
                f"{list(m.shape)} for tensor number {index} in the list."
            )
    for m in tensors:
        kind = dtypes.promote_types(kind, m.dtype)
    return like(first, shape=(*first.shape[:d], sum(m.shape[d] for m in real), *first.shape[d + 1 :]), dtype=kind)


def _cat_promote(tensors: Sequence[Meta], dim: int) -> Any:
    kind = tensors[0].dtype
    for m in tensors:
        kind = dtypes.promote_types(kind, m.dtype)
    return kind


def _cat_vjp(g: Any, out: Any, tensors: Sequence[Any], *, needs: Any, dim: int) -> tuple:
    d, at, parts = dim % max(out.ndim, 1), 0, []
    for t in tensors:
        if tuple(t.shape) == (0,) and out.ndim != 1:
            parts.append(T.zeros_like(t))
            continue
        parts.append(g.narrow(d, at, t.shape[d]))
        at += t.shape[d]
    return (parts,)


cat = declare(
    "cat(Tensor[] tensors, int dim=0)", infer=_cat_infer, promote=_cat_promote, vjp=_cat_vjp,
    reference=lambda tensors, dim: np.concatenate([t for t in tensors if t.shape != (0,)] or tensors, axis=dim),
    samples=lambda: [(([values(2, 3), values(2, 4, seed=1)],), {"dim": 1}), (([values(2), values(3)],), {})],
    doc="tensors joined along an existing dimension",
)  # fmt: skip


def _flip_infer(x: Meta, dims: Any) -> Meta:
    wrap_dims(dims, x.ndim, "flip")
    return like(x, stride=dense_stride(x.shape, [x]))


flip = declare(
    "flip(Tensor input, int[] dims)", infer=_flip_infer,
    reference=lambda x, dims: np.flip(x, dims) if x.ndim and dims else x.copy(), vjp=(lambda g, out, x, dims: g.flip(dims),),
    samples=lambda: [((values(2, 3), (0, 1)), {})], doc="dimensions reversed",
)  # fmt: skip
roll = declare(
    "roll(Tensor input, int[] shifts, int[] dims=())", infer=lambda x, shifts, dims: like(x),
    reference=lambda x, shifts, dims: np.roll(x, shifts, dims or None),
    vjp=(lambda g, out, x, shifts, dims: g.roll(tuple(-s for s in shifts), dims),),
    samples=lambda: [((values(3, 4), (1,), (1,)), {}), ((values(3, 4), (2,)), {})], doc="positions shifted around",
)  # fmt: skip


def _triangle(name: str, function: Any) -> Op:
    def infer(x: Meta, diagonal: int) -> Meta:
        if x.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions; got shape {list(x.shape)}.")
        return like(x)

    return declare(
        f"{name}(Tensor input, int diagonal=0)", infer=infer, reference=lambda x, diagonal: function(x, diagonal),
        vjp=(lambda g, out, x, diagonal: getattr(g, name)(diagonal),), inplace=True,
        samples=lambda: [((values(3, 4),), {}), ((values(3, 4), -1), {})], doc=f"the {'lower' if name == 'tril' else 'upper'} triangle, zeros elsewhere",
    )  # fmt: skip


tril, triu = _triangle("tril", np.tril), _triangle("triu", np.triu)


def _repeat_infer(x: Meta, repeats: Sequence[int]) -> Meta:
    lead = len(repeats) - x.ndim
    if lead < 0:
        raise RuntimeError(
            "repeat: Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor."
        )
    return like(x, shape=[n * r for n, r in zip((1,) * lead + tuple(x.shape), repeats, strict=True)])


def _repeat_back(g: Any, out: Any, x: Any, repeats: Sequence[int]) -> Any:
    lead = len(repeats) - x.ndim
    shape = (1,) * lead + tuple(x.shape)
    parts = g.reshape([n for pair in zip(repeats, shape, strict=True) for n in pair])
    return parts.sum(tuple(range(0, 2 * len(repeats), 2))).reshape(x.shape) if repeats else g


repeat = declare(
    "repeat(Tensor input, int[] repeats)", public="method", infer=_repeat_infer,
    reference=lambda x, repeats: np.tile(x, repeats), vjp=(_repeat_back,),
    samples=lambda: [((values(2, 3), (2, 1, 2)), {})], doc="the tensor tiled",
)  # fmt: skip


def _make_complex(real: Meta, imag: Meta) -> Meta:
    if real.dtype is not imag.dtype or real.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(
            explain_error("complex", got=f"{real.dtype} and {imag.dtype}", expected="both float32 or both float64")
        )
    return like(real, shape=broadcast_shapes("complex", real.shape, imag.shape), dtype=real.dtype.to_complex())


complex_ = declare(
    "complex(Tensor real, Tensor imag)", infer=_make_complex,
    reference=lambda a, b: (a + 1j * b).astype(np.result_type(a, np.complex64)),
    vjp=(lambda g, out, a, b: g.real, lambda g, out, a, b: g.imag), pointwise=True,
    samples=lambda: [((values(2, 3), values(2, 3, seed=1)), {})], doc="real + i * imag",
)  # fmt: skip
