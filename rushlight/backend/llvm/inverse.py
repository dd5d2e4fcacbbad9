"""asin, acos, atan, atan2. float32 is computed in float64."""

from __future__ import annotations

from rushlight.backend.llvm.vectors import (
    INFINITY,
    Vector,
    absolute,
    copysign,
    fma,
    in_double,
    polynomial,
    select,
    sqrt,
)

# (asin(x)/x - 1) / x² as a polynomial of x², |x| <= 1/2: 2^-59
_ASIN = (
    0.1666666666666676, 0.0749999999997081, 0.04464285717464518, 0.030381942704768662, 0.022372215102551555,
    0.017351609518458457, 0.013980854793007992, 0.011398601278367438, 0.01078214893875109, 0.0036987213482371556,
    0.021727327302267202, -0.021028746173205343, 0.03264809847817627,
)  # fmt: skip
# (atan(x)/x - 1) / x², |x| <= tan(π/8): 2^-59
_ATAN = (
    -0.3333333333333319, 0.1999999999995218, -0.1428571428005356, 0.11111110776263876, -0.09090897549742553,
    0.07692056498395901, -0.06663061613754279, 0.05847579107079854, -0.05037900376747078, 0.03802871016720245,
    -0.017867761093474346,
)  # fmt: skip
# In two parts, the second what the first lacks.
_PI = (3.141592653589793, 1.2246467991473532e-16)
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17)
_QUARTER_PI = (0.7853981633974483, 3.061616997868383e-17)
_TAN_EIGHTH, _TAN_THREE_EIGHTHS = 0.41421356237309503, 2.414213562373095  # tan(π/8), tan(3π/8)


def _arc(a: Vector) -> tuple[Vector, Vector]:
    """(big, p): asin a for 0 <= a <= 1 is p, or, where `big`, π/2 - 2p."""
    big = a > 0.5
    square = select(big, (1.0 - a) * 0.5, a * a)
    s = select(big, sqrt(square), a)
    return big, fma(s * square, polynomial(square, _ASIN), s)


@in_double
def asin(x: Vector) -> Vector:
    """The angle in [-π/2, π/2] with this sine; NaN beyond 1. asin a = π/2 - 2 asin √((1 - a) / 2)."""
    big, p = _arc(absolute(x))
    return copysign(select(big, (_HALF_PI[0] - (p + p)) + _HALF_PI[1], p), x)


@in_double
def acos(x: Vector) -> Vector:
    """The angle in [0, π] with this cosine; NaN beyond 1."""
    big, p = _arc(absolute(x))
    twice = p + p
    far = select(x > 0.0, twice, (_PI[0] - twice) + _PI[1])
    return select(big, far, _HALF_PI[0] - (copysign(p, x) - _HALF_PI[1]))


def _angle(y: Vector, x: Vector) -> Vector:
    """The angle in [0, π/2] of a point with no negative coordinate: turned by π/4 or π/2 to lie near the axis."""
    steep = y > x * _TAN_THREE_EIGHTHS
    middle = y > x * _TAN_EIGHTH
    t = select(steep, -x, select(middle, y - x, y)) / select(steep, y, select(middle, y + x, x))
    square = t * t
    p = fma(t * square, polynomial(square, _ATAN), t)
    high = select(steep, x.like(_HALF_PI[0]), select(middle, x.like(_QUARTER_PI[0]), 0.0))
    low = select(steep, x.like(_HALF_PI[1]), select(middle, x.like(_QUARTER_PI[1]), 0.0))
    return high + (p + low)


@in_double
def atan(x: Vector) -> Vector:
    """The angle in [-π/2, π/2] with this tangent."""
    return copysign(_angle(absolute(x), x.like(1.0)), x)


@in_double
def atan2(y: Vector, x: Vector) -> Vector:
    """The angle in [-π, π] of the point (x, y)."""
    a, b = absolute(y), absolute(x)
    # Their sum must not overflow, and 0/0 and ∞/∞ have an angle.
    scale = select(a + b > 2.0**1020, a.like(0.25), 1.0)
    endless = a.equals(INFINITY) & b.equals(INFINITY)
    one = endless | (a.equals(0.0) & b.equals(0.0))
    above = select(endless, 1.0, a * scale)
    right = select(one, 1.0, b * scale)
    angle = _angle(above, right)
    return copysign(select(x.bits() < 0, _PI[0] - (angle - _PI[1]), angle), y)
