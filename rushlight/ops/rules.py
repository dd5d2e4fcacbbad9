"""Shape and dtype rules that many ops share: broadcasting, promotion, dimensions, layouts."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from rushlight import dtype as dtypes
from rushlight.dtype import BOOL, FLOATING, INTEGER, dtype
from rushlight.errors import explain_error
from rushlight.ir.meta import WEAK_CATEGORY, Meta, contiguous_stride, meta
from rushlight.lessons import say, warn

_LARGE = 2**27  # elements: half a gigabyte of float32


def broadcast_shapes(op: str, *shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that the operands broadcast to; RuntimeError naming the dimension that does not fit."""
    ndim = max((len(s) for s in shapes), default=0)
    result = [1] * ndim
    for shape in shapes:
        for i, size in enumerate(reversed(shape), 1):
            if size != 1:
                if result[-i] not in (1, size):
                    raise RuntimeError(
                        f"{op}: The size of tensor a ({result[-i]}) must match the size of tensor b ({size}) at "
                        f"non-singleton dimension {ndim - i}; got shapes "
                        f"{' and '.join(str(list(s)) for s in shapes)}. Fix: make the sizes equal or 1, for example with "
                        "unsqueeze or view."
                    )
                result[-i] = size
    return tuple(result)


def result_dtype(*metas: Meta | None) -> dtype:
    """PyTorch's promotion: tensors with dimensions first, then 0-d tensors, then Python numbers, each only if its
    category is higher."""
    best: list[dtype | None] = [None, None, None]
    for m in metas:
        if m is not None:
            rank = 2 if m.weak else 1 if m.shape == () else 0
            old = best[rank]
            if m.weak:
                kind = dtypes.of_category(m.dtype.category)
                best[rank] = kind if old is None or kind.category > old.category else old
            else:
                best[rank] = m.dtype if old is None else dtypes.promote_types(old, m.dtype)
    result: dtype | None = None
    for kind in best:
        if kind is None:
            continue
        if result is None:
            result = kind
        elif kind.category > result.category:
            if kind.category == dtypes.COMPLEX and result.category == FLOATING:
                result = result.to_complex()
            else:
                result = dtypes.promote_types(result, kind) if result.category == BOOL else kind
    if result is None:
        raise TypeError("got no tensor and no number; expected one of them at least.")
    return result


def float_dtype(*metas: Meta | None) -> dtype:
    """The promoted dtype, with integers and bool becoming the default float."""
    kind = result_dtype(*metas)
    return kind if kind.category >= FLOATING else dtypes.get_default_dtype()


def dense_stride(shape: Sequence[int], metas: Sequence[Meta]) -> tuple[int, ...]:
    """The strides of an elementwise result: dense, dimensions ordered as in the first operands that say an order."""
    full = [m for m in metas if tuple(m.shape) == tuple(shape) and m.shape]
    if not full or all(m.contiguous for m in full) or len(shape) < 2:
        return contiguous_stride(shape)
    aligned = [m for m in metas if m.shape]
    ndim = len(shape)

    def strides(m: Meta) -> list[int]:
        lead = ndim - len(m.shape)
        return [0] * lead + [
            0 if n == 1 and shape[lead + d] != 1 else s for d, (n, s) in enumerate(zip(m.shape, m.stride, strict=True))
        ]

    tables = [strides(m) for m in aligned]

    def compare(i: int, j: int) -> int:
        """>0 when dimension i must lie outside dimension j."""
        for table in tables:
            if table[i] == 0 or table[j] == 0:
                continue
            if table[i] != table[j]:
                return 1 if table[i] > table[j] else -1
            if shape[i] > shape[j]:
                return 1
        return 0

    order = list(range(ndim - 1, -1, -1))  # innermost first
    for i in range(1, ndim):
        at = i
        for j in range(i - 1, -1, -1):
            found = compare(order[j], order[at])
            if found > 0:
                order[j], order[at] = order[at], order[j]
                at = j
            elif found < 0:
                break
    result, step = [0] * ndim, 1
    for d in order:
        result[d] = step
        step *= max(shape[d], 1)
    return tuple(result)


def warn_about_size(op: str, shape: Sequence[int], metas: Sequence[Meta]) -> None:
    """M18: a huge result that no operand had the shape of."""
    shapes = say("huge-broadcast/and").join(str(list(m.shape)) for m in metas if not m.weak)
    warn("huge-broadcast", op=op, shapes=shapes, result=list(shape), elements=f"{math.prod(shape):,}")


def elementwise(op: str, metas: Sequence[Meta], kind: dtype) -> Meta:
    """The meta of an elementwise result of dtype `kind`; Python numbers among themselves stay numbers."""
    if all(m.weak for m in metas):
        return WEAK_CATEGORY[kind.category]
    if len(metas) == 1:
        only = metas[0]
        if only.contiguous:
            return meta(only.shape, kind, only.device)
        shape: Sequence[int] = only.shape
    else:
        shape = broadcast_shapes(op, *[m.shape for m in metas])
        if math.prod(shape) > _LARGE and all(tuple(m.shape) != shape for m in metas):
            warn_about_size(op, shape, metas)
    device = next((m.device for m in metas if m.shape and not m.weak), None)
    if device is None:
        device = next(m.device for m in metas if not m.weak)
    return meta(shape, kind, device, dense_stride(shape, metas))


def weak_dtype(metas: Sequence[Meta], kind: dtype) -> dtype:
    """Python numbers among themselves compute in double, whatever the default dtype is."""
    return WEAK_CATEGORY[kind.category].dtype if all(m.weak for m in metas) else kind


def arithmetic(op: str) -> Any:
    """Rule of +, *, maximum, …: broadcast, promote."""

    def infer(*metas: Meta, **static: Any) -> Meta:
        present = [m for m in metas if m is not None]
        return elementwise(op, present, result_dtype(*present))

    return infer


def promote_common(*metas: Meta, **static: Any) -> dtype:
    """Compute in the promoted dtype of the operands."""
    present = [m for m in metas if m is not None]
    return weak_dtype(present, result_dtype(*present))


def floating(op: str) -> Any:
    """Rule of exp, sin, /, …: as arithmetic, integers become the default float."""

    def infer(*metas: Meta, **static: Any) -> Meta:
        present = [m for m in metas if m is not None]
        return elementwise(op, present, float_dtype(*present))

    return infer


def promote_float(*metas: Meta, **static: Any) -> dtype:
    """Compute in the promoted floating dtype."""
    present = [m for m in metas if m is not None]
    return weak_dtype(present, float_dtype(*present))


def comparison(op: str) -> Any:
    """Rule of ==, <, isnan, …: broadcast, bool."""

    def infer(*metas: Meta, **static: Any) -> Meta:
        present = [m for m in metas if m is not None]
        if len(present) > 1:
            result_dtype(*present)  # refuses dtypes that cannot be compared
        return elementwise(op, present, dtypes.bool_)

    return infer


def forbid(op: str, m: Meta, *categories: int, why: str = "") -> None:
    """Refuse a dtype category with PyTorch's RuntimeError."""
    if m.dtype.category in categories:
        raise RuntimeError(
            explain_error(
                op,
                got=f"a {KIND_NAMES[m.dtype.category]} tensor ({m.dtype})",
                expected="another dtype",
                fix=why or "convert it with .to(dtype)",
            )
        )


KIND_NAMES = {BOOL: "bool", INTEGER: "integer", FLOATING: "floating-point", dtypes.COMPLEX: "complex"}


def only(op: str, rule: Any, *categories: int) -> Any:
    """The rule, refusing operands of other dtype categories when the op is recorded."""

    def infer(*metas: Meta, **static: Any) -> Meta:
        for m in metas:
            if m is not None and m.dtype.category not in categories:
                raise NotImplementedError(
                    explain_error(
                        op, got=f"a {KIND_NAMES[m.dtype.category]} operand ({m.dtype})",
                        expected=" or ".join(KIND_NAMES[c] for c in categories) + " operands", fix="convert it with .to(dtype)",
                    )
                )  # fmt: skip
        return rule(*metas, **static)

    return infer


def wrap_dim(dim: int, ndim: int, op: str = "dim") -> int:
    """A dimension counted from the front; IndexError when it does not exist. 0-d tensors count as 1-d."""
    size = max(ndim, 1)
    if dim.__class__ is not int:
        dim = operator.index(dim)
    if not -size <= dim < size:
        raise IndexError(
            f"{op}: Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {dim}) for a "
            f"tensor of {ndim} dimension{'s' * (ndim != 1)}."
        )
    return dim % size


def wrap_dims(dims: int | Sequence[int] | None, ndim: int, op: str = "dim") -> tuple[int, ...]:
    """All dimensions for None or (); otherwise each checked once, duplicates refused."""
    if dims is None or dims == () or dims == []:
        return tuple(range(ndim))
    if isinstance(dims, int):
        dims = (dims,)
    wrapped = tuple(wrap_dim(d, ndim, op) for d in dims)
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"{op}: dim {wrapped[0]} appears multiple times in the list of dims {list(dims)}.")
    return wrapped if ndim else ()


def reduced_shape(shape: Sequence[int], dims: Sequence[int], keepdim: bool) -> tuple[int, ...]:
    """The shape after reducing over `dims`."""
    if keepdim:
        return tuple(1 if d in dims else n for d, n in enumerate(shape))
    return tuple(n for d, n in enumerate(shape) if d not in dims)


def written(m: Meta) -> Meta:
    """A fresh result in the layout of `m`; row-major where elements of `m` share a place, as after `expand`."""
    return like(m, stride=None if m.overlaps else m.stride)


def like(m: Meta, **changes: Any) -> Meta:
    """A fresh result with the shape, dtype and device of `m`, row-major unless said otherwise."""
    return meta(
        changes.get("shape", m.shape),
        changes.get("dtype", m.dtype),
        changes.get("device", m.device),
        changes.get("stride"),
    )
