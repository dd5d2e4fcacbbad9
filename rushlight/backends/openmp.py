"""`torch.backends.openmp`: OpenMP is not used."""

from __future__ import annotations


def is_available() -> bool:
    """False: no OpenMP is looked for."""
    return False
