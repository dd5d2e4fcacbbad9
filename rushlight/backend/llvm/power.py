"""pow, fmod, hypot. float32 is computed in float64."""

from __future__ import annotations

from rushlight.backend.llvm.exponential import LN2, exp
from rushlight.backend.llvm.logarithm import log, split
from rushlight.backend.llvm.vectors import (
    INFINITY,
    NAN,
    Vector,
    absolute,
    at_least,
    at_most,
    copysign,
    floor,
    fma,
    fused,
    in_double,
    polynomial,
    select,
    sqrt,
    trunc,
)

# (log((1 + s) / (1 - s)) - 2s - 2/3 s³) / s⁵ as a polynomial of s², |s| <= (√2 - 1) / (√2 + 1): 2^-73 in the logarithm
_LOG = (
    0.3999999999999998, 0.2857142857144387, 0.2222222221777866, 0.18181818845720335, 0.1538455829231368,
    0.13336270280384838, 0.11675654679758658, 0.11982861722975892,
)  # fmt: skip
_TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)


def _two_sum(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    """a + b exactly, as a rounded sum and what it lacks."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _fast_two_sum(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    """As `_two_sum`, for |a| >= |b|."""
    total = a + b
    return total, b - (total - a)


def _halves(a: Vector) -> tuple[Vector, Vector]:
    """a as the sum of its upper bits and the rest; products of such halves are exact."""
    high = (a.bits() & -(1 << 27)).float_of_bits()
    return high, a - high


def _two_product(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    """a b as a rounded product and what it lacks."""
    product = a * b
    if fused():
        return product, fma(a, b, -product)
    (c, d), (e, f) = _halves(a), _halves(b)
    return product, ((c * e - product) + c * f + d * e) + d * f


def _log_twice(x: Vector) -> tuple[Vector, Vector]:
    """log x as the sum of two floats: about 65 bits, as a power's exponent needs."""
    m, k = split(x)
    f = m - 1.0
    d = f + 2.0
    s = f / d
    product, rest = _two_product(s, d)
    s_low = (((f - product) - rest) - s * (f - (d - 2.0))) / d
    # log m = s (2 + 2/3 z + z² P(z)), z = s²
    z, z_low = _two_product(s, s)
    z_low = fma(s + s, s_low, z_low)
    a, a_low = _two_product(z, z.like(_TWO_THIRDS[0]))
    a_low = fma(z, _TWO_THIRDS[1], fma(z_low, _TWO_THIRDS[0], a_low))
    b, b_low = _fast_two_sum(a, fma(z * z, polynomial(z, _LOG), a_low))
    c, c_low = _two_product(s, b)
    c_low = fma(s, b_low, fma(s_low, b, c_low))
    high, low = LN2["f64"]
    total, e = _two_sum(k * high, s + s)
    total, g = _fast_two_sum(total, c)
    return _fast_two_sum(total, e + g + (c_low + fma(k, low, s_low + s_low)))


def pow(x: Vector, y: Vector) -> Vector:
    """x^y as e^(y log |x|), with C's special cases: 1 where y is 0 or x is 1, NaN for x < 0 where y is no integer."""
    if x.kind == "f32":
        wide_x, wide_y = x.converted("f64"), y.converted("f64")
        size = absolute(wide_x)
        found = exp(_bounded(wide_y) * log(size))
        return _power_cases(wide_x, wide_y, found).converted("f32")
    size = absolute(x)
    plain = log(size)
    high, low = _log_twice(size)
    normal = (size > 0.0) & (size < INFINITY)
    high, low = select(normal, high, plain), select(normal, low, 0.0)
    bounded = _bounded(y)
    exponent, rest = _two_product(bounded, high)
    rest = fma(bounded, low, rest)
    return _power_cases(x, y, exp(exponent, low=select(absolute(exponent) < 1100.0, rest, 0.0)))


def _bounded(y: Vector) -> Vector:
    """An exponent, not so large that products with it overflow: powers have long been 0, 1 or infinite."""
    return at_most(at_least(y, -(2.0**70)), 2.0**70)


def _power_cases(x: Vector, y: Vector, found: Vector) -> Vector:
    """x^y, given |x|^y."""
    whole = floor(y)
    half = y * 0.5
    odd = whole.equals(y) & floor(half).differs(half)
    found = select(odd, copysign(found, x), found)
    found = select((x < 0.0) & (x > -INFINITY) & whole.differs(y), NAN, found)
    return select(y.equals(0.0) | x.equals(1.0), 1.0, found)


@in_double
def hypot(x: Vector, y: Vector) -> Vector:
    """√(x² + y²) without overflow; infinite where one of them is, even beside NaN."""
    a, b = absolute(x), absolute(y)
    large, small = select(a > b, a, b), select(a > b, b, a)
    huge, tiny = large > 2.0**500, large < 2.0**-500
    scale = select(huge, a.like(2.0**-600), select(tiny, a.like(2.0**600), 1.0))
    back = select(huge, a.like(2.0**600), select(tiny, a.like(2.0**-600), 1.0))
    large, small = large * scale, small * scale
    found = sqrt(fma(large, large, small * small)) * back
    return select(a.equals(INFINITY) | b.equals(INFINITY), INFINITY, found)


def _exponent(a: Vector) -> Vector:
    """The exponent of a >= 0 as an integer, also of denormal numbers."""
    denormal = a < 2.0**-1022
    return (select(denormal, a * 2.0**54, a).bits() >> 52) - select(denormal, (a.bits()).like(54), 0)


@in_double
def fmod(x: Vector, y: Vector) -> Vector:
    """x - y trunc(x / y), exactly; NaN where x is infinite or y is 0.

    Long division, 25 bits a round: r -= trunc(r / s) s with s = y 2^k, as long as r may be above y.
    """
    a, b = absolute(x), absolute(y)
    valid = (a < INFINITY) & (b > 0.0)
    a, b = select(valid, a, 0.0), select(valid & (b < INFINITY), b, 1.0)
    distance = _exponent(a) - _exponent(b)
    w, lanes = x.w, x.lanes
    most = distance.name if lanes == 1 else w.let(f"call i64 @llvm.vector.reduce.smax({distance.type} {distance.name})")
    rounds = w.let(f"sdiv i64 {w.add(most, 25)}, 25")
    with w.loop("0", rounds, carried=[(a.type, a.name), (distance.type, distance.name)]) as division:
        r = Vector(w, "f64", lanes, division.values[0])
        left = Vector(w, "i64", lanes, division.values[1]) - 25
        k = select(left > 0, left, 0)
        # 2^k in four factors: it may be above the largest float.
        quarter = k >> 2
        factor = ((quarter + 1023) << 52).float_of_bits()
        s = b * factor * factor * factor * ((k - quarter * 3 + 1023) << 52).float_of_bits()
        q = trunc(r / s)
        high, low = _halves(s)
        r = (r - q * high) - q * low
        r = select(r < 0.0, r + s, r)  # the quotient was rounded up
        division.next = [r.name, left.name]
    found = copysign(Vector(w, "f64", lanes, division.values[0]), x)
    endless = valid & absolute(y).equals(INFINITY)
    return select(valid, select(endless, x, found), NAN)
