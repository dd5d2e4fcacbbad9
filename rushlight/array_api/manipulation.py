"""Shapes: joining, moving, repeating."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight.array_api.dtypes import result_type
from rushlight.errors import explain_error

__all__ = [
    "broadcast_arrays", "broadcast_shapes", "broadcast_to", "concat", "expand_dims", "flip", "moveaxis", "permute_dims", "repeat",
    "reshape", "roll", "squeeze", "stack", "tile", "unstack",
]  # fmt: skip


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that arrays of these shapes are broadcast to."""
    return tuple(rushlight.broadcast_shapes(*shapes))


def broadcast_to(x: Any, /, shape: tuple[int, ...]) -> Any:
    """A view with dimensions of size 1 repeated."""
    return rushlight.broadcast_to(x, shape)


def broadcast_arrays(*arrays: Any) -> list[Any]:
    """All of them, broadcast to one shape."""
    return list(rushlight.broadcast_tensors(*arrays))


def concat(arrays: Any, /, *, axis: int | None = 0) -> Any:
    """One after the other along an axis; flattened first if it is None."""
    kind = result_type(*arrays)
    arrays = [x.to(kind) if axis is not None else x.to(kind).flatten() for x in arrays]
    return rushlight.cat(arrays, 0 if axis is None else axis)


def stack(arrays: Any, /, *, axis: int = 0) -> Any:
    """Side by side along a new axis."""
    kind = result_type(*arrays)
    return rushlight.stack([x.to(kind) for x in arrays], axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices along an axis."""
    return rushlight.unbind(x, axis)


def expand_dims(x: Any, /, *, axis: int | tuple[int, ...] = 0) -> Any:
    """With new dimensions of size 1 where `axis` says that they are to be. IndexError if there is no such place."""
    axes = (axis,) if isinstance(axis, int) else axis
    ndim = x.ndim + len(axes)
    if any(not -ndim <= a < ndim for a in axes):
        raise IndexError(
            explain_error(
                "expand_dims", got=f"axis={axis} for a result of {ndim} dimensions", expected=f"{-ndim} to {ndim - 1}"
            )
        )
    for place in sorted(a % ndim for a in axes):
        x = x.unsqueeze(place)
    return x


def squeeze(x: Any, /, axis: int | tuple[int, ...]) -> Any:
    """Without dimensions of size 1. ValueError for others."""
    axes = (axis,) if isinstance(axis, int) else axis
    for a in axes:
        if x.shape[a] != 1:
            raise ValueError(explain_error("squeeze", got=f"axis {a} of size {x.shape[a]}", expected="size 1"))
    return rushlight.squeeze(x, axes)


def flip(x: Any, /, *, axis: int | tuple[int, ...] | None = None) -> Any:
    """The other way round along some axes, or all."""
    return rushlight.flip(x, tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis)


def moveaxis(x: Any, source: Any, destination: Any, /) -> Any:
    """With axes at other places."""
    return rushlight.moveaxis(x, source, destination)


def permute_dims(x: Any, /, axes: tuple[int, ...]) -> Any:
    """With the axes in another order."""
    return rushlight.permute(x, axes)


def reshape(x: Any, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Any:
    """The same elements in another shape; a view unless `copy`. With copy=False ValueError where a view is not possible."""
    if copy is False:
        try:
            return x.view(shape)
        except RuntimeError as error:
            raise ValueError(str(error)) from None
    return rushlight.reshape(x.clone() if copy else x, shape)


def roll(x: Any, /, shift: Any, *, axis: Any = None) -> Any:
    """Shifted along axes; what leaves at one end comes in at the other."""
    return rushlight.roll(x, shift, axis)


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Each element several times."""
    return rushlight.repeat_interleave(x, repeats, axis)


def tile(x: Any, repetitions: tuple[int, ...], /) -> Any:
    """The whole several times along each axis."""
    return rushlight.tile(x, repetitions)
