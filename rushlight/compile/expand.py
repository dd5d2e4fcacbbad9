"""Pass `expand`: ops that are compositions are replaced by what they are made of, as their `expand` says in plain tensor code.

So softmax, the normalisations and the losses reach the fuser as pointwise ops and reductions, and become one kernel with their neighbours.
"""

from __future__ import annotations

from typing import Any

from rushlight.compile.build import splice
from rushlight.compile.normalize import casts
from rushlight.dtype import bfloat16, float16
from rushlight.ir.graph import Graph, Node
from rushlight.ir.meta import Meta
from rushlight.lazy.macro import Expansion, Outside, stand_in, trace_macro
from rushlight.lazy.record import enter, record


def expand(graph: Graph) -> Graph:
    """Replace ops by their expansions until nothing is left to replace."""
    same: dict[int, int] = {}
    todo, done = graph.nodes[::-1], []

    def final(v: int) -> int:
        while v in same:  # what an expansion is made of may be replaced too
            v = same[v]
        return v

    while todo:
        node = todo.pop()
        node.inputs = tuple(tuple(map(final, i)) if i.__class__ is tuple else final(i) for i in node.inputs)
        expansion = _traced(graph, node) if node.op.expand is not None or _to_widen(graph, node) else None
        if expansion is None:
            done.append(node)
            continue
        graph.nodes = []
        outputs = splice(graph, expansion, expansion.inputs, node.entry)
        todo.extend(reversed(graph.nodes))
        same.update(zip(node.outputs, outputs, strict=True))
    graph.nodes = done
    graph.outputs = {slot: final(v) for slot, v in graph.outputs.items()}
    return casts(graph)


def _widened(x: Any) -> Any:
    """Half precision as float32: a composition rounds once, at its end."""
    return x.float() if x is not None and not isinstance(x, list) and x.dtype in (float16, bfloat16) else x


def _to_widen(graph: Graph, node: Node) -> bool:
    """Whether the op is computed in float32 though its operands are not."""
    return node.op.wide and any(graph.metas[v].dtype in (float16, bfloat16) for v in node.operands())


def _as(meta: Meta, result: Any) -> Any:
    """The result in the dtype that the op promised, and in rows if it promised that."""
    result = result.to(meta.dtype)
    return result.contiguous() if meta.contiguous else result


def _traced(graph: Graph, node: Node) -> Expansion | None:
    """What the op's `expand` records for these inputs, or the op itself in float32, its leaves numbered as the graph's values; None
    when it declines."""

    def plain(meta: Meta) -> Meta:
        return meta.variant(requires_grad=False, leaf=False)

    def stand(item: Any) -> Any:
        if item.__class__ is tuple:
            return [stand(v) for v in item]
        return None if item is None else stand_in(plain(graph.metas[item]), Outside(item))

    if any(graph.metas[v].dtype.is_complex for v in (*node.operands(), *node.outputs)):
        return None  # complex numbers run on the reference: better one op than many
    inputs = [stand(item) for item in node.inputs]

    def run() -> Any:
        given = inputs if node.op.moves else [_widened(x) for x in inputs]
        found = None if node.op.expand is None else node.op.expand(*given, **node.static)
        if found is None and _to_widen(graph, node):
            found = record(node.op, given, tuple(node.static.values()))
        if found is None:
            return None
        found = found if isinstance(found, tuple) else (found,)
        return [_as(graph.metas[v], r) for r, v in zip(found, node.outputs, strict=True)]

    child, results = trace_macro(run)
    if results is None:
        return None
    slots = [r._slot if r._trace is child else enter(child, r) for r in results]
    for slot, value in zip(slots, node.outputs, strict=True):
        found, wanted = child.meta_of(slot), graph.metas[value]
        if found.shape != wanted.shape or found.dtype is not wanted.dtype:
            raise AssertionError(f"{node.op.name}: its expansion gives {found!r}, the op {wanted!r}")
        if (
            found.offset != wanted.offset
            or found.stride != wanted.stride
            and not (found.contiguous and wanted.contiguous)
        ):
            return None  # another layout than was promised
    return Expansion(child, [], slots)
