"""Padding."""

from __future__ import annotations

from rushlight.functional.nn_pad import pad

__all__ = ["pad"]
