"""What this machine can do at most: multiply-adds in registers, and bytes from memory.

    measure() -> (FLOP/s, bytes/s)

Both are taken on as many threads as launches use, the best of a few short runs, so that other work on the machine
counts as little as possible. Bytes are those that a copy between arrays far larger than the caches reads and writes.
"""

from __future__ import annotations

import functools
import time

import numpy as np

from rushlight.backend.llvm import jit, target, text, threads
from rushlight.backend.llvm.runtime import Table, launcher

_SUMS = 12  # independent chains: more than latency times throughput of any core, few enough for 16 registers
_ROUNDS = 100_000
_COPY = 1 << 25  # bytes


def _module(w: text.Writer) -> str:
    return text.module([w.text()], target.current().function_attributes(target.host_cpu()))


def multiply_text() -> str:
    """A unit is `_ROUNDS` rounds of `_SUMS` vector multiply-adds; their sum goes to args[0][unit]."""
    w, lanes = text.kernel(), target.current().lanes
    wide = text.vector("f32", lanes)
    out = w.argument(0, "ptr")
    factor = w.let(f"load volatile {wide}, ptr {out}, align 4")
    start = text.constant(0.0, "f32", lanes)
    with w.loop("%begin", "%end") as unit:
        with w.loop("0", str(_ROUNDS), 1, [(wide, start)] * _SUMS) as rounds:
            rounds.next = [
                w.let(f"call {wide} @llvm.fmuladd({wide} {value}, {wide} {factor}, {wide} {factor})")
                for value in rounds.values
            ]
        total, *others = rounds.values
        for value in others:
            total = w.let(f"fadd {wide} {total}, {value}")
        place = w.at(out, unit.index, wide)
        w.do(f"store {wide} {total}, ptr {place}, align 4")
    return _module(w)


def copy_text() -> str:
    """A unit copies one vector of bytes from args[0] to args[1]."""
    w, lanes = text.kernel(), target.current().lanes
    wide = text.vector("f32", lanes)
    source, goal = w.argument(0, "ptr"), w.argument(1, "ptr")
    with w.loop("%begin", "%end") as unit:
        value = w.let(f"load {wide}, ptr {w.at(source, unit.index, wide)}, align 4")
        w.do(f"store {wide} {value}, ptr {w.at(goal, unit.index, wide)}, align 4")
    return _module(w)


@functools.cache
def measure() -> tuple[float, float]:
    """(FLOP/s of float32, bytes/s)."""
    lanes, count = target.current().lanes, threads.threads()
    multiply, copy = jit.addresses([multiply_text(), copy_text()])
    out = np.zeros((count, lanes), np.float32)
    flops = 2 * lanes * _SUMS * _ROUNDS * count / _shortest(multiply, [out], count, 1)
    arrays = [np.ones(_COPY // 4, np.float32), np.ones(_COPY // 4, np.float32)]
    units = _COPY // (4 * lanes)
    return flops, 2 * _COPY / _shortest(copy, arrays, units, -(-units // (8 * count)))


def _shortest(kernel: int, arrays: list[np.ndarray], units: int, grain: int) -> float:
    """Seconds of the quickest of some runs."""
    table = Table(len(arrays), 0)
    table.group()
    table.add(kernel, [table.leaf(i) for i in range(len(arrays))], units, grain)
    table.finish()
    launch, best = launcher(), float("inf")
    for _ in range(5):
        start = time.perf_counter()
        launch(table.address, arrays, [], [], 0, 0, 1)
        best = min(best, time.perf_counter() - start)
    return best
