"""The gradient of attention; see `attention.py`."""

from __future__ import annotations

from rushlight.backend.llvm import emit
from rushlight.backend.llvm.attention_part import Part
from rushlight.backend.llvm.attention_plan import BLOCK
from rushlight.backend.llvm.nest import fold
from rushlight.backend.llvm.pack import lanes_below
from rushlight.backend.llvm.tile import broadcast, tile
from rushlight.backend.llvm.vectormath import FUNCTIONS


class Gradient(Part):
    """The state of a query is its lse and δ: vectors where queries are the unit's own lines, numbers where they are
    walked.
    """

    def write(self) -> str:
        if self.spec.part != "gradient":
            return super().write()
        w = self.w
        with w.loop("%begin", "%end") as unit:
            self._addresses(unit.index)
            self._clear_queries()
            with w.loop("0", self.word["blocks"]) as block:
                self._lines(block.index)
            self._store_queries()
        return w.text()

    def _start(self) -> None:
        spec, word = self.spec, self.word
        mine, values = ("k", "v") if self._beside else ("q", "grad")
        self._pack_own(mine, word["width"], self.left, scaled=True)
        self._pack_own(values, word["value_width"], self.right, scaled=False)
        self.totals, self.value_totals = self._room("totals"), self._room("value_totals")
        self._clear(self.totals, word["width"], spec.rows[1])
        if self._beside:
            self._clear(self.value_totals, word["value_width"], spec.rows[2])
        else:
            self._queries(self.first, self.w.least(self.w.add(self.last, 1), self.columns), self.columns)

    def _queries(self, first: str, count: str, apart: int) -> None:
        """Keep lse and, `apart` further, δ = Σ grad·out − grad_lse of some queries."""
        w, lanes, width = self.w, self.lanes, self.word["value_width"]
        with w.loop("0", count) as query:
            line = w.add(first, query.index)
            grad, out = self._line("grad", line), self._line("out", line)
            with w.loop("0", width, lanes, [(self.wide, self._constant(0.0))]) as loop:
                mask = lanes_below(w, lanes, w.sub(width, loop.index))
                a, b = (emit.read(w, self.kind, lanes, w.at(x, loop.index, self.element), mask) for x in (grad, out))
                loop.next = [
                    w.let(
                        f"call {self.wide} @llvm.fmuladd({self.wide} {a}, {self.wide} {b}, {self.wide} {loop.values[0]})"
                    )
                ]
            shift = fold(w, "sum", self.kind, lanes, loop.values[0])
            if self.spec.grad_lse:
                given = emit.read(w, self.kind, 1, self._line("grad_lse", line), None)
                shift = w.let(f"fsub {self.element} {shift}, {given}")
            lse = self._finite(emit.read(w, self.kind, 1, self._line("lse", line), None), 1)
            place = w.at(self.state, query.index, self.element)
            w.do(f"store {self.element} {lse}, ptr {place}, align {self.size}")
            w.do(f"store {self.element} {shift}, ptr {w.at(place, str(apart), self.element)}, align {self.size}")

    def _step(self) -> None:
        w, word, spec = self.w, self.word, self.spec
        other, values = ("q", "grad") if self._beside else ("k", "v")
        self._inner(other, word["width"], self.left, self.scores)
        self._inner(values, word["value_width"], self.right, self.others)
        self._pack_mask()
        apart = BLOCK if self._beside else self.columns
        if self._beside:
            self._queries(self.block, self.count, apart)
        with w.loop("0", self.count) as loop:
            for v in range(spec.vectors):
                lse, shift = (self._of_query(loop.index, v, which * apart) for which in (0, 1))
                place, beside = (self._place(panel, loop.index, v) for panel in (self.scores, self.others))
                score = self._op("fsub", self._masked(self._load(place), loop.index, v), lse)
                weight = FUNCTIONS["exp"](w, self.kind, self.lanes, score)
                slope = self._op("fmul", weight, self._op("fsub", self._load(beside), shift))
                self._save(weight if self._beside else slope, place)
                if self._beside:
                    self._save(slope, beside)
        if self._beside:
            self._outer("grad", word["value_width"], spec.rows[2], self.scores, self.value_totals)
        self._outer(other, word["width"], spec.rows[1], self.others if self._beside else self.scores, self.totals)
        if spec.part == "gradient":
            self._add_queries()

    def _of_query(self, i: str, v: int, offset: int) -> str:
        """A query's number in every lane, or a vector of own queries' numbers."""
        w = self.w
        if not self._beside:
            return self._load(w.at(self.state, str(offset + v * self.lanes), self.element))
        place = w.at(w.at(self.state, i, self.element), str(offset), self.element)
        return broadcast(w, self.kind, self.lanes, w.let(f"load {self.element}, ptr {place}, align {self.size}"))

    def _finish(self) -> None:
        spec, word = self.spec, self.word
        scale = broadcast(self.w, self.kind, self.lanes, word["scale"])

        def scaled(value: str, v: int) -> str:
            return self._op("fmul", value, scale)

        self._results("dk" if self._beside else "dq", word["width"], spec.rows[1], self.totals, scaled)
        if self._beside:
            self._results("dv", word["value_width"], spec.rows[2], self.value_totals, lambda value, v: value)

    # -- dq where keys are the own lines: sums in scratch memory, as rows ----------------------------------------------

    def _query_sums(self, row: str, column: str = "0") -> str:
        w = self.w
        return w.at(
            w.at(self._room("queries"), w.mul(row, self.word["query_columns"]), self.element), column, self.element
        )

    def _clear_queries(self) -> None:
        w, word = self.w, self.word
        whole = w.mul(
            w.let(f"udiv i64 {w.add(word['queries'], BLOCK - 1)}, {BLOCK}"), w.mul(word["query_columns"], BLOCK)
        )
        with w.loop("0", whole, self.lanes) as loop:
            self._save(self._constant(0.0), self._query_sums("0", loop.index))

    def _add_queries(self) -> None:
        """dq[q][e] += Σ over the own keys of ds[q][key] · k[key][e]: A are the block's rows of ds, B is k as it lies."""
        w, word = self.w, self.word
        rows, vectors = self.spec.query_tile
        depth = w.least(w.add(self.last, 1), self.columns)
        keys = self._line("k", self.first)
        with w.loop("0", word["width"], vectors * self.lanes) as column, w.loop("0", self.count, rows) as row:
            masks: list[str | None] = [None] * vectors
            if self.spec.query_masked:
                left = w.sub(word["width"], column.index)
                masks = [lanes_below(w, self.lanes, w.sub(left, v * self.lanes)) for v in range(vectors)]
            line = w.add(self.block, row.index)
            places = [
                self._query_sums(w.add(line, i), w.add(column.index, v * self.lanes))
                for i in range(rows)
                for v in range(vectors)
            ]
            found = tile(
                w, self.kind, self.lanes, rows, vectors, self._place(self.others, row.index),
                w.at(keys, column.index, self.element), depth, 1, word["k_row"],
                [self._load(place) for place in places], masks,
                a_row=self.columns,
            )  # fmt: skip
            for place, value in zip(places, found, strict=True):
                self._save(value, place)

    def _store_queries(self) -> None:
        w, lanes, width = self.w, self.lanes, self.word["width"]
        scale = broadcast(w, self.kind, lanes, self.word["scale"])
        with w.loop("0", self.word["queries"]) as row:
            to = self._line("dq", row.index)
            with w.loop("0", width, lanes) as column:
                value = self._op("fmul", self._load(self._query_sums(row.index, column.index)), scale)
                mask = lanes_below(w, lanes, w.sub(width, column.index))
                emit.write(w, self.kind, lanes, value, w.at(to, column.index, self.element), mask)
