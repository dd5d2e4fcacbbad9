"""Float arithmetic with the roundings of PyTorch's CPU kernels: fused multiply-add, and float32 log, sin and cos.

A normal sample is only the same bit for bit if every intermediate rounding is. The float32 functions are the
classic Cephes polynomials, evaluated with a fused multiply-add at each step.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

_F32 = np.float32
_SPLIT = 134217729.0  # 2**27 + 1: multiplying by it cuts a double into two halves whose products are exact


def fma32(a: np.ndarray, b: float | np.ndarray, c: float | np.ndarray) -> np.ndarray:
    """float32 a*b + c rounded once: the product of two float32 is exact in float64."""
    wide = a.astype(np.float64)
    wide *= b
    wide += c
    return wide.astype(_F32)


def fma64(a: np.ndarray, b: float, c: float) -> np.ndarray:
    """float64 a*b + c rounded once, by error-free sums and a last rounding to odd (Boldo and Melquiond)."""
    if c == 0.0:
        return a * b
    if math.frexp(b)[0] in (0.5, -0.5):  # a power of two: the product is exact
        return a * b + c
    high, low = _two_product(a, b)
    t_high, t_low = _two_sum(low, c)
    v_high, v_low = _two_sum(high, t_high)
    rest, error = _two_sum(t_low, v_low)
    bits = rest.view(np.int64)
    inexact = (error != 0) & (bits & 1 == 0)
    bits += np.where(inexact, np.where((error > 0) == (rest > 0), 1, -1), 0)
    return v_high + rest


def _two_sum(a: np.ndarray, b: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """The rounded sum and its exact error."""
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


def _two_product(a: np.ndarray, b: float) -> tuple[np.ndarray, np.ndarray]:
    """The rounded product and its exact error."""
    product = a * b
    a_high = a * _SPLIT
    a_high -= a_high - a
    b_high = b * _SPLIT
    b_high -= b_high - b
    a_low, b_low = a - a_high, b - b_high
    return product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def libm(function: Callable[[float], float], values: np.ndarray) -> np.ndarray:
    """A function of `math` on every element: NumPy's vector loops differ from the C library in the last bit."""
    return np.fromiter(map(function, values.ravel().tolist()), np.float64, values.size).reshape(values.shape)


def _constants(*values: float) -> tuple[float, ...]:
    return tuple(float(_F32(v)) for v in values)


LOG = _constants(
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
LN2_HIGH, LN2_LOW = _constants(0.693359375, -2.12194440e-4)
SIN = _constants(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COS = _constants(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
QUARTER_PI = _constants(0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8)  # in three exact parts


def _polynomial(x: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
    """Horner's rule, highest power first, rounded to float32 after each fused step."""
    wide = x.astype(np.float64)
    total = wide * coefficients[0]
    narrow = np.empty_like(x)
    for c in coefficients[1:-1]:
        total += c
        narrow[...] = total
        total[...] = narrow
        total *= wide
    total += coefficients[-1]
    return total.astype(_F32)


def log32(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of positive, normal float32 values: x = m * 2**e with m in [sqrt(1/2), sqrt(2))."""
    m, exponent = np.frexp(x)
    small = (m < _F32(math.sqrt(0.5))).astype(_F32)
    e = exponent.astype(_F32) - small
    m += m * small
    m -= _F32(1)
    square = m * m
    y = fma32(_polynomial(m, LOG) * m, square, e * _F32(LN2_LOW))
    square *= _F32(0.5)
    y -= square
    y += m
    return fma32(e, LN2_HIGH, y)


def sincos32(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(sin, cos) of float32 angles in [0, 2 pi]: reduce to [-pi/4, pi/4], two polynomials, swap by quadrant."""
    quadrant = (x * _F32(4 / math.pi)).astype(np.int32)
    quadrant += 1
    quadrant >>= 1
    octant = (quadrant << 1).astype(_F32)
    x = x - octant * _F32(QUARTER_PI[0])  # exact: the first two parts have few bits
    x -= octant * _F32(QUARTER_PI[1])
    x = fma32(octant, -QUARTER_PI[2], x)
    square = x * x
    cos = fma32(_polynomial(square, COS) * square, square, square * _F32(-0.5))
    cos += _F32(1)
    sin = fma32(_polynomial(square, SIN) * square, x, x)
    # Exchange and negate on the bits: several times quicker than np.where.
    sin_bits, cos_bits = sin.view(np.int32), cos.view(np.int32)
    exchange = (sin_bits ^ cos_bits) & -(quadrant & 1)
    sin_bits ^= exchange ^ ((quadrant & 2) << 30)
    cos_bits ^= exchange ^ ((quadrant + 1 & 2) << 30)
    return sin, cos
