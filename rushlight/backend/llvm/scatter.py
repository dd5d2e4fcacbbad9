"""Rows added up by their index: the gradient of an embedding. A unit owns a block of columns and walks all rows in order, so the
sums come out the same whatever the threads do.
"""

from __future__ import annotations

from rushlight.backend.llvm import target
from rushlight.backend.llvm.emit import memory_type, read, write
from rushlight.backend.llvm.text import constant, kernel, module, vector
from rushlight.backend.llvm.tile import broadcast
from rushlight.ir.loop import register_kind

# The words of the argument block. Strides are in elements; a unit is `block` columns.
WORDS = (
    "grad", "index", "out", "count", "rows", "columns", "block", "grad_row", "index_step", "padding",
)  # fmt: skip


def add_rows_text(kind: str, index_kind: str) -> str:
    """out[r, c] = Σ over i with index[i] = r of grad[i, c], in the order of i; rows of `padding` and of indices out of range get nothing."""
    w = kernel()
    a = {name: w.argument(i, "ptr" if i < 3 else "i64") for i, name in enumerate(WORDS)}
    lanes = target.current().lanes
    wide, element = vector(register_kind(kind), lanes), memory_type(kind)
    ramp = "<" + ", ".join(f"i64 {i}" for i in range(lanes)) + ">"
    with w.loop("%begin", "%end") as unit:
        first = w.mul(unit.index, a["block"])
        last = w.least(w.add(first, a["block"]), a["columns"])
        with w.loop(first, last, lanes) as column:
            left = broadcast(w, "i64", lanes, w.sub(last, column.index))
            mask = w.let(f"icmp slt <{lanes} x i64> {ramp}, {left}")
            to, source = w.at(a["out"], column.index, element), w.at(a["grad"], column.index, element)
            with w.loop("0", a["rows"]) as row:
                place = w.at(to, w.mul(row.index, a["columns"]), element)
                write(w, kind, lanes, constant(0.0, register_kind(kind), lanes), place, mask)
            with w.loop("0", a["count"]) as i:
                at = w.at(a["index"], w.mul(i.index, a["index_step"]), memory_type(index_kind))
                index = read(w, index_kind, 1, at, None)
                if index_kind != "i64":
                    index = w.let(f"sext {memory_type(index_kind)} {index} to i64")
                inside = w.let(f"icmp ult i64 {index}, {a['rows']}")
                counts = w.let(f"and i1 {inside}, {w.let(f'icmp ne i64 {index}, ' + a['padding'])}")
                with w.when(counts):
                    place = w.at(to, w.mul(index, a["columns"]), element)
                    item = read(w, kind, lanes, w.at(source, w.mul(i.index, a["grad_row"]), element), mask)
                    total = w.let(f"fadd {wide} {read(w, kind, lanes, place, mask)}, {item}")
                    write(w, kind, lanes, total, place, mask)
    return module([w.text()], target.current().function_attributes(target.host_cpu()))
