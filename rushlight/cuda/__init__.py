"""`torch.cuda` on a build without a CUDA backend: questions are answered, requests raise, the CPU goes on working."""

from __future__ import annotations

from typing import Any

from rushlight.device import missing


def is_available() -> bool:
    """False: this build holds no CUDA backend and looks for no device.

    >>> import rushlight as torch
    >>> "cuda" if torch.cuda.is_available() else "cpu"
    'cpu'
    """
    return False


def device_count() -> int:
    """0."""
    return 0


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported() -> bool:
    """False."""
    return False


def manual_seed(seed: int) -> None:
    """Seeds the generators of GPUs, of which there are none."""
    int(seed)


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of GPUs, of which there are none."""
    int(seed)


def empty_cache() -> None:
    """Nothing is cached on a GPU."""


def memory_allocated(device: Any = None) -> int:
    """0 bytes."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """0 bytes."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """0 bytes."""
    return 0


def _no_cuda(name: str) -> AssertionError:
    return missing(f"torch.cuda.{name}")


def current_device() -> int:
    """Raises AssertionError: there is no device."""
    raise _no_cuda("current_device")


def set_device(device: Any) -> None:
    """Raises AssertionError: there is no device."""
    raise _no_cuda("set_device")


def synchronize(device: Any = None) -> None:
    """Raises AssertionError: there is no device."""
    raise _no_cuda("synchronize")


def get_device_name(device: Any = None) -> str:
    """Raises AssertionError: there is no device."""
    raise _no_cuda("get_device_name")


def get_device_properties(device: Any = None) -> Any:
    """Raises AssertionError: there is no device."""
    raise _no_cuda("get_device_properties")


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Raises AssertionError: there is no device."""
    raise _no_cuda("get_device_capability")
