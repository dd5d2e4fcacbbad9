"""Every switch, in one table: name, default, environment variable, meaning."""

from __future__ import annotations

import os
from typing import Any


def _cores() -> int:
    """Processors that this process may use: what OpenMP is told, or its affinity and its container allow."""
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if told.isdigit() and int(told) > 0:
        return int(told)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        return max(1, min(cores, -(-int(quota) // int(period))))
    except (OSError, ValueError):  # no container, or no limit: "max"
        return cores


# name: (default, environment variable or None, meaning)
TABLE: dict[str, tuple[Any, str | None, str]] = {
    "trace_limit": (10_000, "RUSHLIGHT_TRACE_LIMIT", "entries after which a pending trace is run"),
    "program_limit": (256, "RUSHLIGHT_PROGRAM_LIMIT", "Programs kept; the least recently used go first"),
    "shared_copy_limit": (1 << 22, None, "bytes up to which memory shared with NumPy is copied when it enters a trace"),
    "threads": (_cores(), "RUSHLIGHT_NUM_THREADS", "threads of native code, the calling one included"),
    "reference_runs": (
        1,
        "RUSHLIGHT_REFERENCE_RUNS",
        "runs of a small new step on the NumPy reference before it is compiled, if both give the same bits; 0: none",
    ),
    "reference_work": (1 << 22, None, "scalar operations of a step from which on it is compiled at once"),
    "result_memory": (
        1 << 29,
        "RUSHLIGHT_RESULT_MEMORY",
        "bytes of large results remembered to be used again when their tensors are gone",
    ),
    "backend": (
        "llvm",
        "RUSHLIGHT_BACKEND",
        "what runs Programs: llvm, or numpy, the reference; numpy too where llvmlite is not installed",
    ),
    "target": (
        "",
        "RUSHLIGHT_TARGET",
        "processor family (avx512, avx2, sse, neon) to generate code for; empty: the best that this one is",
    ),
    "cache_dir": ("", "RUSHLIGHT_CACHE_DIR", "folder of compiled kernels; empty: the user's cache folder"),
    "cache_limit": (1 << 28, "RUSHLIGHT_CACHE_LIMIT", "bytes of compiled kernels kept on disk; 0: none"),
    "language": ("en", "RUSHLIGHT_LANGUAGE", "of the messages about mistakes: en or zh"),
    "silenced": ("", "RUSHLIGHT_SILENCED", "names of warnings that are not wanted, with spaces or commas between"),
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
reference_runs: int = _value(*TABLE["reference_runs"][:2])
reference_work: int = _value(*TABLE["reference_work"][:2])
result_memory: int = _value(*TABLE["result_memory"][:2])
backend: str = _value(*TABLE["backend"][:2])
target: str = _value(*TABLE["target"][:2])
cache_dir: str = _value(*TABLE["cache_dir"][:2])
cache_limit: int = _value(*TABLE["cache_limit"][:2])
language: str = _value(*TABLE["language"][:2])
silenced: str = _value(*TABLE["silenced"][:2])
