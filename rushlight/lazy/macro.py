"""Macros: several ops recorded as one entry. `backward()` and an optimiser's `step()` are macros.

The first time, the macro's function is traced on stand-ins for its inputs; what it recorded is its *expansion*, which the
compiler puts in the entry's place. From then on the entry costs one lookup however many ops it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any
from weakref import ref

from rushlight.ir.meta import WEAK, Meta
from rushlight.lazy import record
from rushlight.lazy.record import (
    NUMBERS,
    Trace,
    claim_all,
    enter,
    local,
    new_handle,
    outdate_views,
    switch_grad_mode,
)
from rushlight.lazy.step import flush, run_into
from rushlight.lazy.trie import LEAF, MACRO, Entry
from rushlight.lazy.views import assign

__all__ = ["Expansion", "MacroTrace", "Outside", "flush", "record_as_one", "run_as_one", "stand_in", "trace_macro"]


class Expansion:
    """What a macro recorded: its entries, and how its slots relate to the entry's inputs and outputs."""

    def __init__(self, trace: MacroTrace, written: list[tuple[int, int]], results: list[int]):
        self.path = trace.path()
        self.inputs = trace.inputs  # per LEAF entry: which value of the trace around it stands for
        self.constants = trace.scalars
        self.written = written  # (input index, slot of its new value)
        self.outputs = [slot for _, slot in written] + results


class MacroTrace(Trace):
    """A trace whose leaves are stand-ins for values outside: slots (>= 0) and numbers (~k) of the trace around it."""

    expandable = False

    def __init__(self, start: Entry):
        super().__init__(start)
        self.inputs: list[int] = []
        self.entered: dict[int, int] = {}

    def enter_base(self, handle: Any) -> int:
        if handle._stands_for is None:
            raise RuntimeError("a macro met a tensor that is not among its inputs")
        return handle._stands_for.enter(self, handle)

    def enter_generator(self, generator: Any) -> int:
        raise RuntimeError(
            "a random op was used in code that is recorded once and repeated (an optimiser's update or a gradient rule). "
            "Fix: draw the random numbers outside of it."
        )

    def enter_outside(self, handle: Any, outside: int) -> int:
        """The slot that stands for a value of the trace around this one."""
        slot = self.entered.get(outside)
        if slot is None:
            node = Entry(self.node, None, LEAF, (), (handle._meta,), (handle._meta,))
            self.node = node
            self.inputs.append(outside)
            self.leaf_owners[node.slot] = (ref(handle), handle._version)
            self.handles.append(ref(handle))
            slot = self.entered[outside] = node.slot
        handle._trace, handle._slot = self, slot
        return slot


class Outside:
    """Says that a handle stands for an input of a macro."""

    __slots__ = ("value",)

    def __init__(self, value: int):
        self.value = value

    def enter(self, trace: MacroTrace, handle: Any) -> int:
        return trace.enter_outside(handle, self.value)


def stand_in(meta: Meta, what: Any) -> Any:
    """A handle without a value; `what.enter(trace, handle)` brings it in when it is used."""
    handle = new_handle(meta)
    handle._stands_for = what
    return handle


def trace_macro(run: Callable[[], Any]) -> tuple[MacroTrace, Any]:
    """Call `run` with a macro's trace in place; its trace and its result."""
    outer, mode, region = local.trace, local.grad_mode, local.autocast
    child = MacroTrace(Entry(None, None, MACRO, grad_mode=False))
    local.trace, local.grad_mode, local.autocast = child, False, None
    try:
        return child, run()
    finally:
        local.trace, local.grad_mode, local.autocast = outer, mode, region


def record_as_one(
    key: Hashable, fn: Callable[[list, list], Sequence[Any]], tensors: Sequence[Any], scalars: Sequence[float]
) -> list[Any]:
    """Record `fn(tensors, scalars)` as one entry; the tensors it returns.

    `fn` is plain tensor code under no_grad. It may write to its tensors in place. It is traced once per key and structure:
    everything it depends on beside tensor values and scalars must be in `key`.
    """
    trace = local.trace
    start = trace.node
    kinds = tuple(map(type, scalars))
    if record.several_threads:
        with record.claim_lock:
            node, places = _leap(trace, key, kinds, tensors)
    else:
        node, places = _leap(trace, key, kinds, tensors)
    if node is None:
        slots = tuple([t._slot if t._trace is trace else enter(trace, t) for t in tensors])
        frozen = (MACRO, key, slots, kinds)
        node = trace.node.next.get(frozen)
        if node is None:
            node = trace.node.next[frozen] = _expand(trace, frozen, fn, tensors, scalars)
        if places is not None:
            if start.leaps is None:
                start.leaps = {}
            start.leaps[key, kinds, places] = node
    trace.node = node
    trace.scalars += scalars
    return bind_outputs(trace, node, tensors)


def run_as_one(
    key: Hashable, fn: Callable[[list, list], Sequence[Any]], tensors: Sequence[Any], scalars: Sequence[float]
) -> None:
    """Record `fn(tensors, scalars)`, which returns nothing, as one entry, and run the trace.

    What is known to follow here and writes only to buffers that are at rest does so without its tensors becoming pending:
    an optimiser's many tensors need not be bound to slots and back to the memory that they have had all along.
    """
    trace, mode = local.trace, local.grad_mode
    start = trace.node
    if start.leaps is not None and not record.several_threads:
        places, plain = _places(trace, tensors)
        node = None if places is None else start.leaps.get((key, tuple(map(type, scalars)), places))
        if node is not None:
            written = [tensors[index] for index, _ in node.expansion.written]
            if len(written) == len(node.metas) and _at_rest(trace, written):
                trace.node = node
                trace.scalars += scalars
                run_into(written, start.end, plain)
                return
    local.grad_mode = False  # no entry for it: what a macro records needs none
    try:
        record_as_one(key, fn, tensors, scalars)
    finally:
        switch_grad_mode(mode)
    flush()


def _at_rest(trace: Trace, tensors: list[Any]) -> bool:
    """Whether the tensors, each current or a plain buffer, are no more than leaves. (Views are derived again after every run.)"""
    leaves = trace.leaf_slots
    return not [
        t
        for t in tensors
        if t._trace is not None and (t._slot not in leaves or t._base is not None or t._shared is not None)
    ]


def _leap(trace: Trace, key: Hashable, kinds: tuple, tensors: Sequence[Any]) -> tuple[Entry | None, tuple | None]:
    """The macro's entry, if it is known what follows here, with the tensors brought in; and their `_places`."""
    start = trace.node
    places, plain = _places(trace, tensors)
    node = None if places is None or start.leaps is None else start.leaps.get((key, kinds, places))
    if node is not None:
        claim_all(trace, start.end, plain)
    return node, places


def _places(trace: Trace, tensors: Sequence[Any]) -> tuple[tuple | None, list[Any]]:
    """What identifies the tensors as inputs: the slot of what is current in the trace, the meta of a plain buffer, which
    comes in as its next leaf; and these buffers. None when there is anything else among them."""
    places = [
        t._slot if t._trace is trace
        else t._meta if (
            t._trace is None and t._base is None and t._shared is None and t._history is None and t._array is not None
        )
        else None
        for t in tensors
    ]  # fmt: skip
    if None in places:
        return None, []
    plain = [tensor for tensor in tensors if tensor._trace is None]
    if len(set(plain)) != len(plain):
        return None, []
    return tuple(places), plain


def bind_outputs(trace: Trace, node: Entry, tensors: Sequence[Any]) -> list[Any]:
    """Rebind the tensors that the macro wrote, and make handles for its results."""
    handles, metas, written = trace.handles, node.metas, node.expansion.written
    slot = node.slot
    through_memory = []
    for (index, _), meta in zip(written, metas):
        target = tensors[index]
        if target._base is None and target._shared is None:
            handles.append(ref(target))
            target._trace, target._slot, target._meta = trace, slot, meta
            target._version += 1
            if target._views is not None:
                outdate_views(target)
        else:
            value = new_handle(meta)
            value._trace, value._slot = trace, slot
            handles.append(ref(value))
            through_memory.append((target, value))
        slot += 1
    results = []
    for meta in metas[len(written) :]:
        result = new_handle(meta)
        result._trace, result._slot = trace, slot
        handles.append(ref(result))
        results.append(result)
        slot += 1
    for target, value in through_memory:
        assign(target, value)
    if node.eager and local.trace is trace:
        flush()
    return results


def _expand(trace: Trace, key: tuple, fn: Callable, tensors: Sequence[Any], scalars: Sequence[float]) -> Entry:
    stand_ins = [stand_in(trace.meta_of(slot), Outside(slot)) for slot in key[2]]
    numbers = []
    for offset, value in enumerate(scalars):
        if value.__class__ not in NUMBERS:
            raise TypeError(f"record_as_one: got {type(value).__name__} as a scalar; expected a Python number.")
        numbers.append(stand_in(WEAK[value.__class__], Outside(~(trace.node.scalars + offset))))
    child, results = trace_macro(lambda: [r for r in fn(stand_ins, numbers)])
    written = []
    for index, handle in enumerate(stand_ins):
        if handle._trace is child and handle._slot not in child.leaf_slots:
            written.append((index, handle._slot))
    result_slots = [r._slot if r._trace is child else enter(child, r) for r in results]
    parent = trace.node
    metas = tuple(child.meta_of(slot) for slot in [s for _, s in written] + result_slots)
    storage = tuple(trace.storage_of(key[2][index]) for index, _ in written)
    first = parent.end
    storage += tuple(first + len(written) + i for i in range(len(result_slots)))
    expansion = Expansion(child, written, result_slots)
    node = Entry(parent, key, MACRO, tuple(expansion.inputs), (), metas, numbers=len(scalars), storage=storage)
    node.expansion = expansion
    return node
