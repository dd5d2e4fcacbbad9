"""M18: a loss written by hand that compares (N,) with (N, 1). Looked for once, when a backward is first recorded."""

from __future__ import annotations

from collections.abc import Sequence

from rushlight.errors import show_line, warn_user
from rushlight.lazy.record import Trace
from rushlight.lazy.trie import Entry


def warn_about_spreading(trace: Trace, roots: Sequence[int]) -> None:
    """Warn when a difference that reaches the loss was spread to N x N by accident.

    Pairwise differences are spread on purpose; there both sides carry a gradient, or neither. A prediction carries one
    and its target does not.
    """
    seen, todo = set(), list(roots)
    while todo:
        slot = todo.pop()
        if slot in seen:
            continue
        seen.add(slot)
        entry = trace.producer(slot)
        before = [
            s
            for item in entry.inputs
            for s in (item if item.__class__ is tuple else (item,))
            if s is not None and s >= 0
        ]
        todo += before
        if entry.op.name == "sub" and len(before) == 2:
            _check(trace, entry, *before)


def _check(trace: Trace, entry: Entry, first: int, second: int) -> None:
    a, b = trace.meta_of(first), trace.meta_of(second)
    n = a.numel
    if n < 2 or n != b.numel or a.requires_grad == b.requires_grad:
        return
    if {tuple(a.shape), tuple(b.shape)} == {(n,), (n, 1)}:
        warn_user(
            f"sub: {list(a.shape)} - {list(b.shape)} at {show_line(entry.line)} is spread to {list(entry.metas[0].shape)}: the loss "
            "compares every prediction with every target. Fix: give both the same shape, for example prediction.squeeze(1) or "
            "target.unsqueeze(1)."
        )
