"""bfloat16 as NumPy sees it: the upper half of a float32, kept in uint16."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.dtype import bfloat16, dtype


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """uint16 bit patterns to float32, exactly."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def to_bfloat16(values: Any) -> np.ndarray:
    """Round to nearest, ties to even; NaN stays NaN."""
    values = np.asarray(values, dtype=np.float32)
    bits = values.view(np.uint32)
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    return np.where(np.isnan(values), np.uint16(0x7FC0), rounded)


def to_compute(array: np.ndarray, kind: dtype) -> np.ndarray:
    """A buffer in the dtype that the reference computes in."""
    if kind is bfloat16:
        return from_bfloat16(array)
    return array if array.dtype == kind.compute else array.astype(kind.compute)


def to_storage(values: Any, kind: dtype) -> np.ndarray:
    """Computed values as a buffer, rounded once."""
    if kind is bfloat16:
        return to_bfloat16(values)
    with np.errstate(all="ignore"):
        return convert(np.asarray(values), kind.storage)


def convert(values: np.ndarray, target: Any) -> np.ndarray:
    """`astype` with C's rules; complex to real drops the imaginary part. Call it with NumPy's warnings off."""
    if values.dtype == target:
        return values
    if values.dtype.kind == "c" and np.dtype(target).kind not in "cb":
        values = values.real
    if values.dtype.kind == "f" and np.dtype(target).kind == "u":
        return values.astype(np.int64).astype(target)  # negative floats wrap, as in PyTorch on x86
    return values.astype(target)
