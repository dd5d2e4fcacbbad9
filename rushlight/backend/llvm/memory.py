"""Memory of Programs. Temporaries get a place in one arena, and places are used again when their values are dead. Large results are
made in buffers that earlier results no longer need: fresh memory would cost a page fault every 4 KB.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence

import numpy as np

from rushlight import config
from rushlight.backend.llvm.layout import Storage
from rushlight.ir.meta import Meta

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


SMALL = 1 << 15  # bytes below which a fresh buffer costs less than looking for a used one


class Results:
    """Buffers that were handed out as results, by layout. One that nobody refers to any more is handed out again.

    At most `config.result_memory` bytes are remembered; beyond, all are forgotten, and freed as their tensors go.
    """

    def __init__(self) -> None:
        self.known: dict[tuple, list[np.ndarray]] = {}
        self.bytes = 0
        self.alone = 0
        probe = np.empty(1)
        self.alone = self._references(probe)  # what the interpreter says of a buffer that only the caller holds

    def _references(self, array: np.ndarray) -> int:
        return sys.getrefcount(array) if hasattr(sys, "getrefcount") else -1

    def take(self, meta: Meta, make: Callable[[], np.ndarray]) -> np.ndarray:
        """A buffer for a value of this meta; `make` makes a fresh one."""
        key = (meta.shape, meta.dtype, meta.stride)
        given = self.known.setdefault(key, [])
        for _ in range(len(given)):
            try:
                array = given.pop(0)
            except IndexError:  # another thread took it
                break
            free = self._references(array) == self.alone
            given.append(array)
            if free:
                return array
        array = make()
        if self.alone > 0 and array.base is None:
            self.bytes += array.nbytes
            if self.bytes > config.result_memory:
                self.known.clear()
                self.bytes = array.nbytes
                given = self.known.setdefault(key, [])
            given.append(array)
        return array


results = Results()
