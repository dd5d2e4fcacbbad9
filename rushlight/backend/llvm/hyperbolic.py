"""The hyperbolic functions and their inverses. float32 is computed in float64, but for tanh, which networks use."""

from __future__ import annotations

from rushlight.backend.llvm.exponential import EXP, LN2, LOG2_E, exp
from rushlight.backend.llvm.logarithm import log1p
from rushlight.backend.llvm.vectors import (
    BIAS,
    MANTISSA,
    NAN,
    Vector,
    absolute,
    at_most,
    copysign,
    fma,
    in_double,
    polynomial,
    select,
    sqrt,
)

# (tanh(x)/x - 1) / x² as a polynomial of x², |x| <= 0.55: 2^-29, 2^-60
_TANH = {
    "f32": (-0.33333316, 0.13332544, -0.053847548, 0.021050714, -0.006242849),
    "f64": (
        -0.333333333333333, 0.13333333333326516, -0.05396825396367881, 0.021869488383103892, -0.00886323255125751,
        0.00359209148158705, -0.0014555390802785046, 0.0005884281488342944, -0.00023333803985333836,
        8.325146461534437e-05, -1.945306566022491e-05,
    ),
}  # fmt: skip
# (sinh(x)/x - 1) / x² as a polynomial of x², |x| <= 1: 2^-61
_SINH = (
    0.16666666666666669, 0.008333333333332912, 0.000198412698415934, 2.7557319106764283e-06, 2.505213099677869e-08,
    1.6056659380438833e-10, 7.776591726408206e-13,
)  # fmt: skip

_HUGE = 2.0**60  # from here on x² + 1 rounds to x²
_LN2 = 0.6931471805599453


def tanh(x: Vector) -> Vector:
    """1 - 2 / (e^2x + 1); a polynomial where that would cancel."""
    kind, mantissa = x.kind, MANTISSA[x.kind]
    size = absolute(x)
    square = x * x
    small = fma(size * square, polynomial(square, _TANH[kind]), size)
    a = at_most(size, {"f32": 9.5, "f64": 19.5}[kind])  # tanh rounds to 1 from here on
    shifter = 1.5 * 2.0**mantissa + BIAS[kind]
    shifted = fma(a, 2 * LOG2_E, shifter)
    n = shifted - shifter
    r = fma(n, -LN2[kind][1], fma(n, -LN2[kind][0], a + a))
    e = polynomial(r, (1.0, 1.0, *EXP[kind])) * (shifted.bits() << mantissa).float_of_bits()
    return copysign(select(size < 0.55, small, 1.0 - 2.0 / (e + 1.0)), x)


@in_double
def sinh(x: Vector) -> Vector:
    """(e^x - e^-x) / 2; a polynomial where that would cancel."""
    size = absolute(x)
    square = x * x
    small = fma(size * square, polynomial(square, _SINH), size)
    half = exp(size, exponent=-1)
    return copysign(select(size < 1.0, small, half - 0.25 / half), x)


@in_double
def cosh(x: Vector) -> Vector:
    """(e^x + e^-x) / 2."""
    half = exp(absolute(x), exponent=-1)
    return half + 0.25 / half


@in_double
def asinh(x: Vector) -> Vector:
    """log(a + √(a² + 1)) = log1p(a + a² / (1 + √(a² + 1))), a = |x|."""
    a = absolute(x)
    square = a * a
    huge = a > _HUGE
    found = log1p(select(huge, a, a + square / (sqrt(square + 1.0) + 1.0)))
    return copysign(found + select(huge, a.like(_LN2), 0.0), x)


@in_double
def acosh(x: Vector) -> Vector:
    """log(x + √(x² - 1)) = log1p(t + √(2t + t²)), t = x - 1; NaN below 1."""
    t = x - 1.0
    huge = x > _HUGE
    found = log1p(select(huge, t, t + sqrt(fma(t, t, t + t)))) + select(huge, t.like(_LN2), 0.0)
    return select(x < 1.0, NAN, found)


@in_double
def atanh(x: Vector) -> Vector:
    """log((1 + a) / (1 - a)) / 2 = log1p(2a / (1 - a)) / 2, a = |x|; NaN beyond 1."""
    a = absolute(x)
    return copysign(log1p((a + a) / (1.0 - a)) * 0.5, x)
