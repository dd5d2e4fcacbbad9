"""A reverse pass that is looked at: anomaly mode's `Backward`.

Nothing is computed while it walks. For each gradient that a rule returns it records one number, the largest magnitude, which
is nan or inf where the gradient is; all of them are read at once at the end, and the first that is nan is explained. Passes
inside a pass (checkpoint, a user's Function) add to the same list, since what they are given may be nan already.
"""

from __future__ import annotations

import functools
import math
import threading
from typing import Any, NamedTuple

from rushlight.autograd import origin
from rushlight.autograd.anomaly import is_anomaly_check_nan_enabled
from rushlight.autograd.engine import Backward
from rushlight.autograd.graph import node_name
from rushlight.dtype import float64
from rushlight.errors import warn_user
from rushlight.functional import FUNCTIONS
from rushlight.lazy.places import now, place_of
from rushlight.lazy.record import Trace, local
from rushlight.lazy.trie import FUNCTION, MACRO, Entry, operands
from rushlight.lessons import say


class Look(NamedTuple):
    """One gradient: what returned it (None: it was given to backward()), as its how-manieth output, and its magnitude."""

    trace: Trace
    entry: Entry | None
    index: int
    size: Any


class _Report(threading.local):
    """The looks of the outermost pass that this thread is in; None outside of any."""

    looks: list[Look] | None = None
    explained = False  # where an exception came from


_report = _Report()


@functools.cache
def watching(kind: type[Backward]) -> type[Backward]:
    """A class of passes that are like `kind` and look."""
    return type("Watching", (_Watching, kind), {})


class _Watching(Backward):
    entry: Entry | None = None  # the entry whose rule is running
    trace: Trace
    slots: list[int]  # what it returns the gradients of
    index = 0  # of the next of them

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.roots: list[tuple[Trace, int, Any]] = []  # with the gradients that were given

    def run(self) -> None:
        roots, self.roots = self.roots, []
        if _report.looks is not None:
            self._explained(super().run)
            return
        _report.looks = looks = []
        _report.explained = False
        try:
            for index, (trace, _, grad) in enumerate(roots):
                _look(trace, None, index, grad)
            self._explained(super().run)
        except Exception as error:
            _judge(looks, [], error)
            raise
        else:
            _judge(looks, roots, None)
        finally:
            _report.looks = None

    def _explained(self, run: Any) -> None:
        """Run; an exception is preceded by a warning with the way to the op whose gradient it came from."""
        before = now.gradient
        try:
            run()
        except Exception:
            if self.entry is not None and not _report.explained:
                _report.explained = True
                _warn_where(self.trace, self.entry)
            raise
        finally:
            now.gradient = before

    def step(self, trace: Trace, entry: Entry, grads: list[Any]) -> None:
        rule = entry.op is FUNCTION or (entry.op is not MACRO and entry.grad_mode and entry.op.vjp is not None)
        if rule:
            self.entry, self.trace, self.slots, self.index = entry, trace, _inputs(entry), 0
            now.gradient = (node_name(trace, entry), place_of(trace, entry))
        super().step(trace, entry, grads)
        self.entry = None

    def add(self, trace: Trace, slot: int, grad: Any) -> None:
        if self.entry is not None:
            index = self.slots.index(slot, self.index)
            self.index = index + 1
            _look(trace, self.entry, index, grad)
        elif _report.looks is None:
            self.roots.append((trace, slot, grad))
        super().add(trace, slot, grad)


def _inputs(entry: Entry) -> list[int]:
    """The slots that a node's outputs are the gradients of, in order (see `Node.next_functions`)."""
    found = operands(entry)
    return found[len(entry.metas) :] if entry.op is FUNCTION else found


def _look(trace: Trace, entry: Entry | None, index: int, grad: Any) -> None:
    meta = grad._meta
    if _report.looks is None or not is_anomaly_check_nan_enabled() or not local.trace.expandable:
        return
    if meta.numel and meta.device.type != "meta":
        size = grad.detach().abs().amax().to(float64)
        _report.looks.append(Look(trace, entry, index, size))


def _judge(looks: list[Look], roots: list[tuple[Trace, int, Any]], error: Exception | None) -> None:
    """Read the magnitudes: raise about the first nan, warn about the first inf or about a loss that is not finite."""
    if not looks or not local.trace.expandable:
        return
    sizes = FUNCTIONS["stack"]([look.size for look in looks]).tolist()
    infinite = next((look for look, size in zip(looks, sizes) if math.isinf(size)), None)
    given = any(look.entry is None and math.isnan(size) for look, size in zip(looks, sizes))
    for look, size in zip(looks, sizes):
        if look.entry is not None and math.isnan(size):
            if not _report.explained:
                _report.explained = True
                _warn_where(look.trace, look.entry)
            raise RuntimeError(origin.explain(look, infinite, given)) from error
    if error is None:
        origin.warn_infinite(infinite, roots)


def _warn_where(trace: Trace, entry: Entry) -> None:
    place = place_of(trace, entry)
    text = say("anomaly-traceback", function=node_name(trace, entry), traceback=place.traceback())
    while place.of is not None:
        function, place = place.of
        text += "\n" + say("anomaly-traceback/of", function=function, traceback=place.traceback())
    warn_user(text)
