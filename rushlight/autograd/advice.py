"""The check-up: mistakes that run. It looks where something is recorded for the first time, so a repeated step costs nothing.

`advise` walks what led to a loss when a backward is first recorded there; `lazy/grow.py` calls the watchers of an op when it
first meets that op at a place. Each advice is told once for each place, in the words of `rushlight.lessons`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rushlight.autograd import doubled
from rushlight.autograd.evaluation import note_random_layer
from rushlight.autograd.totals import check_total
from rushlight.errors import show_line
from rushlight.lazy.grow import WATCHERS
from rushlight.lazy.record import Trace
from rushlight.lazy.trie import LEAF, Entry, operands
from rushlight.lessons import warn

FIRST_STEPS = 8  # backward passes that cannot be recorded as one entry are walked this often


def advise(trace: Trace, roots: Sequence[int]) -> None:
    """Look at everything that the roots were computed from, also in traces that have run already."""
    for place, entry in _led_to(trace, roots):
        check = _CHECKS.get(entry.op.name)
        if check is not None:
            check(place, entry)


def _led_to(trace: Trace, roots: Sequence[int]) -> Iterator[tuple[Trace, Entry]]:
    seen, todo = set(), [(trace, slot) for slot in roots]
    while todo:
        where, slot = todo.pop()
        if (where.order, slot) in seen:
            continue
        seen.add((where.order, slot))
        entry = where.producer(slot)
        todo += [(where, before) for before in operands(entry)]
        if entry.op is LEAF and slot in where.leaf_history:
            todo.append(where.leaf_history[slot])
        yield where, entry


def _check_difference(trace: Trace, entry: Entry) -> None:
    """M18: a difference of (N,) and (N, 1) that reaches the loss was spread to N x N by accident.

    Pairwise differences are spread on purpose; there both sides carry a gradient, or neither. A prediction carries one
    and its target does not.
    """
    before = operands(entry)
    if len(before) != 2:
        return
    a, b = map(trace.meta_of, before)
    n = a.numel
    if n < 2 or n != b.numel or a.requires_grad == b.requires_grad:
        return
    if {tuple(a.shape), tuple(b.shape)} == {(n,), (n, 1)}:
        line, result = show_line(entry.line), list(entry.metas[0].shape)
        warn("loss-spread", once=entry.line, a=list(a.shape), b=list(b.shape), line=line, result=result)


_CHECKS: dict[str, Callable[[Trace, Entry], Any]] = {"sub": _check_difference, **doubled.CHECKS}

WATCHERS.update(
    {"add": check_total, "add_": check_total, "bernoulli_op": note_random_layer, "batch_norm_op": note_random_layer}
)
