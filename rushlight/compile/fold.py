"""Passes that look at values and layouts: numbers known beforehand, views that change nothing, reductions in one form."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.ir.graph import Graph, Node
from rushlight.ir.groups import REDUCTIONS, reduced_dims
from rushlight.ir.op import TABLE


def fold(graph: Graph) -> Graph:
    """Values that are one known number everywhere become constants (of any shape). What an output needs stays a node."""
    wanted = set(graph.outputs.values())
    kept: list[Node] = []
    for node in graph.nodes:
        number = _known(graph, node)
        if number is not None:
            graph.constants[node.outputs[0]] = number
        if number is None or node.outputs[0] in wanted:
            kept.append(node)
    graph.nodes = kept
    return graph


def _known(graph: Graph, node: Node) -> Any:
    """The number that fills the node's result, or None."""
    op, constants = node.op, graph.constants
    if len(node.outputs) != 1 or any(i.__class__ is tuple for i in node.inputs) or op.random:
        return None
    out = graph.metas[node.outputs[0]]
    if op.view and node.inputs[0] in constants:
        return constants[node.inputs[0]]
    if op.name == "full_op" and node.inputs[0] in constants or op.pointwise and node.inputs:
        if not all(i is None or i in constants for i in node.inputs) or out.dtype.is_complex:
            return None
        if op.name == "full_op":
            values, static = [np.asarray(constants[node.inputs[0]])], {}
            reference: Any = lambda x: x  # noqa: E731
        else:
            values = [None if i is None else _array(graph, i) for i in node.inputs]  # type: ignore[misc]
            static, reference = node.static, op.reference
        with np.errstate(all="ignore"):
            try:
                found = np.asarray(reference(*values, **static)).astype(out.dtype.compute)
            except (RuntimeError, ValueError, IndexError):
                return None  # a mistake that the Program reports when it runs
        return found.item() if found.size == 1 else None
    return None


def _array(graph: Graph, value: int) -> np.ndarray:
    return np.asarray(graph.constants[value], graph.metas[value].dtype.compute)


def aliases(graph: Graph) -> Graph:
    """Views of the same shape and layout are their source; reductions keep their dimensions and drop them in a view."""
    same: dict[int, int] = {}
    nodes: list[Node] = []
    outputs = set(graph.outputs.values())  # a copy that somebody holds has memory of its own
    for node in graph.nodes:
        node.inputs = tuple(
            tuple(same.get(v, v) for v in i) if i.__class__ is tuple else same.get(i, i) for i in node.inputs
        )
        alike = node.op.view or node.op.name == "positive" and node.outputs[0] not in outputs
        if alike and _same_layout(graph, node):
            same[node.outputs[0]] = node.inputs[0]
            continue
        if node.op.name in REDUCTIONS and not node.static["keepdim"]:
            _keep_dims(graph, node, nodes)
            continue
        nodes.append(node)
    graph.nodes = nodes
    graph.outputs = {slot: same.get(v, v) for slot, v in graph.outputs.items()}
    return graph


def _same_layout(graph: Graph, node: Node) -> bool:
    a, b = graph.metas[node.inputs[0]], graph.metas[node.outputs[0]]
    return (
        a.shape == b.shape and a.dtype is b.dtype and a.offset == b.offset
        and all(n == 1 or s == t for n, s, t in zip(a.shape, a.stride, b.stride, strict=True))
    )  # fmt: skip


def _keep_dims(graph: Graph, node: Node, nodes: list[Node]) -> None:
    x, out = graph.metas[node.inputs[0]], node.outputs[0]
    dims = reduced_dims(node, x.ndim)
    shape = tuple(1 if d in dims else n for d, n in enumerate(x.shape))
    wide = graph.value(graph.metas[out].variant(shape=shape, stride=None, weak=False))
    nodes.append(Node(node.op, node.inputs, {**node.static, "keepdim": True}, (wide,), node.entry))
    nodes.append(Node(TABLE["view"], (wide,), {"size": tuple(graph.metas[out].shape)}, (out,), node.entry))
