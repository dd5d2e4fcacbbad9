"""bfloat16 and complex32 as NumPy sees them: the upper half of a float32, and two float16 side by side, kept as bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.dtype import bfloat16, complex32, dtype
from rushlight.errors import NumberRangeError, explain_error


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """uint16 bit patterns to float32, exactly."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def to_bfloat16(values: Any) -> np.ndarray:
    """Round to nearest, ties to even; NaN stays NaN."""
    values = np.asarray(values, dtype=np.float32)
    bits = values.view(np.uint32)
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    return np.where(np.isnan(values), np.uint16(0x7FC0), rounded)


def from_complex32(bits: np.ndarray) -> np.ndarray:
    """Pairs of float16 to complex64, exactly; the result is laid out as the pairs are."""
    found = np.empty_like(bits, np.complex64)
    found.real = (bits & 0xFFFF).astype(np.uint16).view(np.float16)
    found.imag = (bits >> 16).astype(np.uint16).view(np.float16)
    return found


def to_complex32(values: Any) -> np.ndarray:
    """Both parts rounded to float16."""
    values = np.asarray(values)
    with np.errstate(over="ignore"):
        real, imaginary = (
            np.ascontiguousarray(part, np.float16).view(np.uint16) for part in (values.real, values.imag)
        )
    return (imaginary.astype(np.uint32) << 16 | real).reshape(values.shape)


def to_compute(array: np.ndarray, kind: dtype) -> np.ndarray:
    """A buffer in the dtype that the reference computes in."""
    if kind is bfloat16:
        return from_bfloat16(array)
    if kind is complex32:
        return from_complex32(array)
    return array if array.dtype == kind.compute else array.astype(kind.compute)


def to_storage(values: Any, kind: dtype) -> np.ndarray:
    """Computed values as a buffer, rounded once."""
    if kind is bfloat16:
        return to_bfloat16(values)
    if kind is complex32:
        return to_complex32(values)
    with np.errstate(all="ignore"):
        return convert(np.asarray(values), kind.storage)


def convert(values: np.ndarray, target: Any) -> np.ndarray:
    """`astype` with C's rules; complex to real drops the imaginary part. Call it with NumPy's warnings off."""
    if values.dtype == target:
        return values
    if values.dtype == object:  # of a Python number beyond 64 bits
        raise NumberRangeError(explain_error("number", got=str(values), expected="one that 64 bits hold"))
    if values.dtype.kind == "c" and np.dtype(target).kind not in "cb":
        values = values.real
    if values.dtype.kind == "f" and np.dtype(target).kind == "u":
        wrapped = values.astype(np.int64).astype(target)  # negative floats wrap, as in PyTorch on x86
        return np.where(values >= 2.0**63, values.astype(target), wrapped) if target == np.uint64 else wrapped
    if target == np.float16 and values.dtype == np.float64:
        values = values.astype(np.float32)  # in two roundings, as processors convert, and PyTorch
    return values.astype(target)
