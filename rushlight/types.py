"""`torch.types`: names for use in annotations.

>>> from rushlight.types import Device, Number
>>> def scale(x: float, by: Number = 2, device: Device = None) -> float: return x * by
>>> scale(3.0)
6.0
"""

from __future__ import annotations

import builtins as _builtins
import os
from collections.abc import Sequence
from typing import IO, TypeAlias, Union

from rushlight.device import device as _device
from rushlight.dtype import dtype as _dtype
from rushlight.ir.layout import memory_format as _memory_format
from rushlight.ir.meta import Size
from rushlight.layout import layout as _layout

# Inside `class Tensor`, and beside torch.int and torch.float, the plain names mean something else.
_int: TypeAlias = _builtins.int
_float: TypeAlias = _builtins.float
_bool: TypeAlias = _builtins.bool
_complex: TypeAlias = _builtins.complex
_type: TypeAlias = _builtins.type

_size: TypeAlias = Union[Size, Sequence[_int]]  # noqa: UP007  a value, made when this file is read  # noqa: UP007
Number: TypeAlias = Union[_int, _float, _bool]  # noqa: UP007
Scalar: TypeAlias = Union[_int, _float, _bool, _complex]  # noqa: UP007
Device: TypeAlias = Union[_device, str, _int, None]  # noqa: UP007
FileLike: TypeAlias = Union[str, "os.PathLike[str]", IO[bytes]]

__all__ = ["Device", "FileLike", "Number", "Scalar", "Size", "_dtype", "_layout", "_memory_format"]
