"""`torch.backends.mkldnn`: oneDNN is not used. Its flags can be set and read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

enabled: bool = False
deterministic: bool = False
allow_tf32: bool = True


def is_available() -> bool:
    """False: no oneDNN is looked for."""
    return False


def set_flags(
    _enabled: bool | None = None, _deterministic: bool | None = None, _allow_tf32: bool | None = None
) -> tuple[bool, bool, bool]:
    """Set the flags that are given; what they were."""
    global enabled, deterministic, allow_tf32
    before = enabled, deterministic, allow_tf32
    enabled = enabled if _enabled is None else _enabled
    deterministic = deterministic if _deterministic is None else _deterministic
    allow_tf32 = allow_tf32 if _allow_tf32 is None else _allow_tf32
    return before


@contextmanager
def flags(enabled: bool = False, deterministic: bool = False, allow_tf32: bool = True) -> Iterator[None]:
    """`set_flags` for the length of a `with`."""
    before = set_flags(enabled, deterministic, allow_tf32)
    try:
        yield
    finally:
        set_flags(*before)
