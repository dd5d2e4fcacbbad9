"""NumPy scalars and arrays in checkpoints (a best accuracy, a history): numbers only, from checked bytes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.serialization.refusal import Refusal, shown

_KINDS = "biufc"


class DtypeToken:
    """A NumPy dtype read from the file, before and after its byte order is known."""

    __slots__ = ("dtype",)
    title = "a bare NumPy dtype"

    def __init__(self, dtype: np.dtype):
        self.dtype = dtype


def _dtype(code: Any, align: Any = False, copy: Any = True) -> DtypeToken:
    if type(code) is not str or len(code) > 4 or code[:1] not in _KINDS:
        raise Refusal(f"the NumPy dtype {shown(code)}", "a dtype of numbers")
    return DtypeToken(np.dtype(code))


def _scalar(dtype: Any, data: Any) -> Any:
    found = _plain(dtype)
    if type(data) is not bytes or len(data) != found.itemsize:
        raise Refusal(f"a NumPy scalar of {found} without its {found.itemsize} bytes")
    return np.frombuffer(data, found)[0]


def _empty(kind: Any, shape: Any, code: Any) -> np.ndarray:
    """The array that a later BUILD fills."""
    return np.empty(0, np.uint8)


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    array = np.empty(0, np.uint8)
    if order not in ("C", "F"):
        raise Refusal(f"a NumPy array in the order {shown(order)}", "C or F")
    builds(array, (1, shape, dtype, order == "F", bytes(data)))
    return array


def _plain(dtype: Any) -> np.dtype:
    if type(dtype) is not DtypeToken:
        raise Refusal(f"a NumPy value of dtype {shown(dtype)}", "a dtype of numbers")
    return dtype.dtype


def builds(instance: Any, state: Any) -> bool:
    """Give a NumPy array or dtype its state; False when `instance` is neither."""
    if type(instance) is DtypeToken:
        if type(state) is not tuple or len(state) < 5 or state[1] not in ("<", "|", ">", "=") or any(state[2:5]):
            raise Refusal("a NumPy dtype with fields", "a dtype of numbers")
        instance.dtype = instance.dtype.newbyteorder(state[1])
        return True
    if type(instance) is not np.ndarray:
        return False
    if type(state) is not tuple or len(state) != 5 or instance.size:
        raise Refusal("a NumPy array with an odd state", "version, shape, dtype, order and bytes")
    _, shape, dtype, fortran, data = state
    found = _plain(dtype)
    if type(shape) is not tuple or not all(type(n) is int and 0 <= n < 1 << 48 for n in shape):
        raise Refusal("a NumPy array without a shape", "a tuple of sizes")
    if type(data) is not bytes or len(data) != math.prod(shape) * found.itemsize:
        raise Refusal(f"a NumPy array of shape {shape} and {found}", "as many bytes as that needs")
    # Plain numbers of exactly this length: NumPy only copies the bytes.
    instance.__setstate__((1, shape, found, bool(fortran), data))
    return True


RUNS: dict[str, Callable[..., Any]] = {"numpy.dtype": _dtype}
for _module in ("numpy.core", "numpy._core"):
    RUNS[f"{_module}.multiarray.scalar"] = _scalar
    RUNS[f"{_module}.multiarray._reconstruct"] = _empty
    RUNS[f"{_module}.numeric._frombuffer"] = _from_buffer

# Named as arguments only.
NAMES = ("numpy.ndarray",)
