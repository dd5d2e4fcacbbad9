"""`torch.accelerator`: whichever accelerator there is; here there is none."""

from __future__ import annotations

from typing import Any

from rushlight.device import missing

__all__ = [
    "current_accelerator", "current_device_index", "device_count", "empty_cache", "is_available", "memory_allocated",
    "set_device_index", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """False.

    >>> import rushlight as torch
    >>> torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    'cpu'
    """
    return False


def current_accelerator(check_available: bool = False) -> Any:
    """None."""
    return None


def device_count() -> int:
    """0."""
    return 0


def memory_allocated(device_index: Any = None) -> int:
    """0 bytes."""
    return 0


def empty_cache() -> None:
    """Nothing is cached."""


def current_device_index() -> int:
    """Raises RuntimeError: there is no device."""
    raise missing("torch.accelerator.current_device_index")


def set_device_index(device: Any) -> None:
    """Raises RuntimeError: there is no device."""
    raise missing("torch.accelerator.set_device_index")


def synchronize(device: Any = None) -> None:
    """Raises RuntimeError: there is no device."""
    raise missing("torch.accelerator.synchronize")
