"""Tensors without values, which PyTorch's exporter passes through models: there are none."""

from __future__ import annotations

from typing import Any

__all__ = ["FakeTensor", "is_fake"]


class FakeTensor:
    """Nothing is an instance of it."""


def is_fake(x: Any) -> bool:
    """False."""
    return False
