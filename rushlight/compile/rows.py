"""Pass `rows`: what is computed row by row is added up row by row.

A total of values that a reduction over some of their dimensions went into (the loss of a normalised batch) is split: first over
those dimensions, which the same kernel can do while it has the row at hand, then over what is left. In one piece it would need
all the values in memory, and a kernel that reads them again.
"""

from __future__ import annotations

import math

from rushlight.dtype import bfloat16, float16
from rushlight.ir.graph import Graph, Node
from rushlight.ir.groups import REDUCTIONS, reduced_dims

Rows = tuple[tuple[int, ...], tuple[int, ...]]  # the shape of a grid, and the dimensions of it that are reduced


def rows(graph: Graph) -> Graph:
    """Split totals in two, where the first part can be done with the rows."""
    within: dict[int, Rows] = {}  # values of a grid that a reduction over its rows went into
    across: dict[int, Rows] = {}  # values of the kept shape that come from such a reduction
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.op.name in REDUCTIONS:
            _reduction(graph, node, within, across, nodes)
        elif node.op.pointwise:
            shape, out = tuple(graph.metas[node.outputs[0]].shape), node.outputs[0]
            for v in node.operands():
                found = within.get(v) or across.get(v)
                if found is not None and shape == found[0]:
                    within[out] = found
                elif found is not None and shape == _kept(found):
                    across[out] = found
        nodes.append(node)
    graph.nodes = nodes
    return graph


def _kept(found: Rows) -> tuple[int, ...]:
    return tuple(1 if d in found[1] else n for d, n in enumerate(found[0]))


def _reduction(graph: Graph, node: Node, within: dict[int, Rows], across: dict[int, Rows], nodes: list[Node]) -> None:
    """Note what a reduction gives; a total gets its first half done by a node before it."""
    source, out = node.inputs[0], graph.metas[node.outputs[0]]
    shape = tuple(graph.metas[source].shape)
    dims = reduced_dims(node, len(shape))
    if out.numel != 1:
        across[node.outputs[0]] = shape, dims
    elif source in within and out.dtype not in (float16, bfloat16) and math.prod(shape) > 1:
        found = within[source]
        first = graph.value(out.variant(shape=_kept(found), stride=None))
        nodes.append(Node(node.op, (source,), {**node.static, "dim": found[1]}, (first,), node.entry))
        node.inputs = (first,)
