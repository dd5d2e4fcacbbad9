"""Pass `pieces`: a sum of values written into zeros, each at its own place, is their concatenation.

That is what the gradient of `split`, `chunk` and slices comes to: each piece in an array of zeros, and the arrays added up. Every
element is one piece's plus zeros; adding one zero to the piece gives the same bits (-0.0 becomes 0.0).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from rushlight.ir.graph import Graph, Node
from rushlight.ir.op import TABLE


class _Pieces(NamedTuple):
    """A value that is zero beside pieces along one dimension: (start, end, the piece), in order."""

    dim: int
    pieces: tuple[tuple[int, int, int], ...]


def pieces(graph: Graph) -> Graph:
    """Replace complete sums of pieces by concatenations; what only they needed is left for `dce`."""
    found: dict[int, _Pieces] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        out = node.outputs[0]
        whole = None
        if node.op is TABLE["slice_write"]:
            one = _written(graph, node)
            if one is not None:
                found[out] = one
        elif node.op is TABLE["add"] and all(v in found for v in node.inputs):
            whole = _joined(*(found[v] for v in node.inputs))
        if whole is None:
            nodes.append(node)
            continue
        found[out] = whole
        nodes += _concatenation(graph, node, whole) if _complete(graph, node, whole) else [node]
    graph.nodes = nodes
    return graph


def _written(graph: Graph, node: Node) -> _Pieces | None:
    """A piece written into zeros."""
    base, piece = node.inputs
    dim, start, end, step = (node.static[name] for name in ("dim", "start", "end", "step"))
    zero = graph.constants.get(base)
    if step != 1 or zero is None or zero != 0 or math.copysign(1.0, zero) < 0 or piece in graph.constants:
        return None
    start, end, _ = slice(start, end).indices(graph.metas[base].shape[dim])  # x[..., k:] has no end
    if graph.metas[piece].shape[dim] != end - start:
        return None  # spread over its place
    return _Pieces(dim, ((start, end, piece),))


def _joined(a: _Pieces, b: _Pieces) -> _Pieces | None:
    """Both, if they touch no element in common."""
    both = sorted(a.pieces + b.pieces)
    if a.dim != b.dim or any(first[1] > second[0] for first, second in zip(both, both[1:])):
        return None
    return _Pieces(a.dim, tuple(both))


def _complete(graph: Graph, node: Node, whole: _Pieces) -> bool:
    """Whether the pieces leave no element out."""
    ends = [0, *(end for _, end, _ in whole.pieces)]
    starts = [*(start for start, _, _ in whole.pieces), graph.metas[node.outputs[0]].shape[whole.dim]]
    return ends == starts


def _concatenation(graph: Graph, node: Node, whole: _Pieces) -> list[Node]:
    made, sums = [], []
    for _, _, piece in whole.pieces:
        meta = graph.metas[piece].variant(stride=None)
        zero, total = graph.value(meta), graph.value(meta)
        graph.constants[zero] = 0.0 if meta.dtype.is_floating_point else 0
        made.append(Node(TABLE["add"], (piece, zero), {}, (total,), node.entry))
        sums.append(total)
    return [*made, Node(TABLE["cat"], (tuple(sums),), {"dim": whole.dim}, node.outputs, node.entry)]
