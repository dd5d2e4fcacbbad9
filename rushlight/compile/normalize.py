"""Passes that make a graph plain: explicit casts, no op computed twice, nothing that no output needs."""

from __future__ import annotations

from typing import Any

from rushlight.ir.graph import Graph, Node
from rushlight.ir.op import TABLE


def casts(graph: Graph) -> Graph:
    """Give every op that promotes its operands operands of one dtype."""
    cast = TABLE["cast"]
    done: dict[tuple[int, Any], int] = {}
    nodes: list[Node] = []

    def converted(value: Any, dtype: Any, entry: Any) -> Any:
        if value is None or graph.metas[value].dtype is dtype and not graph.metas[value].weak:
            return value
        if value in graph.constants:
            if (value, dtype) not in done:
                done[value, dtype] = out = graph.value(graph.metas[value].variant(dtype=dtype, weak=False))
                graph.constants[out] = graph.constants[value]
            return done[value, dtype]
        if (value, dtype) not in done:
            done[value, dtype] = out = graph.value(graph.metas[value].variant(dtype=dtype, weak=False))
            nodes.append(Node(cast, (value,), {"dtype": dtype}, (out,), entry))
        return done[value, dtype]

    for node in graph.nodes:
        if node.op.promote is not None:
            metas = [
                None if i is None else tuple(graph.metas[v] for v in i) if i.__class__ is tuple else graph.metas[i]
                for i in node.inputs
            ]
            dtype = node.op.promote(*metas, **node.static)
            if dtype is not None:
                node.inputs = tuple(
                    tuple(converted(v, dtype, node.entry) for v in i) if i.__class__ is tuple
                    else converted(i, dtype, node.entry)
                    for i in node.inputs
                )  # fmt: skip
        nodes.append(node)
    graph.nodes = nodes
    return graph


def cse(graph: Graph) -> Graph:
    """Compute equal ops once."""
    same: dict[int, int] = {}
    seen: dict[Any, tuple[int, ...]] = {}
    constants: dict[Any, int] = {}
    for value, number in graph.constants.items():
        same[value] = constants.setdefault((graph.metas[value], number.__class__, repr(number)), value)
    nodes = []
    for node in graph.nodes:
        node.inputs = tuple(
            tuple(same.get(v, v) for v in i) if i.__class__ is tuple else same.get(i, i) for i in node.inputs
        )
        if not node.op.random:
            # The same numbers in another order of memory are another value: views of one are none of the other.
            layouts = tuple((m.dtype, m.stride, m.offset) for m in (graph.metas[v] for v in node.outputs))
            key = (node.op, node.inputs, tuple(node.static.values()), layouts)
            first = seen.setdefault(key, node.outputs)
            if first is not node.outputs:
                same.update(zip(node.outputs, first, strict=True))
                continue
        nodes.append(node)
    graph.nodes = nodes
    graph.outputs = {slot: same.get(v, v) for slot, v in graph.outputs.items()}
    return graph


def dce(graph: Graph) -> Graph:
    """Drop what no output needs. Random ops stay: the generator must end where PyTorch's would.

    What a tensor held before it was written over in full is not needed: only its shape is.
    """
    copy = TABLE["copy"]
    needed = set(graph.outputs.values())
    kept = []
    for node in reversed(graph.nodes):
        if node.op.random or not needed.isdisjoint(node.outputs):
            kept.append(node)
            if node.op is copy and node.inputs[0] not in graph.constants:
                shape = graph.value(graph.metas[node.inputs[0]])
                graph.constants[shape] = 0
                node.inputs = (shape, node.inputs[1])
            needed.update(node.operands())
    graph.nodes = kept[::-1]
    return graph
