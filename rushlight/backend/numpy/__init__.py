"""The reference backend: every op's NumPy definition, one after the other. Slow and plain; faster ones agree with it."""

from __future__ import annotations

import importlib
from typing import Any

# Loaded when first needed: importing the package for the definitions of single ops shall not load the interpreter.
_WHERE = {"compile_graph": "interpreter", "set_threads": "threads"}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"rushlight.backend.numpy.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'rushlight.backend.numpy' has no attribute {name!r}")


__all__ = ["compile_graph", "set_threads"]
