"""Distances between vectors."""

from __future__ import annotations

from rushlight.functional import distance as _family
from rushlight.functional.distance import *  # noqa: F403

__all__ = list(_family.__all__)
