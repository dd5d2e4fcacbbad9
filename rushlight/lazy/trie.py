"""The trie of recorded steps. A trace is a walk down it; an entry remembers what its checks found the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rushlight.errors import calling_module, user_line
from rushlight.ir.meta import Meta
from rushlight.ir.op import Op, Param

if TYPE_CHECKING:
    from rushlight.compile.program import Program

# Entries that are not ops of the table.
LEAF = Op("leaf", (), infer=lambda: None)  # a buffer enters the trace
MARK_LEAF = Op("mark_leaf", (Param("input", "Tensor"),), infer=lambda m, **_: m)  # requires_grad_() on a pending value
MACRO = Op("macro", (), infer=lambda: None)  # several ops recorded as one entry: backward, optimiser steps
STATE = Op("state", (), infer=lambda: None)  # the grad mode changes
FUNCTION = Op("function", (), infer=lambda: None, vjp=())  # the outputs of an autograd.Function


def _never(key: Any) -> None:
    """Lookup of an entry that must take the slow path (see `Entry.eager`)."""


class Entry:
    """One recorded op at one place of the trie: what it was given, and what inference said.

    `inputs` holds a slot number for a tensor, ~k for the k-th Python number of the trace, None, or a tuple of slots.
    `programs` maps the set of slots still alive at a flush here to its Program.
    `likely` is the first child and `likely_key` its key: one comparison, and the look-up among the children is spared; in long
    steps it would be one cache miss after the other.
    `leaps` leads past several entries at once: to a macro below, from what identifies its inputs (see macro.py).
    `eager` entries read memory that NumPy code may change behind our back: whatever is recorded next is run at once.
    `noted` entries are those of anomaly mode: each op that follows is looked up the slow way, which notes its place.
    """

    __slots__ = (
        "op", "inputs", "static", "metas", "meta", "slot", "end", "scalars", "parent", "key", "next", "get", "grad_mode",
        "depth", "line", "programs", "storage", "expansion", "eager", "noted", "module", "leaps", "likely",
        "likely_key", "__weakref__",
    )  # fmt: skip

    def __init__(
        self,
        parent: Entry | None,
        key: Any,
        op: Op,
        inputs: tuple = (),
        static: Any = (),
        metas: tuple[Meta, ...] = (),
        *,
        numbers: int = 0,
        grad_mode: bool | None = None,
        storage: tuple[int, ...] = (),
        noted: bool = False,
    ):
        self.op, self.inputs, self.static, self.metas = op, inputs, static, metas
        self.meta = metas[0] if metas else None
        self.parent, self.key = parent, key
        self.slot = parent.end if parent else 0
        self.end = self.slot + len(metas)
        self.scalars = (parent.scalars if parent else 0) + numbers
        self.depth = parent.depth + 1 if parent else 0
        self.grad_mode = grad_mode if grad_mode is not None else (parent.grad_mode if parent else True)
        self.eager = parent.eager if parent else False
        self.noted = parent.noted if parent else noted
        self.next: dict[Any, Entry] = {}
        self.get = _never if self.eager or self.noted else self.next.get
        self.line = user_line()
        self.module = calling_module()
        self.programs: dict[Any, Program] = {}
        self.storage = storage  # per output: the slot whose memory it shares, itself when fresh
        self.expansion: Any = None
        self.leaps: dict[Any, Entry] | None = None
        self.likely_key: Any = None
        self.likely: Any = None
        if parent is None or parent.eager or parent.noted:
            return
        if parent.likely_key is None and _is_comparable(op):
            parent.likely_key, parent.likely = key, self

    def make_eager(self) -> None:
        self.eager, self.get = True, _never

    def statics(self) -> dict[str, Any]:
        """The static arguments by name."""
        return dict(zip(self.op.statics, self.static, strict=True))

    def __repr__(self) -> str:
        return f"<entry {self.depth}: {self.op.name}{self.inputs} -> {self.slot}>"


def _is_comparable(op: Op) -> bool:
    """Whether keys may be compared by `==`: not so where a static argument can be anything, a tensor for one."""
    return not any(param.kind == "any" for param in op.params)


def operands(entry: Entry) -> list[int]:
    """The slots that an entry reads."""
    flat = [s for item in entry.inputs for s in (item if item.__class__ is tuple else (item,))]
    return [s for s in flat if s is not None and s >= 0]


def path_to(entry: Entry) -> list[Entry]:
    """The entries from the root (left out) to `entry`."""
    path = []
    while entry.parent is not None:
        path.append(entry)
        entry = entry.parent
    path.reverse()
    return path


def prune(entry: Entry) -> None:
    """Forget a branch whose Program was evicted, as far up as nothing else hangs on it."""
    while entry.parent is not None and not entry.next and not entry.programs:
        entry.parent.next.pop(entry.key, None)
        if entry.parent.likely is entry:
            entry.parent.likely_key = entry.parent.likely = None
        entry = entry.parent


_roots: dict[Any, Entry] = {}


def root(state: Any, grad_mode: bool, noted: bool = False) -> Entry:
    """The root for one setting of everything that inference depends on beside its inputs."""
    found = _roots.get((state, grad_mode, noted))
    if found is None:
        found = _roots[state, grad_mode, noted] = Entry(None, None, STATE, grad_mode=grad_mode, noted=noted)
    return found


def clear() -> None:
    """Forget every recorded path and Program."""
    _roots.clear()
