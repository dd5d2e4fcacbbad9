"""The native backend: fused kernels, written as LLVM IR, compiled for this processor, run from a launch table on all cores."""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "LEADERS": "lower", "has_code": "lower", "may_fail": "grids", "compile_fused": "program", "plan_key": "plans",
    "remember": "program", "remembered": "program", "set_threads": "threads",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"rushlight.backend.llvm.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'rushlight.backend.llvm' has no attribute {name!r}")


__all__ = ["LEADERS", "compile_fused", "has_code", "may_fail", "plan_key", "remember", "remembered", "set_threads"]
