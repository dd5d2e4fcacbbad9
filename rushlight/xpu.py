"""`torch.xpu` on a build without it: questions are answered, requests raise."""

from __future__ import annotations

from typing import Any

from rushlight.device import missing

__all__ = [
    "current_device", "device_count", "empty_cache", "get_device_name", "is_available", "is_initialized", "manual_seed",
    "manual_seed_all", "set_device", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """False: this build holds no backend for Intel's GPUs."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Seeds the generators of GPUs, of which there are none."""
    int(seed)


manual_seed_all = manual_seed


def empty_cache() -> None:
    """Nothing is cached on a GPU."""


def current_device() -> int:
    """Raises: there is no device."""
    raise missing("torch.xpu.current_device")


def set_device(device: Any) -> None:
    """Raises: there is no device."""
    raise missing("torch.xpu.set_device")


def synchronize(device: Any = None) -> None:
    """Raises: there is no device."""
    raise missing("torch.xpu.synchronize")


def get_device_name(device: Any = None) -> str:
    """Raises: there is no device."""
    raise missing("torch.xpu.get_device_name")
