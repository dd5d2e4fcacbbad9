"""What Python costs around the programs: recording an op in steps of growing length, and whole training steps.

    python benchmarks/overhead.py

Programs are replaced by what they returned the time before, so that nothing is computed: what is left is recording, gradients
and optimiser as entries, finding the program, and binding its results.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import rushlight as torch
from rushlight.lazy import step as lazy_step

Step = Callable[[], Any]


def without_computing(step: Step, rounds: int) -> float:
    """Microseconds of a step whose programs only hand out their last results: the best of `rounds`."""
    for _ in range(3):
        step()
    programs = [(program, program.run) for program in lazy_step._programs.values()]
    for program, run in programs:
        program.run = _remembering(run)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    for program, run in programs:
        program.run = run
    return min(times) * 1e6


def _remembering(run: Callable[..., dict]) -> Callable[..., dict]:
    results: list[dict] = []

    def again(*given: Any) -> dict:
        if not results:
            results.append(run(*given))
        targets = given[3] if len(given) > 3 else {}
        return results[0] | targets  # a program writes to memory that its results already have

    return again


def chain(ops: int) -> Step:
    """A step of `ops` pointwise ops."""
    x = torch.ones(4)
    x.tolist()

    def step() -> None:
        y = x
        for _ in range(ops // 2):
            y = y * 1.001 + 0.1
        y.tolist()

    return step


def training(layers: int, optimizer: str) -> Step:
    """A training step of a small network with that many linear layers."""
    nn = torch.nn
    widths = [nn.Linear(4, 4) for _ in range(layers)]
    model = nn.Sequential(*[module for layer in widths for module in (layer, nn.ReLU())])
    x, y, loss = torch.rand(2, 4), torch.rand(2, 4), nn.MSELoss()
    update = getattr(torch.optim, optimizer)(model.parameters(), lr=1e-3)

    def step() -> float:
        update.zero_grad()
        value = loss(model(x), y)
        value.backward()
        update.step()
        return value.item()

    return step


def main() -> None:
    limit = torch.config.trace_limit
    torch.config.trace_limit = 1 << 30
    print("recording, by the ops of a step")
    for ops in (10, 100, 1_000, 10_000):
        rounds = max(20, 20_000 // ops)
        print(f"  {ops:6d} ops  {without_computing(chain(ops), rounds) / ops:6.2f} us an op")
    torch.config.trace_limit = limit
    print("training steps")
    for optimizer in ("SGD", "Adam"):
        for layers in (1, 4, 16, 64):
            cost = without_computing(training(layers, optimizer), 200)
            print(f"  {optimizer:5s} {layers:3d} layers  {cost:8.1f} us, {cost / layers:6.1f} us a layer")
    first, second = (statistics.median(_leaf_cost(n) for _ in range(20)) for n in (10, 1_000))
    print(f"bringing in a tensor: {first:.2f} us among 10, {second:.2f} us among 1000")


def _leaf_cost(count: int) -> float:
    tensors = [torch.ones(2) for _ in range(count)]
    total = torch.cat(tensors)
    total.tolist()
    start = time.perf_counter()
    total = torch.cat(tensors)
    taken = time.perf_counter() - start
    total.tolist()
    return taken / count * 1e6


if __name__ == "__main__":
    main()
