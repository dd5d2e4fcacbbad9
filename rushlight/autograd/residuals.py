"""Which values of a trace a later backward will use, so that a flush keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushlight.autograd.engine import Backward
from rushlight.autograd.saved import Saved, freed_at
from rushlight.ir.meta import Meta
from rushlight.lazy.macro import stand_in, trace_macro
from rushlight.lazy.record import Trace
from rushlight.lazy.trie import LEAF, Entry


class _Unneeded:
    """Stands for a gradient whose value nobody will look at."""

    def enter(self, trace: Any, handle: Any) -> int:
        return trace.enter_outside(handle, -1_000_000 - len(trace.inputs))  # a number that no other value has


class _Watch(Saved):
    """Notes its slot instead of using a value."""

    __slots__ = ("seen",)

    def enter(self, target: Any, handle: Any) -> int:
        self.seen.add(self.slot)
        return target.enter_outside(handle, self.slot)


class _Discover(Backward):
    calls_hooks = False  # nothing is computed yet: the user's code must see nothing of this walk

    def __init__(self, trace: Trace) -> None:
        super().__init__(lambda *_: None)
        self.trace = trace
        self.seen: set[int] = set()

    def saved(self, trace: Trace, entry: Entry, slot: int) -> Any:
        if trace.packed is not None and (entry.depth, slot) in trace.packed:
            return stand_in(trace.meta_of(slot), _Unneeded())
        watch = _Watch(trace, slot, entry, {})
        watch.seen = self.seen
        return stand_in(trace.meta_of(slot), watch)

    def step(self, trace: Trace, entry: Entry, grads: list[Any]) -> None:
        if entry.op is LEAF or freed_at(trace, entry) is not None:
            return
        try:
            super().step(trace, entry, grads)
        except NotImplementedError:
            return  # a derivative that is missing keeps nothing; the backward that needs it says so

    def _function(self, trace: Trace, entry: Entry, grads: list[Any]) -> None:
        for slot in entry.inputs[len(entry.metas) :]:
            if slot is not None and trace.meta_of(slot).requires_grad:
                self.add(trace, slot, stand_in(plain(trace.meta_of(slot)), _Unneeded()))


def touched_by(trace: Trace, entry: Entry) -> tuple[int, ...]:
    """The slots whose values the gradient of one entry uses."""

    def discover() -> set[int]:
        walk = _Discover(trace)
        walk.as_macro = False
        walk.step(trace, entry, [stand_in(plain(meta), _Unneeded()) for meta in entry.metas])
        return walk.seen

    _, seen = trace_macro(discover)
    return tuple(sorted(seen))


def plain(meta: Meta) -> Meta:
    """The meta without its autograd facts."""
    return meta.variant(requires_grad=False, leaf=False)


def residuals(trace: Trace, path: Sequence[Entry], wanted: Sequence[int]) -> tuple[int, ...]:
    """The slots that backwards from the wanted ones would use."""
    roots = [s for s in wanted if trace.meta_of(s).requires_grad and not trace.meta_of(s).leaf]
    if not roots:
        return ()

    def discover() -> set[int]:
        walk = _Discover(trace)
        walk.as_macro = False
        for slot in roots:
            walk.add(trace, slot, stand_in(plain(trace.meta_of(slot)), _Unneeded()))
        walk.run()
        return walk.seen

    _, seen = trace_macro(discover)
    return tuple(sorted(seen))
