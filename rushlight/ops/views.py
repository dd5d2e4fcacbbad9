"""Views of all elements in another shape or order. A view's `write` op puts a changed view back into its base."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.ir.meta import Meta, contiguous_stride, meta
from rushlight.ir.op import Op, declare
from rushlight.ops import rearrange
from rushlight.ops.rules import wrap_dim, wrap_dims, written
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T


def viewed(x: Meta, shape: Sequence[int], stride: Sequence[int], offset: int = 0, dtype: Any = None) -> Meta:
    """The meta of a view of `x`."""
    return meta(shape, dtype or x.dtype, x.device, tuple(stride), x.offset + offset)


def view_op(
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
            f"{name}_write(Tensor input, Tensor src{', ' + static if static else ''})", infer=lambda x, src, **_: written(x),
            reference=put, vjp=put_vjp, inplace=True, doc=f"input with its `{name}` view replaced by src",
            samples=None, untracked=facts.get("untracked", False),
        )  # fmt: skip
    return declare(
        signature, infer=infer, reference=reference, vjp=vjp, view=True, write=write, samples=samples, **facts
    )


def put_through(reference: Any) -> Any:
    """Write-back through NumPy's own view: copy the base, assign the view."""

    def put(x: np.ndarray, src: np.ndarray, **static: Any) -> np.ndarray:
        result = x.copy()
        reference(result, **static)[...] = src
        return result

    return put


def hole_vjp(name: str) -> Any:
    """Gradient of a write-back: base gets g with the hole zeroed, the value gets the hole."""
    return (
        lambda g, out, x, src, **s: T.apply(name + "_write", (g, T.zeros(src.shape, dtype=g.dtype)), s),
        lambda g, out, x, src, **s: T.apply(name, (g,), s),
    )


def _scatter_back(name: str) -> Any:
    """Gradient of a view: zeros with the hole filled by g."""
    return (lambda g, out, x, **s: T.apply(name + "_write", (T.zeros(x.shape, dtype=g.dtype), g), s),)


def simple_view(signature: str, infer: Any, reference: Any, samples: Any, **facts: Any) -> Op:
    """A view whose gradient and write-back need nothing but NumPy's own view."""
    name = signature.partition("(")[0]
    facts.setdefault("vjp", _scatter_back(name))
    return view_op(
        signature,
        infer=infer,
        reference=reference,
        put=put_through(reference),
        put_vjp=hole_vjp(name),
        samples=samples,
        **facts,
    )


# --- aliases ------------------------------------------------------------------------------------------------------

_same = {"infer": lambda x: x.variant(requires_grad=False, leaf=False), "reference": lambda x: x}


def _alias_write(name: str, untracked: bool, vjp: Any) -> Op:
    return declare(
        f"{name}_write(Tensor input, Tensor src)", infer=lambda x, src: x.variant(requires_grad=False, leaf=False),
        reference=lambda x, src: src.copy(), vjp=vjp, inplace=True, untracked=untracked,
        expand=rearrange.written, moves=True, doc="input, whose memory now holds src",
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


view = view_op(
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


permute = view_op(
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


transpose = view_op(
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


expand = view_op(
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


unsqueeze = view_op(
    "unsqueeze(Tensor input, int dim)", infer=_unsqueeze_infer, reference=lambda x, dim: x[(slice(None),) * (dim % (x.ndim + 1)) + (None,)],
    vjp=(lambda g, out, x, dim: g.reshape(x.shape),), put=lambda x, src, dim: np.array(src.reshape(x.shape)),
    put_vjp=(None, lambda g, out, x, src, dim: g.unsqueeze(dim)), samples=lambda: [((values(2, 3), 1), {})],
    doc="a dimension of size 1 put in",
)  # fmt: skip


def _squeezed(shape: Sequence[int], dim: Any) -> tuple[int, ...]:
    dims = tuple(range(len(shape))) if dim is None else () if dim == () else wrap_dims(dim, len(shape), "squeeze")
    return tuple(d for d in range(len(shape)) if not (d in dims and shape[d] == 1))


def _squeeze_infer(x: Meta, dim: Any) -> Meta:
    kept = _squeezed(x.shape, dim) if x.ndim else ()
    return viewed(x, [x.shape[d] for d in kept], [x.stride[d] for d in kept])


squeeze = view_op(
    "squeeze(Tensor input, int[]? dim=None)", infer=_squeeze_infer,
    reference=lambda x, dim: x.reshape([x.shape[d] for d in _squeezed(x.shape, dim)]) if x.ndim else x,
    vjp=(lambda g, out, x, dim: g.reshape(x.shape),), put=lambda x, src, dim: np.array(src.reshape(x.shape)),
    put_vjp=(None, lambda g, out, x, src, dim: g.reshape(src.shape)),
    samples=lambda: [((values(2, 1, 3),), {}), ((values(2, 1, 3), 1), {})], doc="dimensions of size 1 left out",
)  # fmt: skip
