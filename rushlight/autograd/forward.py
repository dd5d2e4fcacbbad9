"""Forward mode: a `Level` knows which values carry a tangent, and pushes tangents along the recorded path when one is asked for.

The path is the graph, as for the reverse pass. Only entries that lead to the value asked for are walked; each is pushed
through once (see `tangents.py`). Whether the ops were recorded under `no_grad` makes no difference, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rushlight.autograd.tangents import of_function, push
from rushlight.functional import FUNCTIONS
from rushlight.ir.op import TABLE
from rushlight.lazy.nested import handle_at
from rushlight.lazy.record import Trace, enter, local, record
from rushlight.lazy.trie import FUNCTION, LEAF, MACRO, MARK_LEAF, STATE, Entry, operands


class Level:
    """One forward-mode differentiation.

    `known` holds tangents by (order of the trace, slot), None for values that have none; `carried` those of handles at rest,
    by identity, for a flush in between.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], Any] = {}
        self.carried: dict[int, tuple[Any, Any]] = {}

    def dual(self, primal: Any, tangent: Any) -> Any:
        """A new tensor of the same value that carries the tangent."""
        made = FUNCTIONS["clone"](primal) if primal.dtype.is_complex else record(TABLE["positive"], (primal,))
        if made._trace is not None:
            self.known[made._trace.order, made._slot] = tangent
        elif tangent is not None:  # it was run at once
            self.carried[id(made)] = (made, tangent)
        return made

    def plain(self, value: Any) -> Any:
        """A new tensor of the same value without a tangent."""
        return self.dual(value, None)

    def tangent(self, value: Any) -> Any:
        """The tangent of a tensor, None if nothing that carries one leads to it."""
        trace = local.trace
        slot = value._slot if value._trace is trace else enter(trace, value)
        with _whole(trace):
            return self._of(trace, slot)

    def carry(self, trace: Trace) -> None:
        """Called before the trace is run: give every handle that stays alive its tangent."""
        live = [
            h for h in (weak() for weak in trace.handles) if h is not None and h._trace is trace and h._base is None
        ]
        with _whole(trace):
            found = [(h, self._of(trace, h._slot)) for h in live]
        self.known.clear()
        for handle, tangent in found:
            if tangent is not None:
                self.carried[id(handle)] = (handle, tangent)
            else:
                self.carried.pop(id(handle), None)

    def _of(self, trace: Trace, slot: int) -> Any:
        """Push tangents through everything that leads to a slot."""
        known, order = self.known, trace.order
        todo, found = [slot], {}
        while todo:
            at = todo.pop()
            if (order, at) in known:
                continue
            entry = trace.producer(at)
            if entry.depth not in found:
                found[entry.depth] = entry
                todo += operands(entry)
        for depth in sorted(found):
            for at, tangent in zip(
                range(found[depth].slot, found[depth].end), self._push(trace, found[depth]), strict=True
            ):
                known[order, at] = tangent
                if tangent is not None and tangent._trace is trace:
                    known.setdefault((order, tangent._slot), None)  # tangents carry none themselves
        return known[order, slot]

    def _push(self, trace: Trace, entry: Entry) -> list[Any]:
        """The tangents of an entry's results."""
        nothing = [None] * len(entry.metas)
        if entry.op is LEAF:
            found = self.carried.get(id(trace.leaf_owners[entry.slot][0]()))
            return [found[1] if found else None]
        if entry.op is STATE:
            return nothing
        given = {s: self.known.get((trace.order, s)) for s in operands(entry)}
        if all(t is None for t in given.values()):
            return nothing
        if entry.op is MARK_LEAF:
            return [given[entry.inputs[0]]]
        if entry.op is FUNCTION:
            inputs = entry.inputs[len(entry.metas) :]
            return of_function(trace.contexts[entry.slot], [given[s] for s in inputs], len(entry.metas))
        if entry.op is MACRO:
            raise NotImplementedError(
                "forward mode: got an optimiser's step or a backward() on tensors that carry tangents. Fix: use "
                "torch.func.grad inside the function, and write the update in tensor code."
            )

        def at(item: Any, of: Any) -> Any:
            return None if item is None else [of(s) for s in item] if item.__class__ is tuple else of(item)

        values = [at(i, lambda s: trace.scalars[~s] if s < 0 else handle_at(trace, s)) for i in entry.inputs]
        tangents = [at(i, given.get) for i in entry.inputs]
        tangents = [None if t.__class__ is list and all(x is None for x in t) else t for t in tangents]
        outs = [handle_at(trace, s) for s in range(entry.slot, entry.end)]
        return push(entry.op, outs, values, tangents, entry.statics())


@contextmanager
def _whole(trace: Trace) -> Iterator[None]:
    """The trace is not run half way while its slots are being followed."""
    before = trace.expandable
    trace.expandable = False
    try:
        yield
    finally:
        trace.expandable = before


@contextmanager
def level() -> Iterator[Level]:
    """A level for the length of a `with`."""
    made = Level()
    local.levels.append(made)
    try:
        yield made
    finally:
        local.levels.remove(made)


def zeros_of(value: Any) -> Any:
    """The tangent of what depends on nothing."""
    return FUNCTIONS["zeros"](tuple(value.shape), dtype=value.dtype)
