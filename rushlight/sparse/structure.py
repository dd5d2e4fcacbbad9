"""Where the values of a sparse tensor stand: the part of an operation that reads indices and knows no values.

Indices are looked at in NumPy, once per tensor; what is done to values with the result is recorded as ordinary operations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.errors import explain_error
from rushlight.functional.creation import wrap


def host(indices: Any) -> np.ndarray:
    """The indices as an array, for reading only."""
    return indices._compute_array()


def tensor_of(array: np.ndarray) -> Any:
    """A tensor of int64 that takes over an array."""
    return wrap(np.ascontiguousarray(array, np.int64))


def outside(indices: np.ndarray, sizes: Sequence[int]) -> str | None:
    """What is wrong with indices that do not fit the sizes, in words; None if they do."""
    for d, size in enumerate(sizes):
        row = indices[d]
        if row.size and (int(row.min()) < 0 or int(row.max()) >= size):
            bad = int(row.min()) if int(row.min()) < 0 else int(row.max())
            return f"index {bad} in dimension {d} of size {size}"
    return None


def keys(name: str, indices: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """One number for each column of the indices, in the order of rows: equal places have equal numbers."""
    problem = outside(indices, sizes)
    if problem:
        raise RuntimeError(
            explain_error(
                name, got=problem, expected="indices from 0 to the size less one",
                fix="give a larger size, or create the tensor with check_invariants=True to find where it comes from",
            )
        )  # fmt: skip
    if math.prod(sizes) >= 1 << 62:
        raise RuntimeError(explain_error(name, got=f"the size {tuple(sizes)}", expected="fewer than 2^62 places"))
    found = np.zeros(indices.shape[1], np.int64)
    for row, size in zip(indices, sizes, strict=True):
        found = found * size + row
    return found


def places(numbers: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """The indices that `keys` made numbers of."""
    rows = []
    for size in reversed(sizes):
        numbers, row = np.divmod(numbers, max(size, 1))
        rows.append(row)
    return np.stack(rows[::-1]) if rows else np.zeros((0, len(numbers)), np.int64)


def expanded(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For runs of `counts` places that begin at `starts`: the run that each place belongs to, and the place."""
    run = np.repeat(np.arange(len(counts)), counts)
    before = np.cumsum(counts) - counts
    return run, np.arange(len(run)) - before[run] + starts[run]


def compress(rows: np.ndarray, count: int) -> np.ndarray:
    """How many of the sorted rows come before each of `count` rows, and the total: the pointers of CSR."""
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))]).astype(np.int64)


def decompress(pointers: np.ndarray) -> np.ndarray:
    """The row of each element, from CSR's pointers."""
    return np.repeat(np.arange(len(pointers) - 1), np.diff(pointers))
