"""Runs kernels directly on arrays, without a Program around them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.backend.llvm import jit

FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
GUARD = 0x5A


def scratch_memory(size: int) -> np.ndarray:
    """`size` bytes at a multiple of 64 that read as NaN, since scratch memory is undefined, and 64 bytes that nobody
    may touch."""
    room = np.full(size + 128, 0xFF, np.uint8)
    start = -room.ctypes.data % 64
    made = room[start : start + size + 64]
    made[size:] = GUARD
    return made


def run(text: str, words: Sequence[Any], units: int, scratch: int = 0, parts: int = 1) -> None:
    """All units in `parts` calls; arrays among the words stand for their addresses."""
    function = FUNCTION(jit.address(text))
    block = np.array([word.ctypes.data if isinstance(word, np.ndarray) else word for word in words], np.int64)
    memory = scratch_memory(scratch)
    for part in range(parts):
        begin, end = part * units // parts, (part + 1) * units // parts
        function(block.ctypes.data, begin, end, memory.ctypes.data)
    assert (memory[scratch:] == GUARD).all(), "a kernel wrote past its scratch memory"
