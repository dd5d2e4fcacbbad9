"""`torch.__config__`: what this build is made of, as text."""

from __future__ import annotations

import os
import platform

import numpy

from rushlight import __version__, config

__all__ = ["parallel_info", "show"]


def show() -> str:
    """Versions, processor and backend.

    >>> print(show().splitlines()[0])
    Rushlight built with:
    """
    rows = [
        f"Rushlight {__version__}",
        f"Python {platform.python_version()}",
        f"NumPy {numpy.__version__}",
        f"backend: {config.backend}",
        f"machine: {platform.machine()}, {platform.system()}",
        "CUDA: none",
    ]
    return "Rushlight built with:\n" + "".join(f"  - {row}\n" for row in rows)


def parallel_info() -> str:
    """How many threads are used, and how many processors there are."""
    return f"threads of a program: {config.threads}\nprocessors: {os.cpu_count()}\n"
