"""Recurrent layers: all time steps of a block of rows in one kernel. Plans, buffers and argument words are in `rnn_plan.py`.

    forward, for each step     sums = h @ W^T + bias, a tile of rows by panel; then the cell's formula, a row at a time
    backward, for each step    the cell's gradient, a row at a time; then dh = d(gates) @ W, tile by tile

The state of the block stays in scratch memory, `pitch` values from row to row, so that tiles may read whole vectors and rows that do not
exist. Products add up in the order of k: results depend neither on the tile's rows nor on how the batch is divided.
"""

from __future__ import annotations

from collections.abc import Sequence

from rushlight.backend.llvm import emit
from rushlight.backend.llvm.pack import SIZE, lanes_below, pack_side_by_side, pack_transposed
from rushlight.backend.llvm.rnn_plan import PackSpec, Spec
from rushlight.backend.llvm.target import Target, current, host_cpu
from rushlight.backend.llvm.text import REGISTER, Writer, constant, kernel, module, vector
from rushlight.backend.llvm.tile import tile
from rushlight.backend.llvm.vectormath import FUNCTIONS
from rushlight.backend.llvm.vectors import Vector, at_most, select


def kernel_text(spec: Spec, target: Target | None = None, cpu: str = "") -> str:
    """The module of a layer's kernel; `target` and `cpu` are those of this machine unless given."""
    written = (_Backward if spec.back else _Forward)(spec).write()
    return _module(written, target, cpu)


def pack_text(spec: PackSpec, target: Target | None = None, cpu: str = "") -> str:
    """The module of the kernel that packs weight_hh (G·H, H); a unit is a panel.

    forward     packed[panel][k][gate][column] = weight[gate · H + first + column, k]
    backward    packed[panel][k][column] = weight[k, first + column]
    """
    w = kernel()
    word = {name: w.argument(i, "ptr" if i < 2 else "i64") for i, name in enumerate(spec.words)}
    element, columns = REGISTER[spec.kind], spec.vectors * spec.lanes
    with w.loop("%begin", "%end") as unit:
        first = w.mul(unit.index, columns)
        panel = w.at(word["packed"], w.mul(unit.index, word["panel"]), element)
        if spec.back:
            masks = None
            if not spec.whole:
                left = w.sub(word["size"], first)
                masks = [lanes_below(w, spec.lanes, w.sub(left, v * spec.lanes)) for v in range(spec.vectors)]
            pack_side_by_side(
                w, spec.kind, spec.kind, spec.lanes, columns, w.at(word["weight"], first, element), word["size"], word["depth"],
                panel, masks,
            )  # fmt: skip
        else:
            last = None if spec.whole else w.sub(w.sub(word["size"], 1), first)
            for gate in range(spec.gates):
                line = w.add(w.mul(word["size"], gate), first)
                pack_transposed(
                    w, spec.kind, spec.kind, spec.lanes, columns, w.at(word["weight"], w.mul(line, word["size"]), element),
                    word["size"], word["depth"], w.at(panel, str(gate * columns), element), last, spec.shallow, spec.gates * columns,
                )  # fmt: skip
    return _module(w.text(), target, cpu)


def _module(function: str, target: Target | None, cpu: str) -> str:
    target = target or current()
    return module([function], target.function_attributes(cpu or host_cpu()))


def _tanh(x: Vector) -> Vector:
    """t / (t + 2), t = e^2x - 1: one polynomial for small and large x, where the function tanh evaluates two."""
    t = Vector(x.w, x.kind, x.lanes, FUNCTIONS["expm1"](x.w, x.kind, x.lanes, at_most(x + x, 40.0).name))
    return t / (t + 2.0)


def _sigmoid(x: Vector) -> Vector:
    """1 / (1 + exp(-x)): exp may overflow, then the result is 0."""
    return 1 / (1 + Vector(x.w, x.kind, x.lanes, FUNCTIONS["exp"](x.w, x.kind, x.lanes, (-x).name)))


class _Layer:
    """What both directions share: the argument words by name, scratch memory, loops over units and steps."""

    def __init__(self, spec: Spec):
        self.spec = spec
        self.w: Writer = kernel()
        pointers = len(spec.buffers)
        self.word = {name: self.w.argument(i, "ptr" if i < pointers else "i64") for i, name in enumerate(spec.words)}
        self.element, self.wide = REGISTER[spec.kind], vector(spec.kind, spec.lanes)
        self.columns = spec.vectors * spec.lanes
        self.count = spec.count
        self._scratch = "%scratch"

    # -- memory ----------------------------------------------------------------------------------------------------------

    def at(self, base: str, offset: str) -> str:
        """The address of an element."""
        return self.w.at(base, offset, self.element)

    def take(self, elements: str) -> str:
        """The next piece of scratch memory."""
        taken = self._scratch
        self._scratch = self.at(taken, elements)
        return taken

    def load(self, base: str, offset: str, mask: str | None = None) -> Vector:
        spec = self.spec
        return Vector(
            self.w, spec.kind, spec.lanes, emit.read(self.w, spec.kind, spec.lanes, self.at(base, offset), mask)
        )

    def store(self, value: Vector, base: str, offset: str, mask: str | None = None) -> None:
        emit.write(self.w, self.spec.kind, self.spec.lanes, value.name, self.at(base, offset), mask)

    def mask(self, column: str) -> str | None:
        """The lanes from a column on that exist; None for all."""
        return None if self.spec.whole else lanes_below(self.w, self.spec.lanes, self.w.sub(self.word["size"], column))

    def copy_rows(
        self, source: str, target: str, from_pitch: str, to_pitch: str, rows: str, last: str | None = None
    ) -> None:
        """Rows of a state from one pitch to another; masked where the row that is written ends. `last` stands in for rows after it."""
        w = self.w
        with w.loop("0", rows) as row:
            line = row.index if last is None else w.least(row.index, last)
            there, here = w.mul(line, from_pitch), w.mul(row.index, to_pitch)
            with w.loop("0", self.word["size"], self.spec.lanes) as column:
                mask = self.mask(column.index)
                value = self.load(source, w.add(there, column.index), mask)
                self.store(value, target, w.add(here, column.index), mask)

    # -- loops -----------------------------------------------------------------------------------------------------------

    def write(self) -> str:
        """The function."""
        w, word = self.w, self.word
        self.scratch()
        with w.loop("%begin", "%end") as unit:
            self.first_row = w.mul(unit.index, word["unit_rows"])
            self.rows = w.least(word["unit_rows"], w.sub(word["batch"], self.first_row))
            self.state_start = w.mul(self.first_row, word["size"])  # of this unit, in a (N, H) array
            self.unit()
        return w.text()

    def time(self, step: str) -> str:
        """The time step at a step of the run."""
        return self.w.add(self.word["first"], self.w.mul(step, self.word["direction"]))

    def place(self, step: str) -> str:
        """How many rows of all time steps lie before this unit's."""
        return self.w.add(self.w.mul(self.time(step), self.word["batch"]), self.first_row)

    def tiles(self) -> str:
        """Tiles of this unit's rows; the last one may have rows that do not exist."""
        return self.w.let(f"udiv i64 {self.w.add(self.rows, self.spec.rows - 1)}, {self.spec.rows}")

    def scratch(self) -> None:
        raise NotImplementedError

    def unit(self) -> None:
        raise NotImplementedError


class _Forward(_Layer):
    def scratch(self) -> None:
        spec = self.spec
        state = self.w.mul(self.word["unit_rows"], self.word["pitch"])
        self.sums = self.take(str(spec.rows * self.count * self.columns))
        self.states = [self.take(state), self.take(state)]  # before the step and after it, in turn
        if spec.cell == "lstm":
            self.cell = self.take(state)

    def unit(self) -> None:
        w, word, size = self.w, self.word, self.word["size"]
        last = w.sub(self.rows, 1)
        for name, target in (("hidden", self.states[0]), *([("cell", self.cell)] if self.spec.cell == "lstm" else [])):
            self.copy_rows(self.at(word[name], self.state_start), target, size, word["pitch"], word["unit_rows"], last)
        with w.loop("0", word["steps"], 1, [("ptr", state) for state in self.states]) as step:
            self.before, self.after = step.values
            self.at_step = self.place(step.index)
            with w.loop("0", size, self.columns) as panel, w.loop("0", self.tiles()) as number:
                self._tile(panel.index, w.mul(number.index, self.spec.rows))
            step.next = [self.after, self.before]

    def _tile(self, column: str, row: str) -> None:
        """`rows` rows of the new state, from a column on."""
        w, word, spec = self.w, self.word, self.spec
        width = self.count * spec.vectors
        start = None
        if spec.bias:
            start = [
                self.load(word["bias"], w.add(w.mul(word["size"], g), at), self.mask(at)).name
                for g in range(self.count)
                for at in self._columns(column)
            ] * spec.rows
        panel = self.at(word["packed"], w.mul(w.mul(column, self.count), self.depth()))
        sums = tile(
            w, spec.kind, spec.lanes, spec.rows, width, self.at(self.before, w.mul(row, word["pitch"])), panel, word["size"], 1,
            width * spec.lanes, start, a_row=word["pitch"],
        )  # fmt: skip
        for i, value in enumerate(sums):
            w.do(
                f"store {self.wide} {value}, ptr {self.at(self.sums, str(i * spec.lanes))}, align {SIZE[spec.kind] * spec.lanes}"
            )
        with w.loop("0", w.least(w.sub(self.rows, row), spec.rows)) as line:
            here = w.mul(line.index, width * spec.lanes)
            for v, at in enumerate(self._columns(column)):
                products = [
                    self.load(self.sums, w.add(here, (g * spec.vectors + v) * spec.lanes)) for g in range(self.count)
                ]
                self._cell(w.add(row, line.index), at, products)

    def depth(self) -> str:
        """Rows of a panel: the size, and what fills the last square of the packer."""
        w, lanes = self.w, self.spec.lanes
        return w.mul(w.let(f"udiv i64 {w.add(self.word['size'], lanes - 1)}, {lanes}"), lanes)

    def _columns(self, column: str) -> list[str]:
        return [self.w.add(column, v * self.spec.lanes) if v else column for v in range(self.spec.vectors)]

    def _cell(self, row: str, column: str, products: Sequence[Vector]) -> None:
        """The formula of the cell for one vector of a row."""
        w, word, spec = self.w, self.word, self.spec
        mask = self.mask(column)
        line = w.add(self.at_step, row)
        gates = w.mul(line, w.mul(word["size"], self.count))
        inputs = [
            self.load(word["input"], w.add(w.add(gates, w.mul(word["size"], g)), column), mask)
            for g in range(self.count)
        ]
        kept, own = self._formula(row, column, inputs, products)
        output = w.add(w.mul(line, word["size"]), column)
        self.store(own[0], word["output"], output, mask)
        self.store(own[0], self.after, w.add(w.mul(row, word["pitch"]), column))
        if spec.cell == "lstm":
            self.store(own[1], word["cells"], output, mask)
            self.store(own[1], self.cell, w.add(w.mul(row, word["pitch"]), column))
        if "gates" in word:
            gates = w.mul(line, w.mul(word["size"], 4))
            for g, value in enumerate(kept):
                self.store(value, word["gates"], w.add(w.add(gates, w.mul(word["size"], g)), column), mask)

    def _formula(
        self, row: str, column: str, x: Sequence[Vector], u: Sequence[Vector]
    ) -> tuple[list[Vector], list[Vector]]:
        """The gates that are kept, and the new state (for an LSTM: and the new cell)."""
        cell, here = self.spec.cell, self.w.add(self.w.mul(row, self.word["pitch"]), column)
        if cell == "lstm":
            i, f, o = (_sigmoid(x[g] + u[g]) for g in (0, 1, 3))
            g = _tanh(x[2] + u[2])
            c = f * self.load(self.cell, here) + i * g
            return [i, f, g, o], [o * _tanh(c), c]
        if cell == "gru":
            r, z = _sigmoid(x[0] + u[0]), _sigmoid(x[1] + u[1])
            n = _tanh(x[2] + r * u[2])
            return [r, z, n, u[2]], [n + z * (self.load(self.before, here) - n)]
        total = x[0] + u[0]
        return [], [_tanh(total) if cell == "tanh" else select(total < 0, 0.0, total)]


class _Backward(_Layer):
    def scratch(self) -> None:
        w, word = self.w, self.word
        state = w.mul(word["unit_rows"], word["pitch"])
        self.depth = w.mul(word["size"], self.count)
        self.dh = self.take(state)  # gradient of the state after the step, but for what its output adds
        if self.count > 1:
            self.side = self.take(state)  # lstm: gradient of the cell; gru: what of dh does not pass the product
        self.inner = self.take(w.mul(word["unit_rows"], self.depth))  # gradient of the products' results

    def unit(self) -> None:
        w, word = self.w, self.word
        zero = Vector(w, self.spec.kind, self.spec.lanes, constant(0.0, self.spec.kind, self.spec.lanes))
        states = w.mul(w.mul(word["unit_rows"], word["pitch"]), 2 if self.count > 1 else 1)
        with w.loop("0", states, self.spec.lanes) as index:
            self.store(zero, self.dh, index.index)
        final = w.sub(word["steps"], 1)
        with w.loop("0", word["steps"]) as step:
            self.at_step = self.place(step.index)
            if self.spec.grad:
                start = w.mul(self.time(step.index), word["grad_step"])
                self.grad = self.at(word["grad"], w.add(start, w.mul(self.first_row, word["grad_row"])))
            at_before = w.mul(self.place(w.add(step.index, 1)), word["size"])
            if self.spec.cell != "tanh" and self.spec.cell != "relu":
                first, states = ("cell", "cells") if self.spec.cell == "lstm" else ("hidden", "output")
                is_final = w.let(f"icmp eq i64 {step.index}, {final}")
                offset = w.let(f"select i1 {is_final}, i64 {self.state_start}, i64 {at_before}")
                base = w.let(f"select i1 {is_final}, ptr {word[first]}, ptr {word[states]}")
                self.before = self.at(base, offset)
            with w.loop("0", self.rows) as row, w.loop("0", word["size"], self.spec.lanes) as column:
                self._cell(row.index, column.index)
            with w.loop("0", word["pitch"], self.columns) as panel, w.loop("0", self.tiles()) as number:
                self._tile(panel.index, w.mul(number.index, self.spec.rows))
        for name, source in (("grad_hidden", "dh"), *([("grad_cell", "side")] if self.spec.cell == "lstm" else [])):
            target = self.at(word[name], self.state_start)
            self.copy_rows(getattr(self, source), target, word["pitch"], word["size"], self.rows)

    def _tile(self, column: str, row: str) -> None:
        """`rows` rows of dh, from a column on."""
        w, word, spec = self.w, self.word, self.spec
        places = [
            w.add(w.mul(w.add(row, i), word["pitch"]), w.add(column, v * spec.lanes))
            for i in range(spec.rows)
            for v in range(spec.vectors)
        ]
        start = [self.load(self.side, place).name for place in places] if spec.cell == "gru" else None
        sums = tile(
            w, spec.kind, spec.lanes, spec.rows, spec.vectors, self.at(self.inner, w.mul(row, self.depth)),
            self.at(word["packed"], w.mul(column, self.depth)), self.depth, 1, self.columns, start, a_row=self.depth,
        )  # fmt: skip
        for value, place in zip(sums, places, strict=True):
            self.store(Vector(w, spec.kind, spec.lanes, value), self.dh, place)

    def _cell(self, row: str, column: str) -> None:
        """The gradient of the cell's formula for one vector of a row."""
        w, word, spec = self.w, self.word, self.spec
        mask, size = self.mask(column), self.word["size"]
        line = w.add(self.at_step, row)
        here = w.add(w.mul(line, size), column)
        mine = w.add(w.mul(row, word["pitch"]), column)
        before = w.add(w.mul(row, size), column)
        dh = self.load(self.dh, mine)
        if spec.grad:
            dh = dh + self.load(self.grad, w.add(w.mul(row, word["grad_row"]), column), mask)
        gates = []
        if "gates" in word:
            first = w.add(w.mul(line, w.mul(size, 4)), column)
            gates = [self.load(word["gates"], w.add(first, w.mul(size, g)), mask) for g in range(4)]
        if spec.cell == "lstm":
            dc = self.load(self.side, mine)
            if spec.grad_cells:
                dc = dc + self.load(word["grad_cells"], here, mask)
            i, f, g, o = gates
            bent = _tanh(self.load(word["cells"], here, mask))
            dc = dc + dh * o * (1 - bent * bent)
            df = dc * self.load(self.before, before, mask)
            found = [dc * g * i * (1 - i), df * f * (1 - f), dc * i * (1 - g * g), dh * bent * o * (1 - o)]
            inner = found
            self.store(dc * f, self.side, mine)
        elif spec.cell == "gru":
            r, z, n, u = gates
            dn = dh * (1 - z) * (1 - n * n)
            dz = dh * (self.load(self.before, before, mask) - n) * z * (1 - z)
            dr = dn * u * r * (1 - r)
            found, inner = [dr, dz, dn], [dr, dz, dn * r]
            self.store(dh * z, self.side, mine)
        else:
            now = self.load(word["output"], here, mask)
            found = [dh * (1 - now * now) if spec.cell == "tanh" else select(now > 0, dh, 0.0)]
            inner = found
        first, own = w.add(w.mul(line, self.depth), column), w.add(w.mul(row, self.depth), column)
        for number, (value, product) in enumerate(zip(found, inner, strict=True)):
            gate = w.mul(size, number)
            self.store(value, word["grad_input"], w.add(first, gate), mask)
            self.store(product, self.inner, w.add(own, gate), mask)
            if spec.cell == "gru":
                self.store(product, word["grad_inner"], w.add(first, gate), mask)
