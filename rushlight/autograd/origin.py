"""Where a nan of a backward pass came from: its own rule, an inf before it, or the forward pass, which is looked through again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rushlight.autograd.graph import node_name
from rushlight.lazy.nonfinite import ancestors, kept, recomputed
from rushlight.lazy.places import Place, place_of
from rushlight.lazy.record import Trace, local
from rushlight.lazy.trie import FUNCTION, LEAF, Entry, operands
from rushlight.lessons import is_silenced, say, warn

if TYPE_CHECKING:
    from rushlight.autograd.watch import Look

# op: which advice fits it; see lessons/anomaly.py
_ADVICE = {
    **dict.fromkeys(("log", "log2", "log10", "xlogy"), "log"),
    **dict.fromkeys(("sqrt", "rsqrt", "norm", "vector_norm", "linalg_vector_norm", "std", "cdist", "hypot"), "sqrt"),
    **dict.fromkeys(("div", "reciprocal", "div_mode", "fmod", "remainder"), "div"),
    **dict.fromkeys(("exp", "exp2", "expm1", "sinh", "cosh", "logsumexp"), "exp"),
    **dict.fromkeys(("acos", "asin", "acosh", "atanh"), "inverse"),
    "pow": "pow",
}  # fmt: skip


def explain(look: Look, infinite: Look | None, given: bool) -> str:
    """The error about a gradient that is nan: the first of its backward pass."""
    trace, entry = look.trace, look.entry
    assert entry is not None
    place = place_of(trace, entry)
    began, op = _origin(trace, entry, infinite, given)
    return say(
        "anomaly",
        function=node_name(trace, entry),
        index=look.index,
        op=_op(trace, entry),
        line=place.line,
        module=_inside(place),
        step=local.backwards + 1,
        origin=began,
        advice=say(f"anomaly/{_ADVICE.get(op, 'other')}"),
    )


def _origin(trace: Trace, entry: Entry, infinite: Look | None, given: bool) -> tuple[str, str]:
    """How it began, and the op to give advice on."""
    if given:
        return say("anomaly/given"), ""
    here = [*operands(entry), *range(entry.slot, entry.end)]
    found = first_value(trace, here, np.isnan)
    if found is not None:
        return _forward("nan", *found)
    if infinite is not None and infinite.entry is not None and infinite.entry is not entry:
        other = place_of(infinite.trace, infinite.entry)
        function = node_name(infinite.trace, infinite.entry)
        text = say("anomaly/backward-inf", function=function, line=other.line, module=_inside(other))
        return text, _op(infinite.trace, infinite.entry)
    found = first_value(trace, here, np.isinf)
    if found is not None:
        return _forward("inf", *found)
    return say("anomaly/backward"), _op(trace, entry)


def _forward(value: str, trace: Trace, entry: Entry) -> tuple[str, str]:
    if entry.op is LEAF:
        kind = "parameter" if entry.metas[0].leaf else "input"
        return say(f"anomaly/{kind}", value=value, meta=repr(entry.metas[0])), ""
    place, op = place_of(trace, entry), _op(trace, entry)
    return say("anomaly/forward", value=value, op=op, line=place.line, module=_inside(place)), op


def first_value(trace: Trace, slots: Sequence[int], test: Callable[[np.ndarray], Any]) -> tuple[Trace, Entry] | None:
    """The oldest entry that these slots depend on whose value passes a test, also in traces before; None if none is known to."""
    while True:
        values = _values(trace, sorted({s for slot in slots for s in ancestors(trace, slot)}))
        first = next((slot for slot, array in values if test(array).any()), None)
        if first is None:
            return None
        history = trace.leaf_history.get(first)
        if history is None:
            return trace, trace.producer(first)
        trace, slots = history[0], [history[1]]


def _values(trace: Trace, slots: list[int]) -> Any:
    """The values of these slots: by running the trace once more, where what went into it is still as it was."""
    if trace.kept is None:
        return kept(trace, slots)
    leaves, owners = trace.kept
    for slot in slots:
        owner, version = owners.get(slot, (None, 0))
        alive = owner() if owner is not None else None
        if alive is not None and alive._version != version:
            return kept(trace, slots)
    return recomputed(trace, slots, leaves)


def warn_infinite(infinite: Look | None, roots: Sequence[tuple[Trace, int, Any]]) -> None:
    """Warn about a backward pass without nan whose gradients are inf, or whose loss is inf or nan."""
    if infinite is not None and infinite.entry is not None:
        place = place_of(infinite.trace, infinite.entry)
        warn(
            "anomaly-inf", once=place.line, function=node_name(infinite.trace, infinite.entry), index=infinite.index,
            op=_op(infinite.trace, infinite.entry), line=place.line, module=_inside(place), step=local.backwards + 1,
        )  # fmt: skip
        return
    for trace, slot, _ in roots:
        place = place_of(trace, trace.producer(slot))
        if is_silenced("anomaly-loss"):
            return
        for value, test in (("nan", np.isnan), ("inf", np.isinf)):
            found = first_value(trace, [slot], test) if _holds(trace, slot, test) else None
            if found is not None:
                warn(
                    "anomaly-loss", once=place.line, value=value, line=place.line, step=local.backwards + 1,
                    origin=_forward(value, *found)[0],
                )  # fmt: skip
                return


def _holds(trace: Trace, slot: int, test: Callable[[np.ndarray], Any]) -> bool:
    """Whether the value of a slot, which has been computed, passes a test."""
    handle = trace.handles[slot]()
    return handle is not None and handle._array is not None and bool(test(handle._array).any())


def _op(trace: Trace, entry: Entry) -> str:
    if entry.op is FUNCTION:
        context = trace.contexts[entry.slot]
        return context._function.__name__ if hasattr(context, "_function") else "checkpoint"
    return entry.op.name.removesuffix("_op").removesuffix("_")


def _inside(place: Place) -> str:
    return say("anomaly/inside", module=place.module) if place.module else ""
