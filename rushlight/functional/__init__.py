"""PyTorch's functions over tensors: generated from the op table, or composites written here, a family a file."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from rushlight import functional as _here
from rushlight import ops as _ops
from rushlight.functional.registry import FUNCTIONS, HELPERS, METHODS, generate

for _family in pkgutil.iter_modules(_ops.__path__):
    importlib.import_module(f"rushlight.ops.{_family.name}")
for _family in pkgutil.iter_modules(_here.__path__):
    importlib.import_module(f"rushlight.functional.{_family.name}")
generate()


def __getattr__(name: str) -> Any:
    try:
        return FUNCTIONS[name] if name in FUNCTIONS else HELPERS[name]
    except KeyError:
        raise AttributeError(f"module 'rushlight.functional' has no attribute {name!r}") from None


__all__ = ["FUNCTIONS", "METHODS"]
