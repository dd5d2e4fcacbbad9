"""Meta: everything known about a value before it is computed. Interned, so that equal metas are one object."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from rushlight import device as devices
from rushlight.device import device
from rushlight.dtype import BOOL, COMPLEX, FLOATING, INTEGER, bool_, complex128, dtype, float64, int64
from rushlight.errors import explain_error


class Size(tuple):
    """A shape: a tuple that prints as PyTorch's.

    >>> Size([2, 3]), Size([2, 3]).numel(), Size([2, 3]) + (4,)
    (torch.Size([2, 3]), 6, torch.Size([2, 3, 4]))
    """

    __slots__ = ()

    def numel(self) -> int:
        """The product of the dimensions."""
        return math.prod(self)

    def __getitem__(self, index: Any) -> Any:
        item = tuple.__getitem__(self, index)
        return Size(item) if isinstance(index, slice) else item

    def __add__(self, other: Any) -> Size:
        if not isinstance(other, (tuple, list)):
            return NotImplemented  # a torch.fx.Proxy records the sum
        return Size(tuple.__add__(self, tuple(other)))

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    def __reduce__(self) -> tuple:
        return (Size, (tuple(self),))


def contiguous_stride(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides in elements; a dimension of size 0 counts as 1, as in PyTorch."""
    stride, step = [], 1
    for size in reversed(shape):
        stride.append(step)
        step *= max(size, 1)
    return tuple(reversed(stride))


class Meta:
    """Shape, dtype, device, strides (elements), storage offset, and the autograd facts of one value.

    `leaf` marks values that a gradient accumulates into; `weak` marks Python numbers, which yield in type promotion.
    Build with `meta(...)` or `variant(...)`, never directly: identity is equality, but for the results of `at(...)`.
    """

    __slots__ = (
        "shape", "dtype", "device", "stride", "offset", "requires_grad", "leaf", "weak", "numel", "contiguous",
        "start",
    )  # fmt: skip

    shape: Size
    dtype: dtype
    device: device
    stride: tuple[int, ...]
    offset: int
    requires_grad: bool
    leaf: bool
    weak: bool
    numel: int
    contiguous: bool
    start: Meta  # the interned meta that differs in its offset, which is 0

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def overlaps(self) -> bool:
        """Whether elements share a place, as after `expand`."""
        return any(s == 0 and n > 1 for n, s in zip(self.shape, self.stride, strict=True))

    def variant(self, **changes: Any) -> Meta:
        """The interned meta that differs in the named fields only."""
        known = (self, *changes.items())
        found = _variants.get(known)
        if found is not None:
            return found
        fields = {
            name: changes.get(name, getattr(self, name))
            for name in ("shape", "dtype", "device", "stride", "offset", "requires_grad", "leaf", "weak")
        }
        if "shape" in changes and "stride" not in changes:
            fields["stride"] = None
        if len(_variants) > _LIMIT:
            _variants.clear()
        found = _variants[known] = meta(**fields)
        return found

    def at(self, offset: int) -> Meta:
        """The same at another storage offset. Not interned: the rows of a data set would pile up."""
        if offset == self.offset:
            return self
        made = _new(Meta)
        made.shape, made.dtype, made.device, made.stride, made.offset = (
            self.shape,
            self.dtype,
            self.device,
            self.stride,
            offset,
        )
        made.requires_grad, made.leaf, made.weak = self.requires_grad, self.leaf, self.weak
        made.numel, made.contiguous, made.start = self.numel, self.contiguous, self.start
        return made

    def __repr__(self) -> str:
        name = self.dtype.name + "(weak)" * self.weak
        return f"{name}{list(self.shape)}" + ("" if self.contiguous else f"/{list(self.stride)}")

    def __reduce__(self) -> tuple:
        return (_rebuild, tuple(getattr(self, n) for n in Meta.__slots__[:8]))


_LIMIT = 100_000  # shapes that never return must not pile up
_new = object.__new__
_interned: dict[tuple, Meta] = {}
_variants: dict[tuple, Meta] = {}


def meta(
    shape: Iterable[int],
    dtype: dtype,
    device: device = devices.cpu,
    stride: tuple[int, ...] | None = None,
    offset: int = 0,
    requires_grad: bool = False,
    leaf: bool = False,
    weak: bool = False,
) -> Meta:
    """The interned Meta with these fields; `stride=None` means row-major."""
    shape = tuple(shape)
    dense = contiguous_stride(shape)
    stride = dense if stride is None else tuple(stride)
    key = (shape, dtype, device, stride, offset, requires_grad, leaf, weak)
    found = _interned.get(key)
    if found is None:
        if shape and min(shape) < 0:
            raise RuntimeError(explain_error("shape", got=str(list(shape)), expected="no negative dimension"))
        if len(_interned) > _LIMIT:
            _interned.clear()
            _interned.update((_key(number), number) for number in WEAK.values())
        found = Meta()
        found.shape, found.dtype, found.device, found.stride, found.offset = Size(shape), dtype, device, stride, offset
        found.requires_grad, found.leaf, found.weak = requires_grad, leaf, weak
        found.numel = math.prod(shape)
        found.contiguous = found.numel == 0 or all(
            n == 1 or s == d for n, s, d in zip(shape, stride, dense, strict=True)
        )
        found.start = found if not offset else meta(shape, dtype, device, stride, 0, requires_grad, leaf, weak)
        _interned[key] = found
    return found


def _key(m: Meta) -> tuple:
    return (tuple(m.shape), m.dtype, m.device, m.stride, m.offset, m.requires_grad, m.leaf, m.weak)


def _rebuild(*fields: Any) -> Meta:
    return meta(*fields)


# What a Python number is until it meets a tensor: computed in double, yielding to any dtype of its category.
WEAK = {
    bool: meta((), bool_, weak=True),
    int: meta((), int64, weak=True),
    float: meta((), float64, weak=True),
    complex: meta((), complex128, weak=True),
}
WEAK_CATEGORY = {BOOL: WEAK[bool], INTEGER: WEAK[int], FLOATING: WEAK[float], COMPLEX: WEAK[complex]}
