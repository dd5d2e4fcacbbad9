"""Dropout of elements, of channels, and the kind that keeps mean and variance."""

from __future__ import annotations

from rushlight.functional import dropout as _family
from rushlight.functional.dropout import *  # noqa: F403

__all__ = list(_family.__all__)
