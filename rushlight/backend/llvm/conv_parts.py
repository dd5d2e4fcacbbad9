"""The pieces that convolution kernels are written with: copies with zeros around, panels, tiles of sums.

Throughout, a *panel* is `width` values (vectors · lanes, one for each column) for each step of a sum, side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rushlight.backend.llvm.conv_common import Epilogue, Shape
from rushlight.backend.llvm.pack import lanes_below, transpose
from rushlight.backend.llvm.text import Writer, constant
from rushlight.backend.llvm.tile import broadcast


def below(w: Writer, lanes: int, first: str, stop: str) -> str:
    """The mask of the lanes l with 0 <= first + l < stop."""
    wide = f"<{lanes} x i64>"
    start = spread(w, lanes, first)
    iota = ", ".join(f"i64 {i}" for i in range(lanes))
    at = w.let(f"add {wide} {start}, <{iota}>")
    return w.let(f"icmp ult {wide} {at}, {spread(w, lanes, stop)}")


def spread(w: Writer, lanes: int, value: str) -> str:
    """An i64 in every lane."""
    wide = f"<{lanes} x i64>"
    one = w.let(f"insertelement {wide} poison, i64 {value}, i64 0")
    return w.let(f"shufflevector {wide} {one}, {wide} poison, <{lanes} x i32> zeroinitializer")


def load(w: Writer, shape: Shape, place: str, mask: str | None = None, margin: float = 0.0) -> str:
    """A vector; lanes outside the mask are `margin` and are not read."""
    if mask is None:
        return w.let(f"load {shape.wide}, ptr {place}, align {shape.size}")
    other = constant(margin, shape.kind, shape.lanes)
    where = f"ptr align {shape.size} {place}, <{shape.lanes} x i1> {mask}"
    return w.let(f"call {shape.wide} @llvm.masked.load({where}, {shape.wide} {other})")


def store(w: Writer, shape: Shape, value: str, place: str, mask: str | None = None) -> None:
    """Store a vector, or its lanes in the mask."""
    if mask is None:
        w.do(f"store {shape.wide} {value}, ptr {place}, align {shape.size}")
    else:
        where = f"ptr align {shape.size} {place}, <{shape.lanes} x i1> {mask}"
        w.do(f"call void @llvm.masked.store({shape.wide} {value}, {where})")


def pack_turned(
    w: Writer, shape: Shape, source: str, column_stride: str, columns: str, length: str, place: Callable[[str], str],
    width: str | None = None, exact: bool = False,
) -> None:  # fmt: skip
    """source[column · column_stride + r] -> panel row `place(r)` (an address), r < length, by squares turned in
    registers.

    A row has `width` columns, by default a panel's. Columns past the last repeat it: their sums are never stored. The
    last square may write up to lanes − 1 rows too many, unless `exact`.
    """
    lanes, size = shape.lanes, shape.size
    last = w.sub(columns, 1)
    with w.loop("0", width or str(shape.width), lanes) as block:
        bases = []
        for i in range(lanes):
            column = w.least(w.add(block.index, i), last)
            bases.append(w.at(source, w.mul(column, column_stride), shape.element))

        def square(first: str, mask: str | None, stop: str | None) -> None:
            rows = [load(w, shape, w.at(base, first, shape.element), mask) for base in bases]
            for i, value in enumerate(transpose(w, shape.kind, lanes, rows)):
                row = w.add(first, i)
                if stop is not None:
                    row = w.least(row, stop)
                w.do(f"store {shape.wide} {value}, ptr {w.at(place(row), block.index, shape.element)}, align {size}")

        whole = w.let(f"and i64 {length}, {-lanes}")
        with w.loop("0", whole, lanes) as loop:
            square(loop.index, None, None)
        with w.when(w.let(f"icmp slt i64 {whole}, {length}")):
            square(whole, lanes_below(w, lanes, w.sub(length, whole)), length if exact else None)


def pack_straight(
    w: Writer, shape: Shape, source: str, row_stride: str, columns: str, length: str, place: Callable[[str], str]
) -> None:
    """source[r · row_stride + column] -> panel row `place(r)`, r < length."""
    with w.loop("0", str(shape.width), shape.lanes) as block:
        mask = below(w, shape.lanes, block.index, columns)
        with w.loop("0", length) as row:
            at = w.at(w.at(source, w.mul(row.index, row_stride), shape.element), block.index, shape.element)
            store(w, shape, load(w, shape, at, mask), w.at(place(row.index), block.index, shape.element))


def sums_of_products(
    w: Writer, shape: Shape, bases: Sequence[str], steps: str, panel: str, depth: str, start: Sequence[str]
) -> list[str]:
    """The micro-kernel: Σ over r < depth of bases[i][input of r] · panel[row of r][j], added in order to `start`; row
    by row.

    steps[r] is the pair (input, row) in bytes (i64), the same for all rows: any pattern costs two loads a step.
    """
    carried = [(shape.wide, value) for value in start]
    with w.loop("0", depth, 1, carried) as loop:
        pair = w.at(steps, loop.index, "[2 x i64]")
        step = w.let(f"load i64, ptr {pair}, align 8")
        row = w.at(panel, w.let(f"load i64, ptr {w.at(pair, '8')}, align 8"))
        columns = [load(w, shape, w.at(row, str(j * shape.lanes), shape.element)) for j in range(shape.vectors)]
        for i, base in enumerate(bases):
            value = w.let(f"load {shape.element}, ptr {w.at(base, step)}, align {shape.size}")
            factor = broadcast(w, shape.kind, shape.lanes, value)
            loop.next += [
                w.let(
                    f"call {shape.wide} @llvm.fmuladd({shape.wide} {factor}, {shape.wide} {column}, "
                    f"{shape.wide} {loop.values[i * shape.vectors + j]})"
                )
                for j, column in enumerate(columns)
            ]
    return loop.values


def tiles(
    w: Writer, shape: Shape, base: str, rows: str, row_table: str, result_table: str, steps: str, panel: str,
    depth: str, sums: str, first: str, zeros: str,
) -> None:  # fmt: skip
    """sums[result[i]][j] += Σ over r of base[row[i] + input of r] · panel[row of r][j] for i < rows; from zero if
    `first` (i1) holds.

    `row` holds bytes, `result` numbers of rows of sums; `steps` as in `sums_of_products`. A tile's rows past the last
    repeat it.
    """
    pitch = shape.width * shape.size
    last = w.sub(rows, 1)
    with w.loop("0", rows, shape.rows) as block:
        bases, places = [], []
        for i in range(shape.rows):
            row = w.least(w.add(block.index, i), last)
            offset = w.let(f"load i64, ptr {w.at(row_table, row, 'i64')}, align 8")
            bases.append(w.at(base, offset))
            result = w.let(f"load i64, ptr {w.at(result_table, row, 'i64')}, align 8")
            places.append(w.at(sums, w.mul(result, pitch)))
        start = []
        for place in places:
            begin = w.let(f"select i1 {first}, ptr {zeros}, ptr {place}")
            start += [load(w, shape, w.at(begin, str(j * shape.lanes), shape.element)) for j in range(shape.vectors)]
        totals = sums_of_products(w, shape, bases, steps, panel, depth, start)
        for k, total in enumerate(totals):
            i, j = divmod(k, shape.vectors)
            store(w, shape, total, w.at(places[i], str(j * shape.lanes), shape.element))


def finish(
    w: Writer, shape: Shape, sums: str, rows: str, columns: str, square: str,
    emit: Callable[[str, str, str, str | None], None]
) -> None:  # fmt: skip
    """Hand over sums[row][column] turned: `emit(value, column, first row, mask)` for vectors of rows of one column.

    `square` is room for lanes × lanes values: the turned block is read back column by column, so that `emit` is written
    once.
    """
    lanes = shape.lanes
    whole = w.let(f"and i64 {rows}, {-lanes}")

    def block(group: str, count: str, row: str, mask: str | None) -> None:
        places = [w.at(sums, w.mul(w.add(row, i), shape.width), shape.element) for i in range(lanes)]
        values = [load(w, shape, w.at(place, group, shape.element)) for place in places]
        for i, value in enumerate(transpose(w, shape.kind, lanes, values)):
            store(w, shape, value, w.at(square, str(i * lanes), shape.element))
        with w.loop("0", count) as column:
            value = load(w, shape, w.at(square, w.mul(column.index, lanes), shape.element))
            emit(value, w.add(group, column.index), row, mask)

    # few columns at a time, so that what is written lies in few places of memory
    with w.loop("0", columns, lanes) as group:
        count = w.least(w.sub(columns, group.index), lanes)
        with w.loop("0", whole, lanes) as row:
            block(group.index, count, row.index, None)
        with w.when(w.let(f"icmp slt i64 {whole}, {rows}")):
            block(group.index, count, whole, below(w, lanes, "0", w.sub(rows, whole)))


def zero_row(w: Writer, shape: Shape, place: str) -> None:
    """A row of a panel, all zero."""
    for j in range(shape.vectors):
        store(w, shape, constant(0.0, shape.kind, shape.lanes), w.at(place, str(j * shape.lanes), shape.element))


def copy_line(
    w: Writer, shape: Shape, source: str, first: str, width: str, target: str, length: str, margin: float = 0.0
) -> None:
    """target[i] = source[first + i] where 0 <= first + i < width, else `margin`, for i < length.

    Up to lanes − 1 more are written.
    """
    with w.loop("0", length, shape.lanes) as loop:
        column = w.add(loop.index, first)
        mask = below(w, shape.lanes, column, width)
        value = load(w, shape, w.at(source, column, shape.element), mask, margin)
        store(w, shape, value, w.at(target, loop.index, shape.element))


def copy_plane(
    w: Writer, shape: Shape, source: str, target: str, words: Mapping[str, str], begin: str, flat: bool, middle: str,
    margin: float = 0.0
) -> None:  # fmt: skip
    """A channel (or the band of it that begins at position `begin` of its first dimension) with a margin around it.

    `words` has its sizes: height, width and row_pitch of the input; area_rows, area_lines (under one position of the
    first dimension) and area_line (values of a line) of the copy; low_last, where lines begin. `middle` is the table of
    `conv_tables.middle_lines`.
    """
    a = words
    if flat:
        copy_line(w, shape, source, begin, a["width"], target, a["area_line"], margin)
        return
    with w.loop("0", a["area_rows"]) as row:
        at = w.add(row.index, begin)
        inside = w.let(f"icmp ult i64 {at}, {a['height']}")
        with w.loop("0", a["area_lines"]) as line:
            place = w.let(f"load i64, ptr {w.at(middle, line.index, 'i64')}, align 8")
            there = w.let(f"and i1 {inside}, {w.let(f'icmp sge i64 {place}, 0')}")
            width = w.let(f"select i1 {there}, i64 {a['width']}, i64 0")
            from_ = w.at(source, w.add(w.mul(at, a["row_pitch"]), place), shape.element)
            number = w.add(w.mul(row.index, a["area_lines"]), line.index)
            to = w.at(target, w.mul(number, a["area_line"]), shape.element)
            copy_line(w, shape, from_, a["low_last"], width, to, a["area_line"], margin)


def pack_weights(
    w: Writer, way: str, shape: Shape, a: Mapping[str, str], source: str, panel: str, columns: str, channels: str
) -> None:
    """Weights of some channels -> rows of a panel, by channel, then by tap; `way` is `Spec.weights`."""
    row = shape.width * shape.size
    if way == "columns":
        pack_straight(w, shape, source, a["weight_channel"], columns, channels, lambda r: w.at(panel, w.mul(r, row)))
    elif way == "rows":
        length = w.mul(channels, a["taps"])
        pack_turned(w, shape, source, a["weight_column"], columns, length, lambda r: w.at(panel, w.mul(r, row)))
    else:
        with w.loop("0", channels) as channel:
            here = w.at(source, w.mul(channel.index, a["weight_channel"]), shape.element)
            first = w.at(panel, w.mul(w.mul(channel.index, a["taps"]), row))
            pack_turned(w, shape, here, a["weight_column"], columns, a["taps"], lambda r: w.at(first, w.mul(r, row)))


def plain_store(a: Mapping[str, str], shape: Shape) -> Epilogue:
    """out[image, channel, pixel] = value."""

    def emit(w: Writer, value: str, image: str, channel: str, pixel: str, mask: str | None) -> None:
        plane = w.add(w.mul(image, w.mul(a["groups"], a["columns"])), channel)
        store(w, shape, value, w.at(a["out"], w.add(w.mul(plane, a["pixels"]), pixel), shape.element), mask)

    return emit
