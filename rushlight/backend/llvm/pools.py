"""Instructions for pooling and its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight.backend.llvm import pooling, pooling_plan
from rushlight.backend.llvm.grids import kind_of
from rushlight.backend.llvm.instruction import Instruction, Word, grain_for
from rushlight.backend.llvm.layout import STATUS, Layout, Place, span
from rushlight.ir.graph import Graph, Node

# What the ops' inputs and outputs are called in the kernels.
_OPS = {
    "max_pool_op": (("x",), ("out", "index")), "pool_scatter_part": (("x", "index"), ("out",)),
    "avg_pool_op": (("x",), ("out",)), "avg_pool_backward": (("x",), ("out",)),
}  # fmt: skip
LEADERS = tuple(_OPS)


def supported(graph: Graph, node: Node) -> bool:
    """Whether there is a kernel for these operands."""
    metas = [graph.metas[v] for v in (*node.inputs[:1], *node.outputs)]
    index = [graph.metas[v] for v in node.inputs[1:]]
    return kind_of(metas[0]) in ("f32", "f64") and all(m.numel and m.contiguous for m in metas[1:]) and all(
        kind_of(m) == "i64" for m in index
    )  # fmt: skip


def layer(graph: Graph, node: Node, layout: Layout, contiguous: Callable[[int], Place]) -> list[Instruction]:
    """One kernel; a unit is a plane. `contiguous(value)` is a place where its elements lie in order."""
    inputs, outputs = _OPS[node.op.name]
    places = {name: contiguous(v) for name, v in zip(inputs, node.inputs, strict=True)}
    for name, v in zip(outputs, node.outputs, strict=True):
        meta = graph.metas[v]
        places[name] = layout.places.get(v) or Place(layout.temporary(span(meta)), 0, meta)
    shape, out = places["x"].meta.shape, places["out"].meta.shape
    plan, text = _plan(node, tuple(shape), tuple(out), kind_of(places["x"].meta))
    words: list[Word] = [int(word) for word in plan.words]
    for name, at in plan.buffers.items():
        words[at] = (STATUS, 0) if name == "status" else (places[name].storage, places[name].offset)
    traffic = sum(span(p.meta) for p in places.values())
    cost = traffic * 0.3
    return [
        Instruction(
            label=node.op.name, text=text, words=words, units=plan.units, grain=grain_for(plan.units, cost), scratch=plan.scratch,
            reads=[places[name].storage for name in inputs], writes=[places[name].storage for name in outputs], cost=cost,
            traffic=traffic, entries=[node.entry], keep=[plan.tables],
        )
    ]  # fmt: skip


def _plan(node: Node, shape: tuple[int, ...], out: tuple[int, ...], kind: str) -> tuple[Any, str]:
    """The kernel's plan and text."""
    s = node.static
    if node.op.name == "pool_scatter_part":
        plan = pooling_plan.scatter_plan(shape, s["size"], s["add"], kind)
        return plan, pooling.scatter_text(plan.spec)
    n = len(s["kernel_size"])
    window = (s["kernel_size"], s["stride"], s["padding"])
    if node.op.name == "max_pool_op":
        plan = pooling_plan.max_plan(shape, out[-n:], *window, s["dilation"], kind)
        return plan, pooling.max_text(plan.spec)
    mean = (s["count_include_pad"], s["divisor_override"], kind)
    if node.op.name == "avg_pool_op":
        plan = pooling_plan.mean_plan(shape, out[-n:], *window, *mean)
        return plan, pooling.mean_text(plan.spec)
    plan = pooling_plan.share_plan(shape, s["size"], *window, *mean)
    return plan, pooling.share_text(plan.spec)


__all__ = ["LEADERS", "layer", "supported"]
