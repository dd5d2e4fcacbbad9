"""log and what is made of it: x = 2^k m with m between √½ and √2, log x = k ln 2 + log m."""

from __future__ import annotations

from rushlight.backend.llvm.exponential import LN2
from rushlight.backend.llvm.vectors import BIAS, INFINITY, MANTISSA, NAN, Vector, copysign, fma, polynomial, select

# f32: (log(1 + f) - f + f²/2) / f³, √½ <= 1 + f <= √2: 2^-27
# f64: (log(1 + f) / s - 2) / s² as a polynomial of s², s = f / (2 + f): 2^-60
_LOG = {
    "f32": (0.3333333, -0.25000823, 0.20001261, -0.16623339, 0.14200991, -0.1315917, 0.12763888, -0.076381154),
    "f64": (
        0.6666666666666734, 0.39999999999416663, 0.2857142874202062, 0.22222198605995352, 0.18183562796681285,
        0.15314086344448333, 0.1479561747021076,
    ),
}  # fmt: skip

# In two parts, the second what the first lacks; log10 2 is cut so that its product with an exponent is exact.
_LOG2_E = {"f32": (1.4426950216293335, 1.925963033500011e-08), "f64": (1.4426950408889634, 2.0355273740931033e-17)}
_LOG10_E = {"f32": (0.4342944920063019, -1.0103049952192578e-08), "f64": (0.4342944819032518, 1.098319650216765e-17)}
_LOG10_2 = {"f32": (0.301025390625, 4.605039066518657e-06), "f64": (0.30102999566383914, 1.42050232272661e-13)}

# Bits of √½, of 1, of the exponent, and of 2^52: an integer put below the last is that many above it as a float.
_ROOT_HALF = {"f32": 0x3F3504F3, "f64": 0x3FE6A09E667F3BCD}
_ONE = {"f32": 0x3F800000, "f64": 0x3FF0000000000000}
_EXPONENT = {"f32": -(1 << 23), "f64": -(1 << 52)}
_TWO52 = 0x4330000000000000
_TINY = {"f32": 2.0**-126, "f64": 2.0**-1022}  # the smallest normal number


def split(x: Vector) -> tuple[Vector, Vector]:
    """(m, k) with x = 2^k m and √½ <= m < √2, for a positive finite x; k is a float."""
    kind = x.kind
    mantissa = MANTISSA[kind]
    denormal = x < _TINY[kind]
    x = select(denormal, x * 2.0 ** (mantissa + 1), x)
    above = x.bits() - (_ROOT_HALF[kind] - _ONE[kind])
    exponent = above & _EXPONENT[kind]
    m = (x.bits() - exponent + _ONE[kind]).float_of_bits()
    k = _whole(above >> mantissa) - BIAS[kind]
    return m, select(denormal, k - (mantissa + 1), k)


def _whole(n: Vector) -> Vector:
    """A small non-negative integer as a float of the same width."""
    if n.kind == "i32":
        return n.converted("f32")
    return (n | _TWO52).float_of_bits() - 2.0**52  # few processors convert 64 bits


def _tail(f: Vector) -> Vector:
    """log(1 + f) - f."""
    if f.kind == "f32":
        return f * f * fma(f, polynomial(f, _LOG["f32"]), -0.5)
    s = f / (f + 2.0)
    z = s * s
    # log(1 + f) = f - s (f - z P(z)), for 2s = f - s f
    return -(s * (f - z * polynomial(z, _LOG["f64"])))


def _finished(x: Vector, y: Vector) -> Vector:
    """The logarithm y of x, also where x is 0, infinite, negative or NaN."""
    y = select(x < INFINITY, y, x)
    return select(x > 0.0, y, select(x.equals(0.0), y.like(-INFINITY), select(x < 0.0, y.like(NAN), x)))


def log(x: Vector) -> Vector:
    """The natural logarithm."""
    high, low = LN2[x.kind]
    m, k = split(x)
    f = m - 1.0
    return _finished(x, fma(k, high, f + fma(k, low, _tail(f))))


def log2(x: Vector) -> Vector:
    """The logarithm to base 2; exact for powers of 2."""
    high, low = _LOG2_E[x.kind]
    m, k = split(x)
    f = m - 1.0
    return _finished(x, k + fma(f, high, fma(f, low, _tail(f) * high)))


def log10(x: Vector) -> Vector:
    """The logarithm to base 10."""
    high, low = _LOG10_E[x.kind]
    two, two_low = _LOG10_2[x.kind]
    m, k = split(x)
    f = m - 1.0
    return _finished(x, fma(k, two, fma(f, high, fma(f, low, fma(k, two_low, _tail(f) * high)))))


def log1p(x: Vector) -> Vector:
    """log(1 + x): k is that of 1 + x, which may be rounded, but f = (1 + x) / 2^k - 1 = x / 2^k + (1 / 2^k - 1)."""
    kind = x.kind
    mantissa = MANTISSA[kind]
    high, low = LN2[kind]
    u = x + 1.0
    above = u.bits() - (_ROOT_HALF[kind] - _ONE[kind])
    exponent = above & _EXPONENT[kind]
    k = _whole(above >> mantissa) - BIAS[kind]
    exponent = exponent - _ONE[kind]  # of 2^k; before, it was that of 2^k times 1, and so its bits
    inverse = select(u < 2.0 ** (2 * mantissa), (-exponent + _ONE[kind]).float_of_bits(), 0.0)
    f = (x.bits() - exponent).float_of_bits() + (inverse - 1.0)
    return copysign(_finished(u, fma(k, high, f + fma(k, low, _tail(f)))), x)
