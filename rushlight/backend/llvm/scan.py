"""Running sums, products, extremes and logarithms of sums: what has come so far is carried along a line."""

from __future__ import annotations

from collections.abc import Callable

from rushlight.backend.llvm import target
from rushlight.backend.llvm.emit import Emitter
from rushlight.backend.llvm.instruction import Instruction
from rushlight.backend.llvm.layout import Layout, Place, span
from rushlight.backend.llvm.lines import Kernel, Lines, Operand, Spec
from rushlight.backend.llvm.text import constant, remembered, vector
from rushlight.backend.llvm.tile import broadcast
from rushlight.ir import scalar as L
from rushlight.ir.graph import Graph, Node
from rushlight.ir.loop import register_kind
from rushlight.ir.scalar import Expr

LEADERS = ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp")


def supported(graph: Graph, node: Node) -> bool:
    """Whether there is a kernel: sums and products of bools are another operation."""
    return node.op.name in ("cummax", "cummin") or graph.metas[node.outputs[0]].dtype.name != "bool"


def _next(name: str, item: Expr, total: Expr) -> list[Expr]:
    """What is carried on, after one more element: the result, and the extreme's position."""
    if name == "cumsum":
        return [total + item]
    if name == "cumprod":
        return [total * item]
    if name == "logcumsumexp":
        larger, smaller = L.maximum(total, item), L.minimum(total, item)
        away = L.select(L.eq(total, item), L.const(0.0, item.kind), smaller - larger)  # infinities of one sign
        return [larger + L.log1p(L.exp(away))]
    better = (item >= total if name == "cummax" else item <= total) | L.isnan(item)
    return [
        L.select(better, item, total),
        L.select(better, Expr("place", "i64"), Expr("index", "i64")),
    ]


def text(name: str, spec: Spec, kind: str) -> str:
    """Buffers: the results, then the input. `kind` is the register kind of the first result."""
    kernel = Kernel(spec)
    w, lanes, source = kernel.w, spec.lanes, len(spec.kinds) - 1
    kinds = [kind, "i64"][:source]

    def emitter(leaves: dict[str, str]) -> Emitter:
        return Emitter(w, lanes, lambda e: leaves[e.op], kernel.fault)

    def taken(place: str) -> tuple[Expr, dict[str, str]]:
        stored = Expr("item", register_kind(spec.kinds[source]))
        return L.cast(stored, kind), {"item": kernel.read(source, place)}

    def line(pointers: list[str]) -> None:
        item, leaves = taken(pointers[source])
        first = [emitter(leaves)(item), constant(0, "i64", lanes)][:source]
        for b, value in enumerate(first):
            kernel.write(b, pointers[b], value)
        if not spec.walked:
            return
        carried = [(vector(k, lanes), value) for k, value in zip(kinds, first, strict=True)]
        with w.loop("1", kernel.sizes[-1], 1, carried) as step:
            at = kernel.moved(pointers, spec.free, step.index)
            item, leaves = taken(at[source])
            leaves["total"] = step.values[0]
            if source > 1:
                leaves |= {"index": step.values[1], "place": broadcast(w, "i64", lanes, step.index)}
            write = emitter(leaves)
            step.next = [write(e) for e in _next(name, item, Expr("total", kind))]
            for b, value in enumerate(step.next):
                kernel.write(b, at[b], value)

    return kernel.text(line)


def layer(graph: Graph, node: Node, layout: Layout, contiguous: Callable[[int], Place]) -> list[Instruction]:
    """One kernel for all lines."""
    source = layout.place(node.inputs[0])
    ndim = source.meta.ndim
    dim = node.static["dim"] % ndim if ndim else -1
    places = []
    for v in node.outputs:
        meta = graph.metas[v]
        places.append(layout.places.get(v) or Place(layout.temporary(span(meta)), 0, meta))
    others = [d for d in range(ndim) if d != dim]
    lines = Lines(
        [source.meta.shape[d] for d in others], [source.meta.shape[dim] if ndim else 1],
        [
            Operand(p, [p.stride[d] for d in others], [p.stride[dim] if ndim else 0], p is not source)
            for p in (*places, source)
        ],
        dear=node.op.name not in ("cumsum", "cumprod"), checks=False,
    )  # fmt: skip
    kind = register_kind(lines.operands[0].kind)
    rate = 10.0 if node.op.name == "logcumsumexp" else 1.5
    name, spec = node.op.name, lines.spec()
    return lines.instruction(
        node, remembered((name, kind, spec, target.current().name), lambda: text(name, spec, kind)), rate
    )


__all__ = ["LEADERS", "layer", "supported"]
