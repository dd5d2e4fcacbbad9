"""How the reader says no: the error classes, and checks that several of its parts share."""

from __future__ import annotations

from pickle import UnpicklingError
from typing import Any

from rushlight.errors import FileFormatError

ATOMS = (str, bytes, int, float, bool, complex, type(None))
_MAX_KEY_PARTS = 1_000


class UnsafeFileError(FileFormatError, UnpicklingError):
    """The file asks for something that plain data never needs: a global, a call, an object of an unknown class."""


class Refusal(Exception):
    """Why the machine stopped; `unpickle` adds the file and the offset and raises it as `kind`."""

    def __init__(self, got: str, expected: str | None = None, fix: str | None = None, kind: type = FileFormatError):
        self.got, self.expected, self.fix, self.kind = got, expected, fix, kind


def unsafe(got: str, expected: str | None = None, fix: str | None = None) -> Refusal:
    """A refusal of something that could run code, raised as UnsafeFileError."""
    return Refusal(got, expected, fix, UnsafeFileError)


def shown(value: Any) -> str:
    """A value from the file in a message: short ones as they are, others by type (their repr could be endless)."""
    if type(value) in ATOMS:
        return repr(value)[:80]
    return getattr(value, "title", None) or f"a {type(value).__name__}"


class CallbackError(Exception):
    """Carries an exception of the caller's own code through the machine unchanged."""

    def __init__(self, inner: Exception):
        self.inner = inner


def check_hashable(key: Any) -> None:
    """Refuse `key` unless it is made of immutable plain values, of bounded size, with hashes of Python's own."""
    todo, seen = [key], 0
    while todo:
        part = todo.pop()
        seen += 1
        if seen > _MAX_KEY_PARTS:
            raise Refusal("a dict key or set member of thousands of parts")
        if isinstance(part, (tuple, frozenset)) and type(part).__hash__ in (tuple.__hash__, frozenset.__hash__):
            todo.extend(part)
        elif type(part) not in ATOMS and type(part).__hash__ is not object.__hash__ and not _is_ours(type(part)):
            raise Refusal(f"a dict key or set member of type {type(part).__name__}")


def _is_ours(cls: type) -> bool:
    return cls.__module__.split(".")[0] in ("rushlight", "numpy")
