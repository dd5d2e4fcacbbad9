"""Rewritings of whole models: `optimization`."""

from __future__ import annotations

from rushlight.fx.experimental import optimization

__all__ = ["optimization"]
