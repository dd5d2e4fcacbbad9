"""Forward values that gradient rules use. Using one checks that the memory it stands for was not written since (M10),
and that no earlier backward freed it (M7)."""

from __future__ import annotations

import functools
from typing import Any

from rushlight.errors import show_line
from rushlight.ir.op import TABLE, Op
from rushlight.lazy.macro import MacroTrace
from rushlight.lazy.record import Trace, append_leaf
from rushlight.lazy.trie import LEAF, MACRO, Entry
from rushlight.lessons import say


def writes_of(trace: Trace) -> dict[int, tuple[int, Entry]]:
    """For each storage (named by the slot that first held it): when it was last written, and by which entry."""
    found: dict[int, tuple[int, Entry]] = {}
    for entry in trace.path():
        if entry.op is MACRO:
            for index in range(len(entry.expansion.written)):
                found[entry.storage[index]] = entry.depth, entry
        elif entry.op.inplace and not entry.op.untracked:
            write = _written_by(trace, entry)
            if write is not None:
                found[entry.storage[0]] = write.depth, entry
    return found


def _written_by(trace: Trace, entry: Entry) -> Entry | None:
    """The op whose result an entry puts back into its base: what that op saved is not changed by putting it back.
    None for writes through `.data`."""
    source = entry
    while source.op in _write_backs():
        made = trace.producer(source.inputs[1])
        if not (made.op.inplace or made.op in _write_backs()):
            return entry
        if made.op.untracked:
            return None
        source = made
    return source


@functools.cache
def _write_backs() -> frozenset[Op]:
    """The ops that put a changed view back, in place and not."""
    writes = [op.write for op in TABLE.values() if op.write is not None]
    return frozenset(writes) | {TABLE[op.name + "_"] for op in writes}


def freed_at(trace: Trace, entry: Entry) -> tuple | None:
    """Where a backward freed what this entry saved."""
    if entry in trace.freed:
        return trace.freed[entry]
    for other in trace.path():
        if other.op is MACRO and entry in getattr(other.expansion, "frees", ()):
            return other.line
    return None


def check_not_freed(trace: Trace, entry: Entry) -> None:
    """Raise when a backward has freed what an entry saved."""
    where = freed_at(trace, entry)
    if where is not None:
        from rushlight.autograd.engine import freed_message

        raise RuntimeError(freed_message(entry, where))


class Saved:
    """Stands for slot `slot` of `trace`, saved by `entry`."""

    __slots__ = ("trace", "slot", "entry", "writes")

    def __init__(self, trace: Trace, slot: int, entry: Entry, writes: dict[int, tuple[int, Entry]]):
        self.trace, self.slot, self.entry, self.writes = trace, slot, entry, writes

    def check(self) -> None:
        """Raise when the value is no longer what the forward pass saw."""
        check_not_freed(self.trace, self.entry)
        if self.own_operand:
            return
        depth, write = self.writes.get(self.trace.storage_of(self.slot), (0, None))
        if write is not None and depth > self.entry.depth:
            meta = self.trace.meta_of(self.slot)
            raise RuntimeError(changed_message(self.entry, meta, write.op.name, show_line(write.line)))

    @property
    def own_operand(self) -> bool:
        """Whether it is what an op in place has itself overwritten: that is kept as it was."""
        return self.entry.op.inplace and self.slot == self.entry.inputs[0]

    def enter(self, target: Trace, handle: Any) -> int:
        """The slot of the value in the trace that uses it."""
        self.check()
        if isinstance(target, MacroTrace):
            return target.enter_outside(handle, self.slot)
        if self.trace is target:
            handle._trace, handle._slot = target, self.slot
            return self.slot
        if self.trace.pending:  # of a trace around this one
            handle._trace, handle._slot = target, target.enter_pending(self.trace, self.slot)  # type: ignore[attr-defined]
            return handle._slot
        return self._enter_frozen(target, handle)

    def _enter_frozen(self, target: Trace, handle: Any) -> int:
        try:
            array, owner, version = self.trace.saved[self.slot]
        except KeyError:
            raise RuntimeError(
                f"backward: the value that `{self.entry.op.name}` (recorded at {show_line(self.entry.line)}) needs was not "
                "kept when its trace was run"
            ) from None
        alive = owner() if owner is not None else None
        if alive is not None and alive._version != version and not self.own_operand:
            raise RuntimeError(
                changed_message(
                    self.entry,
                    handle._meta,
                    say("changed-in-place/unknown"),
                    say("changed-in-place/version", now=alive._version, saved=version),
                )
            )
        key = (self.trace.order, self.slot)
        slot = target.entered_saved.get(key)
        if slot is None:
            if alive is not None and alive._meta.leaf and self.trace.producer(self.slot).op is LEAF:
                slot = alive._slot if alive._trace is target else target.enter_base(alive)
            else:
                if handle._meta.requires_grad and not handle._meta.leaf:
                    handle._history = (self.trace, self.slot)
                handle._stands_for = None
                slot = append_leaf(target, handle, array)
            target.entered_saved[key] = slot
        handle._trace, handle._slot = target, slot
        return slot


def changed_message(entry: Entry, meta: Any, change: str, where: str) -> str:
    """M10: a saved value was modified in place; both lines are named."""
    line = show_line(entry.line)
    return say("changed-in-place", meta=repr(meta), op=entry.op.name, line=line, change=change, where=where)
