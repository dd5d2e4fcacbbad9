"""The micro-kernel of every matrix product: a tile of rows x vectors sums that lives in registers.

`a` is a packed panel: for each k, `rows` values side by side; or, with `a_row`, a matrix as it lies. `b` is a panel
whose rows hold `vectors` vectors, `b_step` values apart (packed: side by side; or a row-major matrix as it lies). k
runs in order, one multiply-add a step, so the bits depend on nothing but the values.
"""

from __future__ import annotations

from collections.abc import Sequence

from rushlight.backend.llvm.text import REGISTER, Writer, constant, vector

_GROUP = 4  # rows of an unpacked a that share a moving pointer


def tile(
    w: Writer,
    kind: str,
    lanes: int,
    rows: int,
    vectors: int,
    a: str,
    b: str,
    depth: str,
    a_step: str | int,
    b_step: str | int,
    start: Sequence[str] | None = None,
    masks: Sequence[str | None] | None = None,
    a_row: str | int = 1,
) -> list[str]:
    """Sums over k < depth of a[k·a_step + i·a_row] · b[k·b_step + j·lanes + lane]: `rows · vectors` values, row by row.

    `start` are the sums to go on from (zeros by default); `masks` (one a vector, for unpacked b) keep loads inside the
    matrix.
    """
    element, wide = REGISTER[kind], vector(kind, lanes)
    size = 4 if kind == "f32" else 8
    zero = constant(0.0, kind, lanes)
    first = list(start) if start is not None else [zero] * (rows * vectors)
    group = rows if a_row == 1 else _GROUP
    offsets = [str(i) if a_row == 1 else w.mul(str(i), a_row) for i in range(min(rows, group))]
    bases = [a, *(w.at(a, w.mul(str(i), a_row), element) for i in range(group, rows, group))]
    carried = [(wide, value) for value in first] + [("ptr", base) for base in bases] + [("ptr", b)]
    with w.loop("0", depth, 1, carried) as loop:
        sums = loop.values[: rows * vectors]
        *a_at, b_at = loop.values[rows * vectors :]
        columns = []
        for j in range(vectors):
            place = w.at(b_at, str(j * lanes), element) if j else b_at
            mask = masks[j] if masks else None
            if mask is None:
                columns.append(w.let(f"load {wide}, ptr {place}, align {size}"))
            else:
                columns.append(
                    w.let(
                        f"call {wide} @llvm.masked.load(ptr align {size} {place}, <{lanes} x i1> {mask}, {wide} {zero})"
                    )
                )
        results = []
        for i in range(rows):
            base = a_at[i // group]
            place = w.at(base, offsets[i % group], element) if i % group else base
            value = w.let(f"load {element}, ptr {place}, align {size}")
            spread = broadcast(w, kind, lanes, value)
            for j in range(vectors):
                total = sums[i * vectors + j]
                results.append(
                    w.let(f"call {wide} @llvm.fmuladd({wide} {spread}, {wide} {columns[j]}, {wide} {total})")
                )
        moved = [w.at(base, str(a_step), element) for base in a_at]
        loop.next = [*results, *moved, w.at(b_at, str(b_step), element)]
    return loop.values[: rows * vectors]


def broadcast(w: Writer, kind: str, lanes: int, value: str) -> str:
    """One value in every lane."""
    if lanes == 1:
        return value
    wide = vector(kind, lanes)
    one = w.let(f"insertelement {wide} poison, {REGISTER[kind]} {value}, i64 0")
    return w.let(f"shufflevector {wide} {one}, {wide} poison, <{lanes} x i32> zeroinitializer")
