"""Storages: the memory behind a tensor and all its views, as bytes (untyped) or as elements (typed)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rushlight.device import device as Device
from rushlight.dtype import dtype as DType
from rushlight.dtype import get_default_dtype, uint8
from rushlight.errors import explain_error
from rushlight.lazy.handle import Handle, base_of
from rushlight.lazy.step import flush, realise


def _memory(array: np.ndarray) -> np.ndarray:
    """All bytes from the first to the last element, sharing memory."""
    if array.size == 0:
        return np.empty(0, np.uint8)
    span = sum((n - 1) * s for n, s in zip(array.shape, array.strides, strict=True)) // array.itemsize + 1
    line = np.lib.stride_tricks.as_strided(array, (span,), (array.itemsize,))
    return line.view(np.uint8)


class _Storage:
    """What both kinds share. It holds the tensor that owns the memory, and so keeps the memory alive."""

    _base: Any
    _kind: DType

    @property
    def device(self) -> Device:
        """Where the memory is."""
        return self._base._meta.device

    is_cuda = is_sparse = property(lambda self: False)

    def _bytes(self) -> np.ndarray:
        if self._base._meta.device.type == "meta":
            raise NotImplementedError("the storage of a meta tensor holds no bytes. Fix: create the tensor on the CPU.")
        return _memory(realise(self._base))

    def array(self) -> np.ndarray:
        """The elements as a NumPy vector that shares the memory; for reading (bfloat16 as its bits)."""
        raw = self._bytes()
        size = self._kind.itemsize
        return raw[: len(raw) // size * size].view(self._kind.storage)

    def nbytes(self) -> int:
        """The number of bytes."""
        m = self._base._meta
        if m.device.type == "meta" or self._base._array is None:
            return m.numel * m.dtype.itemsize
        return len(self._bytes())

    def size(self) -> int:
        """The number of elements."""
        return self.nbytes() // self._kind.itemsize

    __len__ = size

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._kind.itemsize

    def data_ptr(self) -> int:
        """The address of the first byte: the same for all tensors that share the memory; 0 when there is none."""
        if self._base._meta.device.type == "meta" or not self._base._meta.numel:
            return 0
        return realise(self._base).ctypes.data

    _cdata = property(lambda self: self.data_ptr() or id(self._base))

    def _values(self) -> np.ndarray:
        from rushlight.backend.numpy.half import to_compute

        return to_compute(self.array(), self._kind)

    def tolist(self) -> list:
        """The elements as Python numbers."""
        return self._values().tolist()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._wrap(self.array()[index])
        return self._values()[index].item()

    def __setitem__(self, index: Any, value: Any) -> None:
        from rushlight.backend.numpy.half import to_storage

        flush()  # what was recorded reads the memory as it is now
        self.array()[index] = to_storage(np.asarray(value), self._kind)
        self._base._version = self._base._version + 1

    def fill_(self, value: Any) -> Any:
        """Set every element."""
        self[:] = value
        return self

    def copy_(self, source: Any, non_blocking: bool = False) -> Any:
        """Take the elements of a storage of the same size."""
        if len(source) != len(self):
            raise RuntimeError(explain_error("storage.copy_", got=f"{len(source)} elements", expected=f"{len(self)}"))
        self[:] = source._values()
        return self

    def clone(self) -> Any:
        """A copy with memory of its own."""
        return self._wrap(self.array().copy())

    def _wrap(self, array: np.ndarray) -> Any:
        from rushlight.functional.creation import wrap

        return type(self)(wrap(np.ascontiguousarray(array), self._kind))

    def __deepcopy__(self, memo: dict) -> Any:
        return memo.setdefault(id(self), self.clone())

    __copy__ = clone

    def cpu(self) -> Any:
        """The storage itself: it is on the CPU."""
        return self

    def resize_(self, size: int) -> Any:
        """Refused unless it changes nothing."""
        if size != self.size():
            raise NotImplementedError(
                explain_error(
                    "storage.resize_",
                    got=f"{size} for a storage of {self.size()}",
                    expected="the same size",
                    fix="use tensor.resize_(...)",
                )
            )
        return self

    def is_shared(self) -> bool:
        """Whether the memory is shared between processes; never here."""
        return False

    def share_memory_(self) -> Any:
        """Accepted; forked workers see a copy."""
        return self

    def is_pinned(self, device: Any = None) -> bool:
        """Whether the memory is page-locked; never here."""
        return False


def _owner(source: Any, kind: DType) -> Any:
    """The tensor that owns the memory: of a tensor, or a fresh one of so many elements."""
    if isinstance(source, Handle):
        return base_of(source)
    from rushlight.functional.creation import wrap

    if isinstance(source, (list, tuple)):
        return wrap(np.array(source, kind.storage), kind)
    return wrap(np.zeros(int(source), kind.storage), kind)


class UntypedStorage(_Storage):
    """The memory of a tensor as bytes, shared by all its views.

    >>> import rushlight as torch
    >>> x = torch.zeros(2, 3)
    >>> x.untyped_storage().nbytes(), x[1].untyped_storage().data_ptr() == x.data_ptr()
    (24, True)
    """

    def __init__(self, source: Any = 0, *, device: Any = None):
        self._kind = uint8
        self._base = _owner(source, self._kind)

    def untyped(self) -> UntypedStorage:
        """The storage itself."""
        return self

    def __repr__(self) -> str:
        return (
            "\n".join(f" {v}" for v in self.tolist())
            + f"\n[torch.storage.UntypedStorage(device={self.device}) of size {len(self)}]"
        )


class TypedStorage(_Storage):
    """The memory of a tensor as elements of its dtype.

    >>> import rushlight as torch
    >>> torch.arange(4)[2:].storage().tolist()
    [0, 1, 2, 3]
    """

    def __init__(self, source: Any = 0, *, dtype: DType | None = None, device: Any = None):
        if isinstance(source, UntypedStorage):
            source = source._base
        given = source._meta.dtype if isinstance(source, Handle) else get_default_dtype()
        self._kind = dtype or given
        self._base = _owner(source, self._kind)

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._kind

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage(self._base)

    def __repr__(self) -> str:
        shown = "\n".join(f" {v}" for v in self.tolist())
        return f"{shown}\n[torch.storage.TypedStorage(dtype={self.dtype}, device={self.device}) of size {len(self)}]"
