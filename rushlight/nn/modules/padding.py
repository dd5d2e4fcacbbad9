"""Layers that add a border: constant, zeros, reflection, replication or circular, in 1, 2 and 3 dimensions."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module
from rushlight.nn.modules.sizes import spread

_Size = Any  # an int, or (before, after) for each dimension from the last to the first


class _Pad(Module):
    """`padding` for each side; `_mode` is what F.pad calls the border."""

    _dims: int
    _mode: str

    def __init__(self, padding: _Size) -> None:
        super().__init__()
        self.padding = spread(padding, 2 * self._dims)

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(Module):
    _dims: int

    def __init__(self, padding: _Size, value: float) -> None:
        super().__init__()
        self.padding = spread(padding, 2 * self._dims)
        self.value = value

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A border of `value` around the last dimension.

    >>> import rushlight as torch
    >>> torch.nn.ConstantPad1d(1, 7.0)(torch.arange(2.0).view(1, 2))
    tensor([[7., 0., 1., 7.]])
    """

    _dims = 1


class ConstantPad2d(_ConstantPad):
    """A border of `value` around the last two dimensions; padding is (left, right, top, bottom)."""

    _dims = 2


class ConstantPad3d(_ConstantPad):
    """A border of `value` around the last three dimensions."""

    _dims = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: _Size) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad, ConstantPad1d):
    """A border of zeros around the last dimension."""


class ZeroPad2d(_ZeroPad, ConstantPad2d):
    """A border of zeros around the last two dimensions; padding is (left, right, top, bottom).

    >>> import rushlight as torch
    >>> torch.nn.ZeroPad2d(1)(torch.ones(1, 1, 3, 3)).shape
    torch.Size([1, 1, 5, 5])
    """


class ZeroPad3d(_ZeroPad, ConstantPad3d):
    """A border of zeros around the last three dimensions."""


class _ReflectionPad(_Pad):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPad):
    """A border that mirrors the last dimension, without repeating the edge.

    >>> import rushlight as torch
    >>> torch.nn.ReflectionPad1d(2)(torch.arange(4.0).view(1, 4))
    tensor([[2., 1., 0., 1., 2., 3., 2., 1.]])
    """

    _dims = 1


class ReflectionPad2d(_ReflectionPad):
    """A border that mirrors the last two dimensions, without repeating the edge."""

    _dims = 2


class ReflectionPad3d(_ReflectionPad):
    """A border that mirrors the last three dimensions, without repeating the edge."""

    _dims = 3


class _ReplicationPad(_Pad):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPad):
    """A border that repeats the edge of the last dimension.

    >>> import rushlight as torch
    >>> torch.nn.ReplicationPad1d(1)(torch.arange(3.0).view(1, 3))
    tensor([[0., 0., 1., 2., 2.]])
    """

    _dims = 1


class ReplicationPad2d(_ReplicationPad):
    """A border that repeats the edges of the last two dimensions."""

    _dims = 2


class ReplicationPad3d(_ReplicationPad):
    """A border that repeats the edges of the last three dimensions."""

    _dims = 3


class _CircularPad(_Pad):
    _mode = "circular"


class CircularPad1d(_CircularPad):
    """A border that continues from the other end of the last dimension."""

    _dims = 1


class CircularPad2d(_CircularPad):
    """A border that continues from the other ends of the last two dimensions."""

    _dims = 2


class CircularPad3d(_CircularPad):
    """A border that continues from the other ends of the last three dimensions."""

    _dims = 3
