"""Instructions: calls of kernels on places, as the planner and the table see them; and the plan that they make up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from rushlight.backend.llvm import jit
from rushlight.backend.llvm.layout import Storage
from rushlight.ir.meta import Meta

# A word of an argument block: an integer, or an address (a storage and a byte offset into it).
Word = int | tuple[Storage, int]


@dataclass
class Instruction:
    """One kernel call, or one Python call between kernels.

    text, kernel    the kernel's text, unless it was compiled in another process, and its name
    units, grain    work units, and how many make a chunk that one thread takes
    reads, writes   the storages it touches
    cost            nanoseconds it may take on one core: a guess that only decides about threads
    flops, traffic  for the profiler
    keep            tables that the argument block points to
    whole           what it makes a part of: instructions with the same write different elements, and may do so side by side
    """

    label: str
    words: list[Word]
    units: int
    grain: int
    text: str = ""
    kernel: str = ""
    scratch: int = 0
    reads: list[Storage] = field(default_factory=list)
    writes: list[Storage] = field(default_factory=list)
    cost: float = 0.0
    flops: int = 0
    traffic: int = 0
    entries: Sequence[Any] = ()
    call: Any = None
    keep: list[Any] = field(default_factory=list)
    whole: Any = None

    def __post_init__(self) -> None:
        if self.text:
            self.kernel = jit.name(self.text)

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


@dataclass
class Step:
    """Instructions that need not wait for each other: one group of the table, or a Python call."""

    instructions: list[Instruction]

    @property
    def call(self) -> Any:
        return self.instructions[0].call

    def __str__(self) -> str:
        return "; ".join(map(str, self.instructions))


@dataclass
class Plan:
    """All that is needed to run a graph.

    steps             what runs, in order
    leaves, outputs   what the buffers look like that are given and made
    kinds             of the numbers: f64 or i64
    donated           (output, leaf): the output may be written over the leaf
    constants         numbers in memory, by the index of their storages
    arena             bytes of temporaries
    ops               nodes of the graph, to tell programs by
    """

    steps: list[Step]
    leaves: list[Meta]
    outputs: list[Meta]
    kinds: list[str]
    donated: list[tuple[int, int]]
    constants: list[np.ndarray]
    arena: int
    ops: int

    def facts(self) -> dict[str, Any]:
        """Everything but the steps, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "steps"}
