"""Shapes that fit each other: expand, broadcast, and the sum that undoes it."""

from __future__ import annotations

from typing import Any

from rushlight import dtype as dtypes
from rushlight.functional.creation import size_of
from rushlight.functional.registry import public
from rushlight.functional.shaping import reshape, transpose
from rushlight.ir.meta import Size
from rushlight.ir.op import TABLE
from rushlight.lazy.views import record_view
from rushlight.ops.rules import broadcast_shapes


@public(method=True, function=False)
def expand(input: Any, *sizes: Any, size: Any = None, implicit: bool = False) -> Any:
    """Dimensions of size 1 repeated without copying; -1 keeps a size.

    New dimensions go in front. RuntimeError where a size is neither 1 nor the one asked for.

    >>> import rushlight as torch
    >>> torch.tensor([[1], [2]]).expand(2, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    return record_view(TABLE["expand"], input, (size_of(sizes if size is None else (size,)),))


@public(method=True, function=False)
def expand_as(input: Any, other: Any) -> Any:
    """`expand` to another tensor's shape."""
    return record_view(TABLE["expand"], input, (tuple(other.shape),))


@public(method=True)
def broadcast_to(input: Any, size: Any) -> Any:
    """`expand`.

    >>> import rushlight as torch
    >>> torch.broadcast_to(torch.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
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
    return Size(broadcast_shapes("broadcast_shapes", *[(s,) if isinstance(s, int) else s for s in shapes]))


@public(method=True, function=False)
def sum_to_size(input: Any, *size: Any) -> Any:
    """Summed over the dimensions that broadcasting to this shape had added."""
    shape = size_of(size)
    if tuple(input.shape) == shape:
        return input if shape or input.dtype is not dtypes.bool_ else input.long()  # a number is a sum in any case
    lead = input.ndim - len(shape)
    dims = tuple(range(lead)) + tuple(lead + d for d, n in enumerate(shape) if n == 1 and input.shape[lead + d] != 1)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, input.shape[lead:], strict=True)):
        raise RuntimeError(f"sum_to_size: size {list(shape)} is not expandable to size {list(input.shape)}.")
    found = input.sum(dims, True) if dims else input
    return found.reshape(shape) if lead else found


@public()
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple:
    """Coordinate grids of vectors.

    >>> import rushlight as torch
    >>> x, y = torch.meshgrid(torch.tensor([1, 2]), torch.tensor([3, 4]), indexing="ij")
    >>> x
    tensor([[1, 1],
            [2, 2]])
    """
    items = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    items = [reshape(item, -1) for item in items]
    if indexing == "xy" and len(items) >= 2:
        return tuple(transpose(g, 0, 1) for g in meshgrid(*items, indexing="ij"))
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be one of 'xy' or 'ij', but received: {indexing}")
    shape = [item.numel() for item in items]
    return tuple(
        expand(reshape(item, [n if d == i else 1 for d, n in enumerate(shape)]), shape) for i, item in enumerate(items)
    )
