"""Backends, a folder each, loaded by name. `numpy`, the reference, offers `compile_graph(graph) -> run`; native ones `compile_fused(fused,
replaceable) -> code`, and what the pass `fuse` asks: `LEADERS`, `has_code`, `may_fail`. All offer `set_threads(count)`."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import Any

from rushlight import config

AVAILABLE = ("llvm", "numpy")


@functools.cache
def has_llvm() -> bool:
    """Whether llvmlite is installed."""
    return importlib.util.find_spec("llvmlite") is not None


def chosen() -> str:
    """The backend that runs Programs: `config.backend`, or `numpy` where llvmlite is not installed."""
    return config.backend if config.backend != "llvm" or has_llvm() else "numpy"


def load(name: str | None = None) -> Any:
    """The backend module with this name; the chosen one by default."""
    name = name or chosen()
    if name not in AVAILABLE:
        raise ValueError(f"RUSHLIGHT_BACKEND: got {name!r}; expected one of {', '.join(AVAILABLE)}.")
    return importlib.import_module(f"rushlight.backend.{name}")
