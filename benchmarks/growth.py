"""How costs grow: compile time with the ops of a program, and the time of a sample with the size of a batch.

    python benchmarks/growth.py

Compile time is that of a first step in an empty cache folder, everything included: recording, passes, machine code.
`distinct` layers differ in structure, so that each has kernels of its own; `repeated` ones share theirs. (What recording
and finding a program cost by the length of a step is in overhead.py.)
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable

import rushlight as torch
from rushlight.backend.llvm import jit, text

COUNTS = (10, 30, 100, 300, 1000)
BATCHES = (16, 64, 256, 1024)
FUNCTIONS = ("tanh", "sigmoid", "exp", "relu", "neg", "abs", "cos", "sin")


def repeated(layers: int) -> Callable[[], float]:
    """Two ops a layer, the same in each; a product between them, so that no kernel takes more than one layer."""
    x, w = torch.rand(8, 8), torch.rand(8, 8)

    def step() -> float:
        y = x
        for _ in range(layers // 2):
            y = torch.relu(y @ w)
        return y.sum().item()

    return step


def distinct(layers: int) -> Callable[[], float]:
    """As `repeated`, but each layer's function is another chain of elementwise functions: its number in base 8."""
    x, w = torch.rand(8, 8), torch.rand(8, 8)

    def step() -> float:
        y, ops, number = x, 0, 0
        while ops < layers:
            y, ops, digits, number = y @ w, ops + 1, number, number + 1
            while ops < layers:
                y, ops = getattr(torch, FUNCTIONS[digits % 8])(y), ops + 1
                digits //= 8
                if not digits:
                    break
        return y.sum().item()

    return step


def first_run(make: Callable[[int], Callable[[], float]], ops: int) -> float:
    """Seconds of the first step with nothing compiled before."""
    step = make(ops)
    with tempfile.TemporaryDirectory() as folder:
        torch.config.cache_dir = folder
        jit._addresses.clear()
        text._texts.clear()
        start = time.perf_counter()
        step()
        return time.perf_counter() - start


def mlp(batch: int) -> Callable[[], float]:
    nn = torch.nn
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    return training(model, torch.rand(batch, 784), batch)


def cnn(batch: int) -> Callable[[], float]:
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(800, 10),
    )  # fmt: skip
    return training(model, torch.rand(batch, 1, 28, 28), batch)


def training(model: torch.nn.Module, x: torch.Tensor, batch: int) -> Callable[[], float]:
    """A step of SGD."""
    y, loss = torch.randint(0, 10, (batch,)), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

    def step() -> float:
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value.item()

    return step


def per_sample(network: Callable[[int], Callable[[], float]]) -> dict[int, float]:
    """Microseconds a sample for each batch size: medians of steps that take turns."""
    steps = {batch: network(batch) for batch in BATCHES}
    times: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    for step in steps.values():
        step()
    for _ in range(15):
        for batch, step in steps.items():
            step()  # brings its own memory into the caches
            start = time.perf_counter()
            step()
            times[batch].append((time.perf_counter() - start) / batch * 1e6)
    return {batch: statistics.median(found) for batch, found in times.items()}


def main() -> None:
    folder, limit = torch.config.cache_dir, torch.config.trace_limit
    torch.config.trace_limit = 1 << 30
    first_run(repeated, 12)  # loads what all compilations need
    print("first step, cold cache")
    for make in (distinct, repeated):
        for ops in COUNTS:
            taken = first_run(make, ops)
            print(
                f"  {make.__name__:9s} {ops:5d} ops  {1e3 * taken:8.1f} ms, {1e3 * taken / ops:6.2f} ms an op",
                flush=True,
            )
    torch.config.cache_dir, torch.config.trace_limit = folder, limit
    print("training, by the size of the batch")
    for network in (mlp, cnn):
        for batch, taken in per_sample(network).items():
            print(f"  {network.__name__:4s} {batch:5d}  {taken:7.2f} us a sample", flush=True)


if __name__ == "__main__":
    main()
