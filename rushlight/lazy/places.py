"""Anomaly mode's notes: from which line and module each op of a trace was recorded, the whole way up the caller's code.

Entries are shared by all traces of the same structure and name the first place that recorded them. A note belongs to one
trace and is exact. Notes are taken where an op is looked up the slow way (see `Entry.noted`).
"""

from __future__ import annotations

import linecache
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from rushlight.errors import calling_module, show_line, user_frames
from rushlight.lazy.record import Trace
from rushlight.lazy.trie import Entry


class Place(NamedTuple):
    """`frames`: (file, line, function) of the caller's code, innermost last; `of`: the gradient that it is a part of."""

    frames: tuple
    module: str
    of: Any = None

    @property
    def line(self) -> str:
        """`file:line: source text` of the innermost frame."""
        return show_line(self.frames[-1][:2])

    def traceback(self) -> str:
        """The frames as an interpreter prints them."""
        lines = []
        for file, number, function in self.frames:
            source = linecache.getline(file, number).strip()
            lines.append(f'  File "{file}", line {number}, in {function}' + (f"\n    {source}" if source else ""))
        return "\n".join(lines)


class _Now(threading.local):
    """Of this thread: `gradient`, what it is differentiating, (the name of the function, the place of its op); `seen`, what
    is shown each op of a noted trace when it has been recorded.
    """

    gradient: Any = None
    seen: Callable[[Trace, Entry], None] | None = None


now = _Now()


def note(trace: Trace, entry: Entry) -> None:
    """Remember where the user's code stands."""
    if trace.places is not None:
        trace.places[entry.depth] = Place(user_frames(), calling_module(), now.gradient)
        if now.seen is not None:
            now.seen(trace, entry)


def place_of(trace: Trace, entry: Entry) -> Place:
    """The note about an entry; where none was taken, what the entry itself knows."""
    found = trace.places.get(entry.depth) if trace.places is not None else None
    return found or Place(((*entry.line, "?"),), entry.module)
