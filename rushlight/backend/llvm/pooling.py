"""Kernels of pools: largest and mean of each window, and their gradients. A unit is one plane (a channel of an image).

Vectors run along a row of windows. Where windows leave the input, the plane is first copied into scratch memory with
margins (−∞ or 0), so that the loop over a window's elements knows no borders; where each of them lies comes from tables
(pooling_plan.py).
"""

from __future__ import annotations

from rushlight.backend.llvm.conv_common import Shape, arguments, finished_module
from rushlight.backend.llvm.conv_parts import copy_plane, load, store
from rushlight.backend.llvm.pack import lanes_below
from rushlight.backend.llvm.pooling_plan import Spec, target_lanes
from rushlight.backend.llvm.target import Target
from rushlight.backend.llvm.text import constant, kernel
from rushlight.backend.llvm.tile import broadcast


class Windows:
    """A kernel being written: its argument words by name, and the steps that several kernels share."""

    def __init__(self, spec: Spec):
        self.spec, self.shape = spec, spec.shape
        self.w = kernel()
        self.words = arguments(self.w, spec.words)
        lanes = self.shape.lanes
        self.numbers, self.positions = f"<{lanes} x i32>", f"<{lanes} x i64>"

    def module(self, target: Target | None, cpu: str) -> str:
        return finished_module(self.w, target, cpu)

    def table(self, name: str) -> str:
        return self.w.at(self.words["tables"], self.words[name], "i64")

    def plane(self, name: str, number: str, size: str) -> str:
        return self.w.at(self.words[name], self.w.mul(number, self.words[size]), self.shape.element)

    def word(self, table: str, index: str) -> str:
        return self.w.let(f"load i64, ptr {self.w.at(table, index, 'i64')}, align 8")

    def every(self, value: str) -> str:
        """A 64-bit number in every lane, as 32 bits."""
        narrow = self.w.let(f"trunc i64 {value} to i32")
        one = self.w.let(f"insertelement {self.numbers} poison, i32 {narrow}, i64 0")
        return self.w.let(
            f"shufflevector {self.numbers} {one}, {self.numbers} poison, <{self.shape.lanes} x i32> zeroinitializer"
        )

    def along(self, first: str, step: str) -> str:
        """first + lane · step, as 32 bits."""
        iota = ", ".join(f"i32 {i}" for i in range(self.shape.lanes))
        steps = self.w.let(f"mul {self.numbers} {self.every(step)}, <{iota}>")
        return self.w.let(f"add {self.numbers} {self.every(first)}, {steps}")

    def area(self, number: str, margin: float, target: Target | None) -> str:
        """Where the windows of a plane read."""
        source = self.plane("x", number, "plane")
        if not self.spec.copied:
            return source
        copy = Shape(self.shape.kind, target_lanes(self.shape.kind, target), 1, 1)
        copy_plane(
            self.w,
            copy,
            source,
            "%scratch",
            self.words,
            self.words["low"],
            self.spec.flat,
            self.table("middle"),
            margin,
        )
        return "%scratch"

    def masks(self, left: str) -> list[str]:
        """Which lanes there are with `left` windows left in the row: of each vector that `elements` loads."""
        w, lanes = self.w, self.shape.lanes
        if self.spec.step != 2:
            return [lanes_below(w, lanes, left)]
        inputs = w.sub(w.mul(w.least(left, lanes), 2), 1)
        return [lanes_below(w, lanes, inputs), lanes_below(w, lanes, w.sub(inputs, lanes)), lanes_below(w, lanes, left)]

    def elements(self, place: str, masks: list[str]) -> str:
        """One element of each of a vector of windows, the first at `place`."""
        w, shape, lanes = self.w, self.shape, self.shape.lanes
        if self.spec.step == 1:
            return load(w, shape, place, masks[0])
        if self.spec.step == 2:
            low = load(w, shape, place, masks[0])
            high = load(w, shape, w.at(place, str(lanes), shape.element), masks[1])
            even = ", ".join(f"i32 {2 * i}" for i in range(lanes))
            return w.let(f"shufflevector {shape.wide} {low}, {shape.wide} {high}, <{lanes} x i32> <{even}>")
        offsets = self.along("0", self.words["step"])
        places = w.let(f"getelementptr {shape.element}, ptr {place}, {self.numbers} {offsets}")
        return self.gather(places, masks[0])

    def gather(self, places: str, mask: str) -> str:
        lanes, shape = self.shape.lanes, self.shape
        zero = constant(0.0, shape.kind, lanes)
        where = f"<{lanes} x ptr> align {shape.size} {places}, <{lanes} x i1> {mask}"
        return self.w.let(f"call {shape.wide} @llvm.masked.gather({where}, {shape.wide} {zero})")

    def divisor(self, pixel: str, mask: str) -> str:
        """What the sums of the windows from a pixel on are divided by."""
        w, shape = self.w, self.shape
        table = self.table("extra")
        if self.spec.uniform:
            return broadcast(
                w, shape.kind, shape.lanes, w.let(f"load {shape.element}, ptr {table}, align {shape.size}")
            )
        return load(w, shape, w.at(table, pixel, shape.element), mask)


def max_text(spec: Spec, target: Target | None = None, cpu: str = "") -> str:
    """The module of `max_pool_op`: out = the largest of each window (NaN if it holds one), index = where it is in the
    plane.

    Of equal ones the first counts, of several NaNs the last.
    """
    p = Windows(spec)
    w, a, shape, wide = p.w, p.words, p.shape, p.shape.wide
    with w.loop("%begin", "%end") as plane:
        area = p.area(plane.index, float("-inf"), target)
        out, index = p.plane("out", plane.index, "pixels"), w.at(a["index"], w.mul(plane.index, a["pixels"]), "i64")
        rows, taps = p.table("row_table"), p.table("tap_table")
        with w.loop("0", a["rows"]) as row, w.loop("0", a["columns"], shape.lanes) as column:
            pair = w.mul(row.index, 2)
            ahead = w.mul(column.index, a["step"])
            base = w.at(w.at(area, p.word(rows, pair)), ahead, shape.element)
            masks = p.masks(w.sub(a["columns"], column.index))
            pixel = w.add(w.mul(row.index, a["columns"]), column.index)
            best, chosen = p.elements(w.at(base, p.word(taps, "0")), masks), "zeroinitializer"
            if spec.copied:
                first = w.let(f"load {p.positions}, ptr {w.at(p.table('extra'), pixel, 'i64')}, align 8")
                chosen = w.let(f"trunc {p.positions} {first} to {p.numbers}")
            with w.loop("1", a["taps"], 1, [(wide, best), (p.numbers, chosen)]) as tap:
                number = w.mul(tap.index, 2)
                value = p.elements(w.at(base, p.word(taps, number)), masks)
                best, chosen = tap.values
                # true as well where the value is NaN, and false where only the best so far is
                more = w.let(f"fcmp ogt {wide} {value}, {best}")
                strange = w.let(f"fcmp uno {wide} {value}, {value}")
                wins = w.let(f"or <{shape.lanes} x i1> {more}, {strange}")
                here = p.every(p.word(taps, w.add(number, 1)))
                tap.next = [
                    w.let(f"select <{shape.lanes} x i1> {wins}, {wide} {value}, {wide} {best}"),
                    w.let(f"select <{shape.lanes} x i1> {wins}, {p.numbers} {here}, {p.numbers} {chosen}"),
                ]
            best, chosen = tap.values
            begin = p.along(w.add(p.word(rows, w.add(pair, 1)), ahead), a["step"])
            place = w.let(f"sext {p.numbers} {w.let(f'add {p.numbers} {begin}, {chosen}')} to {p.positions}")
            store(w, shape, best, w.at(out, pixel, shape.element), masks[-1])
            where = f"ptr align 8 {w.at(index, pixel, 'i64')}, <{shape.lanes} x i1> {masks[-1]}"
            w.do(f"call void @llvm.masked.store({p.positions} {place}, {where})")
    return p.module(target, cpu)


def mean_text(spec: Spec, target: Target | None = None, cpu: str = "") -> str:
    """The module of `avg_pool_op`: out = the sum of each window, divided by how many elements count."""
    p = Windows(spec)
    w, a, shape, wide = p.w, p.words, p.shape, p.shape.wide
    with w.loop("%begin", "%end") as plane:
        area = p.area(plane.index, 0.0, target)
        out = p.plane("out", plane.index, "pixels")
        rows, taps = p.table("row_table"), p.table("tap_table")
        with w.loop("0", a["rows"]) as row, w.loop("0", a["columns"], shape.lanes) as column:
            at = w.at(area, p.word(rows, w.mul(row.index, 2)))
            base = w.at(at, w.mul(column.index, a["step"]), shape.element)
            masks = p.masks(w.sub(a["columns"], column.index))
            with w.loop("0", a["taps"], 1, [(wide, constant(0.0, shape.kind, shape.lanes))]) as tap:
                value = p.elements(w.at(base, p.word(taps, w.mul(tap.index, 2))), masks)
                tap.next = [w.let(f"fadd {wide} {tap.values[0]}, {value}")]
            pixel = w.add(w.mul(row.index, a["columns"]), column.index)
            mean = w.let(f"fdiv {wide} {tap.values[0]}, {p.divisor(pixel, masks[-1])}")
            store(w, shape, mean, w.at(out, pixel, shape.element), masks[-1])
    return p.module(target, cpu)


def share_text(spec: Spec, target: Target | None = None, cpu: str = "") -> str:
    """The module of `avg_pool_backward`: out[i] = Σ over the windows that hold i of gradient / divisor.

    The sum is taken down columns first, then along rows.
    """
    p = Windows(spec)
    w, a, shape, wide = p.w, p.words, p.shape, p.shape.wide
    zero = constant(0.0, shape.kind, shape.lanes)
    sums = w.at("%scratch", a["sums"])
    with w.loop("%begin", "%end") as plane:
        gradient, out = p.plane("x", plane.index, "pixels"), p.plane("out", plane.index, "plane")
        with w.loop("0", a["pixels"], shape.lanes) as pixel:
            mask = lanes_below(w, shape.lanes, w.sub(a["pixels"], pixel.index))
            value = load(w, shape, w.at(gradient, pixel.index, shape.element), mask)
            part = w.let(f"fdiv {wide} {value}, {p.divisor(pixel.index, mask)}")
            store(w, shape, part, w.at("%scratch", pixel.index, shape.element))
        with w.loop("0", a["rows"]) as row:
            first, stop = p.word(p.table("row_table"), row.index), p.word(p.table("row_table"), w.add(row.index, 1))
            with w.loop("0", a["columns"], shape.lanes) as column:
                with w.loop(first, stop, 1, [(wide, zero)]) as one:
                    at = w.add(p.word(p.table("row_list"), one.index), column.index)
                    value = load(w, shape, w.at("%scratch", at, shape.element))
                    one.next = [w.let(f"fadd {wide} {one.values[0]}, {value}")]
                store(w, shape, one.values[0], w.at(sums, column.index, shape.element))
            _share_row(p, sums, w.at(out, w.mul(row.index, a["width"]), shape.element))
    return p.module(target, cpu)


def _share_row(p: Windows, sums: str, out: str) -> None:
    """A row of the input's gradient: each element adds its windows of the row, summed over rows before."""
    w, a, shape = p.w, p.words, p.shape
    lanes, wide = shape.lanes, shape.wide
    firsts = p.table("column_table")
    counts = w.at(w.at(firsts, a["width"], "i64"), str(lanes), "i64")
    with w.loop("0", a["width"], lanes) as column:
        first, count = (
            w.let(f"load {p.positions}, ptr {w.at(table, column.index, 'i64')}, align 8") for table in (firsts, counts)
        )
        places = w.let(f"getelementptr {shape.element}, ptr {sums}, {p.positions} {first}")
        few = w.let(f"trunc {p.positions} {count} to {p.numbers}")
        with w.loop("0", a["most"], 1, [(wide, constant(0.0, shape.kind, lanes))]) as one:
            mask = w.let(f"icmp slt {p.numbers} {p.every(one.index)}, {few}")
            further = w.let(f"getelementptr {shape.element}, <{lanes} x ptr> {places}, i64 {one.index}")
            one.next = [w.let(f"fadd {wide} {one.values[0]}, {p.gather(further, mask)}")]
        mask = lanes_below(w, lanes, w.sub(a["width"], column.index))
        store(w, shape, one.values[0], w.at(out, column.index, shape.element), mask)


def scatter_text(spec: Spec, target: Target | None = None, cpu: str = "") -> str:
    """The module of `pool_scatter_part`: out = 0, then out[index[i]] = x[i] (or += with `add`), in order."""
    p = Windows(spec)
    w, a, shape = p.w, p.words, p.shape
    with w.loop("%begin", "%end") as plane:
        source, out = p.plane("x", plane.index, "pixels"), p.plane("out", plane.index, "plane")
        index = w.at(a["index"], w.mul(plane.index, a["pixels"]), "i64")
        with w.loop("0", a["plane"], shape.lanes) as one:
            mask = lanes_below(w, shape.lanes, w.sub(a["plane"], one.index))
            store(w, shape, constant(0.0, shape.kind, shape.lanes), w.at(out, one.index, shape.element), mask)
        with w.loop("0", a["pixels"]) as one:
            at = p.word(index, one.index)
            inside = w.let(f"icmp ult i64 {at}, {a['plane']}")
            with w.when(inside):
                value = w.let(f"load {shape.element}, ptr {w.at(source, one.index, shape.element)}, align {shape.size}")
                place = w.at(out, at, shape.element)
                if spec.add:
                    before = w.let(f"load {shape.element}, ptr {place}, align {shape.size}")
                    value = w.let(f"fadd {shape.element} {before}, {value}")
                w.do(f"store {shape.element} {value}, ptr {place}, align {shape.size}")
            with w.when(w.let(f"xor i1 {inside}, true")):
                w.do(f"store atomic i64 1, ptr {a['status']} monotonic, align 8")
    return p.module(target, cpu)
