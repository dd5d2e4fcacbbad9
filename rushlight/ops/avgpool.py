"""Average pooling over the last dimensions: sums over one dimension after another, then one division."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.dtype import BOOL
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.pool import last_sizes, pooled_shape
from rushlight.ops.rules import forbid, like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T
from rushlight.ops.windows import pad_end, reach, window_count

Ints = Sequence[int]


def _divisor(
    space: Ints, kernel: Ints, stride: Ints, padding: Ints, counts: Ints, include_pad: bool, override: int | None
) -> Any:
    """What each window's sum is divided by: one number, or an array over the output positions."""
    if override is not None:
        return override
    total: Any = 1
    for size, k, s, p, c in zip(space, kernel, stride, padding, counts, strict=True):
        start = np.arange(c) * s - p
        end = np.minimum(start + k, size + p)
        if not include_pad:
            start, end = np.maximum(start, 0), np.minimum(end, size)
        total = np.multiply.outer(total, end - start)
    return int(total.flat[0]) if (total == total.flat[0]).all() else total


def _avg_counts(space: Ints, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool) -> tuple[int, ...]:
    return tuple(
        window_count(n, k, s, p, 1, ceil_mode) for n, k, s, p in zip(space, kernel, stride, padding, strict=True)
    )


def _avg_infer(
    x: Meta,
    kernel_size: Ints,
    stride: Ints,
    padding: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Meta:
    forbid(f"avg_pool{len(kernel_size)}d", x, BOOL)
    if divisor_override == 0:
        raise RuntimeError(f"avg_pool{len(kernel_size)}d: divisor must be not zero; got divisor_override=0.")
    return like(x, shape=pooled_shape("avg_pool", x, kernel_size, stride, padding, (1,) * len(kernel_size), ceil_mode))


def _divided(total: np.ndarray, divisor: Any) -> np.ndarray:
    if total.dtype.kind in "iu":
        down = total // divisor
        return down + ((down < 0) & (down * divisor != total))  # rounded toward zero
    return total / np.asarray(divisor, dtype=total.real.dtype)


def _avg_pool(
    x: np.ndarray,
    kernel_size: Ints,
    stride: Ints,
    padding: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> np.ndarray:
    n = len(kernel_size)
    space = x.shape[x.ndim - n :]
    counts = _avg_counts(space, kernel_size, stride, padding, ceil_mode)
    end = tuple(
        max(0, r - p - s) for r, p, s in zip(reach(kernel_size, stride, (1,) * n, counts), padding, space, strict=True)
    )
    total = pad_end(x, padding, end)
    for d in range(n):
        axis, k, s, c = x.ndim - n + d, kernel_size[d], stride[d], counts[d]
        lead = (slice(None),) * axis
        parts = [total[(*lead, slice(i, i + s * (c - 1) + 1, s))] for i in range(k)]
        total = parts[0].copy()
        for part in parts[1:]:
            total += part
    return _divided(total, _divisor(space, kernel_size, stride, padding, counts, count_include_pad, divisor_override))


def _avg_back(
    g: np.ndarray,
    size: Ints,
    kernel_size: Ints,
    stride: Ints,
    padding: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> np.ndarray:
    n = len(kernel_size)
    counts = g.shape[g.ndim - n :]
    total = _divided(g, _divisor(size, kernel_size, stride, padding, counts, count_include_pad, divisor_override))
    for d in range(n):
        axis, k, s, c, p = g.ndim - n + d, kernel_size[d], stride[d], counts[d], padding[d]
        lead = (slice(None),) * axis
        room = list(total.shape)
        room[axis] = max(size[d] + 2 * p, (c - 1) * s + k)
        spread = np.zeros(room, g.dtype)
        for i in range(k):
            spread[(*lead, slice(i, i + s * (c - 1) + 1, s))] += total
        total = spread[(*lead, slice(p, p + size[d]))]
    return np.ascontiguousarray(total)


def _avg_vjp(g: Any, out: Any, x: Any, **static: Any) -> Any:
    return T.apply("avg_pool_backward", (g,), {"size": last_sizes(x, len(static["kernel_size"])), **static})


def _avg_geometry(kernel: Ints, stride: Ints, **changes: Any) -> dict[str, Any]:
    return {
        "kernel_size": kernel, "stride": stride, "padding": (0,) * len(kernel), "ceil_mode": False, "count_include_pad": True,
        "divisor_override": None, **changes,
    }  # fmt: skip


avg_pool = declare(
    "avg_pool_op(Tensor input, int[] kernel_size, int[] stride, int[] padding, bool ceil_mode, bool count_include_pad, "
    "int? divisor_override)",
    infer=_avg_infer, reference=_avg_pool, vjp=(_avg_vjp,), wide=True, grad_name="AvgPool2DBackward0",
    samples=lambda: [
        ((values(2, 3, 4, 6),), _avg_geometry((2, 3), (2, 3))),
        ((values(2, 3, 5, 6),), _avg_geometry((3, 2), (2, 1), padding=(1, 1), ceil_mode=True, count_include_pad=False)),
    ],
    doc="the mean of each window",
)  # fmt: skip
avg_pool_backward = declare(
    "avg_pool_backward(Tensor input, int[] size, int[] kernel_size, int[] stride, int[] padding, bool ceil_mode, "
    "bool count_include_pad, int? divisor_override)",
    infer=lambda g, size, kernel_size, **_: like(g, shape=(*g.shape[: g.ndim - len(size)], *size)), reference=_avg_back, wide=True,
    vjp=(lambda g, out, x, size, **static: T.apply("avg_pool_op", (g,), static),),
    samples=lambda: [((values(2, 2),), {"size": (5,), **_avg_geometry((2,), (2,))})], doc="each mean's gradient shared out to its window",
)  # fmt: skip
