"""`torch.backends.cudnn`: there is no cuDNN here. Its flags can be set and read; results are deterministic anyway."""

from __future__ import annotations

enabled: bool = True
benchmark: bool = False
deterministic: bool = False
allow_tf32: bool = True


def is_available() -> bool:
    """False: no cuDNN is looked for.

    >>> is_available()
    False
    """
    return False


def version() -> int | None:
    """None: there is no cuDNN."""
    return None
