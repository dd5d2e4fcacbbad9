"""Whether native code gives the reference's very bits: then it cannot matter which of the two runs a step."""

from __future__ import annotations

from rushlight.ir.graph import Graph, Node
from rushlight.ir.groups import POSITIONAL, REDUCTIONS
from rushlight.ir.loop import MEMORY_KIND, load
from rushlight.ir.op import TABLE

# Operations of scalar expressions that IEEE arithmetic rounds in one way only.
_EXACT = frozenset(
    ("add", "sub", "mul", "div", "neg", "abs", "sqrt", "floor", "ceil", "trunc", "rint", "select", "cast", "and", "or", "xor", "not")
) | {"eq", "ne", "lt", "le", "gt", "ge"}  # fmt: skip
# Ops that move values and compute none, beside views and those that say so themselves.
MOVES = frozenset(op.write.name for op in TABLE.values() if op.write is not None) | {"cat", "stack"}


def exact(graph: Graph) -> bool:
    """True when every node is a view, moves values about, draws random numbers, or rounds once."""
    return all(node.op.view or _is_exact(graph, node) for node in graph.nodes)


def _is_exact(graph: Graph, node: Node) -> bool:
    op = node.op
    if op.moves or op.random or op.name in POSITIONAL or op.name in MOVES or op is TABLE["cast"]:
        return True
    if op.name in REDUCTIONS:
        return op.name not in ("sum", "prod") or not graph.metas[node.outputs[0]].dtype.is_floating_point
    if op.lower is None:
        return False
    kinds = [None if i is None else MEMORY_KIND.get(graph.metas[i].dtype.name) for i in node.inputs]
    if any(i is not None and kind is None for i, kind in zip(node.inputs, kinds, strict=True)):
        return True  # complex: the reference
    found = op.lower(*[kind and load(0, kind) for kind in kinds], **node.static)
    return found is None or found.op in _EXACT and not any(a.args for a in found.args)
