"""Plans of recurrent layers: what is in the kernels' texts, what is in their argument blocks, and how the work is divided.

    plan = forward_plan("lstm", "f32", steps, batch, size, bias=True)        # or backward_plan(...)
    rnn.kernel_text(plan.spec), rnn.pack_text(plan.pack.spec)

`plan.pack` comes first: it lays weight_hh out in panels, as `plan.pack.bytes` of memory that becomes the buffer "packed" of
the layer's kernel. `words` are the argument block with 0 for addresses; `buffers` says which word takes the address of which
buffer. Everything is row-major and contiguous, but for grad, whose first two strides are free. T steps, N rows of the batch,
H the size of the state, G gates (lstm 4, gru 3, tanh and relu 1):

    pack        weight (G·H, H); packed
    forward     input (T, N, G·H); hidden, cell (N, H); bias (G·H); output, cells (T, N, H); gates (T, N, 4·H)
    backward    grad, grad_cells, output, cells (T, N, H); gates (T, N, 4·H); hidden, cell (N, H);
                grad_input, grad_inner (T, N, G·H); grad_hidden, grad_cell (N, H)

A unit is a block of rows of the batch through all time steps: rows have nothing to do with each other, so no thread waits for another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rushlight.backend.llvm.pack import SIZE, padded
from rushlight.backend.llvm.target import Target, current

GATES = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}
_SIZES = ("steps", "batch", "size", "unit_rows", "first", "direction", "pitch")
_GRAD_STRIDES = ("grad_step", "grad_row")
_PACK_SIZES = ("size", "depth", "panel")
_RESIDENT = 1 << 19  # bytes of weights that every unit may read again at each step: they stay in a core's own cache
_MOST_TILES = 8


@dataclass(frozen=True)
class Spec:
    """What is in a kernel's text. `whole`: no vector reaches beyond a row's end."""

    cell: str
    kind: str
    lanes: int
    rows: int  # of a tile
    vectors: int  # of a tile; of each gate in the forward pass
    whole: bool
    back: bool
    bias: bool = False
    gates: bool = True  # forward: whether they are kept for the gradient
    grad: bool = True  # backward: whether there is a gradient of the output, and of the cells
    grad_cells: bool = False

    @property
    def count(self) -> int:
        """Gates."""
        return GATES[self.cell]

    @cached_property
    def buffers(self) -> tuple[str, ...]:
        """The buffers of the argument block, in order."""
        lstm, gru = self.cell == "lstm", self.cell == "gru"
        if not self.back:
            there = {
                "packed": True, "input": True, "hidden": True, "cell": lstm, "bias": self.bias, "output": True, "cells": lstm,
                "gates": self.gates and (lstm or gru),
            }  # fmt: skip
        else:
            there = {
                "packed": True, "grad": self.grad, "grad_cells": self.grad_cells, "hidden": gru, "cell": lstm, "output": not lstm,
                "cells": lstm, "gates": lstm or gru, "grad_input": True, "grad_inner": gru, "grad_hidden": True, "grad_cell": lstm,
            }  # fmt: skip
        return tuple(name for name, is_there in there.items() if is_there)

    @property
    def words(self) -> tuple[str, ...]:
        """The names of the argument words."""
        return (*self.buffers, *_SIZES, *(_GRAD_STRIDES if self.grad and self.back else ()))


@dataclass(frozen=True)
class PackSpec:
    """What is in the text of the kernel that packs weight_hh: panels of `vectors` vectors of each gate, or of W as it lies."""

    kind: str
    lanes: int
    vectors: int
    gates: int
    whole: bool
    shallow: bool
    back: bool

    @property
    def words(self) -> tuple[str, ...]:
        """The names of the argument words."""
        return ("weight", "packed", *_PACK_SIZES)


@dataclass(frozen=True)
class PackPlan:
    """The call that packs the weights: a unit is a panel."""

    spec: PackSpec
    words: tuple[int, ...]
    units: int
    bytes: int
    scratch: int = 0

    @property
    def buffers(self) -> dict[str, int]:
        return {"weight": 0, "packed": 1}


@dataclass(frozen=True)
class Plan:
    """The call of a layer's kernel."""

    spec: Spec
    pack: PackPlan
    words: tuple[int, ...]
    units: int
    scratch: int
    flops: int

    @property
    def buffers(self) -> dict[str, int]:
        """Buffer -> argument word."""
        return {name: index for index, name in enumerate(self.spec.buffers)}


def _most_rows(width: int, target: Target) -> int:
    """Rows of a tile `width` vectors wide that fill the registers."""
    rows, vectors = target.tile
    return max((rows * vectors + vectors - width) // width, 1)


def _tile_rows(batch: int, width: int, target: Target) -> int:
    """The number of rows that does the batch in the least time: a tile costs what it multiplies, and reading its panel."""
    choices = [rows for rows in (1, 2, 3, 4, 6, 8) if rows <= _most_rows(width, target)]
    return min(choices, key=lambda rows: -(-batch // rows) * (max(rows, 2) + 0.5))


def _unit_rows(batch: int, rows: int, weights: int, threads: int) -> int:
    """One tile a unit; more where the weights come from afar at each step, so that they are used for several."""
    tiles = -(-batch // rows)
    each = 1 if weights <= _RESIDENT else max(1, min(tiles // (2 * threads), _MOST_TILES))
    return rows * each


def _lanes(kind: str, target: Target) -> int:
    return target.lanes if kind == "f32" else target.lanes // 2


def forward_plan(
    cell: str, kind: str, steps: int, batch: int, size: int, *, bias: bool, reverse: bool = False, gates: bool = True, threads: int = 2,
    target: Target | None = None,
) -> Plan:  # fmt: skip
    """All steps of a layer. `threads` changes no bits; `gates=False` where no gradient will be wanted."""
    target = target or current()
    lanes, count = _lanes(kind, target), GATES[cell]
    vectors = min(4, -(-size // lanes)) if count == 1 else 1
    rows = _tile_rows(batch, count * vectors, target)
    unit_rows = _unit_rows(batch, rows, count * size * size * SIZE[kind], threads)
    columns = vectors * lanes
    pitch, panels = padded(size, columns), -(-size // columns)
    spec = Spec(cell, kind, lanes, rows, vectors, size % columns == 0, False, bias=bias, gates=gates)
    panel = count * columns * padded(size, lanes)
    pack = PackPlan(
        PackSpec(kind, lanes, vectors, count, size % columns == 0, size < lanes, False), (0, 0, size, size, panel), panels,
        panels * panel * SIZE[kind],
    )  # fmt: skip
    sums = rows * count * columns
    scratch = (sums + (3 if cell == "lstm" else 2) * unit_rows * pitch) * SIZE[kind]
    return _plan(spec, pack, steps, batch, size, unit_rows, pitch, reverse, scratch)


def backward_plan(
    cell: str, kind: str, steps: int, batch: int, size: int, *, reverse: bool = False, grad: bool = True, grad_cells: bool = False,
    grad_strides: tuple[int, int] | None = None, threads: int = 2, target: Target | None = None,
) -> Plan:  # fmt: skip
    """The gradients of a layer that ran with `reverse`; `grad_strides`: elements from step to step, and from row to row."""
    target = target or current()
    lanes, count = _lanes(kind, target), GATES[cell]
    there = -(-size // lanes)
    vectors = there if there < 4 else min((4, 3), key=lambda v: padded(there, v))
    rows = _tile_rows(batch, vectors, target)
    unit_rows = _unit_rows(batch, rows, count * size * size * SIZE[kind], threads)
    columns = vectors * lanes
    pitch, panels = padded(size, columns), -(-size // columns)
    spec = Spec(cell, kind, lanes, rows, vectors, size % lanes == 0, True, grad=grad, grad_cells=grad_cells)
    depth = count * size
    pack = PackPlan(
        PackSpec(kind, lanes, vectors, count, size % columns == 0, False, True), (0, 0, size, depth, depth * columns), panels,
        panels * depth * columns * SIZE[kind],
    )  # fmt: skip
    states = 1 if count == 1 else 2
    scratch = unit_rows * (states * pitch + padded(depth, lanes)) * SIZE[kind]
    strides = (grad_strides or (batch * size, size)) if grad else ()
    return _plan(spec, pack, steps, batch, size, unit_rows, pitch, not reverse, scratch, strides)


def _plan(
    spec: Spec, pack: PackPlan, steps: int, batch: int, size: int, unit_rows: int, pitch: int, falling: bool, scratch: int,
    more: tuple[int, ...] = (),
) -> Plan:  # fmt: skip
    """`falling`: the last step of time comes first."""
    values = (steps, batch, size, unit_rows, steps - 1 if falling else 0, -1 if falling else 1, pitch, *more)
    words = (*(0,) * len(spec.buffers), *values)
    return Plan(spec, pack, words, -(-batch // unit_rows), scratch, 2 * steps * batch * spec.count * size * size)


__all__ = ["GATES", "PackPlan", "PackSpec", "Plan", "Spec", "backward_plan", "forward_plan"]
