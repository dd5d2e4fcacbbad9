"""`rushlight info`: what is needed to judge a report from another machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from rushlight import __version__, config
from rushlight.cli import cache

_PACKAGES = ("numpy", "llvmlite", "pillow", "tqdm", "matplotlib", "safetensors")


def info() -> str:
    """The versions, the device and the settings, a line each."""
    rows = [
        ("rushlight", __version__),
        ("python", f"{platform.python_version()} ({platform.python_implementation()})"),
        *((name, _version(name)) for name in _PACKAGES),
        ("machine", f"{platform.machine()}, {platform.system()} {platform.release()}"),
        ("device", f"cpu ({_cpu()}), {os.cpu_count()} logical cores"),
        ("accelerator", "none: this build computes on the CPU"),
        ("backend", config.backend),
        ("threads", str(config.threads)),
        ("caches", f"up to {config.program_limit} programs in memory; {cache.summary()}"),
    ]
    rows += [(variable, os.environ.get(variable, "not set")) for _, variable, _ in config.TABLE.values() if variable]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"
