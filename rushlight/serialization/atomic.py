"""Writing a file so that its name always leads to a complete one: the old file until the last moment, then the new."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from typing import Any

_BUFFER = 1 << 20


class MissingFolderError(FileNotFoundError, RuntimeError):
    """The folder of the file to write does not exist."""


class _Output:
    """Collects small writes and sends them to a descriptor, going on after short writes."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        self._pending = bytearray()

    def write(self, data: Any) -> None:
        view = memoryview(data)
        if len(view) < _BUFFER:
            self._pending += view
            if len(self._pending) >= _BUFFER:
                self.flush()
            return
        self.flush()
        self._send(view)

    def flush(self) -> None:
        pending, self._pending = self._pending, bytearray()
        self._send(memoryview(pending))

    def _send(self, view: memoryview) -> None:
        while len(view):
            # Linux moves at most 2 GiB a call, so large arrays take several.
            count = os.write(self._descriptor, view[: 1 << 30])
            if count <= 0:
                raise OSError(errno.EIO, "the device accepted no bytes")
            view = view[count:]


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], op: str = "torch.save") -> Iterator[Callable[[Any], None]]:
    """Yield `write(bytes-like)`; the file appears under `path` only when the block ends without an exception.

    The bytes go to a temporary file in the same folder, which is flushed to the disk and then renamed over `path`.
    On any failure, Ctrl-C included, the temporary file is removed and `path` is left as it was. Failures of the
    operating system keep their class (OSError and its subclasses) and name the path. A path that exists and is not
    a regular file (a pipe, /dev/null) is written straight.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "note.bin")
    >>> with atomic_write(path) as write:
    ...     write(b"done")
    >>> open(path, "rb").read()
    b'done'
    """
    shown = os.fspath(path)
    # Follow links, so that the file they lead to is replaced and not the link.
    target = os.path.realpath(shown)
    try:
        if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
            yield from _write_straight(target)
        else:
            yield from _write_and_rename(target)
    except OSError as error:
        raise _named(error, shown, op) from error


def _write_straight(target: str) -> Iterator[Callable[[Any], None]]:
    descriptor = os.open(target, os.O_WRONLY | getattr(os, "O_BINARY", 0))
    try:
        output = _Output(descriptor)
        yield output.write
        output.flush()
    finally:
        os.close(descriptor)


def _write_and_rename(target: str) -> Iterator[Callable[[Any], None]]:
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(6)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = -1
    try:
        descriptor = os.open(temporary, flags, 0o666)
        if os.path.exists(target):
            os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
        output = _Output(descriptor)
        yield output.write
        output.flush()
        os.fsync(descriptor)
        closing, descriptor = descriptor, -1
        os.close(closing)
        os.replace(temporary, target)
    except BaseException:
        if descriptor >= 0:
            os.close(descriptor)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Make the rename itself durable, where folders can be opened (not on Windows)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _named(error: OSError, path: str, op: str) -> OSError:
    """The same error, class and number kept, saying which file was being written and what state it is in."""
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        text = f"{op}: the folder {folder!r} does not exist. Fix: os.makedirs({folder!r}, exist_ok=True) first"
        return MissingFolderError(errno.ENOENT, text, path)
    reason = error.strerror or str(error)
    text = f"{op}: could not write the file: {reason}. The path holds what stood there before, or the complete new file"
    named = OSError(error.errno or errno.EIO, text, path)
    return named if isinstance(named, type(error)) else type(error)(*named.args, path)
