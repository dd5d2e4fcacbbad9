"""`torch.backends.cpu`: the processor's instructions."""

from __future__ import annotations

import functools


@functools.cache
def get_cpu_capability() -> str:
    """'AVX512', 'AVX2', 'NEON' or 'DEFAULT': the widest instructions that the processor has."""
    try:
        with open("/proc/cpuinfo") as lines:
            flags = set(next((line for line in lines if line.startswith(("flags", "Features"))), "").split())
    except OSError:
        flags = set()
    for name, needed in (("AVX512", "avx512f"), ("AVX2", "avx2"), ("NEON", "asimd")):
        if needed in flags:
            return name
    return "DEFAULT"
