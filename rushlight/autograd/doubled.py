"""M13, M14: what a loss does itself, done once more before it: softmax or log_softmax before cross-entropy, sigmoid before
the loss that takes logits; and a logarithm that is missing between the two. Seen through views, reshapes and casts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rushlight.errors import show_line
from rushlight.lazy.record import Trace
from rushlight.lazy.trie import LEAF, Entry
from rushlight.lessons import say, warn

_SAME_VALUES = ("view", "permute", "transpose", "unsqueeze", "squeeze", "select", "slice", "alias", "clone", "cast")


def _source(trace: Trace, slot: int) -> Entry:
    """The op whose values these are, whatever shape they have got since."""
    while True:
        entry = trace.producer(slot)
        if entry.op.name in _SAME_VALUES:
            slot = entry.inputs[0]
        elif entry.op is LEAF and slot in trace.leaf_history:
            trace, slot = trace.leaf_history[slot]
        else:
            return entry


def _tell(name: str, after: Entry, source: Entry, shape: Any, **facts: Any) -> None:
    facts |= {"line": show_line(after.line), "source": show_line(source.line), "shape": list(shape)}
    module = say("twice/module", module=source.module) if source.module else ""
    warn(name, once=(after.line, source.line), module=module, **facts)


def _check_log_softmax(trace: Trace, entry: Entry) -> None:
    source = _source(trace, entry.inputs[0])
    if source.op.name == "softmax":
        shape = trace.meta_of(entry.inputs[0]).shape
        classes = shape[entry.static[0]] if shape else 1
        # One class with probability 1, which softmax turns into e / (e + classes - 1).
        floor = f"{math.log((math.e + classes - 1) / math.e):.3f}"
        _tell("softmax-before-cross-entropy", entry, source, shape, loss=_loss_name(entry), floor=floor)


def _check_nll(trace: Trace, entry: Entry) -> None:
    shape = trace.meta_of(entry.inputs[0]).shape
    source = _source(trace, entry.inputs[0])
    if source.op.name == "softmax":
        _tell("softmax-before-nll", entry, source, shape)
    elif source.op.name == "log_softmax" and source.line == entry.line and _loss_name(source) == "cross_entropy":
        earlier = _source(trace, source.inputs[0])
        if earlier.op.name == "log_softmax":
            _tell("log-softmax-before-cross-entropy", entry, earlier, shape)


def _loss_name(entry: Entry) -> str:
    """What the user called: a log_softmax may be the first half of cross_entropy."""
    called = "log_softmax" in show_line(entry.line) or "LogSoftmax" in entry.module
    return "log_softmax" if called else "cross_entropy"


def _check_logits(trace: Trace, entry: Entry) -> None:
    source = _source(trace, entry.inputs[0])
    if source.op.name == "sigmoid":
        _tell("sigmoid-before-bce-with-logits", entry, source, trace.meta_of(entry.inputs[0]).shape)


CHECKS: dict[str, Callable[[Trace, Entry], None]] = {
    "log_softmax": _check_log_softmax,
    "nll_loss_op": _check_nll,
    "nll_loss2d_op": _check_nll,
    "binary_cross_entropy_with_logits_op": _check_logits,
}
