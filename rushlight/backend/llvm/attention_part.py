"""What attention's kernels share: addresses, blocks of scores, products that add to totals, masks, transposed results.
See `attention.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rushlight.backend.llvm import emit
from rushlight.backend.llvm.attention_plan import BLOCK, NAMES, TENSORS, Spec
from rushlight.backend.llvm.pack import SIZE, lanes_below, pack_strided, pack_transposed, transpose
from rushlight.backend.llvm.text import REGISTER, constant, kernel, vector
from rushlight.backend.llvm.tile import broadcast, tile

INFINITY = float("inf")


class Part:
    """What the kernels share: addresses, blocks of scores, products that add to totals, transposed results."""

    def __init__(self, spec: Spec):
        self.spec, self.w = spec, kernel()
        w = self.w
        self.kind, self.lanes, self.columns = spec.kind, spec.lanes, spec.columns
        self.element, self.wide, self.size = REGISTER[spec.kind], vector(spec.kind, spec.lanes), SIZE[spec.kind]
        self.word: dict[str, str] = {}
        for i, name in enumerate(NAMES):
            self.word[name] = w.argument(i, "ptr" if i < len(TENSORS) else self.element if name == "scale" else "i64")
        first = len(NAMES)
        each = 1 + len(TENSORS)
        self.batch = [[w.argument(first + each * d + i) for i in range(each)] for d in range(spec.batch)]
        self.left, self.right, self.line, self.turn = (self._room(n) for n in ("left", "right", "line", "turn"))
        margin = str(spec.rows[0] * self.columns)
        self.scores, self.others = (w.at(self._room(n), margin, self.element) for n in ("scores", "others"))
        self.state = self._room("state")
        self.own, self.other = ("keys", "queries") if spec.part in ("keys", "gradient") else ("queries", "keys")
        self.ramp = "<" + ", ".join(f"i32 {i}" for i in range(self.lanes)) + ">"

    def write(self) -> str:
        w = self.w
        with w.loop("%begin", "%end") as unit:
            matrix = w.let(f"udiv i64 {unit.index}, {self.word['blocks']}")
            self._addresses(matrix)
            self._lines(w.sub(unit.index, w.mul(matrix, self.word["blocks"])))
        return w.text()

    def _lines(self, number: str) -> None:
        """One block of the unit's own side, from its first line to its results."""
        w = self.w
        self.first = w.mul(number, self.columns)
        self.last = w.sub(w.sub(self.word[self.own], 1), self.first)
        self._start()
        begin, end = self._range()
        with w.loop(begin, end, BLOCK) as block:
            self.block = block.index
            self.count = w.least(w.sub(end, block.index), BLOCK)
            self._step()
        self._finish()

    def _start(self) -> None:
        raise NotImplementedError

    def _step(self) -> None:
        raise NotImplementedError

    def _finish(self) -> None:
        raise NotImplementedError

    # -- addresses -----------------------------------------------------------------------------------------------------

    def _room(self, name: str) -> str:
        return self.w.at("%scratch", self.word[f"{name}_at"])

    def _addresses(self, matrix: str) -> None:
        """Where this unit's matrices start: `self.at[name]`."""
        w, rest = self.w, matrix
        offsets = ["0"] * len(TENSORS)
        for d in reversed(range(self.spec.batch)):
            count, *strides = self.batch[d]
            outer = w.let(f"udiv i64 {rest}, {count}")
            index = w.sub(rest, w.mul(outer, count)) if d else rest
            offsets = [w.add(offset, w.mul(index, stride)) for offset, stride in zip(offsets, strides, strict=True)]
            rest = outer
        self.at = {
            name: w.at(
                self.word[name], offset, emit.memory_type(self.spec.mask or "f32") if name == "mask" else self.element
            )
            for name, offset in zip(TENSORS, offsets, strict=True)
        }

    def _line(self, name: str, index: str) -> str:
        """The address of a line of a tensor."""
        return self.w.at(self.at[name], self.w.mul(index, self.word[f"{name}_row"]), self.element)

    def _range(self) -> tuple[str, str]:
        """The lines of the other side that this unit has to see. A query sees the keys up to its own number, if causal."""
        w, size = self.w, self.word[self.other]
        if not self.spec.causal:
            return "0", size
        if self.own == "queries":
            return "0", w.least(size, w.add(self.first, self.columns))
        return w.least(self.first, size), size

    # -- vectors in scratch memory -------------------------------------------------------------------------------------

    def _place(self, base: str, row: str, v: int = 0) -> str:
        """The v-th vector of a row of a panel."""
        at = self.w.at(base, self.w.mul(row, self.columns), self.element)
        return self.w.at(at, str(v * self.lanes), self.element) if v else at

    def _load(self, place: str) -> str:
        return self.w.let(f"load {self.wide}, ptr {place}, align {self.size}")

    def _save(self, value: str, place: str) -> None:
        self.w.do(f"store {self.wide} {value}, ptr {place}, align {self.size}")

    def _constant(self, value: float) -> str:
        return constant(value, self.kind, self.lanes)

    def _op(self, op: str, a: str, b: str) -> str:
        return self.w.let(f"{op} {self.wide} {a}, {b}")

    def _finite(self, value: str, lanes: int) -> str:
        """0 for −∞, which nothing can be subtracted from."""
        wide, low = vector(self.kind, lanes), constant(-INFINITY, self.kind, lanes)
        lost = self.w.let(f"fcmp oeq {wide} {value}, {low}")
        return self.w.let(
            f"select {vector('b1', lanes)} {lost}, {wide} {constant(0.0, self.kind, lanes)}, {wide} {value}"
        )

    def _state(self, which: int, v: int) -> str:
        """The place of a value that every own line has."""
        return self.w.at(self.state, str(which * self.columns + v * self.lanes), self.element)

    # -- products ------------------------------------------------------------------------------------------------------

    def _pack_own(self, name: str, width: str, panel: str, scaled: bool) -> None:
        """The unit's own lines of a tensor, as panel[e][own]."""

        def scale(value: str, lanes: int) -> str:
            factor = broadcast(self.w, self.kind, lanes, self.word["scale"])
            return self.w.let(f"fmul {vector(self.kind, lanes)} {value}, {factor}")

        pack_transposed(
            self.w, self.kind, self.kind, self.lanes, self.columns, self._line(name, self.first),
            self.word[f"{name}_row"], width, panel,
            last=self.last, shallow=self.spec.shallow, change=scale if scaled else None,
        )  # fmt: skip

    def _inner(self, name: str, width: str, panel: str, to: str) -> None:
        """to[i][own] = Σ over e of other[i, e] · panel[e][own], for the block's lines of a tensor of the other side."""
        w, rows = self.w, self.spec.rows[0]
        row = self.word[f"{name}_row"]
        last = w.sub(self.word[self.other], rows)
        with w.loop("0", self.count, rows) as loop:
            line = w.least(w.add(self.block, loop.index), last)
            found = tile(
                w, self.kind, self.lanes, rows, self.spec.vectors, self._line(name, line), panel, width, 1,
                self.columns,
                a_row=row,
            )  # fmt: skip
            self._save_all(found, self._place(to, w.sub(line, self.block)))

    def _outer(self, name: str, width: str, rows: int, panel: str, totals: str, factors: Sequence[str] = ()) -> None:
        """totals[e][own] = totals · factors + Σ over the block's i of other[i, e] · panel[i][own], a tile of e at a
        time.
        """
        w, vectors = self.w, self.spec.vectors
        base, last = self._line(name, self.block), w.sub(width, rows)
        with w.loop("0", width, rows) as loop:
            place = self._place(totals, loop.index)
            start = [
                self._load(w.at(place, str(i * self.lanes), self.element) if i else place)
                for i in range(rows * vectors)
            ]
            if factors:
                start = [self._op("fmul", value, factors[i % vectors]) for i, value in enumerate(start)]
            found = tile(
                w, self.kind, self.lanes, rows, vectors, w.at(base, w.least(loop.index, last), self.element), panel,
                self.count,
                self.word[f"{name}_row"], self.columns, start,
            )  # fmt: skip
            self._save_all(found, place)

    def _save_all(self, values: Sequence[str], place: str) -> None:
        for i, value in enumerate(values):
            self._save(value, self.w.at(place, str(i * self.lanes), self.element) if i else place)

    def _clear(self, totals: str, width: str, rows: int) -> None:
        with self.w.loop("0", width, rows) as loop:
            self._save_all([self._constant(0.0)] * (rows * self.spec.vectors), self._place(totals, loop.index))

    # -- masks ---------------------------------------------------------------------------------------------------------

    def _pack_mask(self) -> None:
        """The block's part of the mask as mask_panel[i][own], unless it can be read as it lies."""
        if not self.spec.mask or self.spec.mask_along == "all" or (self._beside and self.spec.mask_along == "keys"):
            return
        lines, depth = self.word["mask_row"], self.word["mask_column"]
        start = (self.first, self.block)
        if self.own == "keys":
            lines, depth, start = depth, lines, (self.block, self.first)
        w, storage = self.w, self.spec.mask
        offset = w.add(w.mul(start[0], self.word["mask_row"]), w.mul(start[1], self.word["mask_column"]))
        at = w.at(self.at["mask"], offset, emit.memory_type(storage))
        common = (w, storage, self.kind, self.lanes, self.columns, at)
        panel = self._room("mask_panel")
        if self.spec.mask_along == "keys":
            pack_transposed(*common, lines, self.count, panel, self.last, True, change=self._added)
        else:
            pack_strided(*common, lines, depth, self.count, panel, self.last, self._added)

    @property
    def _beside(self) -> bool:
        """Whether neighbouring lanes are neighbouring keys."""
        return self.own == "keys"

    def _added(self, value: str, lanes: int) -> str:
        """What is added to scores: the mask, or 0 where a bool mask allows and −∞ where it does not."""
        if self.spec.mask != "bool":
            return value
        wide = vector(self.kind, lanes)
        low, zero = (constant(x, self.kind, lanes) for x in (-INFINITY, 0.0))
        return self.w.let(f"select {vector('b1', lanes)} {value}, {wide} {zero}, {wide} {low}")

    def _masked(self, score: str, i: str, v: int) -> str:
        """A vector of scores of the block's i-th line, with the mask."""
        w, spec = self.w, self.spec
        if spec.mask:
            score = self._op("fadd", score, self._mask(i, v))
        if spec.causal:
            own = w.sub(w.add(self.block, i), w.add(self.first, v * self.lanes))
            line = broadcast(w, "i32", self.lanes, w.let(f"trunc i64 {own} to i32"))
            # a key may not come after its query
            after = "slt" if self._beside else "sgt"
            hidden = w.let(f"icmp {after} <{self.lanes} x i32> {line}, {self.ramp}")
            low = self._constant(-INFINITY)
            score = w.let(f"select <{self.lanes} x i1> {hidden}, {self.wide} {low}, {self.wide} {score}")
        return score

    def _mask(self, i: str, v: int) -> str:
        w, spec = self.w, self.spec
        column = self.word["mask_column"]
        memory = emit.memory_type(spec.mask)
        if not self._beside and spec.mask_along == "all":
            at = w.at(self.at["mask"], w.mul(w.add(self.block, i), column), memory)
            return broadcast(w, self.kind, self.lanes, self._added(emit.read(w, spec.mask, 1, at, None), 1))
        if self._beside and spec.mask_along == "keys":
            row = w.mul(w.add(self.block, i), self.word["mask_row"])
            at = w.at(self.at["mask"], w.add(row, w.add(self.first, v * self.lanes)), memory)
            mask = lanes_below(w, self.lanes, w.sub(self.last, v * self.lanes - 1))
            return self._added(emit.read(w, spec.mask, self.lanes, at, mask), self.lanes)
        return self._load(self._place(self._room("mask_panel"), i, v))

    # -- results -------------------------------------------------------------------------------------------------------

    def _results(self, name: str, width: str, rows: int, totals: str, change: Callable[[str, int], str]) -> None:
        """Write totals[e][own] to the own lines of a tensor, after `change(value, number of the vector)`."""
        w, lanes, vectors = self.w, self.lanes, self.spec.vectors
        last = w.sub(width, rows)
        with w.loop("0", width, rows) as loop:
            place, to = self._place(totals, loop.index), self._place(self.line, w.least(loop.index, last))
            for i in range(rows * vectors):
                at = str(i * lanes)
                self._save(change(self._load(w.at(place, at, self.element)), i % vectors), w.at(to, at, self.element))
        with w.loop("0", width, lanes) as loop:
            mask = lanes_below(w, lanes, w.sub(width, loop.index))
            with w.loop("0", str(self.columns), lanes) as column:
                first = w.at(self._place(self.line, loop.index), column.index, self.element)
                square = [self._load(self._place(first, str(i))) for i in range(lanes)]
                for i, value in enumerate(transpose(w, self.kind, lanes, square)):
                    self._save(value, w.at(self.turn, str(i * lanes), self.element))
                here = w.sub(w.add(self.last, 1), column.index)
                with w.loop("0", w.least(here, lanes)) as own:
                    value = self._load(w.at(self.turn, w.mul(own.index, lanes), self.element))
                    line = self._line(name, w.add(w.add(self.first, column.index), own.index))
                    emit.write(w, self.kind, lanes, value, w.at(line, loop.index, self.element), mask)
