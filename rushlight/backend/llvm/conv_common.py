"""What the convolution kernels share: the shape of tiles, plans and their tables, the reading of arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rushlight.backend.llvm.target import Target, current, host_cpu
from rushlight.backend.llvm.text import REGISTER, Writer, module, vector

BUFFERS = ("x", "w", "out", "tables")  # the first words of argument blocks
POINTERS = (*BUFFERS, "index", "status", "parts")

# epilogue(w, value, image, channel, first pixel, mask or None): stores the value itself.
Epilogue = Callable[[Writer, str, str, str, str, "str | None"], None]


@dataclass(frozen=True)
class Shape:
    """Of one kernel's tiles: kind, lanes of a vector, vectors of a panel, rows of a tile."""

    kind: str
    lanes: int
    vectors: int
    rows: int

    @property
    def size(self) -> int:
        """Bytes of a value."""
        return 4 if self.kind == "f32" else 8

    @property
    def width(self) -> int:
        """Columns of a panel."""
        return self.vectors * self.lanes

    @property
    def wide(self) -> str:
        return vector(self.kind, self.lanes)

    @property
    def element(self) -> str:
        return REGISTER[self.kind]


def tile_shape(kind: str, columns: int, rows: int, target: Target) -> Shape:
    """Tiles that fill the registers and waste few columns and rows."""
    lanes = target.lanes if kind == "f32" else target.lanes // 2
    while lanes > 4 and columns <= lanes // 2:
        lanes //= 2
    sums = 24 if math.prod(target.tile) >= 24 else 12
    needed = -(-columns // lanes)
    vectors = -(-needed // -(-needed // (4 if sums == 24 else 2)))
    most = min(10, sums // vectors)  # with more, the compiler runs out of registers for addresses
    if rows < 8 * most:
        most = min(range(most, most // 2, -1), key=lambda height: -(-rows // height) * height)
    return Shape(kind, lanes, vectors, most)


def pieces(count: int, most: int) -> int:
    """The size of equal pieces of at most `most`."""
    count = max(count, 1)
    return -(-count // -(-count // max(1, min(most, count))))


@dataclass(frozen=True)
class Plan:
    """One instruction: the kernel's structure, how much work, its argument block, and memory that must stay alive.

    spec      what the kernel's text depends on; `spec.words` names the argument block's words, and epilogues get
              vectors of `spec.shape.lanes` values
    words     the argument block, int64; the buffers' words are 0 until they are known
    buffers   {name: index of its word}
    parts     of a weight's gradient: how many partial results (each as large as the gradient) its output must have
              room for; 1: none
    before    an instruction to run first, whose "w" are the weights: this one's "w" is its "out", of `before.room`
              elements
    """

    spec: Any
    units: int
    grain: int
    scratch: int
    words: np.ndarray
    buffers: dict[str, int]
    tables: np.ndarray
    parts: int = 1
    before: Plan | None = None
    room: int = 0


class Tables:
    """int64 tables laid one after another."""

    def __init__(self) -> None:
        self.pieces: list[np.ndarray] = []
        self.length = 0

    def add(self, values: np.ndarray | Sequence[int]) -> int:
        """Where the values were put, in words."""
        piece = np.asarray(values, np.int64).reshape(-1)
        self.pieces.append(piece)
        self.length += piece.size
        return self.length - piece.size

    def array(self) -> np.ndarray:
        return np.concatenate([*self.pieces, np.zeros(1, np.int64)])


def arguments(w: Writer, names: Sequence[str], pointers: Sequence[str] = POINTERS) -> dict[str, str]:
    """The words of a kernel's argument block by name. Read before anything else is written."""
    return {name: w.argument(i, "ptr" if name in pointers else "i64") for i, name in enumerate(names)}


def digits(w: Writer, number: str, *counts: str) -> list[str]:
    """A number as digits: the last has base counts[-1], and so on; the first digit is what is left."""
    digits = []
    for count in reversed(counts):
        digits.append(w.let(f"srem i64 {number}, {count}"))
        number = w.let(f"sdiv i64 {number}, {count}")
    return [number, *reversed(digits)]


def finished_module(w: Writer, target: Target | None, cpu: str) -> str:
    """The module of a finished kernel."""
    return module([w.text()], (target or current()).function_attributes(cpu or host_cpu()))
