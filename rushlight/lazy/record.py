"""The hot path: an op on tensors appends one entry to the thread's trace and computes nothing.

A *handle* is what the user holds (a Tensor). It is current in a trace when `handle._trace is trace`; then `_slot` names its
value there. Anything unusual about a handle (realised, stale view, another thread's) makes that test fail, and `enter`
sorts it out. So the common case is: build the key, look it up, make the result handle.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np

from rushlight import config
from rushlight import dtype as dtypes
from rushlight.ir.meta import Meta
from rushlight.ir.op import Op
from rushlight.lazy.handle import HANDLES, Handle, is_shared, let_go, no_operand
from rushlight.lazy.trie import LEAF, STATE, Entry, root

NUMBERS = {float, int, bool, complex}
_new = object.__new__
_sequence = itertools.count()
_result_class: type = Handle
_derive: Any = None


def set_result_class(cls: type) -> None:
    """Told once by `tensor.py`: the class of the handles that ops return."""
    global _result_class
    _result_class = cls


def set_derive(derive: Any) -> None:
    """Told once by `views.py`: what brings in a view."""
    global _derive
    _derive = derive


class Trace:
    """One walk down the trie, with the values that the structure leaves open: buffers, numbers, generators."""

    expandable = True  # may be flushed half way; not so while a macro is being expanded
    suspicions: Any = ()  # layers that seem to be evaluated in training mode (see autograd/evaluation.py)
    places: dict[int, Any] | None = None  # in anomaly mode, by depth: where each op was recorded (see places.py)
    node_hooks: dict[int, tuple] | None = None  # by depth: hooks before and after the gradient of an op
    packed: dict[tuple[int, int], tuple] | None = (
        None  # by depth and slot: what saved_tensors_hooks keep instead of values
    )
    kept: tuple | None = None  # in anomaly mode, after a flush: the leaves and their owners

    def __init__(self, start: Entry):
        self.node = start
        self.handles: list[Any] = []  # by slot: a weak reference to the handle bound to it
        self.leaves: list[Any] = []  # buffers, in the order of the LEAF entries
        self.leaf_owners: dict[int, tuple] = {}  # by slot: (weak reference to the base, its version at entry)
        self.leaf_slots = self.leaf_owners.keys()  # in order; stays what it is when the owners are forgotten
        self.leaf_history: dict[int, tuple] = {}
        self.scalars: list[Any] = []
        self.generators: list[tuple] = []  # (generator, its state when it entered)
        self.contexts: dict[int, Any] = {}  # by slot: the ctx of an autograd.Function
        self.borrowed: dict[int, tuple] = {}  # handles of other threads: id -> (handle, slot)
        self.general = False  # hooks or Functions: backward must run Python code
        self.hooks: dict[int, list] = {}  # by slot: what to call with its gradient
        self.freed: dict[Entry, tuple] = {}  # entries whose saved values a backward freed -> where
        self.entered_saved: dict[tuple[int, int], int] = {}  # values saved by earlier traces that came in
        self.backwards = False  # a backward was recorded
        self.updating = False  # ... and then a leaf was written by hand: the end of the no_grad block ends the step
        self.saved: dict[int, Any] = {}  # after a flush: the values that a later backward needs
        self.pending = True
        self.order = next(_sequence)
        self._path: list[Entry] = []
        self._producers: list[Entry] = []

    def note_places(self) -> None:
        """Anomaly mode: note from here on where each op was recorded, and let no backward be one entry."""
        self.places, self.general = {}, True

    def enter_base(self, handle: Any) -> int:
        """Bring in the buffer of a handle that owns its memory."""
        if handle._stands_for is not None:
            return handle._stands_for.enter(self, handle)
        with claim_lock:
            owner = handle._trace
            if owner is None or owner is self or not owner.pending:
                if handle._shared is True:
                    let_go(handle)
                slot = append_leaf(self, handle, handle._array)
                if not is_shared(handle):
                    handle._trace, handle._slot = self, slot
                return slot
            # Pending in another thread: take its value as it stands now, and leave the handle to its owner.
            if id(handle) not in self.borrowed:
                if handle._slot in owner.leaf_slots:
                    array = handle._array
                else:
                    from rushlight.lazy.step import peek

                    array = peek(owner, handle._slot)
                self.borrowed[id(handle)] = (handle, append_leaf(self, handle, array))
            return self.borrowed[id(handle)][1]

    def enter_generator(self, generator: Any) -> int:
        """The index by which random ops of this trace name a generator."""
        for index, (known, _) in enumerate(self.generators):
            if known is generator:
                return index
        self.generators.append((generator, generator.get_state_raw()))
        return len(self.generators) - 1

    def path(self) -> list[Entry]:
        """The entries so far, oldest first; kept up to date lazily."""
        known, fresh, entry = self._path, [], self.node
        last = known[-1] if known else None
        while entry is not last and entry.parent is not None:
            fresh.append(entry)
            entry = entry.parent
        for entry in reversed(fresh):
            known.append(entry)
            self._producers.extend([entry] * len(entry.metas))
        return known

    def producer(self, slot: int) -> Entry:
        """The entry that made a slot."""
        if slot >= len(self._producers):
            self.path()
        return self._producers[slot]

    def meta_of(self, slot: int) -> Meta:
        entry = self.producer(slot)
        return entry.metas[slot - entry.slot]

    def storage_of(self, slot: int) -> int:
        entry = self.producer(slot)
        return entry.storage[slot - entry.slot] if entry.storage else slot


noting = False  # anomaly mode: traces note where each op was recorded, and backward() walks them op by op


class _Thread(threading.local):
    """Each thread records by itself."""

    def __init__(self) -> None:
        global several_threads
        several_threads = next(_threads) > 0
        self.grad_mode = True
        self.inference = False
        self.watching: list[Any] = []  # functions that are shown each trace when it is complete
        self.autocast: Any = None  # the region that the thread is in: see rushlight.amp
        self.backwards = 0  # how often this thread called backward()
        self.transforms = 0  # of rushlight.func, in whose functions this thread is
        self.levels: list[Any] = []  # of forward-mode differentiation, outermost first
        self.at_end: list[Any] = []  # what is called when the backward pass that is under way is over
        self.noted = False  # somebody looks at each op as it is recorded (see places.py)
        self.trace = Trace(root(dtypes.get_default_dtype(), True, noting))
        if noting:
            self.trace.note_places()


_threads = itertools.count()
several_threads = False  # whether more than one thread has ever recorded
local = _Thread()
claim_lock = threading.Lock()  # held, when there are several, while a handle at rest becomes current in a trace


def _after_fork() -> None:
    global claim_lock
    claim_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def fresh_trace() -> Trace:
    """A new trace for this thread, starting at the root of its present modes."""
    if local.watching:
        for watch in local.watching:
            watch(local.trace)
    noted = noting or local.noted
    old, trace = local.trace, Trace(root(dtypes.get_default_dtype(), local.grad_mode, noted))
    local.trace = trace
    if noted:
        trace.note_places()
        old.kept = (list(old.leaves), dict(old.leaf_owners))
    return trace


def set_noting(mode: bool) -> None:
    """Switch anomaly mode; traces follow from their start on."""
    global noting
    noting = mode


def set_grad_mode(mode: bool) -> None:
    """Switch gradient recording for the user: the end of a hand-written update ends the step, as an optimiser's does."""
    if mode and local.trace.updating:
        local.grad_mode = mode
        from rushlight.lazy.step import flush

        flush()
    else:
        switch_grad_mode(mode)


def switch_grad_mode(mode: bool) -> None:
    """Switch gradient recording; an entry of its own, so that ops need not carry the mode in their keys."""
    local.grad_mode = mode
    trace = local.trace
    if trace.node.grad_mode is not mode:
        key = (STATE, mode)
        node = trace.node.next.get(key)
        if node is None:
            node = trace.node.next[key] = Entry(trace.node, key, STATE, grad_mode=mode)
        trace.node = node


def enter(trace: Trace, handle: Any) -> int:
    """The slot of a handle that is not current in this trace: bring its buffer in, or re-derive a stale view."""
    if handle._base is not None:
        return _derive(trace, handle)
    if (
        handle._trace is None
        and handle._shared is None
        and handle._history is None
        and handle._array is not None
        and not several_threads
    ):  # a plain buffer at rest
        here, meta = trace.node, handle._meta
        node = here.likely if meta is here.likely_key else here.get(meta)
        if node is not None:
            slot = node.slot
            weak = ref(handle)
            trace.node = node
            trace.leaves.append(handle._array)
            trace.leaf_owners[slot] = (weak, handle._version)
            trace.handles.append(weak)
            handle._trace, handle._slot = trace, slot
            return slot
    return trace.enter_base(handle)


def claim_all(trace: Trace, slot: int, handles: list[Any]) -> None:
    """Let plain handles be the next leaves of the trace, from `slot` on; the caller moves the trace's node on."""
    for handle in handles:
        weak = ref(handle)
        trace.handles.append(weak)
        trace.leaves.append(handle._array)
        trace.leaf_owners[slot] = (weak, handle._version)
        handle._trace, handle._slot = trace, slot
        slot += 1


def new_handle(meta: Meta) -> Any:
    """A handle that is not current in any trace."""
    handle = _new(_result_class)
    handle._trace, handle._slot, handle._meta = None, -1, meta
    return handle


def append_leaf(trace: Trace, handle: Any, array: Any, base: Any = None) -> int:
    """Append a LEAF entry for a buffer; for a view with the base that owns it."""
    meta = handle._meta
    if array is None and meta.device.type != "meta":
        raise RuntimeError(
            "this tensor has no value: the program that was to compute it failed"
            + (f" with {type(handle._failure).__name__}: {handle._failure}" if handle._failure else "")
            + ". Fix: compute it again."
        )
    owner = handle if base is None else base
    if base is not None:
        meta = meta.start  # where it lies in its storage changes nothing that is computed
    shared, history, at_once = owner._shared, handle._history, False
    if shared is not None and shared is not True:
        shared = shared() is not None
    if shared:
        # NumPy code may change this memory at any time: small buffers are copied now, large ones are read at once,
        # and the handle does not stay bound to the slot, so that its next use reads the memory again.
        if array.nbytes <= config.shared_copy_limit:
            array = array.copy("K")  # as its meta says that it lies
        else:
            at_once = True
    key: Any = meta
    if at_once or history is not None:
        key = (LEAF, meta, at_once, (history[0].node, history[1]) if history is not None else None)
    here = trace.node
    node = here.likely if key is here.likely_key else here.next.get(key)
    if node is None:
        node = here.next[key] = Entry(here, key, LEAF, (), (), (meta,))
        if at_once:
            node.make_eager()
    trace.node = node
    slot = node.slot
    weak = ref(handle)
    trace.leaves.append(array)
    trace.leaf_owners[slot] = (weak if base is None else ref(base), owner._version)
    if history is not None:
        trace.leaf_history[slot] = history
    trace.handles.append(weak)
    if base is not None and not shared:
        handle._trace, handle._slot = trace, slot
    return slot


def record(op: Op, inputs: Sequence[Any], static: tuple = ()) -> Any:
    """Append one entry; the result handle, or a tuple of them for ops with several outputs."""
    trace = local.trace
    key, numbers = key_of(trace, op, inputs, static)
    here = trace.node
    node = here.likely if key == here.likely_key else here.get(key)
    if node is None:
        from rushlight.lazy.grow import record_slowly

        return record_slowly(trace, key, numbers)
    if numbers:
        trace.scalars += numbers
    trace.node = node
    if len(node.metas) != 1:
        return emit(trace, node)
    handle: Any = _new(_result_class)  # as emit does
    handle._trace = trace
    handle._slot = node.slot
    handle._meta = node.meta
    trace.handles.append(ref(handle))
    return handle


def key_of(trace: Trace, op: Op, inputs: Sequence[Any], static: tuple) -> tuple[tuple, list[Any]]:
    """The key of an op on these inputs, which are brought into the trace, and the Python numbers among them."""
    key: list[Any] = [op]
    numbers: list[Any] = []
    for x in inputs:
        kind = x.__class__
        if kind in HANDLES:
            key.append(x._slot if x._trace is trace else enter(trace, x))
        elif kind in NUMBERS:
            key.append(kind)
            numbers.append(x)
        elif x is None:
            key.append(None)
        elif kind is tuple or kind is list:
            key.append(tuple([t._slot if t._trace is trace else enter(trace, t) for t in _tensors(op, x)]))
        else:
            number = x.item() if isinstance(x, np.generic) else None
            if number.__class__ not in NUMBERS:
                several = op.slots and op.slots[0].kind == "Operand"
                raise no_operand(op.name, x, "a tensor or a number" if several else "a tensor")
            key.append(number.__class__)
            numbers.append(number)
    key.append(static)
    return tuple(key), numbers


def _tensors(op: Op, values: Any) -> Any:
    if not HANDLES.issuperset(map(type, values)):
        other = next(value for value in values if type(value) not in HANDLES)
        if hasattr(other, "_refused_by") or any(slot.kind == "Tensor[]" for slot in op.slots):
            raise no_operand(op.name, other, "a list of tensors only")
        raise no_operand(op.name, values)
    return values


def emit(trace: Trace, node: Entry) -> Any:
    """A handle for the output of the entry that was just appended; a tuple of them if it has several."""
    if len(node.metas) != 1:
        return tuple(emit_all(trace, node))
    handle = _new(_result_class)
    handle._trace = trace
    handle._slot = node.slot
    handle._meta = node.meta
    trace.handles.append(ref(handle))
    return handle


def emit_all(trace: Trace, node: Entry) -> list[Any]:
    """Handles for the outputs of the entry that was just appended."""
    results, slot, handles, kind = [], node.slot, trace.handles, _result_class
    for meta in node.metas:
        handle: Any = _new(kind)
        handle._trace = trace
        handle._slot = slot
        handle._meta = meta
        handles.append(ref(handle))
        results.append(handle)
        slot += 1
    return results


def rebind(handle: Any, trace: Trace, slot: int, meta: Meta, *, tracked: bool = True) -> None:
    """Let a base handle stand for a new value after a write; its views become stale."""
    handle._trace, handle._slot, handle._meta = trace, slot, meta
    trace.handles[slot] = ref(handle)
    if tracked:
        handle._version += 1
    if handle._views is not None:
        outdate_views(handle)


def outdate_views(base: Any) -> None:
    """The base has a new value: its views derive theirs again when they are next used."""
    for weak in base._views:
        view = weak()
        if view is not None:
            view._trace = None
            if (
                base._meta.requires_grad
                and not view._meta.requires_grad
                and all(op.differentiable for op, _ in view._chain)
            ):
                view._meta = view._meta.variant(requires_grad=True, leaf=False)
