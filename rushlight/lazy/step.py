"""Flush: find the Program of the recorded path and the handles still alive, run it, bind the results."""

from __future__ import annotations

from collections import OrderedDict
from operator import call
from typing import Any
from weakref import ref

import numpy as np

from rushlight import config
from rushlight import device as devices
from rushlight.lazy import explain
from rushlight.lazy.record import Trace, base_of, fresh_trace, local
from rushlight.lazy.trie import Entry, prune
from rushlight.lazy.views import base_array

_programs: OrderedDict[tuple, Any] = OrderedDict()  # least recently used first


def program_for(
    node: Entry, trace: Trace, wanted: tuple[int, ...], targets: dict[int, np.ndarray] | None = None
) -> Any:
    """The Program that computes the wanted slots of a path; compiled the first time.

    `targets` are the buffers, by slot, that results will be copied to.
    """
    program = node.programs.get(wanted)
    if program is not None:
        _programs.move_to_end((node, wanted))
        return program
    from rushlight.compile.pipeline import compile_trace

    number = {id(leaf): n for n, leaf in enumerate(trace.leaves)}
    replaceable = {slot: number[id(a)] for slot, a in (targets or {}).items() if id(a) in number}
    program = node.programs[wanted] = compile_trace(trace, node, wanted, replaceable)
    _programs[node, wanted] = program
    while len(_programs) > config.program_limit:
        (old, slots), _ = _programs.popitem(last=False)
        old.programs.pop(slots, None)
        prune(old)
    return program


def flush() -> None:
    """Run everything this thread has recorded."""
    trace = local.trace
    if not trace.handles:
        return
    if not trace.expandable:
        raise RuntimeError(
            "a value was asked for while a step is being recorded as one program (an optimiser's update or a gradient "
            "rule). Fix: such code must not look at tensor values."
        )
    fresh_trace()
    _run(trace)


def _run(trace: Trace) -> None:
    live, wanted, targets = [], [], {}
    leaf_slots, nowhere = trace.leaf_slots, devices.meta
    for slot, handle in enumerate(map(call, trace.handles)):
        if handle is not None and handle._slot == slot and handle._trace is trace:
            array = handle._array
            if handle._base is not None:
                handle._trace = None  # a view: derived again from its base when it is used
            elif array is not None and slot in leaf_slots:
                handle._trace = None  # an input that nobody changed
            else:
                live.append(handle)
                if handle._meta.device is not nowhere:
                    wanted.append(slot)
                if array is not None:
                    targets[slot] = array
    wanted = tuple(wanted)
    program = program_for(trace.node, trace, wanted, targets)
    explain.note_run(trace, program)
    generators = [g for g, _ in trace.generators]
    states = [g.get_state_raw() for g in generators]
    try:
        results = program.run(trace.leaves, trace.scalars, generators, targets)
    except BaseException as error:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state_raw(state)
        _recover(trace, live, error)
        raise
    replaced = _overwritten(trace, program, live) if program.residuals else {}
    keep = _bind(trace, live, results)
    trace.pending = False
    if keep:
        _freeze(trace, program, results, live, replaced)


def _overwritten(trace: Trace, program: Any, live: list[Any]) -> dict[int, np.ndarray]:
    """Copies of the input buffers that a later backward needs and that binding the results overwrites."""
    found = {}
    written = {id(handle) for handle in live}
    for slot, array in zip(sorted(trace.leaf_slots), trace.leaves, strict=True):
        if slot in program.residuals and id(trace.leaf_owners[slot][0]()) in written:
            found[slot] = array.copy("K")  # as its meta says that it lies
    return found


def _bind(trace: Trace, live: list[Any], results: dict[int, np.ndarray]) -> bool:
    """Give the live handles their values; True when one of them may still be differentiated."""
    keep = False
    for handle in live:
        slot, meta = handle._slot, handle._meta
        array, memory = results.get(slot), handle._array
        handle._trace = None
        if memory is None or (array is not memory and _differs(memory, meta)):
            handle._array = array
        elif array is not None and array is not memory:
            np.copyto(memory, array)  # memory that existed before the step is kept
        if meta.requires_grad and not meta.leaf:
            handle._history = (trace, slot)
            keep = True
        else:
            handle._history = None
    return keep


def _differs(array: np.ndarray, meta: Any) -> bool:
    return array.shape != meta.shape or array.dtype != meta.dtype.storage


def _freeze(
    trace: Trace, program: Any, results: dict[int, np.ndarray], live: list[Any], replaced: dict[int, np.ndarray]
) -> None:
    """Keep of the trace what a later backward needs: structure, numbers, and the values its gradients use."""
    if program.residuals:
        _save(trace, program, results, live, replaced)
    trace.leaves = []
    trace.leaf_owners = {}
    trace.borrowed = {}


def _save(
    trace: Trace, program: Any, results: dict[int, np.ndarray], live: list[Any], replaced: dict[int, np.ndarray]
) -> None:
    """The values that a later backward uses."""
    holders = {trace.storage_of(h._slot): h for h in live}
    leaf_number = {slot: n for n, slot in enumerate(sorted(trace.leaf_slots))}
    for slot in program.residuals:
        if slot in replaced:
            trace.saved[slot] = (replaced[slot], None, 0)
            continue
        if slot in leaf_number:
            trace.saved[slot] = (trace.leaves[leaf_number[slot]], *trace.leaf_owners[slot])
            continue
        storage = trace.storage_of(slot)
        owner = trace.leaf_owners[storage][0]() if storage in leaf_number else holders.get(storage)
        trace.saved[slot] = (results[slot], None, 0) if owner is None else (results[slot], ref(owner), owner._version)


def _recover(trace: Trace, live: list[Any], error: BaseException) -> None:
    """A Program failed. What was recorded before the failing entry is computed; the rest has no value, and says why."""
    trace.pending = False
    entry = getattr(error, "rushlight_entry", None)
    earlier = [h for h in live if entry is not None and h._slot < entry.slot and h._array is None]
    for handle in live:
        handle._trace = None
        if handle._array is None:
            handle._failure = error
    if not earlier or not isinstance(error, Exception):
        return
    wanted = tuple(h._slot for h in earlier)
    try:
        results = program_for(entry.parent, trace, wanted).run(
            trace.leaves, trace.scalars, [g for g, _ in trace.generators], {}
        )
    except Exception:  # the same memory shortage or a second mistake: the handles keep saying why they have no value
        return
    for handle in earlier:
        handle._failure = None
    _bind(trace, earlier, results)


def peek(trace: Trace, slot: int) -> np.ndarray:
    """The value of a slot that is pending in another thread's trace; that trace is left as it is."""
    node = trace.node  # lists only grow, and grow before the node moves on: this is a consistent snapshot
    generators = [g.clone_at(state) for g, state in trace.generators]
    snapshot = Trace(node)
    snapshot.leaf_slots, snapshot.leaf_history, snapshot.freed = trace.leaf_slots, trace.leaf_history, trace.freed
    return program_for(node, snapshot, (slot,)).run(trace.leaves, trace.scalars, generators, {})[slot]


def realise(handle: Any) -> np.ndarray:
    """The handle's buffer (storage dtype), computing it if need be; shares the tensor's memory."""
    if handle._meta.device.type == "meta":
        raise NotImplementedError("a meta tensor has no data to read. Fix: create the tensor on the CPU.")
    base = base_of(handle)
    trace = base._trace
    if trace is not None:
        if trace is local.trace:
            if trace.expandable and not (base._slot in trace.leaf_slots and base._array is not None):
                flush()
            elif not trace.expandable:
                flush()  # raises: a macro must not look at values
        elif trace.pending and not (base._slot in trace.leaf_slots and base._array is not None):
            return peek(trace, handle._slot if handle._trace is trace else base._slot)
    if base._array is None:
        raise RuntimeError(
            "this tensor has no value: the program that was to compute it failed"
            + (f" with {type(base._failure).__name__}: {base._failure}" if base._failure else "")
            + ". Fix: compute it again."
        ) from base._failure
    return base_array(handle)
