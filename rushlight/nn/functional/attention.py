"""Attention."""

from __future__ import annotations

from rushlight.functional import attention as _family
from rushlight.functional.attention import *  # noqa: F403

__all__ = list(_family.__all__)
