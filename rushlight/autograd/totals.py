"""`total += loss`: a sum over steps that keeps the history of each."""

from __future__ import annotations

from rushlight.autograd.saved import freed_at
from rushlight.errors import show_line
from rushlight.lazy.record import Trace
from rushlight.lazy.trie import LEAF, Entry, operands
from rushlight.lessons import warn

_SCALINGS = ("mul", "mul_", "div", "div_", "alias", "view", "squeeze", "clone", "cast")


def check_total(trace: Trace, entry: Entry) -> None:
    """Warn when a loss that a backward has used up is added to what the same line made of the losses before it.

    A sum of losses that is differentiated at the end adds losses whose graph is still there; an expression such as
    `(loss_a + loss_b).item()` adds to nothing that it made itself.
    """
    if entry.meta is None or not entry.meta.requires_grad or entry.meta.numel != 1:
        return
    slots = operands(entry)
    if len(slots) != 2:
        return
    for total, term in (slots, slots[::-1]):
        if _origin(trace, total)[1].line != entry.line:
            continue
        where = freed_at(*_origin(trace, term))
        if where is not None:
            op = entry.op.name
            warn("history-kept", once=entry.line, op=op, line=show_line(entry.line), where=show_line(where))


def _origin(trace: Trace, slot: int) -> tuple[Trace, Entry]:
    """The op that a value comes from, but for scaling, and its trace, which may have run already."""
    while True:
        entry = trace.producer(slot)
        if entry.op is LEAF and slot in trace.leaf_history:
            trace, slot = trace.leaf_history[slot]
        elif entry.op.name in _SCALINGS and operands(entry):
            grown = [s for s in operands(entry) if trace.meta_of(s).requires_grad]
            if len(grown) != 1:
                return trace, entry
            slot = grown[0]
        else:
            return trace, entry
