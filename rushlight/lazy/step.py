"""Flush: find the Program of the recorded path and the handles still alive, run it, bind the results."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from operator import call
from typing import Any
from weakref import ref

import numpy as np

from rushlight import config
from rushlight import device as devices
from rushlight.lazy import explain
from rushlight.lazy.handle import base_of
from rushlight.lazy.record import Trace, fresh_trace, local
from rushlight.lazy.trie import Entry, prune
from rushlight.lazy.views import base_array

_programs: dict[tuple, Any] = {}
_uses = itertools.count()


def program_for(node: Entry, trace: Trace, wanted: tuple[int, ...], targets: Sequence[np.ndarray | None] = ()) -> Any:
    """The Program that computes the wanted slots of a path; compiled the first time.

    `targets` are the buffers, in the order of the slots, that results will be copied to.
    """
    program = node.programs.get(wanted)
    if program is not None:
        program.used = next(_uses)
        return program
    from rushlight.compile.pipeline import compile_trace

    if trace.suspicions:
        from rushlight.autograd.evaluation import tell_suspicions

        tell_suspicions(trace)
    number = {id(leaf): n for n, leaf in enumerate(trace.leaves)}
    replaceable = {slot: number[id(a)] for slot, a in zip(wanted, targets) if a is not None and id(a) in number}
    program = node.programs[wanted] = compile_trace(trace, node, wanted, replaceable)
    program.used = next(_uses)
    _programs[node, wanted] = program
    while len(_programs) > config.program_limit:
        oldest = min(_programs, key=lambda key: _programs[key].used)
        old, slots = oldest
        del _programs[oldest]
        old.programs.pop(slots, None)
        prune(old)
    return program


def forget() -> None:
    """Start anew: no Program of an earlier path is kept."""
    _programs.clear()
    fresh_trace()


def flush() -> None:
    """Run everything this thread has recorded."""
    trace = local.trace
    if not trace.handles:
        return
    if not trace.expandable:
        raise RuntimeError(
            getattr(trace, "refusal", "")
            or "a value was asked for while a step is being recorded as one program (an optimiser's update or a gradient "
            "rule). Fix: such code must not look at tensor values."
        )
    for level in reversed(local.levels):  # forward mode: what stays alive keeps its tangent
        level.carry(trace)
    fresh_trace()
    _run(trace)


def run_into(written: Sequence[Any], slot: int, plain: list[Any]) -> None:
    """Run everything this thread has recorded, with the plain tensors' buffers as its last leaves, from `slot` on.

    The last entry's outputs are the new values of `written`: tensors whose own buffers are at rest, which are no more than
    leaves of the trace, and which take the values without becoming pending.
    """
    trace = local.trace
    fresh_trace()
    live, wanted, targets, without = _wanted(trace)
    trace.leaves += [handle._array for handle in plain]
    node, memory = trace.node, [handle._array for handle in written]
    slots = (*wanted, *range(node.slot, node.slot + len(written)))
    known = node.programs.get(slots)
    if known is None or known.residuals:
        for at, handle in enumerate(plain, slot):
            trace.leaf_owners[at] = (ref(handle), handle._version)
    targets += memory
    program = program_for(node, trace, slots, targets)
    results = _compute(trace, program, live, targets, without, written)
    for array, result in zip(memory, results[len(live) :]):
        if result is not array:
            np.copyto(array, result)
    for handle in written:
        handle._version += 1


def _run(trace: Trace) -> None:
    live, wanted, targets, without = _wanted(trace)
    program = program_for(trace.node, trace, tuple(wanted), targets)
    _compute(trace, program, live, targets, without, ())


def _wanted(trace: Trace) -> tuple[list[Any], list[int], list[np.ndarray | None], list[Any]]:
    """The handles that wait for a value, with their slots and the memory that some have already; and those on the meta device."""
    live, wanted, targets, without = [], [], [], []
    leaf_slots, nowhere = trace.leaf_slots, devices.meta
    for slot, handle in enumerate(map(call, trace.handles)):
        if handle is not None and handle._slot == slot and handle._trace is trace:
            array = handle._array
            if handle._base is not None:
                handle._trace = None  # a view: derived again from its base when it is used
            elif array is not None and slot in leaf_slots:
                handle._trace = None  # an input that nobody changed
            elif handle._meta.device is nowhere:
                without.append(handle)
            else:
                live.append(handle)
                wanted.append(slot)
                targets.append(array)
    return live, wanted, targets, without


def _compute(
    trace: Trace,
    program: Any,
    live: list[Any],
    targets: Sequence[np.ndarray | None],
    without: list[Any],
    written: Sequence[Any],
) -> list[np.ndarray]:
    """Run the Program and bind the live handles to their values, the first of the results, which are returned."""
    explain.note_run(trace, program)
    generators: list[Any] = []
    states: list[Any] = []
    if trace.generators:
        generators = [g for g, _ in trace.generators]
        states = [g.get_state_raw() for g in generators]
    try:
        results = program.run(trace.leaves, trace.scalars, generators, targets)
    except BaseException as error:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state_raw(state)
        _recover(trace, live + without, error)
        raise
    replaced = _overwritten(trace, program, (*live, *written)) if program.residuals else {}
    keep = _bind(trace, live, results)
    if without:
        keep |= _bind(trace, without, [None] * len(without))
    trace.pending = False
    if keep:
        _freeze(trace, program, results, live, replaced)
    return results


def _overwritten(trace: Trace, program: Any, live: Iterable[Any]) -> dict[int, np.ndarray]:
    """Copies of the input buffers that a later backward needs and that binding the results overwrites."""
    found = {}
    written = {id(handle) for handle in live}
    for slot, array in zip(sorted(trace.leaf_slots), trace.leaves, strict=True):
        if slot in program.residuals and id(trace.leaf_owners[slot][0]()) in written:
            found[slot] = array.copy("K")  # as its meta says that it lies
    return found


def _bind(trace: Trace, handles: list[Any], values: Sequence[np.ndarray | None]) -> bool:
    """Give the handles their values; True when one of them may still be differentiated."""
    keep = False
    for handle, array in zip(handles, values):
        meta, memory = handle._meta, handle._array
        handle._trace = None
        if memory is None or (array is not memory and _differs(memory, meta)):
            handle._array = array
        elif array is not None and array is not memory:
            np.copyto(memory, array)  # memory that existed before the step is kept
        if meta.requires_grad and not meta.leaf:
            handle._history = (trace, handle._slot)
            keep = True
        else:
            handle._history = None
    return keep


def _differs(array: np.ndarray, meta: Any) -> bool:
    return array.shape != meta.shape or array.dtype != meta.dtype.storage


def _freeze(
    trace: Trace, program: Any, results: list[np.ndarray], live: list[Any], replaced: dict[int, np.ndarray]
) -> None:
    """Keep of the trace what a later backward needs: structure, numbers, and the values its gradients use."""
    if program.residuals:
        _save(trace, program, results, live, replaced)
    trace.leaves = []
    trace.leaf_owners = {}
    trace.borrowed = {}


def _save(
    trace: Trace, program: Any, results: list[np.ndarray], live: list[Any], replaced: dict[int, np.ndarray]
) -> None:
    """The values that a later backward uses."""
    values = dict(zip(program.graph.outputs, results, strict=True))
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
        value = values[slot]
        trace.saved[slot] = (value, None, 0) if owner is None else (value, ref(owner), owner._version)


def _recover(trace: Trace, live: list[Any], error: BaseException) -> None:
    """A Program failed. What was recorded before the failing entry is computed, writes to memory that was there before among it;
    the rest has no value, and says why."""
    trace.pending = False
    entry = getattr(error, "rushlight_entry", None)
    nowhere = devices.meta
    earlier = [h for h in live if entry is not None and h._slot < entry.slot and h._meta.device is not nowhere]
    for handle in live:
        handle._trace = None
        if handle._array is None:
            handle._failure = error
    if not earlier or not isinstance(error, Exception):
        return
    wanted = tuple(h._slot for h in earlier)
    try:
        results = program_for(entry.parent, trace, wanted).run(
            trace.leaves, trace.scalars, [g for g, _ in trace.generators], ()
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
    return program_for(node, snapshot, (slot,)).run(trace.leaves, trace.scalars, generators, ())[0]


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
