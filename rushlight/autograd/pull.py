"""Cotangents pulled back to places of the graph, walking only what they lead to: for `torch.func` and forward rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushlight.autograd.engine import Backward, watched
from rushlight.lazy.record import Trace, enter, local, switch_grad_mode
from rushlight.lazy.trie import LEAF, operands

Place = tuple[Trace, int]


def place_of(value: Any) -> Place:
    """Where a value that was just recorded stands."""
    return value._trace, value._slot


def _reached(trace: Trace, starts: Sequence[int]) -> set[int]:
    """The slots of a trace that depend on the given ones."""
    found = set(starts)
    for entry in trace.path()[trace.producer(min(starts)).depth :]:
        if not found.isdisjoint(operands(entry)):
            found.update(range(entry.slot, entry.end))
    return found


class _Towards(Backward):
    """A reverse pass that goes only where the goals are: places, and leaves, which enter later traces anew."""

    def __init__(self, goals: Sequence[Place], leaves: Sequence[Any]) -> None:
        super().__init__(self._at_goal, dict.fromkeys((trace.order, slot) for trace, slot in goals))
        self.found: dict[int, Any] = {id(leaf): None for leaf in leaves}
        self.dependent: dict[int, set[int]] = {}
        self.goals = frozenset(self.captures)
        for trace, _ in goals:
            if trace.order not in self.dependent:
                self.dependent[trace.order] = _reached(trace, [s for t, s in goals if t is trace])

    def _at_goal(self, trace: Trace, slot: int, handle: Any, grad: Any) -> None:
        if id(handle) in self.found:
            old = self.found[id(handle)]
            self.found[id(handle)] = grad if old is None else old + grad

    def add(self, trace: Trace, slot: int, grad: Any) -> None:
        known = self.dependent.get(trace.order)
        if known is None or slot in known:
            super().add(trace, slot, grad)

    def step(self, trace: Trace, entry: Any, grads: list[Any]) -> None:
        if (trace.order, entry.slot) not in self.goals:
            super().step(trace, entry, grads)


def pull(
    outputs: Sequence[Any],
    cotangents: Sequence[Any],
    goals: Sequence[Place],
    create_graph: bool,
    leaves: Sequence[Any] = (),
) -> list[Any]:
    """The gradients of Σ outputs · cotangents with respect to the values at the goals, None where there is none.

    `leaves` are the goals' handles, where code that could look at values has run since they were made.
    """
    trace, mode = local.trace, local.grad_mode
    walk = watched(_Towards)(goals, leaves)
    switch_grad_mode(create_graph)
    try:
        for output, cotangent in zip(outputs, cotangents, strict=True):
            walk.add(trace, output._slot if output._trace is trace else enter(trace, output), cotangent)
        walk.run()
        found = [walk.captures[where.order, slot] for where, slot in goals]
        for k, leaf in enumerate(leaves):
            more = walk.found[id(leaf)]
            found[k] = more if found[k] is None else found[k] if more is None else found[k] + more
    finally:
        switch_grad_mode(mode)
    return found


def asked_for(values: Sequence[Any], depth: int) -> bool:
    """Whether a gradient of these values can be of use outside a transform at this depth: they depend on a leaf that is
    alive and no transform's own below, or on something that came into a nested trace."""
    trace = local.trace
    todo = [(trace, v._slot if v._trace is trace else enter(trace, v)) for v in values if v._meta.requires_grad]
    seen = set()
    while todo:
        where, slot = todo.pop()
        meta = where.meta_of(slot)
        if (where.order, slot) in seen or not meta.requires_grad:
            continue
        seen.add((where.order, slot))
        history = where.leaf_history.get(slot)
        if meta.leaf:
            leaf = where.handles[slot]()
            if leaf is not None and getattr(leaf, "_depth", -1) < depth:
                return True
        elif history is not None:
            todo.append(history)
        else:
            entry = where.producer(slot)
            if entry.op is LEAF:
                return True
            todo += [(where, s) for s in operands(entry)]
    return False
