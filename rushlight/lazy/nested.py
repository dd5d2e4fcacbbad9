"""A trace inside another: a function is recorded on stand-ins first, and what it recorded is replayed into the trace around it.

Tensors from outside come in as LEAF entries, each captured once. Their handles stay what they were: when the nested trace
is left, those that were written in it are given back, and the replay says what their new values are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ref

from rushlight import config
from rushlight.dtype import get_default_dtype
from rushlight.ir.meta import Meta
from rushlight.lazy.record import Trace, local, new_handle
from rushlight.lazy.trie import LEAF, Entry, prune, root


def handle_at(trace: Trace, slot: int) -> Any:
    """A handle that is current in `trace` at `slot`: the user's, or a new one."""
    found = trace.handles[slot]()
    if found is not None and found._trace is trace and found._slot == slot:
        return found
    made = new_handle(trace.meta_of(slot))
    made._trace, made._slot = trace, slot
    if found is None or not made._meta.leaf:  # a leaf must stay known as itself: its gradient is delivered to it
        trace.handles[slot] = ref(made)
    return made


class NestedTrace(Trace):
    """Records into a part of the trie of its own; nothing in it is ever run there."""

    expandable = False
    randomness = "error"  # what random ops do: see func/vmap.py
    refusal = (
        "a value was asked for in a function that is mapped by vmap: it is recorded once for all samples, so it cannot call "
        ".item() or .tolist(), or depend on a tensor in `if` or `while`. Fix: use torch.where, or move that code out of vmap."
    )

    def __init__(self, kind: str, around: Trace):
        super().__init__(root((get_default_dtype(), kind), local.grad_mode))
        self.around = around
        self.captured: dict[int, Any] = {}  # by slot: the handle outside
        self.before: list[tuple[Any, int, Any, int, Meta, int]] = []  # handles as they were when they came in
        self._slots: dict[Any, int] = {}  # id of a handle, or (order, slot) of a value outside -> slot

    def enter_base(self, handle: Any) -> int:
        if handle._stands_for is not None:
            return handle._stands_for.enter(self, handle)
        slot = self._slots.get(id(handle))
        if slot is None:
            trace = handle._trace
            history = (trace, handle._slot) if trace is not None and trace.pending else handle._history
            slot = self.add_leaf(handle._meta, handle, "captured", history)
            self.before.append((handle, slot, trace, handle._slot, handle._meta, handle._version))
            self._slots[id(handle)] = slot
        return slot

    def enter_pending(self, trace: Trace, slot: int) -> int:
        """The slot that stands for a value of a trace around this one."""
        key = (trace.order, slot)
        if key not in self._slots:
            outer = trace if trace is self.around else self.around
            where = slot if trace is outer else outer.enter_pending(trace, slot)  # type: ignore[attr-defined]
            handle = handle_at(outer, where)
            self._slots[key] = self.add_leaf(outer.meta_of(where), handle, "captured", (outer, where))
        return self._slots[key]

    def enter_generator(self, generator: Any) -> int:
        if self.randomness == "error":
            raise RuntimeError(
                "vmap: a random op was called with randomness='error'. Fix: pass randomness='different' (each sample draws its own "
                "numbers) or 'same' to vmap, or draw the numbers outside."
            )
        return super().enter_generator(generator)

    def add_leaf(self, meta: Meta, outside: Any, role: str, history: tuple | None = None) -> int:
        """Append a leaf that `outside` will take the place of."""
        if meta.offset:
            meta = meta.variant(offset=0)
        tracked = history is not None and meta.requires_grad and not meta.leaf
        key = (LEAF, meta, role)
        node = self.node.next.get(key)
        if node is None:
            node = self.node.next[key] = Entry(self.node, key, LEAF, (), (), (meta,))
        self.node = node
        slot = node.slot
        self.leaves.append(None)
        self.leaf_owners[slot] = (ref(outside), outside._version)
        self.handles.append(ref(outside))
        self.captured[slot] = outside
        if tracked:
            self.leaf_history[slot] = history  # type: ignore[assignment]
        return slot

    def stand_in(self, meta: Meta, outside: Any, role: str) -> Any:
        """A new handle that is current here, for an argument."""
        handle = new_handle(meta)
        handle._trace, handle._slot = self, self.add_leaf(handle._meta, outside, role)
        self.handles[handle._slot] = ref(handle)
        return handle

    def value_of_leaf(self, slot: int) -> Any:
        """The handle outside that a LEAF entry stands for."""
        found = self.captured.get(slot)
        if found is None:  # memory of a trace that has run
            found = new_handle(self.meta_of(slot).variant(requires_grad=False, leaf=False))
            found._array = self.leaves[sorted(self.leaf_slots).index(slot)]
            self.captured[slot] = found
        return found

    def give_back(self) -> list[tuple[Any, int]]:
        """Let captured handles be what they were outside; those that were written here, with the slots of their values."""
        written = []
        for handle, slot, trace, outer_slot, meta, version in self.before:
            if handle._trace is self and handle._slot != slot:
                written.append((handle, handle._slot))
            if handle._trace is self:
                handle._trace, handle._slot, handle._meta, handle._version = trace, outer_slot, meta, version
        self.before = []
        self.pending = False
        return written


@contextmanager
def nested(kind: str) -> Iterator[NestedTrace]:
    """Record into a nested trace for the length of a `with`."""
    outer, mode = local.trace, local.grad_mode
    trace = NestedTrace(kind, outer)
    local.trace = trace
    try:
        yield trace
    finally:
        local.trace, local.grad_mode = outer, mode
        _remember(trace.node)


_ends: OrderedDict[Entry, None] = OrderedDict()  # of nested paths, least recently used first


def _remember(end: Entry) -> None:
    """Forget paths that have not been taken for long."""
    _ends[end] = None
    _ends.move_to_end(end)
    while len(_ends) > config.program_limit:
        prune(_ends.popitem(last=False)[0])
