"""Products of few rows with a matrix whose columns lie contiguous in memory (a linear layer of a small batch): vectors
run along k.

Every value of the matrix is read once, as it lies, and nothing is packed. A sum is kept in `lanes` parts, part l of the
k with k % lanes = l, that are added pairwise at the end: an order that depends on nothing but the target.
"""

from __future__ import annotations

from rushlight.backend.llvm import emit
from rushlight.backend.llvm.pack import SIZE, lanes_below, transpose
from rushlight.backend.llvm.text import REGISTER, Writer, constant, vector


def dots(
    w: Writer, kind: str, lanes: int, rows: int, group: int, a: tuple[str, str, str], b: tuple[str, str, str],
    depth: str, count: str,
    to: str, parts: str,
) -> None:  # fmt: skip
    """to[row][column] = a[row] · b[column], for `rows` rows and `count` (at most `lanes`) columns, `group` of them at a
    time.

    A row of `to` has `lanes` values; those beyond `count` are undefined. a, b: storage kind, address, elements from
    line to line; lines are contiguous. parts: room for `part_values` elements.
    """
    wide, size = vector(kind, lanes), SIZE[kind]
    a_kind, a_at, a_line = a
    b_kind, b_at, b_line = b
    whole = w.mul(w.let(f"sdiv i64 {depth}, {lanes}"), lanes)
    last = w.sub(count, 1)
    a_lines = [w.at(a_at, w.mul(a_line, i), emit.memory_type(a_kind)) for i in range(rows)]
    with w.loop("0", count, group) as column:
        b_lines = []
        for g in range(group):
            number = w.least(w.add(column.index, g), last)
            b_lines.append(w.at(b_at, w.mul(b_line, number), emit.memory_type(b_kind)))

        def add(sums: list[str], k: str, mask: str | None, b_lines: list[str] = b_lines) -> list[str]:
            left = [emit.read(w, a_kind, lanes, w.at(x, k, emit.memory_type(a_kind)), mask) for x in a_lines]
            found = list(sums)
            for g, line in enumerate(b_lines):
                right = emit.read(w, b_kind, lanes, w.at(line, k, emit.memory_type(b_kind)), mask)
                for i, value in enumerate(left):
                    at = i * group + g
                    found[at] = w.let(f"call {wide} @llvm.fmuladd({wide} {value}, {wide} {right}, {wide} {sums[at]})")
            return found

        start = [(wide, constant(0.0, kind, lanes))] * (rows * group)
        with w.loop("0", whole, lanes, start) as loop:
            loop.next = add(loop.values, loop.index, None)
        mask = lanes_below(w, lanes, w.sub(depth, whole))
        with w.loop(whole, depth, lanes, [(wide, value) for value in loop.values]) as rest:
            rest.next = add(rest.values, rest.index, mask)
        for i in range(rows):
            for g in range(group):
                number = w.add(column.index, i * (lanes + group) + g)
                put = w.at(parts, w.mul(number, lanes), REGISTER[kind])
                w.do(f"store {wide} {rest.values[i * group + g]}, ptr {put}, align {size}")
    with w.loop("0", str(rows)) as row:
        place = w.at(parts, w.mul(row.index, (lanes + group) * lanes), REGISTER[kind])
        put = w.at(to, w.mul(row.index, lanes), REGISTER[kind])
        w.do(f"store {wide} {_totals(w, kind, lanes, place)}, ptr {put}, align {size}")


def part_values(lanes: int, rows: int, group: int) -> int:
    """Elements of scratch memory in which `dots` keeps the parts of sums."""
    return rows * (lanes + group) * lanes


def _totals(w: Writer, kind: str, lanes: int, place: str) -> str:
    """The sum of each of `lanes` vectors in memory, side by side."""
    wide = vector(kind, lanes)
    parts = [
        w.let(f"load {wide}, ptr {w.at(place, str(n * lanes), REGISTER[kind])}, align {SIZE[kind]}")
        for n in range(lanes)
    ]
    parts = transpose(w, kind, lanes, parts)
    while len(parts) > 1:
        half = len(parts) // 2
        parts = [w.let(f"fadd {wide} {x}, {y}") for x, y in zip(parts[:half], parts[half:], strict=True)]
    return parts[0]
