"""M2: which picture sizes give a flattened layer the number of features that it expects, read off the recorded trace."""

from __future__ import annotations

import math
from typing import Any

from rushlight.lazy.record import Trace, local
from rushlight.lazy.trie import LEAF, Entry
from rushlight.lessons import say, warn

_POOLS = ("max_pool_op", "avg_pool_op")


def check_flatten(input: Any, features: int) -> None:
    """Called for `x.view(-1, features)` of a batch of pictures: an error or a warning when one sample holds another number.

    -1 takes whatever is left, so a wrong picture size is either not divisible (error) or, worse, mixes samples (warning).
    """
    batch, *sample = input.shape
    held = math.prod(sample)
    if held == features or features <= 0 or not held:
        return
    rows, rest = divmod(batch * held, features)
    if not rest and (batch == 1 or held % features == 0):
        return
    facts = {"features": features, "sample": "x".join(map(str, sample)), "held": held, "sizes": _sizes(input, features)}
    if rest:
        raise RuntimeError(say("view-does-not-divide", size=batch * held, **facts))
    warn("view-mixes-samples", batch=batch, rows=rows, **facts)


def _sizes(input: Any, features: int) -> str:
    """`, or feed …` with the sizes that fit, as far as the trace tells."""
    side = math.isqrt(features // input.shape[1])
    if input.shape[1] * side * side != features or input._trace is not local.trace:
        return ""
    found = fitting_sizes(local.trace, input._slot, side)
    if found is None:
        return ""
    (low, high), now = found
    wanted = f"{low}x{low}" if low == high else say("view-mixes-samples/range", low=low, high=high)
    facts = {"features": features, "channels": input.shape[1], "side": side, "height": now[0], "width": now[1]}
    return say("view-mixes-samples/sizes", wanted=wanted, **facts)


def fitting_sizes(trace: Trace, slot: int, side: int) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The square input sizes (smallest, largest) that arrive as side x side at `slot`, and the size that came in.

    Convolutions and pools divide with rounding down, so each turns one output size into a run of input sizes.
    """
    low = high = side
    while True:
        entry = trace.producer(slot)
        shape = trace.meta_of(slot).shape
        if len(shape) != 4:
            return None
        if entry.op is LEAF or not _tensors(entry):
            return ((low, high), (shape[2], shape[3])) if low > 0 else None
        static = entry.statics()
        slot = _tensors(entry)[0]
        if entry.op.name == "convolution" or entry.op.name in _POOLS:
            if static.get("transposed") or static.get("ceil_mode"):
                return None
            kernel = static["kernel_size"] if entry.op.name in _POOLS else trace.meta_of(_tensors(entry)[1]).shape[2:]
            steps = [kernel, static["stride"], static["padding"], static.get("dilation", (1, 1))]
            if any(pair[0] != pair[-1] for pair in steps):
                return None
            size, stride, padding, dilation = (pair[0] for pair in steps)
            reach = dilation * (size - 1) + 1 - 2 * padding
            low, high = (low - 1) * stride + reach, high * stride + reach - 1
        elif trace.meta_of(slot).shape != shape:
            return None


def _tensors(entry: Entry) -> list[int]:
    return [s for s in entry.inputs if s.__class__ is int and s >= 0]
