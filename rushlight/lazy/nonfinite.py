"""M25: where a loss that is nan or inf came from. Asked only when `item()` meets one, and once for each recorded step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import numpy as np

from rushlight.dtype import FLOATING
from rushlight.errors import OutOfMemoryError, show_line
from rushlight.lazy.record import Trace, local
from rushlight.lazy.trie import LEAF, MACRO, Entry, operands
from rushlight.lessons import say, warn

_told: WeakSet[Entry] = WeakSet()


def explain_not_finite(handle: Any, value: Any, pending: Trace | None, leaves: list[Any]) -> None:
    """Warn about a value with a gradient history that is not finite, naming the first op or parameter that was not.

    pending, leaves: the trace that has just been run to compute it and its buffers; None when it ran earlier, after which
    an optimiser may have changed them: then only what that trace kept can be looked at.
    """
    if handle._history is None:
        return
    trace, slot = handle._history
    if trace.node in _told:
        return
    _told.add(trace.node)
    test = np.isnan if math.isnan(abs(value)) else np.isinf
    places = ancestors(trace, slot)
    fresh = pending is trace
    values = recomputed(trace, places, leaves) if fresh else kept(trace, places)
    first = next((trace.producer(s) for s, array in values if test(array).any()), None)
    text = ""
    if first is not None and first.op is LEAF:
        kind = "parameter" if first.metas[0].leaf else "input"
        when = say("not-finite/already" if fresh else "not-finite/any-more")
        text = say(f"not-finite/{kind}", meta=repr(first.metas[0]), when=when)
        text += say("not-finite/earlier-step") if fresh and kind == "parameter" else ""
    elif first is not None:
        text = say("not-finite/op", op=first.op.name.removesuffix("_op"), line=show_line(first.line))
        text += say("not-finite/module", module=first.module) if first.module else ""
    passes = say("not-finite/backwards", count=local.backwards) if local.backwards else ""
    where = show_line(trace.producer(slot).line)
    warn("not-finite", value=value, shape=list(handle.shape), line=where, first=text, backwards=passes)


def ancestors(trace: Trace, slot: int) -> list[int]:
    """The floating slots that `slot` was computed from, and itself, oldest first."""
    found, todo = set(), [slot]
    while todo:
        at = todo.pop()
        if at in found:
            continue
        found.add(at)
        todo += operands(trace.producer(at))
    return sorted(s for s in found if trace.meta_of(s).dtype.category >= FLOATING)


def recomputed(trace: Trace, places: list[int], leaves: list[Any]) -> Iterator[tuple[int, np.ndarray]]:
    """All of them, by running the trace once more with each as an output."""
    from rushlight.lazy.step import program_for

    buffers = dict(zip(sorted(trace.leaf_slots), leaves, strict=True))
    wanted = tuple(s for s in places if s not in buffers and trace.producer(s).op is not MACRO)
    generators = [g.clone_at(state) for g, state in trace.generators]
    try:
        values = program_for(trace.node, trace, wanted).run(leaves, trace.scalars, generators, ())
    except OutOfMemoryError:  # the step itself needs less, as it drops what is used up; a warning must not end it
        return kept(trace, places)
    results = dict(zip(wanted, values))
    return ((s, results[s] if s in results else buffers[s]) for s in places if s in results or s in buffers)


def kept(trace: Trace, places: list[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Those that are still there: saved for a backward, or held by somebody, as the parameters are."""
    for slot in places:
        handle = trace.handles[slot]()
        if slot in trace.saved:
            yield slot, trace.saved[slot][0]
        elif handle is not None and handle._array is not None:
            yield slot, handle._array
