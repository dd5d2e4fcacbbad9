"""Copies that move elements: clone, cat, flip, roll, triangles, repeat, complex from its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.ir.layout import channels_stride
from rushlight.ir.meta import Meta
from rushlight.ir.op import Op, declare
from rushlight.ops import rearrange
from rushlight.ops.rules import broadcast_shapes, dense_stride, like, wrap_dim, wrap_dims, written
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T


def _clone_infer(x: Meta, memory_format: Any) -> Meta:
    if memory_format in ("channels_last", "channels_last_3d"):
        return like(x, stride=channels_stride(memory_format, x.shape))
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
    return written(x)


copy = declare(
    "copy(Tensor input, Operand src)", public="", infer=_copy_infer,
    reference=lambda x, src: np.broadcast_to(src, x.shape).copy(),
    vjp=(None, lambda g, out, x, src: g.to(src.dtype) if hasattr(src, "dtype") else None), inplace=True, pointwise=True,
    grad_name="CopyBackwards", samples=lambda: [((values(2, 3), values(3)), {})], lower=lambda x, src: src,
    doc="src in the shape and dtype of input",
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


def _stack_infer(tensors: Sequence[Meta], dim: int) -> Meta:
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = tensors[0]
    for index, m in enumerate(tensors):
        if m.shape != first.shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first.shape)} at entry 0 and {list(m.shape)} "
                f"at entry {index}. Fix: pad or resize them to one shape, or join them with torch.cat."
            )
    d = wrap_dim(dim, first.ndim + 1, "stack")
    return like(first, shape=(*first.shape[:d], len(tensors), *first.shape[d:]), dtype=_cat_promote(tensors, dim))


stack = declare(
    "stack(Tensor[] tensors, int dim=0)", infer=_stack_infer, promote=_cat_promote,
    reference=lambda tensors, dim: np.stack(tensors, axis=dim),
    vjp=lambda g, out, tensors, *, needs, dim: (g.unbind(dim),),
    samples=lambda: [(([values(2, 3), values(2, 3, seed=1)],), {"dim": 1}), (([values(2), values(2, seed=1)],), {})],
    doc="tensors of one shape joined along a new dimension",
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
    samples=lambda: [((values(3, 4), (1,), (1,)), {}), ((values(3, 4), (2,)), {})], expand=rearrange.roll, moves=True, doc="positions shifted around",
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
    samples=lambda: [((values(2, 3), (2, 1, 2)), {})], expand=rearrange.repeat, moves=True, doc="the tensor tiled",
)  # fmt: skip


def _make_complex(real: Meta, imag: Meta) -> Meta:
    if real.dtype is not imag.dtype or real.dtype not in (dtypes.float16, dtypes.float32, dtypes.float64):
        raise RuntimeError(
            explain_error(
                "complex", got=f"{real.dtype} and {imag.dtype}", expected="both float16, both float32 or both float64"
            )
        )
    return like(real, shape=broadcast_shapes("complex", real.shape, imag.shape), dtype=real.dtype.to_complex())


complex_ = declare(
    "complex(Tensor real, Tensor imag)", infer=_make_complex,
    reference=lambda a, b: (a + 1j * b).astype(np.result_type(a, np.complex64)),
    vjp=(lambda g, out, a, b: g.real, lambda g, out, a, b: g.imag), pointwise=True,
    samples=lambda: [((values(2, 3), values(2, 3, seed=1)), {})], doc="real + i * imag",
)  # fmt: skip
