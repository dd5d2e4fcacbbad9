"""`torch.mps` on a build without it: questions are answered, requests raise RuntimeError."""

from __future__ import annotations

from typing import Any

from rushlight.device import missing

__all__ = [
    "current_allocated_memory", "device_count", "driver_allocated_memory", "empty_cache", "is_available", "manual_seed", "seed",
    "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """False: Apple's GPU is not used."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Seeds the generator of a GPU, of which there is none."""
    int(seed)


def seed() -> None:
    """Seeds the generator of a GPU, of which there is none."""


def _refuse(name: str) -> Any:
    raise missing(f"torch.mps.{name}")


def synchronize() -> None:
    """Raises: there is no device."""
    _refuse("synchronize")


def empty_cache() -> None:
    """Raises: there is no device."""
    _refuse("empty_cache")


def current_allocated_memory() -> int:
    """Raises: there is no device."""
    return _refuse("current_allocated_memory")


def driver_allocated_memory() -> int:
    """Raises: there is no device."""
    return _refuse("driver_allocated_memory")
