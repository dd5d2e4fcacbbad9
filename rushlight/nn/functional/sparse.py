"""Embeddings and one-hot encoding."""

from __future__ import annotations

from rushlight.functional import sparse as _family
from rushlight.functional.sparse import *  # noqa: F403

__all__ = list(_family.__all__)
