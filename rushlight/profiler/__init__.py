"""Where the time goes: PyTorch's profiler interface over the kernels that Programs run.

>>> import rushlight as torch
>>> from rushlight.profiler import profile, record_function
>>> with profile() as prof:
...     with record_function("square"):
...         x = torch.arange(3.0) ** 2
>>> [row.key for row in prof.key_averages() if row.key == "square"]
['square']
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "profile": "_session", "record_function": "_session", "schedule": "_session", "ProfilerAction": "_session",
    "ProfilerActivity": "_session", "supported_activities": "_session", "kineto_available": "_session",
    "tensorboard_trace_handler": "_export",
}  # fmt: skip

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'rushlight.profiler' has no attribute {name!r}")
    return getattr(importlib.import_module(f"rushlight.profiler.{_WHERE[name]}"), name)
