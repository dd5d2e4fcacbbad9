"""What Programs tell about their runs, and who listens.

Times are nanoseconds of `time.monotonic_ns()`, which on Unix is also the clock of launch tables.

    listening() -> bool                 whether anybody wants to know; ask before measuring anything
    report(Run(...))                    after a Program has run: the label, its kernels with their times, its memory
    report(Range(...))                  after a named stretch of Python code (`record_function`, a step of a schedule)
    report_steps(program, steps, ...)   `report(Run(...))` from instructions and the times of their groups
    divide(start, end, weights)         the times of kernels that ran side by side, in proportion to their weights
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from rushlight.backend import chosen


@dataclass(frozen=True)
class Op:
    """An op that a kernel computes, the (file, line) of the user's code that recorded it, and the module it was in."""

    name: str
    line: tuple[str, int] | None = None
    module: str = ""


@dataclass(frozen=True)
class Kernel:
    """One kernel's (or NumPy call's) part of a run.

    bytes   that it must read and write at least
    flops   multiplications and additions, an FMA being two
    shapes  of its inputs, for tables grouped by them
    """

    name: str
    start: int
    end: int
    ops: tuple[Op, ...] = ()
    bytes: int = 0
    flops: int = 0
    shapes: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Run:
    """One run of a Program; `arena` and `outputs` are the bytes that it used for temporaries and results."""

    program: str
    start: int
    end: int
    kernels: tuple[Kernel, ...] = ()
    arena: int = 0
    outputs: int = 0
    thread: int = field(default_factory=threading.get_native_id)


@dataclass(frozen=True)
class Range:
    """A named stretch of Python code."""

    name: str
    start: int
    end: int
    thread: int = field(default_factory=threading.get_native_id)


listeners: list[Callable[[Run | Range], None]] = []


def listening() -> bool:
    """Whether a report would be heard."""
    return bool(listeners)


def report(event: Run | Range) -> None:
    """Tell everybody who listens."""
    for listener in tuple(listeners):
        listener(event)


def watch_programs() -> None:
    """Have native Programs report their runs while somebody listens, and only then."""
    if chosen() != "llvm":
        return
    from rushlight.backend.llvm.program import observers

    if listening() and report_steps not in observers:
        observers.append(report_steps)
    elif not listening() and report_steps in observers:
        observers.remove(report_steps)


def report_steps(
    program: str, steps: Sequence[tuple[Sequence[Any], int, int]], arena: int = 0, outputs: int = 0, start: int = 0
) -> None:
    """Report a run made of steps: (instructions, start, end), in order of time.

    An instruction has a `label`, `cost` (any unit: instructions of one step share its time by it), `flops`, `traffic`
    (bytes), and `entries`: recorded ops, with `op.name`, `line` and `module`. `start` is when the run began, if before
    its first step.
    """
    kernels = []
    for instructions, begin, end in steps:
        spans = divide(begin, end, [float(instruction.cost) for instruction in instructions])
        for instruction, span in zip(instructions, spans, strict=True):
            ops = tuple(Op(e.op.name, e.line, e.module or "") for e in instruction.entries if e is not None)
            kernels.append(
                Kernel(instruction.label, *span, ops=ops, bytes=instruction.traffic, flops=instruction.flops)
            )
    if kernels:
        report(Run(program, start or kernels[0].start, kernels[-1].end, tuple(kernels), arena, outputs))


def divide(start: int, end: int, weights: Sequence[float]) -> list[tuple[int, int]]:
    """Consecutive (start, end) that share a stretch in proportion to the weights.

    >>> divide(100, 200, [1, 3])
    [(100, 125), (125, 200)]
    """
    total = sum(weights)
    shares = [w / total for w in weights] if total > 0 else [1 / len(weights)] * len(weights)
    marks = [start, *(start + round((end - start) * done) for done in accumulate(shares))]
    marks[-1] = end
    return list(zip(marks, marks[1:]))
