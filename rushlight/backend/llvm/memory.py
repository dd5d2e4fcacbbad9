"""The arena: every temporary of a Program gets a place in one piece of memory, and places are used again when their values are dead."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from rushlight.backend.llvm.layout import Storage

ALIGN = 64


def plan(storages: Sequence[Storage], steps: int) -> int:
    """Give every arena storage that is used its offset, by first and last step; the arena's size in bytes."""
    born: list[list[Storage]] = [[] for _ in range(steps)]
    dying: list[list[Storage]] = [[] for _ in range(steps)]
    for storage in storages:
        if storage.first >= 0:
            born[storage.first].append(storage)
            dying[storage.last].append(storage)
    free: list[tuple[int, int]] = []  # (offset, size), by offset
    end = 0
    for step in range(steps):
        for storage in sorted(born[step], key=lambda s: -s.size):
            size = -(-storage.size // ALIGN) * ALIGN
            fitting = [hole for hole in free if hole[1] >= size]
            if fitting:
                hole = min(fitting, key=lambda h: h[1])
                at = free.index(hole)
                storage.offset = hole[0]
                free[at : at + 1] = [(hole[0] + size, hole[1] - size)] if hole[1] > size else []
            elif free and sum(free[-1]) == end:  # the last hole grows
                storage.offset = free.pop()[0]
                end = storage.offset + size
            else:
                storage.offset = end
                end += size
        for storage in dying[step]:
            _release(free, storage.offset, -(-storage.size // ALIGN) * ALIGN)
    return end


def _release(free: list[tuple[int, int]], offset: int, size: int) -> None:
    """Give a piece back, joined with the holes beside it."""
    at = next((i for i, (start, _) in enumerate(free) if start > offset), len(free))
    if at < len(free) and offset + size == free[at][0]:
        size += free.pop(at)[1]
    if at > 0 and sum(free[at - 1]) == offset:
        start, before = free.pop(at - 1)
        at, offset, size = at - 1, start, size + before
    free.insert(at, (offset, size))


class _Arena(threading.local):
    """Each thread has one arena for all its Programs; it grows to what the largest needs."""

    def __init__(self) -> None:
        self.memory = np.empty(0, np.uint8)
        self.address = 0


_arena = _Arena()


def arena(size: int) -> tuple[np.ndarray, int]:
    """This thread's arena with at least so many bytes: the aligned memory, and its address."""
    if _arena.memory.size < size:
        _arena.memory = np.empty(0, np.uint8)  # let the old one go first
        whole = np.empty(size + ALIGN, np.uint8)
        first = -whole.ctypes.data % ALIGN
        _arena.memory = whole[first : first + size]
        _arena.address = _arena.memory.ctypes.data
    return _arena.memory, _arena.address
