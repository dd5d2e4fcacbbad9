"""Backends, a folder each, loaded by name. They offer `compile_graph(graph) -> code` and `set_threads(count)`."""

from __future__ import annotations

import importlib
from typing import Any

from rushlight import config

AVAILABLE = ("numpy",)


def load(name: str | None = None) -> Any:
    """The backend module with this name; `config.backend` by default."""
    name = name or config.backend
    if name not in AVAILABLE:
        raise ValueError(f"RUSHLIGHT_BACKEND: got {name!r}; expected one of {', '.join(AVAILABLE)}.")
    return importlib.import_module(f"rushlight.backend.{name}")
