"""Rows: a sparse matrix times a dense one, rows looked up, rows added to in place.

sparse_rows_part   a unit is a block of one row of the result, which stays in registers while it is summed
rows_take_part     a unit is a block of one row
rows_add_op        all of a block's rows in the order of the index; what is not written stays where it is, if the result is
                   made over the input
"""

from __future__ import annotations

from collections.abc import Callable

from rushlight.backend.llvm import emit, target
from rushlight.backend.llvm.instruction import Instruction
from rushlight.backend.llvm.layout import Layout, Place
from rushlight.backend.llvm.lines import Kernel, Lines, Operand, Spec
from rushlight.backend.llvm.text import constant, remembered, vector
from rushlight.backend.llvm.tile import broadcast
from rushlight.ir.graph import Graph, Node
from rushlight.ir.loop import register_kind

LEADERS = ("sparse_rows_part", "rows_take_part", "rows_add_op")


def supported(graph: Graph, node: Node) -> bool:
    """Whether there is a kernel: for the two dtypes whose products are computed as they are stored."""
    out = graph.metas[node.outputs[0]]
    return out.dtype.name in ("float32", "float64") and all(
        graph.metas[v].numel > 0 for v in (*node.operands(), *node.outputs)
    )


def layer(graph: Graph, node: Node, layout: Layout, contiguous: Callable[[int], Place]) -> list[Instruction]:
    """The kernels of one node."""
    out, places = layout.places[node.outputs[0]], [layout.place(v) for v in node.inputs]
    make = {"sparse_rows_part": _product, "rows_take_part": _take, "rows_add_op": _add}[node.op.name]
    return make(node, out, places)


def _made(node: Node, lines: Lines, text: Callable[[Spec], str], rate: float) -> list[Instruction]:
    spec = lines.spec()
    return lines.instruction(node, remembered((text.__name__, spec, target.current().name), lambda: text(spec)), rate)


# --- a sparse matrix times a dense one --------------------------------------------------------------------------------


def _product(node: Node, out: Place, places: list[Place]) -> list[Instruction]:
    values, dense, pointers, order, columns = places[:5]
    rows, width = out.meta.shape
    lines = Lines(
        [rows, width], [],
        [
            Operand(out, list(out.stride), [], True), Operand(dense, [0, dense.stride[1]], []), Operand(values, [0, 0], []),
            Operand(pointers, [1, 0], []), Operand(order, [0, 0], []), Operand(columns, [0, 0], []),
        ],
        [dense.stride[0], values.stride[0]],
    )  # fmt: skip
    if width == 1:
        lines.lanes = 1  # rows are of different lengths
    return _made(node, lines, product_text, 1.5 * (columns.meta.shape[0] / rows + 1))


def product_text(spec: Spec) -> str:
    """Buffers: the result, dense, values, pointers, order, columns. Words: how far apart the rows of dense are, and the values."""
    kernel = Kernel(spec)
    w, lanes, kind = kernel.w, spec.lanes, register_kind(spec.kinds[0])
    many, memory = vector(kind, lanes), emit.memory_type(spec.kinds[1])

    def one(buffer: int, place: str, index: str) -> str:
        """One number, the same for every lane."""
        at = w.at(place, index, emit.memory_type(spec.kinds[buffer]))
        return emit.read(w, spec.kinds[buffer], 1, at, None)

    def line(pointers: list[str]) -> None:
        first, last = one(3, pointers[3], "0"), one(3, pointers[3], "1")
        with w.loop(first, last, 1, [(many, constant(0.0, kind, lanes))]) as step:
            place = w.mul(one(4, pointers[4], step.index), kernel.words[1])
            value = broadcast(w, kind, lanes, one(2, pointers[2], place))
            row = w.mul(one(5, pointers[5], step.index), kernel.words[0])
            item = kernel.read(1, w.at(pointers[1], row, memory))
            step.next = [w.let(f"fadd {many} {step.values[0]}, {w.let(f'fmul {many} {value}, {item}')}")]
        kernel.write(0, pointers[0], step.values[0])

    return kernel.text(line)


# --- rows looked up, and added to -------------------------------------------------------------------------------------


def _take(node: Node, out: Place, places: list[Place]) -> list[Instruction]:
    source, index = places
    rest = len(out.meta.shape) - 1
    operands = [
        Operand(out, list(out.stride), [], True), Operand(source, [0, *source.stride[1:]], []),
        Operand(index, [index.stride[0], *[0] * rest], []),
    ]  # fmt: skip
    lines = Lines(list(out.meta.shape), [], operands, [source.meta.shape[0], source.stride[0]])
    if source.meta.numel == source.meta.shape[0]:
        lines.lanes = 1  # lanes would be of different rows
    return _made(node, lines, take_text, 1.0)


def _row(kernel: Kernel, pointer: str) -> tuple[str, str]:
    """An index, and whether there is such a row."""
    index = emit.read(kernel.w, kernel.spec.kinds[2], 1, pointer, None)
    return index, kernel.w.let(f"icmp ult i64 {index}, {kernel.words[0]}")


def take_text(spec: Spec) -> str:
    """Buffers: the result, the rows, the index. Words: how many rows there are, and how far apart they are."""
    kernel = Kernel(spec)
    w, kind = kernel.w, register_kind(spec.kinds[0])
    many = vector(kind, spec.lanes)

    def line(pointers: list[str]) -> None:
        index, inside = _row(kernel, pointers[2])
        safe = w.let(f"select i1 {inside}, i64 {index}, i64 0")
        found = kernel.read(1, w.at(pointers[1], w.mul(safe, kernel.words[1]), emit.memory_type(spec.kinds[1])))
        kernel.write(
            0, pointers[0], w.let(f"select i1 {inside}, {many} {found}, {many} {constant(0.0, kind, spec.lanes)}")
        )

    return kernel.text(line)


def _add(node: Node, out: Place, places: list[Place]) -> list[Instruction]:
    source, index, values = places
    shape = list(out.meta.shape)
    whole = Lines(shape, [], [Operand(out, list(out.stride), [], True), Operand(source, list(source.stride), [])])
    rest = [0] * (len(shape) - 1)
    operands = [
        Operand(out, list(out.stride[1:]), [0], True), Operand(values, list(values.stride[1:]), [values.stride[0]]),
        Operand(index, rest, [index.stride[0]]),
    ]  # fmt: skip
    lines = Lines(shape[1:], [index.meta.shape[0]], operands, [shape[0], out.stride[0]])
    return _made(node, whole, copy_text, 0.5) + _made(node, lines, add_text, 2.0)


def copy_text(spec: Spec) -> str:
    """Buffers: the result and the input, which is copied unless it is the same memory."""
    kernel = Kernel(spec)
    w = kernel.w
    same = w.let(f"icmp eq ptr {kernel.base[0]}, {kernel.base[1]}")
    kernel.end = w.let(f"select i1 {same}, i64 %begin, i64 %end")
    return kernel.text(lambda pointers: kernel.write(0, pointers[0], kernel.read(1, pointers[1])))


def add_text(spec: Spec) -> str:
    """Buffers: the result, the values, the index. Words: how many rows there are, and how far apart they are."""
    kernel = Kernel(spec)
    w, many = kernel.w, vector(register_kind(spec.kinds[0]), spec.lanes)

    def point(pointers: list[str]) -> None:
        index, inside = _row(kernel, pointers[2])
        with w.when(inside):
            place = w.at(pointers[0], w.mul(index, kernel.words[1]), emit.memory_type(spec.kinds[0]))
            kernel.write(0, place, w.let(f"fadd {many} {kernel.read(0, place)}, {kernel.read(1, pointers[1])}"))

    return kernel.text(lambda pointers: kernel.walk(pointers, point))


__all__ = ["LEADERS", "layer", "supported"]
