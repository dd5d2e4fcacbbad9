"""How long one epoch of a DataLoader takes, beside plain slicing and (where it is installed) PyTorch's loader.

python benchmarks/loader.py
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from types import ModuleType

import numpy as np

import rushlight

SAMPLES, BATCH = 60_000, 64


class Pictures:
    """Pictures of ImageNet's size: what matters is moving them between processes."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def __len__(self) -> int:
        return 10 * BATCH

    def __getitem__(self, index: int) -> tuple:
        return self.module.zeros(3, 224, 224), index


class Digits:
    """Small pictures that are turned into tensors one by one: what matters is the cost of each call."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.images = np.random.RandomState(0).randint(0, 256, (6000, 28, 28), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple:
        return self.module.from_numpy(self.images[index]).unsqueeze(0).float().div(255), index % 10


def seconds(batches: Callable[[], Iterable], repeats: int = 3) -> float:
    """The best time of some passes over new batches."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        read(batches())
        best = min(best, time.perf_counter() - start)
    return best


def read(batches: Iterable) -> None:
    """Go through the batches and compute each, as lazily recorded copies cost nothing."""
    for batch in batches:
        for part in batch:
            part.numpy()


def slices(module: ModuleType, tensors: list, shuffle: bool) -> Iterable:
    """Batches made by hand."""
    order = module.randperm(SAMPLES) if shuffle else None
    for start in range(0, SAMPLES, BATCH):
        stop = start + BATCH
        yield [t[start:stop].clone() if order is None else t[order[start:stop]] for t in tensors]


def measure(module: ModuleType) -> None:
    """Print this library's figures."""
    data = module.utils.data
    name = module.__name__
    tensors = [module.rand(SAMPLES, 28 * 28), module.arange(SAMPLES)]
    for shuffle in (False, True):
        loader = data.DataLoader(data.TensorDataset(*tensors), BATCH, shuffle=shuffle)
        ours, plain = seconds(loader.__iter__), seconds(partial(slices, module, tensors, shuffle))
        print(f"{name:10} in memory, shuffle={shuffle!s:5}  loader {ours:.3f} s, plain slicing {plain:.3f} s")
    loader = data.DataLoader(Digits(module), BATCH, shuffle=True)
    print(f"{name:10} digits, sample by sample   {seconds(loader.__iter__, 9):.3f} s")
    for workers in (0, 1, 2):
        loader = data.DataLoader(Pictures(module), BATCH, num_workers=workers)
        print(f"{name:10} pictures, num_workers={workers}    {seconds(loader.__iter__):.3f} s")
    loader = data.DataLoader([(number,) for number in range(SAMPLES)], BATCH, num_workers=2)
    print(f"{name:10} numbers, num_workers=2     {seconds(loader.__iter__):.3f} s")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    measure(rushlight)
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
        measure(torch)
