"""PyTorch's functions over tensors: generated from the op table, or composites written here, a family a file."""

from __future__ import annotations

import importlib
import os
from typing import Any

from rushlight import functional as _here
from rushlight import ops as _ops
from rushlight.functional.help import complete
from rushlight.functional.numpy_names import with_numpy_names
from rushlight.functional.registry import FUNCTIONS, HELPERS, METHODS, generate, settle_names

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
_made: dict[Any, Any] = {}
for _table in (FUNCTIONS, METHODS):
    _table.update({_name: with_numpy_names(_function, _made) for _name, _function in _table.items()})
settle_names()
for _functions in (METHODS, FUNCTIONS):
    complete(_functions)

stft = FUNCTIONS["stft"]  # as `torch.functional` has it; its file goes by the same name


def __getattr__(name: str) -> Any:
    try:
        return FUNCTIONS[name] if name in FUNCTIONS else HELPERS[name]
    except KeyError:
        raise AttributeError(f"module 'rushlight.functional' has no attribute {name!r}") from None


__all__ = ["FUNCTIONS", "METHODS"]
