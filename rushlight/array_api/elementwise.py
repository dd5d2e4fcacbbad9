"""Functions of elements: PyTorch's, that take a Python number beside an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight
from rushlight import abs as abs
from rushlight import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    ceil,
    cos,
    cosh,
    exp,
    expm1,
    floor,
    imag,
    isfinite,
    isinf,
    isnan,
    log,
    log1p,
    log2,
    log10,
    logical_not,
    negative,
    positive,
    reciprocal,
    signbit,
    sin,
    sinh,
    sqrt,
    square,
    tan,
    tanh,
    trunc,
)  # fmt: skip
from rushlight import bitwise_not as bitwise_invert
from rushlight import sgn as sign
from rushlight.array_api.dtypes import result_type

_NAMES = (
    "add", "atan2", "bitwise_and", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "copysign", "divide",
    "eq", "floor_divide", "ge", "gt", "hypot", "le", "logaddexp", "logical_and", "logical_or", "logical_xor", "lt", "maximum",
    "minimum", "multiply", "ne", "nextafter", "pow", "remainder", "subtract",
)  # fmt: skip
__all__ = [
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and", "bitwise_invert", "bitwise_left_shift",
    "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "clip", "conj", "copysign", "cos", "cosh", "divide", "equal", "exp",
    "expm1", "floor", "floor_divide", "greater", "greater_equal", "hypot", "imag", "isfinite", "isinf", "isnan", "less",
    "less_equal", "log", "log10", "log1p", "log2", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor",
    "maximum", "minimum", "multiply", "negative", "nextafter", "not_equal", "positive", "pow", "real", "reciprocal", "remainder",
    "round", "sign", "signbit", "sin", "sinh", "sqrt", "square", "subtract", "tan", "tanh", "trunc",
]  # fmt: skip


def as_array(x: Any, beside: Any) -> Any:
    """A Python number as an array of the dtype that an operation with `beside` has."""
    if isinstance(x, rushlight.Tensor):
        return x
    return rushlight.tensor(x, dtype=result_type(x, beside), device=beside.device)


def _of_two(name: str) -> Callable[[Any, Any], Any]:
    function = getattr(rushlight, name)

    def apply(x1: Any, x2: Any, /) -> Any:
        return function(as_array(x1, x2), as_array(x2, x1))

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = function.__doc__
    return apply


_found = {name: _of_two(name) for name in _NAMES}
add, atan2, bitwise_and, bitwise_left_shift, bitwise_or, bitwise_right_shift, bitwise_xor = (
    _found[n] for n in _NAMES[:7]
)
copysign, divide, equal, floor_divide, greater_equal, greater, hypot, less_equal = (_found[n] for n in _NAMES[7:15])
logaddexp, logical_and, logical_or, logical_xor, less, maximum, minimum, multiply = (_found[n] for n in _NAMES[15:23])
not_equal, nextafter, pow, remainder, subtract = (_found[n] for n in _NAMES[23:])


def conj(x: Any, /) -> Any:
    """The conjugate; a real array is its own."""
    return rushlight.conj_physical(x) if x.dtype.is_complex else x


def real(x: Any, /) -> Any:
    """The real part; a real array is its own."""
    return rushlight.real(x) if x.dtype.is_complex else x


def round(x: Any, /) -> Any:
    """To whole numbers, halves to even ones; of complex numbers both parts."""
    if x.dtype.is_complex:
        return rushlight.complex(rushlight.round(x.real), rushlight.round(x.imag))
    return rushlight.round(x)


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """`x`, but no less than `min` and no more than `max`; in the dtype of `x`."""
    bounds = [
        bound if bound is None or not isinstance(bound, rushlight.Tensor) else bound.to(x.dtype) for bound in (min, max)
    ]
    if bounds == [None, None]:
        return x.clone()
    if any(isinstance(bound, rushlight.Tensor) for bound in bounds):
        bounds = [bound if bound is None else as_array(bound, x) for bound in bounds]
    return rushlight.clamp(x, *bounds).to(x.dtype)
