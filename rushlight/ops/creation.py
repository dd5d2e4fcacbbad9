"""Tensors from nothing: filled, counted, identity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight import device as devices
from rushlight import dtype as dtypes
from rushlight.ir.meta import Meta, meta
from rushlight.ir.op import declare
from rushlight.ops import rearrange
from rushlight.ops.samples import values


def check_size(op: str, size: Sequence[int]) -> None:
    """Sizes must not be negative."""
    if any(n < 0 for n in size):
        raise RuntimeError(f"{op}: Trying to create tensor with negative dimension {min(size)}: {list(size)}")


def _full_infer(value: Meta, size: Sequence[int], dtype: Any, device: Any) -> Meta:
    check_size("full", size)
    return meta(size, dtype, device)


def _full(value: np.ndarray, size: Sequence[int], dtype: Any, device: Any) -> np.ndarray:
    from rushlight.backend.numpy.half import convert

    return np.full(size, convert(value, dtype.compute), dtype.compute)


full = declare(
    "full_op(Number fill_value, int[] size, dtype dtype, any device)", infer=_full_infer, reference=_full,
    samples=lambda: [((2.5, (2, 3), dtypes.float64, devices.cpu), {})],
    lower=lambda value, size, dtype, device: value, doc="every element is fill_value",
)  # fmt: skip


def _arange_length(start: Any, end: Any, step: Any) -> int:
    if step == 0:
        raise RuntimeError("arange: step must be nonzero")
    if (end - start) * (1 if step > 0 else -1) < 0:
        raise RuntimeError(
            f"arange: upper bound and lower bound inconsistent with step sign; got {start}, {end}, {step}"
        )
    if all(isinstance(v, int) for v in (start, end, step)):
        return max(0, -(-(end - start) // step))
    return max(0, math.ceil((end - start) / step))


def _arange(start: Any, end: Any, step: Any, dtype: Any, device: Any) -> np.ndarray:
    count = _arange_length(start, end, step)
    if dtype.category < dtypes.FLOATING:
        return (start + np.arange(count, dtype=np.int64) * step).astype(dtype.storage)
    # in double, rounded once: what the CPU kernel's accumulation type does
    return (start + np.arange(count, dtype=np.float64) * step).astype(dtype.compute)


arange = declare(
    "arange_op(any start, any end, any step, dtype dtype, any device)",
    infer=lambda start, end, step, dtype, device: meta((_arange_length(start, end, step),), dtype, device),
    reference=_arange, samples=lambda: [((0, 5, 2, dtypes.int64, devices.cpu), {})], doc="start, start + step, … below end",
)  # fmt: skip


def _linspace(start: Any, end: Any, steps: int, dtype: Any, device: Any) -> np.ndarray:
    """Counted from both ends, as PyTorch does, so that both ends are exact."""
    if steps == 1:
        return np.full(1, start).astype(dtype.compute)
    kind = dtype.compute if dtype.category >= dtypes.FLOATING else np.float64
    step = np.asarray((end - start) / (steps - 1), kind)
    index = np.arange(steps).astype(kind)
    front = np.asarray(start, kind) + step * index
    back = np.asarray(end, kind) - step * (steps - 1 - index)
    return np.where(np.arange(steps) < steps // 2, front, back).astype(dtype.compute)


def _steps_infer(start: Any, end: Any, steps: int, dtype: Any, device: Any) -> Meta:
    if steps < 0:
        raise RuntimeError(f"linspace: number of steps must be non-negative; got {steps}")
    return meta((steps,), dtype, device)


linspace = declare(
    "linspace_op(any start, any end, int steps, dtype dtype, any device)", infer=_steps_infer, reference=_linspace,
    samples=lambda: [((0.0, 1.0, 5, dtypes.float64, devices.cpu), {})], expand=rearrange.linspace, doc="evenly spaced values, both ends included",
)  # fmt: skip


def _eye_infer(n: int, m: int, dtype: Any, device: Any) -> Meta:
    if n < 0 or m < 0:
        raise RuntimeError(f"eye: n and m must be greater or equal to 0, got {min(n, m)}.")
    return meta((n, m), dtype, device)


eye = declare(
    "eye_op(int n, int m, dtype dtype, any device)", infer=_eye_infer,
    reference=lambda n, m, dtype, device: np.eye(n, m, dtype=dtype.compute),
    samples=lambda: [((2, 3, dtypes.float64, devices.cpu), {})], expand=rearrange.eye, moves=True, doc="ones on the diagonal",
)  # fmt: skip
position = declare(
    "position_part(Tensor input, int dim)", infer=lambda x, dim: meta(x.shape, dtypes.int64, x.device),
    reference=lambda x, dim: np.broadcast_to(np.arange(x.shape[dim]).reshape(-1, *(1,) * (x.ndim - 1 - dim)), x.shape),
    samples=lambda: [((values(2, 3), 1), {})], doc="for every element its index along `dim`",
)  # fmt: skip
