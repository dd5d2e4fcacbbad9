"""Matrix products of the native backend beside PyTorch's, on all processors.

    python benchmarks/gemm.py [threads]

Printed for each shape: the best time of each side, GFLOP/s, and the share of the peak, which a loop of nothing but
multiply-adds on registers measures first. On a machine that does other work too, compare the peak before and after.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from rushlight.backend.llvm import gemm, jit
from rushlight.backend.llvm.gemm_plan import Matrix, plan
from rushlight.backend.llvm.target import current, host_cpu
from rushlight.backend.llvm.text import constant, kernel, module, vector

CALL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)

# batch, m, k, n, whether a and b are transposed views
SHAPES = [
    ((), 1024, 1024, 1024, False, False), ((), 1024, 1024, 1024, False, True), ((), 64, 784, 512, False, True),
    ((), 512, 64, 784, True, False), ((), 64, 512, 784, False, False), ((), 64, 512, 10, False, True),
    ((), 10, 64, 512, True, False),
    ((), 64, 10, 512, False, False), ((), 1, 784, 512, False, True), ((), 1, 784, 512, False, False),
    ((), 5, 300, 300, False, True),
    ((), 1, 4096, 4096, False, False), ((), 1, 4096, 4096, False, True), ((32,), 64, 32, 64, False, False),
    ((32,), 64, 32, 64, False, True), ((), 256, 4096, 4096, False, True), ((), 20000, 27, 64, False, False),
]  # fmt: skip


def best(run: Callable[[], object], budget: float = 0.3) -> float:
    """Seconds of the fastest of several rounds."""
    run()
    start = time.perf_counter()
    run()
    count = max(1, int(budget / 10 / (time.perf_counter() - start + 1e-6)))
    found = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        for _ in range(count):
            run()
        found = min(found, (time.perf_counter() - start) / count)
    return found


def peak_text() -> str:
    """A loop of 16 independent multiply-adds."""
    target, w = current(), kernel()
    wide = vector("f32", target.lanes)
    x = w.let(f"load {wide}, ptr %scratch, align 4")
    with w.loop("%begin", "%end", 1, [(wide, constant(float(i), "f32", target.lanes)) for i in range(16)]) as loop:
        loop.next = [w.let(f"call {wide} @llvm.fmuladd({wide} {v}, {wide} {x}, {wide} {x})") for v in loop.values]
    for i, value in enumerate(loop.values):
        w.do(f"store {wide} {value}, ptr {w.at('%scratch', str(i * 4 * target.lanes))}, align 4")
    return module([w.text()], target.function_attributes(host_cpu()))


class Native:
    """A kernel run by several threads, each with a part of the units."""

    def __init__(self, pool: ThreadPoolExecutor, threads: int, text: str, args: np.ndarray, units: int, scratch: int):
        self.pool, self.threads, self.args = pool, threads, args
        self.function = CALL(jit.address(text))
        self.memory = [np.zeros(scratch + 64, np.uint8) for _ in range(threads)]
        self.places = [(m.ctypes.data + 63) // 64 * 64 for m in self.memory]
        self.parts = [(units * t // threads, units * (t + 1) // threads) for t in range(threads)]

    def rounds(self, count: int) -> float:
        """Seconds of a round, on all threads at once."""

        def work(t: int) -> None:
            for _ in range(count):
                self.function(self.args.ctypes.data, *self.parts[t], self.places[t])

        start = time.perf_counter()
        list(self.pool.map(work, range(self.threads)))
        return (time.perf_counter() - start) / count

    def best(self, budget: float = 0.3) -> float:
        count = max(1, int(budget / 10 / self.rounds(2)))
        return min(self.rounds(count) for _ in range(10))


def lying(shape: tuple[int, ...], turned: bool) -> np.ndarray:
    *batch, rows, columns = shape
    x = np.random.default_rng(0).standard_normal((*batch, columns, rows) if turned else shape).astype(np.float32)
    return x.swapaxes(-1, -2) if turned else x


def matrix(x: np.ndarray) -> Matrix:
    return Matrix("f32", tuple(s // x.itemsize for s in x.strides))


def main(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    pool = ThreadPoolExecutor(threads)
    loops = 1_000_000
    peak_run = Native(pool, threads, peak_text(), np.zeros(1, np.int64), loops, 4096)
    peak = 2 * 16 * current().lanes * loops / peak_run.best() / 1e9
    print(f"peak on {threads} threads: {peak:.0f} GFLOP/s")
    print(f"{'product':36} {'torch':>10} {'GFLOP/s':>8} {'native':>10} {'GFLOP/s':>8} {'of peak':>8} {'ratio':>6}")
    for batch, m, k, n, a_turned, b_turned in SHAPES:
        a, b = lying((*batch, m, k), a_turned), lying((*batch, k, n), b_turned)
        c = np.zeros((*batch, m, n), np.float32)
        found = plan("f32", matrix(a), matrix(b), matrix(c), batch, (m, n, k), threads)
        args = np.array(found.words, np.int64)
        args[:3] = *(x.ctypes.data for x in ((b, a) if found.swapped else (a, b))), c.ctypes.data
        native = Native(pool, threads, gemm.kernel_text(found.spec), args, found.units, found.scratch).best()
        left, right = torch.from_numpy(a), torch.from_numpy(b)
        theirs = best(lambda left=left, right=right: left @ right)
        work = 2e-9 * m * n * k * int(np.prod(batch))
        name = f"{'x'.join(map(str, batch)) or ''} ({m},{k}){'ᵀ' * a_turned} ({k},{n}){'ᵀ' * b_turned}"
        print(
            f"{name:36} {theirs * 1e6:8.1f}us {work / theirs:8.1f} {native * 1e6:8.1f}us {work / native:8.1f}"
            f" {work / native / peak:8.0%} {theirs / native:6.2f}",
            flush=True,
        )
    print(f"peak again: {2 * 16 * current().lanes * loops / peak_run.best() / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count() or 1)
