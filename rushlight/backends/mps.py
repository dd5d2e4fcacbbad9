"""`torch.backends.mps`: Apple's GPU is not used."""

from __future__ import annotations


def is_available() -> bool:
    """False: this build holds no backend for it."""
    return False


def is_built() -> bool:
    """False: this build holds no backend for it."""
    return False
