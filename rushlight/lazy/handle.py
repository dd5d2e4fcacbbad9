"""What every Tensor is to the recorder, and who else may hold its memory."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from rushlight.errors import not_a_tensor
from rushlight.ir.meta import Meta

HANDLES: set[Any] = set()  # Handle and all its subclasses: to be found here is quicker than isinstance


class Handle:
    """What every Tensor is to the recorder. The class attributes are the defaults of fields that few handles set.

    _trace, _slot  the value it stands for, valid while `_trace` is the thread's pending trace
    _meta          shape, dtype, strides, requires_grad
    _array         the buffer of a realised base (storage dtype, logical shape)
    _base, _chain  for views: the handle that owns the memory, and the view ops that lead from it
    _views         for bases: weak references to their views, so that a write can invalidate them
    _history       for realised results that require grad: (frozen trace, slot) they were computed by
    _shared        True: NumPy code also holds the buffer; a weak reference: it may
    """

    _trace: Any = None
    _slot: int = -1
    _meta: Meta
    _array: np.ndarray | None = None
    _base: Handle | None = None
    _chain: tuple = ()
    _views: list | None = None
    _history: tuple | None = None
    _shared: Any = None
    _version: int = 0
    _failure: BaseException | None = None
    _stands_for: Any = None  # set on stand-ins: brings their value in when they are used
    _refused_by: Any = (
        None  # of classes that are no operands (sparse tensors): (name of the op) -> the error that says so
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        HANDLES.add(cls)


HANDLES.add(Handle)


def no_operand(name: str, value: Any, expected: str = "a tensor") -> Exception:
    """The error for a value that an op cannot take: a tensor of another layout has one of its own."""
    refuse = getattr(value, "_refused_by", None)
    return not_a_tensor(name, value, expected) if refuse is None else refuse(name.removesuffix("_op"))


def base_of(handle: Any) -> Any:
    """The handle that owns the memory. (Never `handle._base or handle`: a tensor's truth is its value.)"""
    return handle if handle._base is None else handle._base


def is_shared(base: Handle) -> bool:
    """Whether NumPy code may hold the base's buffer."""
    shared = base._shared
    return shared is not None and (shared is True or shared() is not None)


def let_go(base: Handle) -> None:
    """Memory that came from NumPy code, which has since dropped it, is the tensor's own."""
    if base._array is not None and base._array.base is None and _references(base) == _ALONE:
        base._shared = None


def _references(base: Handle) -> int:
    """How often the interpreter says that the buffer is referred to; 0 where it does not count."""
    return sys.getrefcount(base._array) if hasattr(sys, "getrefcount") else 0


def _count_when_alone() -> int:
    """What `_references` says of a buffer that only its tensor holds: measured, because interpreters differ."""
    probe = Handle()
    probe._array = np.empty(0)
    return _references(probe) or -1


_ALONE = _count_when_alone()
