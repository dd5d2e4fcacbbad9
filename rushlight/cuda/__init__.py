"""`torch.cuda` on a build without a CUDA backend: questions are answered, requests raise, the CPU goes on working."""

from __future__ import annotations

import importlib
from typing import Any

from rushlight.cuda import absent
from rushlight.cuda.absent import (
    CUDAGraph,
    Event,
    ExternalStream,
    Stream,
    StreamContext,
    default_generators,
    device,
    device_of,
    get_arch_list,
    get_gencode_flags,
    get_rng_state_all,
    has_half,
    has_magma,
    is_tf32_supported,
    max_memory_cached,
    max_memory_reserved,
    memory_cached,
    memory_stats,
    reset_accumulated_memory_stats,
    reset_max_memory_allocated,
    reset_max_memory_cached,
    reset_peak_memory_stats,
    seed,
    seed_all,
    set_rng_state_all,
    stream,
)
from rushlight.device import missing
from rushlight.errors import OutOfMemoryError

__all__ = [
    "CUDAGraph", "Event", "ExternalStream", "OutOfMemoryError", "Stream", "StreamContext", "current_device", "default_generators",
    "device", "device_count", "device_of", "empty_cache", "get_arch_list", "get_device_capability", "get_device_name",
    "get_device_properties", "get_gencode_flags", "get_rng_state_all", "has_half", "has_magma", "is_available",
    "is_bf16_supported", "is_current_stream_capturing", "is_initialized", "is_tf32_supported", "manual_seed", "manual_seed_all",
    "max_memory_allocated", "max_memory_cached", "max_memory_reserved", "memory_allocated", "memory_cached", "memory_reserved",
    "memory_stats", "reset_accumulated_memory_stats", "reset_max_memory_allocated", "reset_max_memory_cached",
    "reset_peak_memory_stats", "seed", "seed_all", "set_device", "set_rng_state_all", "stream", "synchronize",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "amp":
        return importlib.import_module("rushlight.cuda.amp")
    if name in absent.REQUESTS:
        return getattr(absent, name)
    raise AttributeError(f"module 'rushlight.cuda' has no attribute {name!r}")


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


def is_current_stream_capturing() -> bool:
    """False: there is no stream."""
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
