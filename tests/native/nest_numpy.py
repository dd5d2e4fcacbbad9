"""What a Nest computes, in NumPy: levels one after the other over the whole grid; for the tests of its kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scalar_numpy import STORAGE, evaluate

from rushlight.backend.numpy.half import to_compute, to_storage
from rushlight.dtype import BY_NAME
from rushlight.ir.loop import MEMORY_KIND, Let, Nest, Reduce, Store
from rushlight.ir.scalar import Expr

_NAMES = {kind: name for name, kind in MEMORY_KIND.items()}
_REDUCE = {
    "sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum, "all": np.logical_and, "any": np.logical_or,
}  # fmt: skip


def storage_of(kind: str) -> np.dtype:
    """The NumPy dtype of a memory kind."""
    return np.dtype(BY_NAME[_NAMES[kind]].storage if kind in _NAMES else STORAGE[kind])


def from_storage(kind: str, raw: np.ndarray) -> np.ndarray:
    """Memory as a register holds it."""
    if kind not in _NAMES:
        return raw
    found = np.asarray(to_compute(raw, BY_NAME[_NAMES[kind]]))
    return found.astype(np.float32) if kind in ("f16", "bf16") else found


def into_storage(kind: str, value: np.ndarray) -> np.ndarray:
    """A register's value as memory holds it."""
    return np.asarray(to_storage(value, BY_NAME[_NAMES[kind]]) if kind in _NAMES else value)


@dataclass
class Memory:
    """The operand of a buffer: flat memory, the element that the grid begins at, strides along the loop dimensions."""

    flat: np.ndarray
    first: int
    strides: list[int]

    def copy(self) -> Memory:
        return Memory(self.flat.copy(), self.first, self.strides)


def words_of(nest: Nest, sizes: list[int], block: int, memory: list[Memory], more: list[Any]) -> list[Any]:
    """The argument block."""
    words: list[Any] = [*sizes, block]
    for buffer, m in zip(nest.buffers, memory, strict=True):
        words.append(m.flat.ctypes.data + m.first * m.flat.itemsize)
        if buffer.along != "scalar":
            words += m.strides
    return words + more


def units_of(nest: Nest, sizes: list[int], block: int) -> int:
    """How many units of work there are."""
    if nest.split:
        return -(-sizes[0] // block)
    if nest.rows:
        return math.prod(sizes[: nest.kept])
    return math.prod(sizes[: nest.kept - 1]) * -(-sizes[nest.kept - 1] // block)


def scratch_of(nest: Nest, sizes: list[int]) -> int:
    """Bytes that kept values need."""
    kept = sum(isinstance(s, Let) and s.kept for s in nest.statements)
    return kept * math.prod(sizes[nest.kept :]) * 8 * (1 if nest.rows else nest.lanes)


def run(nest: Nest, sizes: list[int], block: int, memory: list[Memory], words: list[int]) -> list[np.ndarray]:
    """The flat memory of every buffer afterwards."""
    after = [m.flat.copy() for m in memory]
    if not nest.split:
        _Grid(nest, sizes, memory, words, 0).write(after)
        return after
    results = {s.buffer for s in nest.statements if isinstance(s, Store) and not s.full}
    for unit, begin in enumerate(range(0, sizes[0], block)):
        part = [
            Memory(m.flat, m.first + (unit if b in results else begin * (m.strides or [0])[0]), m.strides)
            for b, m in enumerate(memory)
        ]
        _Grid(nest, [min(block, sizes[0] - begin)], part, words, begin).write(after)
    return after


class _Grid:
    def __init__(self, nest: Nest, sizes: list[int], memory: list[Memory], words: list[int], begin: int):
        self.nest, self.sizes, self.memory, self.words, self.begin = nest, sizes, memory, words, begin
        self.named: dict[int, np.ndarray] = {}
        self.leaves: dict[str, np.ndarray] = {}

    def write(self, after: list[np.ndarray]) -> None:
        """Evaluate all statements; stores go to `after`."""
        reduced = tuple(range(self.nest.kept, self.nest.dims))
        for s in sorted(self.nest.statements, key=lambda s: s.level):
            full = isinstance(s, Reduce) or s.full
            value = np.broadcast_to(self.value(s.expr, full), self.shape(full))
            if isinstance(s, Let):
                self.named[s.name] = value
            elif isinstance(s, Reduce):
                with np.errstate(all="ignore"):
                    found = _REDUCE[s.op].reduce(
                        value, axis=reduced, keepdims=True, dtype=value.dtype, initial=start(s.op, value.dtype)
                    )
                self.named[s.name] = np.asarray(found, value.dtype)
            else:
                kind = self.nest.buffers[s.buffer].kind
                after[s.buffer][self.places(s.buffer, full)] = into_storage(kind, value)

    def shape(self, full: bool) -> tuple[int, ...]:
        return tuple(n if full or d < self.nest.kept else 1 for d, n in enumerate(self.sizes))

    def places(self, buffer: int, full: bool) -> np.ndarray:
        """The flat index of every point."""
        memory, shape = self.memory[buffer], self.shape(full)
        found = np.full(shape, memory.first)
        for d, stride in enumerate(memory.strides if self.nest.buffers[buffer].along != "scalar" else ()):
            found += (np.arange(shape[d]) * stride).reshape([-1 if e == d else 1 for e in range(len(shape))])
        return found

    def value(self, expr: Expr, full: bool) -> np.ndarray:
        return evaluate(self._grounded(expr, full, {}), self.leaves)

    def _grounded(self, e: Expr, full: bool, done: dict[int, Expr]) -> Expr:
        """The expression with arrays for what the scalar IR does not know."""
        if id(e) not in done:
            found = self._known(e, full)
            if found is None:
                done[id(e)] = Expr(e.op, e.kind, tuple(self._grounded(a, full, done) for a in e.args), e.value)
            else:
                name = f"a{len(self.leaves)}"
                self.leaves[name] = found
                done[id(e)] = Expr("leaf", e.kind, (), name)
        return done[id(e)]

    def _known(self, e: Expr, full: bool) -> np.ndarray | None:
        if e.op == "load":
            return self._read(e.value, self.places(e.value, full))
        if e.op == "take":
            return self._read(e.value, self.places(e.value, full) + self.value(e.args[0], full))
        if e.op == "value":
            return self.named[e.value]
        if e.op == "word":
            return np.full(self.shape(full), self.words[e.value])
        if e.op == "stored":
            return from_storage(e.value, into_storage(e.value, self.value(e.args[0], full)))
        if e.op == "position":
            dim, shape = self.nest.axes[e.value], self.shape(full)
            steps = np.arange(shape[dim]) + self.begin
            return np.broadcast_to(steps.reshape([-1 if d == dim else 1 for d in range(len(shape))]), shape)
        return None

    def _read(self, buffer: int, places: np.ndarray) -> np.ndarray:
        return from_storage(self.nest.buffers[buffer].kind, self.memory[buffer].flat[places])


def start(op: str, dtype: np.dtype) -> Any:
    """What the reduction of nothing gives."""
    if op in ("sum", "any"):
        return dtype.type(0)
    if op in ("prod", "all"):
        return dtype.type(1)
    if dtype.kind == "f":
        return dtype.type(-np.inf if op == "max" else np.inf)
    return dtype.type(np.iinfo(dtype).min if op == "max" else np.iinfo(dtype).max)
