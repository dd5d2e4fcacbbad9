"""Values written, added, multiplied into a tensor at indices, or the extreme kept; always in the order of the indices.

scatter_op, scatter_reduce_op
             out[.., index[.., i, ..], ..] op= src[.., i, ..] along one dimension, every line of the others by itself
index_put    out[.., i, j, ..] op= values for index tensors i, j of one joint shape
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight.backend.llvm import emit, grids, target
from rushlight.backend.llvm.instruction import Instruction
from rushlight.backend.llvm.layout import Layout, Place
from rushlight.backend.llvm.lines import Kernel, Lines, Operand, Spec
from rushlight.backend.llvm.nest import combine
from rushlight.backend.llvm.text import remembered, vector
from rushlight.backend.llvm.tile import broadcast
from rushlight.ir.graph import Graph, Node
from rushlight.ir.loop import register_kind

LEADERS = ("scatter_op", "scatter_reduce_op", "index_put")


def supported(graph: Graph, node: Node) -> bool:
    """Whether the kernel does what the reference does: sums are of one dtype, which is not half precision."""
    out, value = graph.metas[node.outputs[0]], graph.metas[node.inputs[1 if node.op.name == "index_put" else 2]]
    if _operation(node) == "set":
        return True
    if out.dtype.name in ("float16", "bfloat16"):
        return False
    return value.dtype is out.dtype or value.ndim == 0 and value.weak and value.dtype.category <= out.dtype.category


def _operation(node: Node) -> str:
    if node.op.name == "index_put":
        return "add" if node.static["accumulate"] else "set"
    return _OPERATIONS[node.static["reduce"]]


_OPERATIONS = {"": "set", "add": "add", "multiply": "mul", "prod": "mul", "amax": "max", "amin": "min"}


def _combined(kernel: Kernel, operation: str, kind: str, lanes: int, old: str, new: str) -> str:
    if kind == "b1":
        return kernel.w.let(f"{'or' if operation in ('add', 'max') else 'and'} {vector(kind, lanes)} {old}, {new}")
    if operation in ("max", "min"):
        return combine(kernel.w, operation, kind, lanes, old, new)
    return kernel.w.let(f"{'f' if kind[0] == 'f' else ''}{operation} {vector(kind, lanes)} {old}, {new}")


def text(operation: str, spec: Spec, wraps: bool) -> str:
    """Buffers: the result, the values, the indices. Words: each index's dimension, its size and the result's stride."""
    kernel = Kernel(spec)
    w = kernel.w
    kind = register_kind(spec.kinds[0])
    apart = spec.lanes > 1 and any(a != "0" for a in spec.along[2:])
    lanes = spec.lanes if apart else 1  # lanes of an index
    wide, truth = vector("i64", lanes), vector("b1", lanes)

    def offset(pointers: list[str]) -> tuple[str, str]:
        """How far the indices lead from the line's first element, and whether all of them are in range."""
        total, holds = "", ""
        for k, index_kind in enumerate(spec.kinds[2:]):
            single = not apart and spec.lanes > 1
            found = (
                emit.read(w, index_kind, 1, pointers[2 + k], None) if single else kernel.read(2 + k, pointers[2 + k])
            )
            found = emit.convert(w, lanes, found, register_kind(index_kind), "i64")
            rows, stride = (broadcast(w, "i64", lanes, word) for word in kernel.words[2 * k : 2 * k + 2])
            if wraps:
                low = w.let(f"icmp slt {wide} {found}, {broadcast(w, 'i64', lanes, '0')}")
                found = w.let(f"select {truth} {low}, {wide} {w.let(f'add {wide} {found}, {rows}')}, {wide} {found}")
            inside = w.let(f"icmp ult {wide} {found}, {rows}")
            away = w.let(f"mul {wide} {found}, {stride}")
            total = w.let(f"add {wide} {total}, {away}") if total else away
            holds = w.let(f"and {truth} {holds}, {inside}") if holds else inside
        return total, holds

    def point(pointers: list[str]) -> None:
        away, holds = offset(pointers)
        value = kernel.read(1, pointers[1])
        value = emit.convert(w, spec.lanes, value, register_kind(spec.kinds[1]), kind)
        if apart:
            bad = w.let(f"xor {truth} {holds}, splat (i1 true)")
            if kernel.mask is not None:
                bad, holds = (w.let(f"and {truth} {m}, {kernel.mask}") for m in (bad, holds))
            kernel.fault(w.let(f"call i1 @llvm.vector.reduce.or({truth} {bad})"))
            if operation != "set":
                old = kernel.read_at(0, pointers[0], away, holds)
                value = _combined(kernel, operation, kind, lanes, old, value)
            kernel.write_at(0, pointers[0], away, value, holds)
            return
        kernel.fault(w.let(f"xor i1 {holds}, true"))
        with w.when(holds):
            place = w.at(pointers[0], away, emit.memory_type(spec.kinds[0]))
            if operation != "set":
                value = _combined(kernel, operation, kind, spec.lanes, kernel.read(0, place), value)
            kernel.write(0, place, value)

    return kernel.text(lambda pointers: kernel.walk(pointers, point))


def layer(graph: Graph, node: Node, layout: Layout, contiguous: Callable[[int], Place]) -> list[Instruction]:
    """A copy of the first input, then the values at their places."""
    out = layout.places[node.outputs[0]]
    found = grids.copy(layout.place(node.inputs[0]), out)
    lines = (_index_put if node.op.name == "index_put" else _scatter)(node, layout, out)
    wraps, operation, spec = node.op.name == "index_put", _operation(node), lines.spec()
    key = ("put", wraps, operation, spec, target.current().name)
    return found + lines.instruction(node, remembered(key, lambda: text(operation, spec, wraps)), 2.0)


def _scatter(node: Node, layout: Layout, out: Place) -> Lines:
    index, source = (layout.place(v) for v in node.inputs[1:])
    shape, stride = tuple(out.meta.shape) or (1,), tuple(out.stride) or (0,)
    sizes = tuple(index.meta.shape) or (1,)
    if not index.meta.numel:
        sizes = (0,) * len(shape)
    dim = node.static["dim"] % len(shape)
    others = [d for d in range(len(shape)) if d != dim]

    def operand(place: Place, strides: Any, written: bool = False) -> Operand:
        steps = tuple(strides) or (0,) * len(shape)
        along = 0 if written else steps[dim]
        return Operand(place, [steps[d] for d in others], [along], written)

    # a source may be larger than the index; its first elements count
    operands = [operand(out, stride, True), operand(source, source.stride), operand(index, index.along(sizes))]
    return Lines([sizes[d] for d in others], [sizes[dim]], operands, [shape[dim], stride[dim]])


def _index_put(node: Node, layout: Layout, out: Place) -> Lines:
    dims, indices = node.static["dims"], [layout.place(v) for v in node.inputs[2]]
    value, ndim = layout.place(node.inputs[1]), out.meta.ndim
    rest = [d for d in range(ndim) if d not in dims]
    rank = max(i.meta.ndim for i in indices)
    joint = [
        max(sizes) if 0 not in sizes else 0
        for sizes in zip(*((1,) * (rank - i.meta.ndim) + tuple(i.meta.shape) for i in indices))
    ]
    first = dims[0] if list(dims) == list(range(dims[0], dims[0] + len(dims))) else 0
    whole = value.along((1,) * (len(rest) + rank))
    free, walked = whole[:first] + whole[first + rank :], whole[first : first + rank]
    operands = [Operand(out, [out.stride[d] for d in rest], [0] * rank, True), Operand(value, free, walked)]
    operands += [Operand(i, [0] * len(rest), i.along((1,) * rank)) for i in indices]
    words = [n for d in dims for n in (out.meta.shape[d], out.stride[d])]
    return Lines([out.meta.shape[d] for d in rest], joint, operands, words)


__all__ = ["LEADERS", "layer", "supported"]
