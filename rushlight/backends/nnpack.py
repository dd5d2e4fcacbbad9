"""`torch.backends.nnpack`: NNPACK is not used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_enabled = [False]


def is_available() -> bool:
    """False: no NNPACK is looked for."""
    return False


def set_flags(_on: bool) -> tuple[bool]:
    """Remembered; what it was."""
    before = (_enabled[0],)
    _enabled[0] = bool(_on)
    return before


@contextmanager
def flags(enabled: bool = False) -> Iterator[None]:
    """`set_flags` for the length of a `with`."""
    before = set_flags(enabled)
    try:
        yield
    finally:
        set_flags(*before)
