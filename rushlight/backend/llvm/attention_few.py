"""Attention of few queries over many keys (one token after another); see `attention.py`.

Here the vectors run along what the keys have: a score is a dot product along E, results are rows along Ev, so k and v
are read once, as they lie.
"""

from __future__ import annotations

from rushlight.backend.llvm import emit
from rushlight.backend.llvm.attention_part import INFINITY, Part
from rushlight.backend.llvm.attention_plan import BLOCK
from rushlight.backend.llvm.dot import dots
from rushlight.backend.llvm.nest import fold
from rushlight.backend.llvm.pack import lanes_below
from rushlight.backend.llvm.text import constant
from rushlight.backend.llvm.tile import broadcast, tile
from rushlight.backend.llvm.vectormath import FUNCTIONS


class FewQueries(Part):
    """The forward part, with all queries of a matrix in one unit. The state of a query: its largest score so far, the
    sum of its weights.
    """

    def _start(self) -> None:
        w, lanes = self.w, self.lanes
        rows = self.spec.query_tile[0]
        self.totals = self._room("value_totals")
        with w.loop("0", w.mul(self.word["query_columns"], rows), lanes) as loop:
            self._save(self._constant(0.0), w.at(self.totals, loop.index, self.element))
        for i in range(rows):
            self._save(self._constant(-INFINITY), self._of(0, i))
            self._save(self._constant(0.0), self._of(1, i))

    def _of(self, which: int, i: int) -> str:
        """The place of a query's number, which is kept in every lane."""
        return self.w.at(self.state, str((which * self.spec.query_tile[0] + i) * self.lanes), self.element)

    def _row(self, i: int, key: str) -> str:
        """The place of the block's scores of a query, from a key on."""
        return self.w.at(self.w.at(self.scores, str(i * BLOCK), self.element), key, self.element)

    def _step(self) -> None:
        w, lanes, rows = self.w, self.lanes, self.spec.query_tile[0]
        with w.loop("0", self.count, lanes) as key:
            left = w.least(w.sub(self.count, key.index), lanes)
            dots(
                w, self.kind, lanes, rows, self.spec.rows[0], (self.kind, self.at["q"], self.word["q_row"]),
                (self.kind, self._line("k", w.add(self.block, key.index)), self.word["k_row"]), self.word["width"], left,
                self.line, self.turn,
            )  # fmt: skip
            inside = lanes_below(w, lanes, left)
            scale = broadcast(w, self.kind, lanes, self.word["scale"])
            for i in range(rows):
                value = self._load(w.at(self.line, str(i * lanes), self.element))
                score = self._hidden(self._op("fmul", value, scale), i, w.add(self.block, key.index), inside)
                self._save(score, self._row(i, key.index))
        factors = [self._weigh(i) for i in range(rows)]
        self._add(factors)

    def _hidden(self, score: str, query: int, key: str, inside: str) -> str:
        """Scores of a query with the mask; −∞ for keys that it may not see, or that are not there."""
        w, lanes, spec = self.w, self.lanes, self.spec
        if spec.mask:
            memory, column = emit.memory_type(spec.mask), self.word["mask_column"]
            row = w.at(self.at["mask"], w.mul(self.word["mask_row"], query), memory)
            if spec.mask_along == "keys":
                read = emit.read(w, spec.mask, lanes, w.at(row, key, memory), inside)
            else:
                wide = f"<{lanes} x i64>"
                one = w.let(f"insertelement {wide} poison, i64 {column}, i64 0")
                steps = w.let(f"shufflevector {wide} {one}, {wide} poison, <{lanes} x i32> zeroinitializer")
                ramp = "<" + ", ".join(f"i64 {i}" for i in range(lanes)) + ">"
                offsets = w.let(f"mul nsw {wide} {steps}, {ramp}")
                first = w.at(row, w.mul(key, column), memory)
                places = w.let(f"getelementptr {memory}, ptr {first}, {wide} {offsets}")
                read = emit.gather(w, spec.mask, lanes, places, inside)
            score = self._op("fadd", score, self._added(read, lanes))
        if spec.causal:
            seen = lanes_below(w, lanes, w.sub(str(query + 1), key))
            inside = w.let(f"and <{lanes} x i1> {inside}, {seen}")
        return w.let(f"select <{lanes} x i1> {inside}, {self.wide} {score}, {self.wide} {self._constant(-INFINITY)}")

    def _weigh(self, i: int) -> str:
        """Make weights of a query's scores; what its totals have to be multiplied with."""
        w, lanes = self.w, self.lanes
        before = self._load(self._of(0, i))
        with w.loop("0", self.count, lanes, [(self.wide, before)]) as most:
            score = self._load(self._row(i, most.index))
            most.next = [w.let(f"call {self.wide} @llvm.maxnum({self.wide} {most.values[0]}, {self.wide} {score})")]
        largest = broadcast(w, self.kind, lanes, fold(w, "max", self.kind, lanes, most.values[0]))
        self._save(largest, self._of(0, i))
        largest = self._finite(largest, lanes)
        factor = FUNCTIONS["exp"](w, self.kind, lanes, self._op("fsub", before, largest))
        with w.loop("0", self.count, lanes, [(self.wide, constant(0.0, self.kind, lanes))]) as sums:
            place = self._row(i, sums.index)
            weight = FUNCTIONS["exp"](w, self.kind, lanes, self._op("fsub", self._load(place), largest))
            self._save(weight, place)
            sums.next = [self._op("fadd", sums.values[0], weight)]
        total = broadcast(w, self.kind, lanes, fold(w, "sum", self.kind, lanes, sums.values[0]))
        rest = self._op("fmul", self._load(self._of(1, i)), factor)
        self._save(self._op("fadd", rest, total), self._of(1, i))
        return factor

    def _add(self, factors: list[str]) -> None:
        """totals[i][e] = totals · factor + Σ over the block's keys of weight[i][key] · v[key][e]."""
        w, lanes, word = self.w, self.lanes, self.word
        rows, vectors = self.spec.query_tile
        values = self._line("v", self.block)
        with w.loop("0", word["value_width"], vectors * lanes) as column:
            masks: list[str | None] = [None] * vectors
            if self.spec.query_masked:
                left = w.sub(word["value_width"], column.index)
                masks = [lanes_below(w, lanes, w.sub(left, v * lanes)) for v in range(vectors)]
            places = [
                w.at(self._total(i, column.index), str(v * lanes), self.element)
                for i in range(rows)
                for v in range(vectors)
            ]
            start = [self._op("fmul", self._load(place), factors[n // vectors]) for n, place in enumerate(places)]
            found = tile(
                w, self.kind, lanes, rows, vectors, self.scores, w.at(values, column.index, self.element), self.count,
                1,
                word["v_row"], start, masks, a_row=BLOCK,
            )  # fmt: skip
            for place, value in zip(places, found, strict=True):
                self._save(value, place)

    def _total(self, i: int, column: str) -> str:
        row = self.w.at(self.totals, self.w.mul(self.word["query_columns"], i), self.element)
        return self.w.at(row, column, self.element)

    def _finish(self) -> None:
        w, lanes, width = self.w, self.lanes, self.word["value_width"]
        zero, one = self._constant(0.0), self._constant(1.0)
        for i in range(self.spec.query_tile[0]):
            total = self._load(self._of(1, i))
            largest = self._finite(self._load(self._of(0, i)), lanes)
            lse = self._op("fadd", largest, FUNCTIONS["log"](w, self.kind, lanes, total))
            number = w.let(f"extractelement {self.wide} {lse}, i64 0")
            w.do(f"store {self.element} {number}, ptr {self._line('lse', str(i))}, align {self.size}")
            lost = w.let(f"fcmp oeq {self.wide} {total}, {zero}")
            total = w.let(f"select <{lanes} x i1> {lost}, {self.wide} {one}, {self.wide} {total}")
            to = self._line("out", str(i))
            with w.loop("0", width, lanes) as column:
                value = self._op("fdiv", self._load(self._total(i, column.index)), total)
                mask = lanes_below(w, lanes, w.sub(width, column.index))
                emit.write(w, self.kind, lanes, value, w.at(to, column.index, self.element), mask)
