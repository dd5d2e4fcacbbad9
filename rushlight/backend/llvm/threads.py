"""How many threads launches use.

Threads are started at the first job that wants them. After a fork the child has none and starts its own. A launch
that finds the pool taken by another runs its groups on its own thread: nobody waits for anybody. Results do not
depend on any of this.

    set_threads(count)      how many threads a launch may use, the launching one included
    threads() -> int        how many that is: 1 where there is no pool (systems other than Linux)
    alive() -> int          pool threads that exist now
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

from rushlight import config
from rushlight.backend.llvm.pool import EXPORTS, FUTEX_CALL, MOST, PORTIONS

_words: dict[str, ctypes.c_int64] = {}  # the pool's words in memory, by name; empty until the runtime is loaded
_resize: list[Callable[[int], None]] = []


def bind(addresses: dict[str, int]) -> None:
    """Take charge of the pool of the loaded runtime; called once."""
    _words.update((name, ctypes.c_int64.from_address(addresses[name])) for name in EXPORTS)
    _resize.append(ctypes.CFUNCTYPE(None, ctypes.c_int64)(addresses["resize"]))
    set_threads(config.threads)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget)


def _forget() -> None:
    """In a forked child: the pool's threads stayed behind in the parent, whatever they were doing."""
    sizes = {"alive": 8, "busy": 8, "sleepers": 8, "remaining": 128 * PORTIONS, "thread_ids": 4 * MOST}
    for name, size in sizes.items():
        ctypes.memset(ctypes.addressof(_words[name]), 0, size)


def set_threads(count: int) -> None:
    """Let launches use `count` threads from now on. Those above it end when they have no work."""
    for resize in _resize:
        resize(max(count, 1) - 1)


def threads() -> int:
    """How many threads a launch uses, if there is work for them and no other launch has them."""
    if not FUTEX_CALL:
        return 1
    return _words["wanted"].value + 1 if _words else max(config.threads, 1)


def alive() -> int:
    """How many threads the pool has: they are started when first needed."""
    return _words["alive"].value if _words else 0
