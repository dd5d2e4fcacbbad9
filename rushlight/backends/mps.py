"""`torch.backends.mps`: Apple's GPU is not used."""

from __future__ import annotations


def is_available() -> bool:
    """False: this build holds no backend for it."""
    return False


def is_macos13_or_newer(minor: int = 0) -> bool:
    """False: this is not asked of the system, since the answer changes nothing."""
    return False


def is_built() -> bool:
    """False: this build holds no backend for it."""
    return False
