"""Every switch, in one table: name, default, environment variable, meaning."""

from __future__ import annotations

import os
from typing import Any

# name: (default, environment variable or None, meaning)
TABLE: dict[str, tuple[Any, str | None, str]] = {
    "trace_limit": (10_000, "RUSHLIGHT_TRACE_LIMIT", "entries after which a pending trace is run"),
    "program_limit": (256, "RUSHLIGHT_PROGRAM_LIMIT", "Programs kept; the least recently used go first"),
    "shared_copy_limit": (1 << 22, None, "bytes up to which memory shared with NumPy is copied when it enters a trace"),
    "threads": (os.cpu_count() or 1, "RUSHLIGHT_NUM_THREADS", "threads of the native backend"),
    "backend": ("numpy", "RUSHLIGHT_BACKEND", "the backend that runs Programs"),
}


def _value(default: Any, variable: str | None) -> Any:
    text = os.environ.get(variable) if variable else None
    if text is None:
        return default
    try:
        return type(default)(text)
    except ValueError:
        raise ValueError(f"{variable}: got {text!r}; expected {type(default).__name__}.") from None


trace_limit: int = _value(*TABLE["trace_limit"][:2])
program_limit: int = _value(*TABLE["program_limit"][:2])
shared_copy_limit: int = _value(*TABLE["shared_copy_limit"][:2])
threads: int = _value(*TABLE["threads"][:2])
backend: str = _value(*TABLE["backend"][:2])
