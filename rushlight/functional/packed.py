"""Packed sequences: the rows of all sequences of a batch, step by step, without the padding of the shorter ones.

`batch_sizes[t]` is how many sequences have a step t; the longest comes first. A recurrent layer runs them on a grid (T, N): all its kernels,
and its gradients, are those of padded sequences. What it computes behind the end of a sequence is read by nobody. Backwards, each sequence
is laid out from its own last step, so that every direction runs forward on its grid.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS, public
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record


class Grid:
    """Where each row of a packed batch stands on the grid (T, N), and where each place of the grid finds its row; -1: nowhere.

    Places are numbers of the flattened grid, one list for each direction.
    """

    def __init__(self, sizes: np.ndarray) -> None:
        steps, self.batch = len(sizes), int(sizes[0])
        self.shape = steps, self.batch
        starts = np.cumsum(sizes) - sizes
        step = np.repeat(np.arange(steps), sizes)  # of each packed row
        column = np.arange(len(step)) - starts[step]
        self.lengths = (sizes[:, None] > np.arange(self.batch)).sum(0)
        turned = self.lengths[column] - 1 - step
        self.places = [when * self.batch + column for when in (step, turned)]
        self.rows = [_inverse(places, steps * self.batch) for places in self.places]
        self.ends = (self.lengths - 1) * self.batch + np.arange(self.batch)
        self.columns = _inverse(self.ends, steps * self.batch)

    def spread(self, packed: Any, direction: int = 0) -> Any:
        """Packed rows (K, width) on the grid: (T, N, width), zeros where a sequence has ended."""
        return _move(packed, self.rows[direction], self.places[direction]).unflatten(0, self.shape)

    def collect(self, grid: Any, direction: int = 0) -> Any:
        """The packed rows (K, width) that stand on a grid."""
        return _move(grid.flatten(0, 1), self.places[direction], self.rows[direction])

    def last(self, grid: Any) -> Any:
        """What stands at the end of each sequence: (N, width)."""
        return _move(grid.flatten(0, 1), self.ends, self.columns)

    def inside(self) -> Any:
        """Which places of the grid are steps of a sequence: (T, N, 1)."""
        return _tensor((self.rows[0] >= 0).reshape(*self.shape, 1))


def _inverse(places: np.ndarray, count: int) -> np.ndarray:
    found = np.full(count, -1)
    found[places] = np.arange(len(places))
    return found


def _tensor(array: np.ndarray) -> Any:
    return FUNCTIONS["tensor"](array)


def _move(rows: Any, index: np.ndarray, back: np.ndarray) -> Any:
    return record(TABLE["move_rows_op"], (rows, _tensor(index), _tensor(back)))


@functools.lru_cache(64)
def _grid(sizes: tuple[int, ...]) -> Grid:
    return Grid(np.array(sizes))


def grid_of(op: str, data: Any, batch_sizes: Any) -> Grid:
    """The grid of `batch_sizes`; RuntimeError if those are not falling counts of data's rows."""
    sizes = tuple(batch_sizes.tolist())
    falling = all(a >= b for a, b in zip(sizes, sizes[1:]))
    if not sizes or sizes[-1] < 1 or not falling or sum(sizes) != data.shape[0]:
        raise RuntimeError(
            explain_error(
                op,
                got=f"batch_sizes={list(sizes)} for {data.shape[0]} rows of data",
                expected="numbers above 0 that never rise, as many rows as their sum",
                fix="let nn.utils.rnn.pack_padded_sequence or pack_sequence make them",
            )
        )
    return _grid(sizes)


@public("_pack_padded_sequence")
def pack_padded_sequence(input: Any, lengths: Any, batch_first: bool) -> tuple[Any, Any]:
    """(data, batch_sizes) of sequences (T, N, *), the longest first; `lengths` is a tensor (N,)."""
    op = "pack_padded_sequence"
    if batch_first:
        input = input.transpose(0, 1)
    counts = lengths.tolist()
    steps, batch = input.shape[:2]
    problem = ""
    if not input.numel():
        problem = f"an empty input of shape {list(input.shape)}"
    elif len(counts) != batch:
        problem = f"{len(counts)} lengths for a batch of {batch} sequences"
    elif min(counts) < 1 or max(counts) > steps:
        problem = f"lengths from {min(counts)} to {max(counts)}, where the input has {steps} steps"
    elif any(a < b for a, b in zip(counts, counts[1:])):
        raise RuntimeError(
            explain_error(
                op,
                got=f"lengths {counts}",
                expected="the longest sequence first, since enforce_sorted=True",
                fix="pass enforce_sorted=False, which sorts them and puts the results back in order",
            )
        )
    if problem:
        raise RuntimeError(
            explain_error(op, got=problem, expected="a length of 1 … T for each of N sequences (T, N, *)")
        )
    sizes = (np.array(counts) > np.arange(max(counts))[:, None]).sum(1)
    grid = _grid(tuple(sizes.tolist()))
    rest = input.shape[2:]
    rows = grid.collect(input[: len(sizes)].reshape(*grid.shape, -1))
    return rows.reshape(-1, *rest), _tensor(sizes)


@public("_pad_packed_sequence")
def pad_packed_sequence(
    data: Any, batch_sizes: Any, batch_first: bool, padding_value: float, total_length: int
) -> tuple[Any, Any]:
    """(padded sequences (T, N, *), lengths (N,)); T is `total_length` where that is above 0."""
    grid = grid_of("pad_packed_sequence", data, batch_sizes)
    steps, rest = grid.shape[0], data.shape[1:]
    if 0 < total_length < steps:
        raise ValueError(
            explain_error(
                "pad_packed_sequence",
                got=f"total_length={total_length}",
                expected=f"at least the length of the longest sequence, {steps}",
            )
        )
    found = grid.spread(data.reshape(data.shape[0], -1))
    if padding_value != 0:
        found = found.masked_fill(~grid.inside(), padding_value)
    if total_length > steps:
        found = FUNCTIONS["constant_pad_nd"](found, (0, 0, 0, 0, 0, total_length - steps), padding_value)
    found = found.reshape(found.shape[0], grid.batch, *rest)
    return found.transpose(0, 1) if batch_first else found, _tensor(grid.lengths)
