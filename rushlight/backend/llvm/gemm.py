"""Matrix products: c[..., m, n] = sum over k of a[..., m, k] * b[..., k, n], of any strides, with what follows done
before the store.

    a, b, c = (Matrix("f32", strides) for strides in (strides_a, strides_b, strides_c))
    plan = gemm_plan.plan("f32", a, b, c, batch, (m, n, k))
    text = gemm.kernel_text(plan.spec)  # or kernel_text(plan.spec, epilogue)

The kernel does units [begin, end) of `plan.units`; `plan.grain` of them are worth a thread; `plan.scratch` bytes are
private to the thread. The argument block is `plan.words` with the addresses of a, b and c in its first three words (of
b, a and c if `plan.swapped`); the words of an epilogue start at `plan.spec.words`. One text serves every size: only
what is in the Spec is in it.

An epilogue replaces the store. It is called while the text is written, once for each vector of results that there is
code for:

    epilogue(w, value, batch, row, column, mask)

value: `vector(kind, lanes)`, results (batch, row, column ... column + lanes - 1); batch counts matrices through all
batch dimensions; batch, row, column: i64; mask: `<lanes x i1>` of the lanes that exist and are to be stored, or None
where all are. Every result is given to it exactly once, by one unit. c is then only what the epilogue makes of it, and
the address word may be 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

from rushlight.backend.llvm import emit, pack
from rushlight.backend.llvm.dot import dots
from rushlight.backend.llvm.gemm_plan import NAMES, WORDS, Side, Spec
from rushlight.backend.llvm.pack import SIZE, lanes_below, lanes_from, padded
from rushlight.backend.llvm.target import Target, current, host_cpu
from rushlight.backend.llvm.text import REGISTER, Writer, constant, kernel, module, vector
from rushlight.backend.llvm.tile import tile

Epilogue = Callable[[Writer, str, str, str, str, "str | None"], None]


def kernel_text(spec: Spec, epilogue: Epilogue | None = None, target: Target | None = None, cpu: str = "") -> str:
    """The module of a product; `target` and `cpu` are those of this machine unless given."""
    target = target or current()
    return module([_Product(spec, epilogue).write()], target.function_attributes(cpu or host_cpu()))


class _Product:
    """Writes one kernel. Names of argument words are attributes: `self.word["rows"]`."""

    def __init__(self, spec: Spec, epilogue: Epilogue | None):
        self.spec, self.epilogue = spec, epilogue or self._store
        # Without an epilogue most tiles go straight from registers to the result.
        plain = epilogue is None and spec.store == "row" and spec.c == spec.kind
        self.direct = plain and not (spec.turned or spec.narrow or spec.split or spec.dot)
        self.w = w = kernel()
        self.word = {name: w.argument(i, "ptr" if i < 3 else "i64") for i, name in enumerate(NAMES)}
        self.batch = [[w.argument(WORDS + 4 * d + i) for i in range(4)] for d in range(spec.batch)]
        self.element, self.wide = REGISTER[spec.kind], vector(spec.kind, spec.lanes)
        self.columns = spec.vectors * spec.lanes
        self.size = SIZE[spec.kind]
        turn = padded(spec.rows, spec.lanes) * self.columns * self.size if spec.turned else 0
        self.a_block = w.at("%scratch", str(turn))
        self.b_panel = w.at("%scratch", self.word["b_offset"])
        self.sums = w.at("%scratch", self.word["sum_offset"])
        # Where the last tile starts: it moves back over its neighbour instead of beyond the matrix.
        self.last_row = w.sub(self.word["rows"], spec.rows)
        self.last_column = "0" if spec.narrow else w.sub(self.word["columns"], self.columns)
        self.final_column = w.sub(self.word["columns"], 1) if spec.narrow else None

    def write(self) -> str:
        w, word = self.w, self.word
        with w.loop("%begin", "%end") as unit:
            rest, column_block = self._divide(unit.index, word["column_blocks"])
            self.matrix, row_block = self._divide(rest, word["row_blocks"])
            self._batch_addresses()
            row_panel = w.mul(row_block, word["row_panels"])
            column_panel = w.mul(column_block, word["column_panels"])
            row_end = w.least(w.add(row_panel, word["row_panels"]), self._panels("rows", self.spec.rows))
            column_end = w.least(w.add(column_panel, word["column_panels"]), self._panels("columns", self.columns))
            whole = w.let(f"call i64 @llvm.smax.i64(i64 {word['depth']}, i64 1)")
            with w.loop("0", whole, word["pass_depth"]) as step:
                self.first_k = step.index
                self.depth = w.least(w.sub(word["depth"], step.index), word["pass_depth"])
                self.a_now = self._forward(self.a, self.spec.a, word["a_depth"])
                self.b_now = self._forward(self.b, self.spec.b, word["b_depth"])
                self.final = w.let(f"icmp sge i64 {w.add(step.index, word['pass_depth'])}, {whole}")
                if self.spec.a.packed:
                    with w.loop(row_panel, row_end) as i:
                        self._pack_rows(i.index, w.sub(i.index, row_panel))
                with w.loop(column_panel, column_end) as j:
                    if self.spec.b.packed:
                        self._pack_columns(j.index)
                    with w.loop(row_panel, row_end) as i:
                        self._tile(i.index, w.sub(i.index, row_panel), j.index, w.sub(j.index, column_panel))
        return w.text()

    # -- addresses -----------------------------------------------------------------------------------------------------

    def _divide(self, number: str, by: str) -> tuple[str, str]:
        """Quotient and remainder."""
        outer = self.w.let(f"udiv i64 {number}, {by}")
        return outer, self.w.sub(number, self.w.mul(outer, by))

    def _panels(self, name: str, width: int) -> str:
        return self.w.let(f"udiv i64 {self.w.add(self.word[name], width - 1)}, {width}")

    def _batch_addresses(self) -> None:
        """Where this unit's matrices start."""
        w, places = self.w, ["0", "0", "0"]
        rest = self.matrix
        for d in reversed(range(self.spec.batch)):
            count, *strides = self.batch[d]
            rest, index = self._divide(rest, count) if d else ("", rest)
            places = [w.add(place, w.mul(index, stride)) for place, stride in zip(places, strides, strict=True)]
        kinds = (self.spec.a.storage, self.spec.b.storage, self.spec.c)
        self.a, self.b, self.c = (
            w.at(self.word[name], place, emit.memory_type(kind))
            for name, place, kind in zip("abc", places, kinds, strict=True)
        )

    def _forward(self, base: str, side: Side, stride: str) -> str:
        """The address at this pass's first k."""
        step = self.first_k if side.along == "depth" else self.w.mul(self.first_k, stride)
        return self.w.at(base, step, emit.memory_type(side.storage))

    def _start(self, panel: str, width: int, last: str) -> str:
        return self.w.least(self.w.mul(panel, width), last)

    # -- packing -------------------------------------------------------------------------------------------------------

    def _pack_rows(self, panel: str, here: str) -> None:
        """Copy one panel of A; all of a block's stay until the pass ends."""
        start = self._start(panel, self.spec.rows, self.last_row)
        to = self.w.at(self.a_block, self.w.mul(here, self.word["a_panel"]), self.element)
        self._pack("a", self.spec.a, self.spec.rows, self.a_now, start, to, None)

    def _pack_columns(self, panel: str) -> None:
        """Copy one panel of B, which all rows of the block use at once."""
        start = self._start(panel, self.columns, self.last_column)
        self._pack("b", self.spec.b, self.columns, self.b_now, start, self.b_panel, self.final_column)

    def _pack(self, name: str, side: Side, width: int, source: str, start: str, to: str, last: str | None) -> None:
        w, spec = self.w, self.spec
        line, deep = self.word[f"{name}_line"], self.word[f"{name}_depth"]
        at = w.at(source, start if side.along == "lines" else w.mul(start, line), emit.memory_type(side.storage))
        common = (w, side.storage, spec.kind, spec.lanes, width)
        if side.along == "lines":
            pack.pack_side_by_side(*common, at, deep, self.depth, to, self._inside(start) if last else None)
        elif side.along == "depth":
            pack.pack_transposed(*common, at, line, self.depth, to, last, spec.shallow)
        else:
            pack.pack_strided(*common, at, line, deep, self.depth, to, last)

    def _inside(self, column: str) -> list[str | None]:
        """For each vector of a tile: the lanes that are columns of the matrix."""
        w, lanes = self.w, self.spec.lanes
        left = w.sub(self.word["columns"], column)
        return [lanes_below(w, lanes, w.sub(left, j * lanes)) for j in range(self.spec.vectors)]

    # -- a tile --------------------------------------------------------------------------------------------------------

    def _tile(self, i: str, i_here: str, j: str, j_here: str) -> None:
        """Sum one tile over this pass's k; after the last pass, hand the results on."""
        w, spec, word = self.w, self.spec, self.word
        row, column = self._start(i, spec.rows, self.last_row), self._start(j, self.columns, self.last_column)
        if spec.dot:
            self._dots(i, row, j, column)
            return
        a_step: str | int = padded(spec.rows, spec.lanes)
        a_row: str | int = 1
        if spec.a.packed:
            a = w.at(self.a_block, w.mul(i_here, word["a_panel"]), self.element)
        else:
            a_step = 1 if spec.a.along == "depth" else word["a_depth"]
            a_row = 1 if spec.a.along == "lines" else word["a_line"]
            a = w.at(self.a_now, w.mul(row, a_row), self.element)
        b_step: str | int = self.columns
        masks = None
        if spec.b.packed:
            b = self.b_panel
        else:
            b_step = word["b_depth"]
            b = w.at(self.b_now, column, self.element)
            masks = self._inside(column) if spec.narrow else None
        sums, start = self.sums, None
        if spec.split:
            number = w.add(w.mul(j_here, word["row_panels"]), i_here)
            sums = w.at(self.sums, w.mul(number, spec.rows * self.columns), self.element)
            start = self._earlier(sums)
        found = tile(
            w, spec.kind, spec.lanes, spec.rows, spec.vectors, a, b, self.depth, a_step, b_step, start, masks, a_row
        )
        if self.direct:
            moved = w.let(f"icmp ne i64 {w.add(row, column)}, {w.add(w.mul(i, spec.rows), w.mul(j, self.columns))}")
            with w.when(w.let(f"xor i1 {moved}, true")):
                self._store_tile(found, row, column)
            with w.when(moved):
                self._keep(found, sums)
                self._finish(sums, i, row, j, column)
            return
        self._keep(found, sums)
        finish = self._finish_turned if spec.turned else self._finish
        with w.when(self.final) if spec.split else nullcontext():
            finish(sums, i, row, j, column)

    def _dots(self, i: str, row: str, j: str, column: str) -> None:
        """A tile whose vectors run along k."""
        w, spec, word = self.w, self.spec, self.word
        a = w.at(self.a_now, w.mul(row, word["a_line"]), emit.memory_type(spec.a.storage))
        b = w.at(self.b_now, w.mul(column, word["b_line"]), emit.memory_type(spec.b.storage))
        count = w.least(w.sub(word["columns"], column), spec.lanes)
        left, right = (spec.a.storage, a, word["a_line"]), (spec.b.storage, b, word["b_line"])
        parts = w.at(self.sums, str(spec.rows * spec.lanes), self.element)
        dots(w, spec.kind, spec.lanes, spec.rows, spec.dot, left, right, self.depth, count, self.sums, parts)
        finish = self._finish_turned if spec.turned else self._finish
        finish(self.sums, i, row, j, column)

    def _keep(self, values: Sequence[str], place: str) -> None:
        for number, value in enumerate(values):
            put = self.w.at(place, str(number * self.spec.lanes), self.element) if number else place
            self.w.do(f"store {self.wide} {value}, ptr {put}, align {self.size}")

    def _earlier(self, sums: str) -> list[str]:
        """The sums of the passes before: zeros in the first."""
        w, spec = self.w, self.spec
        count = spec.rows * spec.vectors
        zero = constant(0.0, spec.kind, spec.lanes)
        later = w.let(f"icmp ne i64 {self.first_k}, 0")
        # a loop of one round or none, whose carried values are what an if would yield
        with w.loop("0", w.let(f"zext i1 {later} to i64"), 1, [(self.wide, zero)] * count) as loop:
            for number in range(count):
                place = w.at(sums, str(number * spec.lanes), self.element)
                loop.next.append(w.let(f"load {self.wide}, ptr {place}, align {self.size}"))
        return loop.values

    # -- results -------------------------------------------------------------------------------------------------------

    def _finish(self, sums: str, i: str, row: str, j: str, column: str) -> None:
        """Hand on a tile's results, row by row: those that the tile before has not, where the last one moved back."""
        w, spec = self.w, self.spec
        first_row, first_column = w.mul(i, spec.rows), w.mul(j, self.columns)
        end = w.add(row, spec.rows)

        def rows(masks: Sequence[str | None]) -> None:
            with w.loop(first_row, end) as r:
                line = w.at(sums, w.mul(w.sub(r.index, row), self.columns), self.element)
                for v, mask in enumerate(masks):
                    place = w.at(line, str(v * spec.lanes), self.element) if v else line
                    value = w.let(f"load {self.wide}, ptr {place}, align {self.size}")
                    here = w.add(column, v * spec.lanes) if v else column
                    self.epilogue(w, value, self.matrix, r.index, here, mask)

        if spec.narrow:
            rows(self._inside(column))
            return
        moved = w.let(f"icmp ne i64 {first_column}, {column}")
        with w.when(w.let(f"xor i1 {moved}, true")):
            rows([None] * spec.vectors)
        with w.when(moved):
            ahead = w.sub(first_column, column)
            rows([lanes_from(w, spec.lanes, w.sub(ahead, v * spec.lanes)) for v in range(spec.vectors)])

    def _finish_turned(self, sums: str, i: str, row: str, j: str, column: str) -> None:
        """The same where the tile's rows are the result's columns: the tile is transposed by way of scratch memory."""
        w, spec = self.w, self.spec
        lanes, tall = spec.lanes, padded(spec.rows, spec.lanes)
        with w.loop("0", str(self.columns), lanes) as part:
            source = w.at(sums, part.index, self.element)
            to = w.at("%scratch", w.mul(part.index, tall), self.element)
            for chunk in range(0, spec.rows, lanes):
                lines: list[str] = []
                for r in range(chunk, min(chunk + lanes, spec.rows)):
                    place = w.at(source, str(r * self.columns), self.element)
                    lines.append(w.let(f"load {self.wide}, ptr {place}, align {self.size}"))
                lines += lines[-1:] * (lanes - len(lines))
                for number, value in enumerate(pack.transpose(w, spec.kind, lanes, lines)):
                    place = w.at(to, str(number * tall + chunk), self.element)
                    w.do(f"store {self.wide} {value}, ptr {place}, align {self.size}")
        first, new = w.mul(j, self.columns), w.sub(w.mul(i, spec.rows), row)
        masks = []
        for chunk in range(0, spec.rows, lanes):
            fresh = lanes_from(w, lanes, w.sub(new, chunk))
            inside = pack.first_lanes(lanes, spec.rows - chunk)
            masks.append(w.let(f"and <{lanes} x i1> {fresh}, {inside}"))
        end = self.word["columns"] if spec.narrow else w.add(column, self.columns)
        with w.loop(first, end) as c:
            line = w.at("%scratch", w.mul(w.sub(c.index, column), tall), self.element)
            for chunk, mask in zip(range(0, spec.rows, lanes), masks, strict=True):
                place = w.at(line, str(chunk), self.element)
                value = w.let(f"load {self.wide}, ptr {place}, align {self.size}")
                self.epilogue(w, value, self.matrix, c.index, w.add(row, chunk), mask)

    def _store_tile(self, values: Sequence[str], row: str, column: str) -> None:
        """A whole tile, from registers to the result."""
        w, spec = self.w, self.spec
        for r in range(spec.rows):
            line = w.at(w.at(self.c, w.mul(w.add(row, r), self.word["c_row"]), self.element), column, self.element)
            self._keep(values[r * spec.vectors : (r + 1) * spec.vectors], line)

    def _store(self, w: Writer, value: str, batch: str, row: str, column: str, mask: str | None) -> None:
        """What is done without an epilogue."""
        spec, word = self.spec, self.word
        kind = emit.memory_type(spec.c)
        line = w.at(self.c, w.mul(row, word["c_row"]), kind)
        if spec.store == "row":
            emit.write(w, spec.c, spec.lanes, value, w.at(line, column, kind), mask)
            return
        ramp = "<" + ", ".join(f"i64 {i}" for i in range(spec.lanes)) + ">"
        stride = word["c_column"]
        wide = vector("i64", spec.lanes)
        one = w.let(f"insertelement {wide} poison, i64 {stride}, i64 0")
        strides = w.let(f"shufflevector {wide} {one}, {wide} poison, <{spec.lanes} x i32> zeroinitializer")
        offsets = w.let(f"mul nsw {wide} {strides}, {ramp}")
        first = w.at(line, w.mul(column, stride), kind)
        places = w.let(f"getelementptr {kind}, ptr {first}, {wide} {offsets}")
        emit.scatter(w, spec.c, spec.lanes, value, places, mask)
