"""Sliding windows over the last dimensions: sizes, zero padding, and the patches that convolutions and pools read."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

Ints = Sequence[int]


def window_count(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool = False) -> int:
    """How many windows fit: floor((size + 2 padding − dilation (kernel − 1) − 1) / stride) + 1.

    With `ceil_mode` a last window may hang over the end, if it starts inside the input or its left padding.
    """
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count


def pad_end(x: np.ndarray, before: Ints, after: Ints, value: Any = 0) -> np.ndarray:
    """The last `len(before)` dimensions grown by constant margins; `x` itself when there are none."""
    if not any(before) and not any(after):
        return x
    lead = x.ndim - len(before)
    shape = x.shape[:lead] + tuple(b + n + a for b, n, a in zip(before, x.shape[lead:], after, strict=True))
    result = np.full(shape, value, x.dtype) if value else np.zeros(shape, x.dtype)
    result[(..., *(slice(b, b + n) for b, n in zip(before, x.shape[lead:], strict=True)))] = x
    return result


def windows(x: np.ndarray, kernel: Ints, stride: Ints, dilation: Ints, counts: Ints) -> np.ndarray:
    """A read-only view (..., *kernel, *counts) of a padded array (..., *space): no copy."""
    n = len(kernel)
    space = x.strides[x.ndim - n :]
    inner = tuple(s * d for s, d in zip(space, dilation, strict=True))
    outer = tuple(s * d for s, d in zip(space, stride, strict=True))
    shape = x.shape[: x.ndim - n] + tuple(kernel) + tuple(counts)
    return np.lib.stride_tricks.as_strided(x, shape, x.strides[: x.ndim - n] + inner + outer, writeable=False)


def taps(kernel: Ints, stride: Ints, dilation: Ints, counts: Ints) -> Iterator[tuple[tuple[int, ...], tuple]]:
    """For each position in the kernel, row by row: its index, and the slices of what all windows hold there."""
    for at in itertools.product(*(range(k) for k in kernel)):
        yield at, (..., *(
            slice(i * d, i * d + s * (c - 1) + 1, s) for i, d, s, c in zip(at, dilation, stride, counts, strict=True)
        ))  # fmt: skip


def reach(kernel: Ints, stride: Ints, dilation: Ints, counts: Ints) -> tuple[int, ...]:
    """The padded size that `counts` windows cover."""
    return tuple((c - 1) * s + d * (k - 1) + 1 for k, s, d, c in zip(kernel, stride, dilation, counts, strict=True))


def add_windows(parts: np.ndarray, space: Ints, kernel: Ints, stride: Ints, dilation: Ints, counts: Ints) -> np.ndarray:
    """The inverse of `windows`: (..., *kernel, *counts) added up where they overlap, into zeros of (..., *space)."""
    n = len(kernel)
    result = np.zeros(parts.shape[: parts.ndim - 2 * n] + tuple(space), parts.dtype)
    tail = (slice(None),) * n
    for at, place in taps(kernel, stride, dilation, counts):
        result[place] += parts[(..., *at, *tail)]
    return result


def batches(count: int, bytes_each: int, limit: int = 1 << 21) -> Iterator[slice]:
    """Slices of a batch whose patches stay in cache."""
    step = max(1, limit // max(bytes_each, 1))
    return (slice(i, min(i + step, count)) for i in range(0, count, step))


def volume(sizes: Ints) -> int:
    """The product of sizes."""
    return math.prod(sizes)
