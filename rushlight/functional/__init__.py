"""PyTorch's functions over tensors: generated from the op table, or composites written here, a family a file."""

from __future__ import annotations

import importlib
import os
from typing import Any

from rushlight import functional as _here
from rushlight import ops as _ops
from rushlight.functional.registry import FUNCTIONS, HELPERS, METHODS, generate

for _package in (_ops, _here):
    for _file in sorted(os.listdir(_package.__path__[0])):
        if _file.endswith(".py") and _file != "__init__.py":
            importlib.import_module(f"{_package.__name__}.{_file[:-3]}")
generate()
for _name in (
    "addmv_", "arccos_", "arccosh_", "arcsin_", "arcsinh_", "arctan_", "arctanh_", "as_strided_", "clamp_", "clip_", "fill_", "fix_",
    "gcd_", "index_put_", "lcm_", "ldexp_", "logit_", "negative_", "round_", "xlogy_",
):  # in-place siblings that PyTorch has as functions too  # fmt: skip
    FUNCTIONS[_name] = METHODS[_name]


def __getattr__(name: str) -> Any:
    try:
        return FUNCTIONS[name] if name in FUNCTIONS else HELPERS[name]
    except KeyError:
        raise AttributeError(f"module 'rushlight.functional' has no attribute {name!r}") from None


__all__ = ["FUNCTIONS", "METHODS"]
