"""Passes over graphs: `shape_prop`."""

from __future__ import annotations

from rushlight.fx.passes import graph_drawer, shape_prop

__all__ = ["graph_drawer", "shape_prop"]
