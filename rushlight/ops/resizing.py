"""What resizing is made of, in plain tensor code: elements looked up along one dimension after another, and weighed.

The places and weights are counted by the program itself, by the formulas of `resample.table`. None keeps the op.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.dtype import float32, float64, int64
from rushlight.ops.tensor_code import T

Ints = Sequence[int]
Taps = list[tuple[Any, Any]]  # index and weight (None: 1) of every element that an output mixes

_MOST = 8  # elements that an output mixes, beyond which the op stays whole


def _taps(mode: str, size: int, out: int, align: bool, scale: float | None, kind: Any) -> Taps | None:
    """Which elements each output of one dimension mixes, and how much of each."""
    from rushlight.ops.resample import _step

    count = T.arange(out, dtype=int64)
    if mode in ("nearest", "nearest-exact"):
        step = float(_step(size, out, False, scale, np.float64 if kind is float64 else np.float32))
        at = count.to(kind)
        at = (at + 0.5) * step if mode == "nearest-exact" else at * step
        return [(at.floor().to(int64).clamp(0, size - 1), None)]
    if mode == "area":
        begin, end = count * size // out, ((count + 1) * size + (out - 1)) // out
        longest = max(-(-(i + 1) * size // out) - i * size // out for i in range(out))
        weight = (end - begin).to(float64).reciprocal()
        return [
            ((begin + k).minimum(end - 1), T.where(begin + k < end, weight, 0)) for k in range(longest)
        ] if longest <= _MOST else None  # fmt: skip
    at = count.to(float64)
    if align:
        at = at * float(_step(size, out, True, None))
    else:
        at = (at + 0.5) * float(_step(size, out, False, scale)) - 0.5
    if mode == "linear":
        at = at.clamp(min=0)
        low = at.floor().to(int64).clamp(max=size - 1)
        share = (at - low).clamp(0, 1)
        return [(low, 1 - share), ((low + 1).clamp(max=size - 1), share)]
    if mode == "cubic":
        first = at.floor()
        return [
            ((first.to(int64) + k).clamp(0, size - 1), _cubic(at - first - k, -0.75)) for k in range(-1, 3)
        ]  # fmt: skip
    return None


def _cubic(t: Any, a: float) -> Any:
    """Keys' cubic kernel at distance |t|."""
    t = t.abs()
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return T.where(t <= 1, near, T.where(t < 2, far, 0))


def _factor(mode: str, size: int, out: int, align: bool, scale: float | None, kind: Any) -> int:
    """How often every element is repeated one after the other, or 0."""
    from rushlight.ops.resample import table

    if not mode.startswith("nearest") or out % size:
        return 0
    (index,), _ = table(mode, size, out, align, scale, np.float64 if kind is float64 else np.float32)
    return out // size if (index == np.arange(out) // (out // size)).all() else 0


def _repeated(x: Any, axis: int, factor: int) -> Any:
    shape = [*x.shape[: axis + 1], factor, *x.shape[axis + 1 :]]
    return x.unsqueeze(axis + 1).expand(shape).reshape([*x.shape[:axis], -1, *x.shape[axis + 1 :]])


def _split(x: Any, axis: int, factor: int) -> Any:
    return x.reshape([*x.shape[:axis], -1, factor, *x.shape[axis + 1 :]])


def _weighed(weight: Any, x: Any, axis: int) -> Any:
    return weight.to(x.dtype).reshape((-1,) + (1,) * (x.ndim - 1 - axis))


def _changes(size: Ints, output_size: Ints, mode: str, scales: tuple, first: int) -> list[tuple]:
    """(axis, size, output size, scale) of every dimension that is not left as it is."""
    from rushlight.ops.resample import _unchanged

    return [
        (first + d, n, out, scale) for d, (n, out, scale) in enumerate(zip(size, output_size, scales, strict=True))
        if not _unchanged(mode, n, out, scale)
    ]  # fmt: skip


def resample(x: Any, output_size: Ints, mode: str, align_corners: bool, scales: tuple) -> Any:
    """One dimension after the other; means of equal regions all at once."""
    if not x.numel() or 0 in output_size:
        return None
    whole = None if x.dtype.is_floating_point or mode.startswith("nearest") else x.dtype
    kind = float64 if x.dtype is float64 else float32
    first = x.ndim - len(output_size)
    changes = _changes(x.shape[first:], output_size, mode, scales, first)
    if not changes:
        return x.clone()
    result = x if whole is None else x.to(float64)
    if mode == "area" and all(n % out == 0 for _, n, out, _ in changes):
        count = 1
        for axis, n, out, _ in reversed(changes):
            result, count = _split(result, axis, n // out), count * (n // out)
        result = result.sum([axis + 1 + k for k, (axis, *_) in enumerate(changes)]) / count
    else:
        for axis, n, out, scale in changes:
            result = _resized(result, axis, n, out, mode, align_corners, scale, kind)
            if result is None:
                return None
    if whole is not None:
        low, high = np.iinfo(whole.storage).min, np.iinfo(whole.storage).max
        return result.round().clamp(low, high).to(whole)
    return result


def _resized(x: Any, axis: int, n: int, out: int, mode: str, align: bool, scale: float | None, kind: Any) -> Any:
    factor = _factor(mode, n, out, align, scale, kind)
    if factor and axis < x.ndim - 1:  # along the last one lookups fill whole vectors
        return _repeated(x, axis, factor)
    taps = _taps(mode, n, out, align, scale, kind)
    if taps is None:
        return None
    total: Any = None
    for index, weight in taps:
        part = x.index_select(axis, index)
        part = part if weight is None else part * _weighed(weight, x, axis)
        total = part if total is None else total + part
    return total


def resample_backward(
    g: Any, size: Ints, output_size: Ints, mode: str, align_corners: bool, scales: tuple
) -> Any:  # fmt: skip
    """Every output's share added to each element that it mixed."""
    if not g.numel():
        return None
    kind = float64 if g.dtype is float64 else float32
    changes = _changes(size, output_size, mode, scales, g.ndim - len(size))
    if mode == "area" and all(n % out == 0 for _, n, out, _ in changes):
        for axis, n, out, _ in changes:
            g = _repeated(g / (n // out), axis, n // out)
        return g if changes else g.clone()
    for axis, n, out, scale in changes:
        factor = _factor(mode, n, out, align_corners, scale, kind)
        if factor:
            g = _split(g, axis, factor).sum(axis + 1)
            continue
        taps = _taps(mode, n, out, align_corners, scale, kind)
        if taps is None:
            return None
        total = T.zeros([n if d == axis else m for d, m in enumerate(g.shape)], dtype=g.dtype)
        for index, weight in taps:
            part = g if weight is None else g * _weighed(weight, g, axis)
            total = T.apply("index_put", (total, part, [index]), {"dims": (axis,), "accumulate": True})
        g = total
    return g if changes else g.clone()
