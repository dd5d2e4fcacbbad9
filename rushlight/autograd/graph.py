"""`grad_fn`: the recorded graph, seen as PyTorch shows it. Nodes are made when somebody looks."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

from rushlight.errors import show_line
from rushlight.lazy.record import Trace
from rushlight.lazy.trie import FUNCTION, LEAF, MACRO, MARK_LEAF, STATE, Entry
from rushlight.lessons import say


class Node:
    """One node of the backward graph: `name()`, `next_functions`, `metadata`."""

    __slots__ = ("_trace", "_entry", "_index", "metadata")

    def __init__(self, trace: Trace, entry: Entry, index: int = 0):
        self._trace, self._entry, self._index = trace, entry, index
        self.metadata: dict[Any, Any] = {}

    def name(self) -> str:
        """PyTorch's name of the node's class, such as `MulBackward0`."""
        return node_name(self._trace, self._entry)

    @property
    def next_functions(self) -> tuple:
        """((node, output number), …) of the inputs; (None, 0) for inputs without a gradient."""
        entry = self._entry
        items = entry.inputs[len(entry.metas) :] if entry.op is FUNCTION else entry.inputs
        found: list[Any] = []
        for item in items:
            for slot in item if item.__class__ is tuple else (item,):
                if slot is not None and slot >= 0:
                    found.append(edge(self._trace, slot))
        return tuple(found)

    def register_hook(self, fn: Callable[[tuple, tuple], Any]) -> Any:
        """Call `fn(grad_inputs, grad_outputs)` after this node's function; it may return other grad_inputs."""
        from rushlight.autograd.edges import add_node_hook

        return add_node_hook(self, "post", fn)

    def register_prehook(self, fn: Callable[[tuple], Any]) -> Any:
        """Call `fn(grad_outputs)` before this node's function; it may return other grad_outputs."""
        from rushlight.autograd.edges import add_node_hook

        return add_node_hook(self, "pre", fn)

    def __getattr__(self, name: str) -> Any:
        if name == "variable" and self.name() == "AccumulateGrad":
            return self._trace.handles[self._entry.slot + self._index]()
        context = self._trace.contexts.get(self._entry.slot)
        if context is not None:
            return getattr(context, name)
        raise AttributeError(f"{self.name()!r} node has no attribute {name!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self._trace is other._trace and self._entry is other._entry

    def __hash__(self) -> int:
        return hash((id(self._trace), id(self._entry)))

    def __repr__(self) -> str:
        return f"<{self.name()} object at {hash(self):#x}>"


@cache
def _kind(name: str) -> type[Node]:
    return type(name, (Node,), {"__slots__": ()})


def _node(trace: Trace, entry: Entry, index: int = 0) -> Node:
    """A Node whose class has the node's name: what draws graphs reads `type(node).__name__`."""
    return _kind(node_name(trace, entry))(trace, entry, index)


def node_name(trace: Trace, entry: Entry) -> str:
    """The class name that PyTorch's node would have."""
    if entry.op is FUNCTION:
        return type(trace.contexts[entry.slot]).__name__
    if entry.meta is not None and entry.meta.leaf:
        return "AccumulateGrad"
    op = entry.op
    if op.inplace and op.name.endswith("_write_"):
        return "CopySlices"
    if op.name == "sub" and entry.inputs[0] < 0:
        return "RsubBackward1"
    if op.name == "matmul" and op.grad_name == "MmBackward0":
        return _product(*(trace.meta_of(slot).ndim for slot in entry.inputs))
    overload = _OVERLOADS.get(op.name.removesuffix("_"))
    return op.grad_name if overload is None else f"{op.grad_name[:-1]}{overload(entry)}"


def _product(left: int, right: int) -> str:
    """PyTorch's kernel for a product of operands of so many dimensions, and the view that gives the result its shape."""
    known = {(1, 1): "Dot", (2, 1): "Mv", (2, 2): "Mm", (1, 2): "Squeeze"}
    name = known.get((left, right), "UnsafeView" if left > 2 or right > 2 else "Mm")
    return f"{name}Backward{4 * (name == 'Squeeze')}"


def _over_dims(entry: Entry) -> int:
    return int(entry.static[entry.op.statics.index("dim")] is not None)


def _of_numbers(entry: Entry) -> int:
    bounds = [slot for slot in entry.inputs[1:] if slot is not None]
    return int(all(slot < 0 for slot in bounds))


def _pow(entry: Entry) -> int:
    base, exponent = entry.inputs
    return 2 if base < 0 else int(exponent >= 0)


def _by_tensor(entry: Entry) -> int:
    return int(entry.inputs[-1] >= 0)


def _squeeze(entry: Entry) -> int:
    dim = entry.static[0]
    return 0 if dim is None else 1 if isinstance(dim, int) else 2


# The number at the end of a node's name counts the overloads of PyTorch's op; here one op stands for them all.
_OVERLOADS: dict[str, Callable[[Entry], int]] = {
    "sum": _over_dims, "mean": _over_dims, "prod": _over_dims, "clamp": _of_numbers, "pow": _pow, "squeeze": _squeeze,
    "fmod": _by_tensor, "remainder": _by_tensor, "masked_fill": _by_tensor, "lerp": _by_tensor,
}  # fmt: skip


def edge(trace: Trace, slot: int) -> tuple:
    """(node, output number) that a slot's gradient goes to."""
    entry = trace.producer(slot)
    meta = entry.metas[slot - entry.slot]
    if not meta.requires_grad:
        return (None, 0)
    if meta.leaf:
        return (_node(trace, entry, slot - entry.slot), 0)
    if entry.op is LEAF:
        history = trace.leaf_history.get(slot)
        return edge(*history) if history is not None else (None, 0)
    if entry.op in (MARK_LEAF, STATE, MACRO) or (entry.op.inplace and not entry.grad_mode):
        return edge(trace, entry.inputs[0])
    return (_node(trace, entry), slot - entry.slot)


def grad_fn(tensor: Any) -> Node | None:
    """The node that made a tensor, None for leaves."""
    meta = tensor._meta
    if not meta.requires_grad or meta.leaf:
        return None
    from rushlight.lazy.record import enter, local

    if tensor._trace is None and tensor._history is not None:
        return edge(*tensor._history)[0]
    trace = local.trace
    return edge(trace, tensor._slot if tensor._trace is trace else enter(trace, tensor))[0]


def origin_of(tensor: Any) -> dict[str, str]:
    """What a tensor is and which op made it where, in words for a message."""
    node = grad_fn(tensor)
    if node is None:
        return {"meta": repr(tensor._meta), "made": say("grad-of-non-leaf/earlier")}
    op, line = node._entry.op.name.removesuffix("_op"), show_line(node._entry.line)
    return {"meta": repr(tensor._meta), "made": say("grad-of-non-leaf/made", op=op, line=line)}


_ELSEWHERE = {
    **dict.fromkeys(("disable_saved_tensors_hooks", "save_on_cpu", "saved_tensors_hooks"), "packing"),
    **dict.fromkeys(
        (
            "GradientEdge", "allow_mutation_on_saved_tensors", "get_gradient_edge", "increment_version", "register_multi_grad_hook",
        ),
        "edges",
    ),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module 'rushlight.autograd.graph' has no attribute {name!r}")
    return getattr(importlib.import_module(f"rushlight.autograd.{_ELSEWHERE[name]}"), name)


__all__ = ["Node", "edge", "grad_fn", "node_name", *_ELSEWHERE]
