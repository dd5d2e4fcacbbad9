"""Where bytes are read from: a file, a map or a file-like object; always by (offset, length), always checked."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from rushlight.errors import FileFormatError, explain_error
from rushlight.lessons import say


class Source:
    """Random access to `size` bytes of an open file, counted from where the file stood when it was given."""

    def __init__(self, file: Any, name: str):
        self.name = name
        self._file = file
        self._base = file.tell()
        self.size = file.seek(0, os.SEEK_END) - self._base

    def error(self, offset: int, got: str, expected: str | None = None, fix: str | None = None) -> FileFormatError:
        """The one error of a malformed file; it names the file and the offset."""
        if expected and fix:
            text = say("load-refused", file=self.name, offset=offset, got=got, expected=expected, fix=fix)
        else:
            text = explain_error(f"torch.load: {self.name}, byte {offset}", got=got, expected=expected, fix=fix)
        return FileFormatError(text)

    def check(self, offset: int, length: int) -> None:
        """FileFormatError unless the range lies inside the file; called before anything is allocated."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise self.error(max(offset, 0), f"a file of {self.size} bytes", f"{length} more bytes here")

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes at `offset`."""
        self.check(offset, length)
        return bytes(self._fill(offset, bytearray(length)))

    def array(self, offset: int, length: int) -> np.ndarray:
        """`length` bytes at `offset` as a fresh, writable uint8 array."""
        self.check(offset, length)
        return self._fill(offset, np.empty(length, np.uint8))

    def _fill(self, offset: int, target: Any) -> Any:
        self._file.seek(self._base + offset)
        view = memoryview(target)
        done = 0
        while done < len(view):
            count = self._read_some(view[done:])
            if not count:
                raise self.error(offset + done, "the end of the file", f"{len(view) - done} more bytes here")
            done += count
        return target

    def _read_some(self, view: memoryview) -> int:
        if hasattr(self._file, "readinto"):
            return self._file.readinto(view) or 0
        piece = self._file.read(len(view))
        view[: len(piece)] = piece
        return len(piece)


class MappedSource(Source):
    """A file mapped copy-on-write: tensors are read from disk when touched, and writes stay in memory."""

    def __init__(self, path: str):
        self.name = path
        self.size = os.path.getsize(path)
        self._map = np.memmap(path, np.uint8, mode="c") if self.size else np.empty(0, np.uint8)

    def array(self, offset: int, length: int) -> np.ndarray:
        """`length` bytes at `offset`, not yet read."""
        self.check(offset, length)
        piece = self._map[offset : offset + length]
        # A foreign writer may not have aligned its entries; 16 bytes serve every element type.
        return np.asarray(piece) if piece.ctypes.data % 16 == 0 else piece.copy()

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes at `offset`."""
        self.check(offset, length)
        return self._map[offset : offset + length].tobytes()
