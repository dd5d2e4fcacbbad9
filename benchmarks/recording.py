"""What an op costs before anything is computed: recording in Rushlight, eager dispatch in PyTorch (where installed).

    python benchmarks/recording.py

PyTorch's figure holds the computation on four numbers, which is a small part of it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType

import rushlight

OPS, ROUNDS = 400, 40


def chain(torch: ModuleType, requires_grad: bool) -> Callable[[], tuple[float, float]]:
    """A round: microseconds for each op of a chain, and for each op of a whole step with its backward."""
    x = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=requires_grad)

    def forward() -> tuple[object, float]:
        y = x
        start = time.perf_counter()
        for _ in range(OPS // 2):
            y = y * 1.001 + 0.1
        return y, time.perf_counter() - start

    def one_round() -> tuple[float, float]:
        y, recording = forward()
        y[0].item()
        start = time.perf_counter()
        y, _ = forward()
        if requires_grad:
            y.sum().backward()
            x.grad = None
        y[0].item()
        return recording / OPS * 1e6, (time.perf_counter() - start) / OPS * 1e6

    return one_round


def main() -> None:
    libraries = {"rushlight": rushlight}
    if find_spec("torch") is not None:
        import torch

        libraries["torch"] = torch
    for requires_grad in (False, True):
        print("with gradients" if requires_grad else "without gradients")
        rounds = {name: chain(library, requires_grad) for name, library in libraries.items()}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in rounds}
        for number in range(ROUNDS + 5):
            for name, one_round in rounds.items():
                result = one_round()
                if number >= 5:
                    times[name].append(result)
        for name, rows in times.items():
            op, step = (statistics.median(column) for column in zip(*rows, strict=True))
            print(f"  {name:10s} {op:6.2f} us to call an op, {step:7.2f} us an op for a whole step")


if __name__ == "__main__":
    main()
