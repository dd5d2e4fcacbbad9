"""Instructions: calls of kernels on places, as the planner and the table see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rushlight.backend.llvm.layout import Storage

# A word of an argument block: an integer, or an address (a storage and a byte offset into it).
Word = int | tuple[Storage, int]


@dataclass
class Instruction:
    """One kernel call, or one Python call between kernels.

    units, grain    work units, and how many make a chunk that one thread takes
    reads, writes   the storages it touches
    cost            nanoseconds it may take on one core: a guess that only decides about threads
    flops, traffic  for the profiler
    keep            tables that the argument block points to
    whole           what it makes a part of: instructions with the same write different elements, and may do so side by side
    """

    label: str
    text: str
    words: list[Word]
    units: int
    grain: int
    scratch: int = 0
    reads: list[Storage] = field(default_factory=list)
    writes: list[Storage] = field(default_factory=list)
    cost: float = 0.0
    flops: int = 0
    traffic: int = 0
    entries: Sequence[Any] = ()
    call: Callable[..., None] | None = None
    keep: list[Any] = field(default_factory=list)
    whole: Any = None

    @property
    def chunks(self) -> int:
        return -(-self.units // self.grain) if self.units else 0

    def __str__(self) -> str:
        how = "numpy" if self.call else f"{self.units} units by {self.grain}"
        return f"{self.label}: {how}"


CHUNK = 20_000.0  # ns of work that make a chunk worth handing out


def grain_for(units: int, cost: float) -> int:
    """Units a chunk: enough work each, and few enough that the last ones do not keep everybody waiting."""
    if units <= 1 or cost < 1.5 * CHUNK:
        return max(units, 1)
    return max(1, int(units * CHUNK / cost), units // 64)
