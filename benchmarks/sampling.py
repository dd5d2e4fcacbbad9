"""Random samplers: the NumPy reference, the native kernels and, where it is installed, PyTorch, on one thread.

    python benchmarks/sampling.py [numbers]

Printed for each: the best time of several rounds, in ns a number.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import rushlight
from rushlight.backend.llvm import random as native
from rushlight.backend.numpy import sampling
from rushlight.backend.numpy.mt19937 import Engine
from rushlight.ir.loop import MEMORY_KIND

# name, dtype, operands, reference(engine, n), PyTorch(tensor)
CASES: list[tuple[str, str, tuple, Callable, Callable]] = [
    ("uniform", "float32", (0.0, 1.0), lambda e, n: sampling.uniform(e, n), lambda x: x.uniform_()),
    ("uniform", "float32", (-1.0, 3.0), lambda e, n: sampling.uniform(e, n, -1.0, 3.0), lambda x: x.uniform_(-1, 3)),
    ("uniform", "float64", (0.0, 1.0), lambda e, n: sampling.uniform(e, n, dtype="float64"), lambda x: x.uniform_()),
    ("uniform", "bfloat16", (0.0, 1.0), lambda e, n: sampling.uniform(e, n, dtype="bfloat16"), lambda x: x.uniform_()),
    ("bernoulli", "float32", (0.3,), lambda e, n: sampling.bernoulli(e, n, 0.3), lambda x: x.bernoulli_(0.3)),
    ("bernoulli", "bool", (0.3,), lambda e, n: sampling.bernoulli(e, n, 0.3), lambda x: x.bernoulli_(0.3)),
    ("normal", "float32", (0.0, 1.0), lambda e, n: sampling.normal(e, n), lambda x: x.normal_()),
    ("normal", "float16", (0.0, 1.0), lambda e, n: sampling.normal(e, n, dtype="float16"), lambda x: x.normal_()),
    ("exponential", "float32", (1.0,), lambda e, n: sampling.exponential(e, n), lambda x: x.exponential_()),
    ("randint", "int64", (0, 9), lambda e, n: sampling.random_from_to(e, n, 0, 10), lambda x: x.random_(0, 10)),
    ("randint", "int64", (0, 2**40), lambda e, n: sampling.random_from_to(e, n, 0, 2**40 + 1),
     lambda x: x.random_(0, 2**40 + 1)),
    ("random_full", "int64", (), lambda e, n: sampling.random_full(e, n, "int64"), lambda x: x.random_()),
]  # fmt: skip


def best(run: Callable[[], Any], numbers: int) -> float:
    """ns a number in the fastest of several rounds."""
    run()
    found = float("inf")
    for _ in range(7):
        start = time.perf_counter()
        run()
        found = min(found, time.perf_counter() - start)
    return found / numbers * 1e9


def main(numbers: int) -> None:
    try:
        torch: Any = importlib.import_module("torch")
        torch.set_num_threads(1)
    except ImportError:
        torch = None
    engine = Engine(0)
    print(f"{'':42} {'numpy':>8} {'native':>8} {'torch':>8}  ns a number")

    def show(label: str, reference: Callable, fill: Callable, theirs: Callable) -> None:
        times = [best(reference, numbers), best(fill, numbers), best(theirs, numbers) if torch else float("nan")]
        print(f"{label:42}" + "".join(f" {t:8.2f}" for t in times), flush=True)

    for name, dtype, operands, reference, other in CASES:
        kind = getattr(rushlight, dtype)
        fill, out = native._FILLS[name](MEMORY_KIND[dtype], kind), np.empty(numbers, kind.storage)
        x = torch.empty(numbers, dtype=getattr(torch, dtype)) if torch else None
        label = f"{name} {dtype} {operands}"
        show(label, partial(reference, engine, numbers), partial(fill, engine, operands, out), partial(other, x))
    shuffle, places = native._randperm("i64", rushlight.int64), np.empty(numbers, np.int64)
    show(
        "randperm int64", lambda: sampling.randperm(engine, numbers), lambda: shuffle(engine, (), places),
        lambda: torch.randperm(numbers),
    )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
