"""Resizing (every mode is a weighted sum of a few elements along one dimension after another), and patches as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops import rearrange, resizing
from rushlight.ops.pool import regions
from rushlight.ops.rules import like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T
from rushlight.ops.windows import add_windows, pad_end, volume, window_count, windows

Ints = Sequence[int]
Table = tuple[np.ndarray, np.ndarray]  # indices (taps, out) and weights (taps, out)


def _step(size: int, out: int, align_corners: bool, scale: float | None, number: Any = float) -> Any:
    """How far apart two neighbouring outputs lie in the input."""
    if align_corners:
        return number(size - 1) / number(out - 1) if out > 1 else number(0)
    return number(1.0 / scale) if scale is not None and scale > 0 else number(size) / number(out)


def _nearest(size: int, out: int, align: bool, scale: float | None, kind: Any, exact: bool) -> Table:
    at = np.arange(out).astype(kind)
    step = _step(size, out, False, scale, kind)
    index = np.floor((at + kind(0.5)) * step if exact else at * step).astype(np.int64)
    return np.clip(index, 0, size - 1)[None], np.ones((1, out))


def _linear(size: int, out: int, align: bool, scale: float | None) -> Table:
    at = (
        np.arange(out) * _step(size, out, True, None)
        if align
        else (np.arange(out) + 0.5) * _step(size, out, False, scale) - 0.5
    )
    at = np.maximum(at, 0)
    low = np.minimum(np.floor(at).astype(np.int64), size - 1)
    share = np.clip(at - low, 0, 1)
    return np.stack([low, np.minimum(low + 1, size - 1)]), np.stack([1 - share, share])


def cubic(t: Any, a: float) -> Any:
    """Keys' cubic kernel at distance |t|."""
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def _cubic(size: int, out: int, align: bool, scale: float | None) -> Table:
    at = (
        np.arange(out) * _step(size, out, True, None)
        if align
        else (np.arange(out) + 0.5) * _step(size, out, False, scale) - 0.5
    )
    low = np.floor(at)
    offsets = np.arange(-1, 3)[:, None]
    index = np.clip(low.astype(np.int64) + offsets, 0, size - 1)
    return index, cubic(at - low - offsets, -0.75)


def _region_table(begins: np.ndarray, ends: np.ndarray, weigh: Any) -> Table:
    """Runs of different lengths, the short ones filled with weight 0 on their own last element."""
    offsets = np.arange(int((ends - begins).max(initial=1)))[:, None]
    index = np.minimum(begins + offsets, ends - 1)
    weights = np.where(begins + offsets < ends, weigh(begins + offsets), 0.0)
    return index, weights / weights.sum(0)


def _area(size: int, out: int) -> Table:
    bounds = np.array(regions(size, out)).reshape(out, 2)
    return _region_table(bounds[:, 0], bounds[:, 1], lambda at: np.ones(at.shape))


def _antialiased(size: int, out: int, align: bool, scale: float | None, name: str) -> Table:
    """The kernel widened to the size of an output pixel when shrinking, as Pillow does."""
    step = _step(size, out, align, scale)
    reach = (1.0 if name == "linear-aa" else 2.0) * max(step, 1.0)
    centre = step * (np.arange(out) + 0.5)
    begins = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    ends = np.minimum((centre + reach + 0.5).astype(np.int64), size)

    def weigh(at: np.ndarray) -> np.ndarray:
        t = (at - centre + 0.5) / max(step, 1.0)
        return np.maximum(1 - np.abs(t), 0) if name == "linear-aa" else cubic(t, -0.5)

    return _region_table(begins, ends, weigh)


@lru_cache(512)
def table(mode: str, size: int, out: int, align_corners: bool, scale: float | None, kind: Any) -> Table:
    """Which inputs each output of one dimension mixes, and how much of each. The indices of a tap never decrease."""
    if mode in ("nearest", "nearest-exact"):
        return _nearest(size, out, align_corners, scale, kind, mode == "nearest-exact")
    if mode == "area":
        return _area(size, out)
    if mode == "linear":
        return _linear(size, out, align_corners, scale)
    if mode == "cubic":
        return _cubic(size, out, align_corners, scale)
    return _antialiased(size, out, align_corners, scale, mode)


def _number_type(x: np.ndarray) -> Any:
    return np.float64 if x.dtype == np.float64 else np.float32


def _along(weights: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    return weights.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - 1 - axis))


def _unchanged(mode: str, size: int, out: int, scale: float | None) -> bool:
    return size == out and (mode == "area" or scale is None or scale == 1)


def _resample(x: np.ndarray, output_size: Ints, mode: str, align_corners: bool, scales: tuple) -> np.ndarray:
    whole = x.dtype if x.dtype.kind in "iu" and not mode.startswith("nearest") else None
    result = x if whole is None else x.astype(np.float64)
    for d, (out, scale) in enumerate(zip(output_size, scales, strict=True)):
        axis = x.ndim - len(output_size) + d
        if _unchanged(mode, x.shape[axis], out, scale):
            continue
        indices, weights = table(mode, x.shape[axis], out, align_corners, scale, _number_type(x))
        if len(indices) == 1:
            result = np.take(result, indices[0], axis)
            continue
        total = None
        for index, weight in zip(indices, weights, strict=True):
            part = np.take(result, index, axis)
            part *= _along(weight, part, axis)
            total = part if total is None else np.add(total, part, out=total)
        result = total
    if whole is not None:
        info = np.iinfo(whole)
        return np.clip(np.rint(result), info.min, info.max).astype(whole)
    return x.copy() if result is x else result


def _resample_back(
    g: np.ndarray, size: Ints, output_size: Ints, mode: str, align_corners: bool, scales: tuple
) -> np.ndarray:
    result = g
    for d, (n, out, scale) in enumerate(zip(size, output_size, scales, strict=True)):
        axis = g.ndim - len(size) + d
        if _unchanged(mode, n, out, scale):
            continue
        indices, weights = table(mode, n, out, align_corners, scale, _number_type(g))
        total = np.zeros((*result.shape[:axis], n, *result.shape[axis + 1 :]), g.dtype)
        for index, weight in zip(indices, weights, strict=True):
            starts = np.flatnonzero(np.diff(index, prepend=-1))
            total[(slice(None),) * axis + (index[starts],)] += np.add.reduceat(
                result * _along(weight, result, axis), starts, axis
            )
        result = total
    return result if result is not g else g.copy()


def _resample_infer(x: Meta, output_size: Ints, mode: str, align_corners: bool, scales: tuple) -> Meta:
    n = len(output_size)
    space = x.shape[x.ndim - n :]
    if min(output_size) < 0 or (mode != "area" and min(output_size) == 0) or 0 in space:
        raise RuntimeError(
            explain_error(
                "interpolate" if mode != "area" else f"adaptive_avg_pool{n}d",
                got=f"input size {list(x.shape)} and output size {list(output_size)}",
                expected="input and output sizes greater than 0",
            )
        )
    return like(x, shape=(*x.shape[: x.ndim - n], *output_size))


def _resample_samples() -> list:
    plain = (None, None)
    return [
        ((values(2, 3, 4, 5), (7, 3), mode, align, plain), {})
        for mode, align in (
            ("nearest", False),
            ("linear", False),
            ("linear", True),
            ("cubic", False),
            ("area", False),
            ("linear-aa", False),
        )
    ]


resample = declare(
    "resample_op(Tensor input, int[] output_size, str mode, bool align_corners, any scales)", infer=_resample_infer, reference=_resample,
    vjp=(
        lambda g, out, x, output_size, **s: T.apply(
            "resample_backward", (g,), {"size": tuple(x.shape[x.ndim - len(output_size) :]), "output_size": output_size, **s}
        ),
    ),
    samples=_resample_samples, expand=resizing.resample, grad_name="UpsampleBackward0",
    doc="the last dimensions at another size: nearest, nearest-exact, linear, cubic, area, linear-aa or cubic-aa",
)  # fmt: skip
resample_backward = declare(
    "resample_backward(Tensor input, int[] size, int[] output_size, str mode, bool align_corners, any scales)",
    infer=lambda g, size, **_: like(g, shape=(*g.shape[: g.ndim - len(size)], *size)), reference=_resample_back,
    vjp=(lambda g, out, x, size, **s: T.apply("resample_op", (g,), s),), expand=resizing.resample_backward, doc="each output's gradient shared out to what it mixed",
)  # fmt: skip

# --- patches as columns -------------------------------------------------------------------------------------------


def _counts(space: Ints, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints) -> tuple[int, ...]:
    return tuple(map(window_count, space, kernel, stride, padding, dilation))


def _check_patches(
    name: str, space: Ints, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints
) -> tuple[int, ...]:
    for word, sizes, least in (
        ("kernel_size", kernel, 1),
        ("dilation", dilation, 1),
        ("padding", padding, 0),
        ("stride", stride, 1),
    ):
        if min(sizes) < least:
            raise RuntimeError(
                f"{name}: {word} should be {'greater than zero' if least else 'non-negative'}, but got {list(sizes)}."
            )
    counts = _counts(space, kernel, dilation, padding, stride)
    if min(counts) < 1:
        raise RuntimeError(
            explain_error(
                name,
                got=f"spatial size {list(space)}, kernel_size {list(kernel)}, dilation {list(dilation)}, padding {list(padding)}",
                expected="at least one position of the kernel",
                fix="use a smaller kernel or pad",
            )
        )
    return counts


def _im2col_infer(x: Meta, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Meta:
    counts = _check_patches("unfold", x.shape[2:], kernel_size, dilation, padding, stride)
    return like(x, shape=(x.shape[0], x.shape[1] * volume(kernel_size), volume(counts)))


def _im2col(x: np.ndarray, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints) -> np.ndarray:
    counts = _counts(x.shape[2:], kernel_size, dilation, padding, stride)
    seen = windows(pad_end(x, padding, padding), kernel_size, stride, dilation, counts)
    return np.array(seen).reshape(x.shape[0], x.shape[1] * volume(kernel_size), volume(counts))


def _col2im_infer(x: Meta, output_size: Ints, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Meta:
    counts = _check_patches("fold", output_size, kernel_size, dilation, padding, stride)
    if x.shape[1] % volume(kernel_size):
        raise RuntimeError(
            f"fold: Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)={x.shape[1]} and "
            f"kernel_size={list(kernel_size)}."
        )
    if x.shape[2] != volume(counts):
        raise RuntimeError(
            f"fold: Given output_size={list(output_size)}, kernel_size={list(kernel_size)}, dilation={list(dilation)}, padding={list(padding)}, "
            f"stride={list(stride)}, expected size of input's dimension 2 to match the calculated number of sliding blocks "
            f"{' * '.join(map(str, counts))} = {math.prod(counts)}, but got input.size(2)={x.shape[2]}."
        )
    return like(x, shape=(x.shape[0], x.shape[1] // volume(kernel_size), *output_size))


def _col2im(
    x: np.ndarray, output_size: Ints, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints
) -> np.ndarray:
    counts = _counts(output_size, kernel_size, dilation, padding, stride)
    parts = x.reshape(x.shape[0], x.shape[1] // volume(kernel_size), *kernel_size, *counts)
    padded = [n + 2 * p for n, p in zip(output_size, padding, strict=True)]
    whole = add_windows(parts, padded, kernel_size, stride, dilation, counts)
    return whole[(..., *(slice(p, p + n) for p, n in zip(padding, output_size, strict=True)))]


im2col = declare(
    "im2col_op(Tensor input, int[] kernel_size, int[] dilation, int[] padding, int[] stride)", infer=_im2col_infer, reference=_im2col,
    vjp=(lambda g, out, x, **s: T.apply("col2im_op", (g,), {"output_size": tuple(x.shape[2:]), **s}),), grad_name="Im2ColBackward0",
    samples=lambda: [((values(2, 3, 5, 4), (2, 3), (1, 1), (1, 0), (2, 1)), {})], expand=rearrange.im2col, moves=True, doc="each patch as a column",
)  # fmt: skip
col2im = declare(
    "col2im_op(Tensor input, int[] output_size, int[] kernel_size, int[] dilation, int[] padding, int[] stride)",
    infer=_col2im_infer, reference=_col2im, grad_name="Col2ImBackward0",
    vjp=(lambda g, out, x, output_size, **s: T.apply("im2col_op", (g,), s),),
    samples=lambda: [((values(2, 8, 4), (3, 3), (2, 2), (1, 1), (0, 0), (1, 1)), {})], expand=rearrange.col2im, doc="columns added up into the places of their patches",
)  # fmt: skip
