"""`rushlight.explain()`: the last trace, its Program, and where recording left the path it knew."""

from __future__ import annotations

from typing import Any

from rushlight.errors import show_line
from rushlight.lazy.trie import Entry, path_to


class _Last:
    """What the recorder last did."""

    node: Entry | None = None
    program: Any = None
    runs: int = 0
    misses: int = 0
    left: tuple[Entry, Entry] | None = None  # (entry expected, entry recorded instead)
    pending_left: tuple[Entry, Entry] | None = None
    pending_misses: int = 0


_last = _Last()


def note_miss(parent: Entry, node: Entry) -> None:
    """Called when an unknown entry is appended."""
    _last.pending_misses += 1
    if _last.pending_left is None and parent.next:
        _last.pending_left = (next(reversed(parent.next.values())), node)


def note_run(trace: Any, program: Any) -> None:
    """Called when a Program is run."""
    _last.node, _last.program = trace.node, program
    _last.runs += 1
    _last.left, _last.pending_left = _last.pending_left, None
    _last.misses, _last.pending_misses = _last.pending_misses, 0


class Explanation:
    """What `explain()` returns: prints as text; the facts are attributes."""

    def __init__(self, text: str, entries: int, misses: int, program: Any):
        self.text, self.entries, self.misses, self.program = text, entries, misses, program

    def __repr__(self) -> str:
        return self.text


def explain(stage: str | None = None) -> Explanation:
    """The last trace and its Program.

    With `stage` (a pass of `rushlight.compile.pipeline`), the program's state after that pass.

    >>> import rushlight as torch
    >>> _ = torch.ones(1).item()  # what was pending has run
    >>> _ = (torch.ones(3) * 2).tolist()
    >>> torch.explain().entries
    2
    """
    if _last.node is None:
        return Explanation("nothing has been run yet", 0, 0, None)
    if stage is not None:
        return Explanation(_last.program.show(stage), 0, _last.misses, _last.program)
    path = path_to(_last.node)
    lines = [f"last trace: {len(path)} entries, {_last.misses} of them recorded for the first time"]
    for entry in path:
        inputs = ", ".join(_show(i) for i in entry.inputs)
        outputs = ", ".join(f"%{entry.slot + i}: {m!r}" for i, m in enumerate(entry.metas))
        lines.append(f"  {outputs} = {entry.op.name}({inputs})  # {entry.line[0]}:{entry.line[1]}")
    if _last.left is not None:
        expected, found = _last.left
        lines.append(
            f"left the known path at entry {found.depth}: expected {expected.op.name}{_shapes(expected)} as recorded at "
            f"{show_line(expected.line)}, met {found.op.name}{_shapes(found)} at {show_line(found.line)}"
        )
    lines.append(_last.program.show())
    return Explanation("\n".join(lines), len(path), _last.misses, _last.program)


def _show(item: Any) -> str:
    if isinstance(item, tuple):
        return "[" + ", ".join(map(_show, item)) + "]"
    return "None" if item is None else f"%{item}" if item >= 0 else f"number {~item}"


def _shapes(entry: Entry) -> str:
    return f" {list(map(repr, entry.metas))}" if entry.metas else ""
