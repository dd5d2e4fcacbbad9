"""Packers: a block of a matrix, copied into panels that the micro-kernel of `tile.py` reads from end to end.

A panel is `depth` rows of `step` values in a register kind; row k holds the k-th value of `width` lines of the source
(rows of A, columns of B). `step` is `width` rounded up to whole vectors (`padded`), so that every store is a whole
vector; what lies beyond `width` is undefined, and so may be a few rows beyond `depth` (`padded` rows are there).
Storage kinds are converted on the way (`emit.read`).

Which packer suits depends on where the source is contiguous: along the lines' direction (`pack_side_by_side`), along
depth (`pack_transposed`), or nowhere (`pack_strided`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rushlight.backend.llvm import emit
from rushlight.backend.llvm.text import REGISTER, Writer, vector

SIZE = {"f32": 4, "f64": 8}


def padded(count: int, lanes: int) -> int:
    """`count` rounded up to whole vectors."""
    return -(-count // lanes) * lanes


def lanes_below(w: Writer, lanes: int, count: str) -> str:
    """The mask of lanes whose number is below an i64 count, of any sign."""
    if lanes == 1:
        return w.let(f"icmp slt i64 0, {count}")
    few = w.let(f"call i64 @llvm.smin.i64(i64 {count}, i64 {lanes})")
    few = w.let(f"call i64 @llvm.smax.i64(i64 {few}, i64 0)")
    limit = _spread_i32(w, lanes, w.let(f"trunc i64 {few} to i32"))
    return w.let(f"icmp slt <{lanes} x i32> {_ramp(lanes)}, {limit}")


def lanes_from(w: Writer, lanes: int, first: str) -> str:
    """The mask of lanes whose number is at least an i64 `first`, of any sign."""
    if lanes == 1:
        return w.let(f"icmp sle i64 {first}, 0")
    few = w.let(f"call i64 @llvm.smin.i64(i64 {first}, i64 {lanes})")
    few = w.let(f"call i64 @llvm.smax.i64(i64 {few}, i64 0)")
    limit = _spread_i32(w, lanes, w.let(f"trunc i64 {few} to i32"))
    return w.let(f"icmp sge <{lanes} x i32> {_ramp(lanes)}, {limit}")


def _ramp(lanes: int) -> str:
    return "<" + ", ".join(f"i32 {i}" for i in range(lanes)) + ">"


def _spread_i32(w: Writer, lanes: int, value: str) -> str:
    one = w.let(f"insertelement <{lanes} x i32> poison, i32 {value}, i64 0")
    return w.let(f"shufflevector <{lanes} x i32> {one}, <{lanes} x i32> poison, <{lanes} x i32> zeroinitializer")


def first_lanes(lanes: int, count: int) -> str:
    """The constant mask of the first `count` lanes."""
    return "<" + ", ".join(f"i1 {'true' if i < count else 'false'}" for i in range(lanes)) + ">"


# -- transposing in registers ------------------------------------------------------------------------------------------


def transpose(w: Writer, kind: str, lanes: int, rows: Sequence[str]) -> list[str]:
    """A square of `lanes` vectors, mirrored at its diagonal.

    Pairs are interleaved within groups of 128 bits, which is what processors do fast, then the groups change places.
    """
    wide = vector(kind, lanes)

    def pick(a: str, b: str, order: Sequence[int]) -> str:
        return w.let(f"shufflevector {wide} {a}, {wide} {b}, <{lanes} x i32> <{', '.join(f'i32 {i}' for i in order)}>")

    group = min(lanes, 16 // SIZE[kind])
    starts = range(0, lanes, group)

    def interleave(a: str, b: str, unit: int, high: bool) -> str:
        """Of every group of a and b: units in turn from their lower or upper halves."""
        order = []
        for start in starts:
            for i in range(group // 2 // unit):
                at = start + (group // 2 if high else 0) + i * unit
                order += [*range(at, at + unit), *range(lanes + at, lanes + at + unit)]
        return pick(a, b, order)

    def exchange(vectors: list[str]) -> list[str]:
        """The same mirroring, of a square of groups."""
        if len(vectors) == 1:
            return vectors
        count = lanes // group
        halves = []
        for odd in (0, 1):
            groups = range(odd, 2 * count, 2)
            order = [g * group + i for g in groups for i in range(group)]
            halves.append(exchange([pick(a, b, order) for a, b in zip(vectors[::2], vectors[1::2], strict=True)]))
        return [v for pair in zip(*halves, strict=True) for v in pair]

    result = [""] * lanes
    columns: list[list[str]] = [[] for _ in range(group)]
    for start in starts:
        block = list(rows[start : start + group])
        if group == 2:
            block = [interleave(block[0], block[1], 1, high) for high in (False, True)]
        elif group == 4:
            low = [interleave(block[i], block[i + 1], 1, high) for i in (0, 2) for high in (False, True)]
            block = [interleave(low[i], low[i + 2], 2, high) for i in (0, 1) for high in (False, True)]
        for c in range(group):
            columns[c].append(block[c])
    for c in range(group):
        for q, v in enumerate(exchange(columns[c])):
            result[group * q + c] = v
    return result


# -- packers -----------------------------------------------------------------------------------------------------------


def pack_side_by_side(
    w: Writer, storage: str, kind: str, lanes: int, width: int, source: str, depth_stride: str, depth: str, panel: str,
    masks: Sequence[str | None] | None = None,
) -> None:  # fmt: skip
    """One panel of lines that lie side by side: panel[k·step + i] = source[k·depth_stride + i]. `masks` keep loads
    inside the matrix.
    """
    vectors, step = padded(width, lanes) // lanes, padded(width, lanes)
    if masks is None:
        full = width // lanes
        masks = [None] * full + [first_lanes(lanes, width % lanes)] * (vectors - full)
    with w.loop("0", depth) as loop:
        row = w.at(source, w.mul(loop.index, depth_stride), emit.memory_type(storage))
        to = w.at(panel, w.mul(loop.index, step), REGISTER[kind])
        for j in range(vectors):
            place = w.at(row, str(j * lanes), emit.memory_type(storage)) if j else row
            value = emit.read(w, storage, lanes, place, masks[j])
            put = w.at(to, str(j * lanes), REGISTER[kind]) if j else to
            w.do(f"store {vector(kind, lanes)} {value}, ptr {put}, align {SIZE[kind] * lanes}")


def pack_transposed(
    w: Writer, storage: str, kind: str, lanes: int, width: int, source: str, line_stride: str, depth: str, panel: str,
    last: str | None = None, shallow: bool = False, step: int | None = None,
    change: Callable[[str, int], str] | None = None,
) -> None:  # fmt: skip
    """One panel of lines contiguous along depth: panel[k·step + i] = source[i·line_stride + k]; step is the padded
    width by default.

    `last` (if lines may be missing) is the number of the last line that exists; it stands in for those after it.
    `shallow` says that depth may be below `lanes`; else the last square starts early, so that no load is masked.
    `change(value, lanes)` is done to every vector read.
    """
    step, wide = step or padded(width, lanes), vector(kind, lanes)
    memory = emit.memory_type(storage)

    def square(at: str, first: str, count: int, to: str, mask: str | None) -> None:
        """`lanes` values of `count` lines."""
        rows: list[str] = []
        for i in range(count):
            line = w.add(first, i)
            place = w.at(at, w.mul(line if last is None else w.least(line, last), line_stride), memory)
            value = emit.read(w, storage, lanes, place, mask)
            rows.append(change(value, lanes) if change else value)
        rows += rows[-1:] * (lanes - count)
        to = w.at(to, first, REGISTER[kind])
        for i, value in enumerate(transpose(w, kind, lanes, rows)):
            w.do(f"store {wide} {value}, ptr {w.at(to, str(i * step), REGISTER[kind])}, align {SIZE[kind] * lanes}")

    with w.loop("0", depth, lanes) as loop:
        if shallow:
            k, mask = loop.index, lanes_below(w, lanes, w.sub(depth, loop.index))
        else:
            k, mask = w.least(loop.index, w.sub(depth, lanes)), None
        at = w.at(source, k, memory)
        to = w.at(panel, w.mul(k, step), REGISTER[kind])
        if width >= lanes:
            with w.loop("0", str(width - width % lanes), lanes) as chunk:
                square(at, chunk.index, lanes, to, mask)
        if width % lanes:
            square(at, str(width - width % lanes), width % lanes, to, mask)


def pack_strided(
    w: Writer, storage: str, kind: str, lanes: int, width: int, source: str, line_stride: str, depth_stride: str,
    depth: str,
    panel: str, last: str | None = None, change: Callable[[str, int], str] | None = None,
) -> None:  # fmt: skip
    """One panel of lines that are contiguous nowhere, value by value: panel[k·step + i] = source[i·line_stride +
    k·depth_stride].
    """
    step = padded(width, lanes)
    with w.loop("0", str(width)) as lines:
        line = lines.index if last is None else w.least(lines.index, last)
        row = w.at(source, w.mul(line, line_stride), emit.memory_type(storage))
        column = w.at(panel, lines.index, REGISTER[kind])
        with w.loop("0", depth) as loop:
            value = emit.read(
                w, storage, 1, w.at(row, w.mul(loop.index, depth_stride), emit.memory_type(storage)), None
            )
            value = change(value, 1) if change else value
            put = w.at(column, w.mul(loop.index, step), REGISTER[kind])
            w.do(f"store {REGISTER[kind]} {value}, ptr {put}, align {SIZE[kind]}")
