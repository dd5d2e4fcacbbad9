"""sin, cos, tan: the argument less a multiple n of π/2, then a polynomial on [-π/4, π/4], chosen by n's last two bits.

n π/2 has to be subtracted far more precisely than a float can hold it. Up to a limit, π/2 in three parts does; beyond,
as many bits of 2/π as matter for the exponent at hand are multiplied by the argument as integers (Payne, Hanek 1983).
"""

from __future__ import annotations

import math
from itertools import pairwise

from rushlight.backend.llvm.vectors import (
    INFINITY,
    MANTISSA,
    NAN,
    Vector,
    absolute,
    fma,
    fused,
    in_double,
    polynomial,
    select,
)

# (sin(x)/x - 1) / x² as a polynomial of x²: 2^-28, 2^-63
_SIN = {
    "f32": (
        -0.16666655, 0.008332187, -0.00019517896,
    ),
    "f64": (
        -0.16666666666666666, 0.008333333333333042, -0.00019841269840962456, 2.755731907396729e-06,
        -2.5052070916371955e-08, 1.605431040593572e-10, -7.38938754152634e-13,
    ),
}  # fmt: skip
# (cos(x) - 1 + x²/2) / x⁴: 2^-33, 2^-64
_COS = {
    "f32": (
        0.041666646, -0.001388731, 2.4432326e-05,
    ),
    "f64": (
        0.041666666666666595, -0.0013888888888873307, 2.480158728896524e-05, -2.7557314203086544e-07,
        2.0875703141216846e-09, -1.1358617132031797e-11,
    ),
}  # fmt: skip

# π/2 = the sum of three parts. f32: as many bits as fit, for a target whose multiply-add rounds once.
# f64: the product of each of the first two with an n below 2^20 is exact.
_HALF_PI = {
    "f32": (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
    "f64": (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21),
}
_QUARTER = (1.5707963267948966, 6.123233995736766e-17)  # π/2 rounded, and the rest
_LIMIT = {"f32": 2.0**17, "f64": 2.0**20}
_WIDTH = {"f32": 32, "f64": 64}
# The binary digits of 2/π, after 64 zeros, in words.
_TWO_OVER_PI = int(
    "a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424dd2e006492eea09d1921c"
    "fe1deb1cb129a73ee88235f52ebb4484e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980f"
    "ef2f118b5a0a6d1f6d367ecf27cb09b74f463f669e5fea2d7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d08"
    "56033046fc7b6bab",
    16,
)
_WORDS = [_TWO_OVER_PI >> 64 * k & (2**64 - 1) for k in reversed(range(20))]


def sin_near(r: Vector) -> Vector:
    """sin r for |r| <= π/4."""
    square = r * r
    return fma(r * square, polynomial(square, _SIN[r.kind]), r)


def cos_near(r: Vector) -> Vector:
    """cos r for |r| <= π/4."""
    square = r * r
    return fma(square, fma(square, polynomial(square, _COS[r.kind]), -0.5), 1.0)


def _reduce_small(x: Vector) -> tuple[Vector, Vector]:
    """(x - n π/2, an integer whose low bits are those of n), for 0 <= x < limit; a f32 needs a fused multiply-add."""
    first, second, third = _HALF_PI[x.kind]
    shifter = 1.5 * 2.0 ** MANTISSA[x.kind]
    shifted = fma(x, 2 / math.pi, shifter)
    n = shifted - shifter
    r = fma(n, -first, x)
    if x.kind == "f32":
        return fma(n, -third, fma(n, -second, r)), shifted.bits()
    part = n * second
    near = r - part
    rest = (r - near) - part  # what the subtraction lost
    return near + fma(n, -third, rest), shifted.bits()


def _reduce_large(x: Vector) -> tuple[Vector, Vector]:
    """The same for one finite f64 from 2^17 on: x = m 2^e, and of 2/π the 192 bits that matter to (m 2^e 2/π) mod 4."""
    w, bits = x.w, x.bits()
    at = (bits >> 52) - 1013  # the window's first bit, which weighs 2^(1-e)
    words = [at.like(word) for word in _WORDS]
    for step in (16, 8, 4, 2, 1):
        ahead = (at & (64 * step)).differs(0)
        later = words[step:] + words  # no window begins so late that it reaches beyond the table's end
        words = [select(ahead, a, b) for a, b in zip(later, words[: step + 3], strict=False)]
    shift = at & 63
    window = [(a << shift) | ((b >> 1) >> (63 - shift)) for a, b in pairwise(words)]
    m = w.let(f"zext i64 {((bits & ((1 << 52) - 1)) | (1 << 52)).name} to i192")
    parts = [w.let(f"mul i192 {w.let(f'zext i64 {word.name} to i192')}, {m}") for word in window]
    for n in (0, 1):
        parts[n] = w.let(f"shl i192 {parts[n]}, {128 - 64 * n}")
    product = w.let(f"add i192 {w.let(f'add i192 {parts[0]}, {parts[1]}')}, {parts[2]}")
    top, then = (bits.made(f"trunc i192 {w.let(f'lshr i192 {product}, {n}')} to i64") for n in (128, 64))
    # Two bits of the quadrant, then the fraction; as a signed number it counts from the nearest multiple of π/2.
    fraction = (top << 2) | (then >> 62)
    high = (fraction & -2048).converted("f64") * 2.0**-64
    low = (((fraction & 2047) << 52) | ((then << 2) >> 12)).converted("f64") * 2.0**-116
    r = fma(high, _QUARTER[0], fma(high, _QUARTER[1], low * _QUARTER[0]))
    return r, (top >> 62) + (fraction >> 63)


def _reduce(x: Vector) -> tuple[Vector, Vector]:
    """(x - n π/2, an integer whose low bits are those of n) for x >= 0; NaN for infinity."""
    kind = x.kind
    if kind == "f32" and not fused():
        r, n = _reduce(x.converted("f64"))
        return r.converted("f32"), n.converted("i32")
    r, n = _reduce_small(x)
    w, mask = x.w, x >= _LIMIT[kind]
    found = mask.name if x.lanes == 1 else w.let(f"call i1 @llvm.vector.reduce.or({mask.type} {mask.name})")
    # Hardly any argument is so large: if one is, a loop over the lanes; no round of it, if none is.
    rounds = w.let(f"select i1 {found}, i64 {x.lanes}, i64 0")
    with w.loop("0", rounds, carried=[(r.type, r.name), (n.type, n.name)]) as loop:
        one = x.lane(loop.index)
        near, count = (Vector(w, v.kind, x.lanes, name) for v, name in zip((r, n), loop.values, strict=True))
        far, quadrant = _reduce_large(one.converted("f64"))
        far = select(one < INFINITY, far.converted(kind), NAN)
        large = one >= _LIMIT[kind]
        loop.next = [
            near.with_lane(loop.index, select(large, far, near.lane(loop.index))).name,
            count.with_lane(loop.index, select(large, quadrant.converted(n.kind), count.lane(loop.index))).name,
        ]
    r, n = (Vector(w, v.kind, x.lanes, name) for v, name in zip((r, n), loop.values, strict=True))
    return r, n


def _negated(x: Vector, flags: Vector, bit: int) -> Vector:
    """x, negated where the integer has that bit."""
    sign = (flags & (1 << bit)) << (_WIDTH[x.kind] - 1 - bit)
    return (x.bits() ^ sign).float_of_bits()


def _sign(x: Vector) -> Vector:
    """The sign bit."""
    return x.bits() & -(1 << (_WIDTH[x.kind] - 1))


def sin(x: Vector) -> Vector:
    """The sine; NaN of infinity."""
    r, n = _reduce(absolute(x))
    found = select((n & 1).differs(0), cos_near(r), sin_near(r))
    return (_negated(found, n, 1).bits() ^ _sign(x)).float_of_bits()


def cos(x: Vector) -> Vector:
    """The cosine; NaN of infinity."""
    r, n = _reduce(absolute(x))
    found = select((n & 1).differs(0), sin_near(r), cos_near(r))
    return _negated(found, n + 1, 1)


@in_double
def tan(x: Vector) -> Vector:
    """The tangent; NaN of infinity."""
    r, n = _reduce(absolute(x))
    odd = (n & 1).differs(0)
    s, c = sin_near(r), cos_near(r)
    found = select(odd, c, s) / select(odd, s, c)
    return (_negated(found, n, 0).bits() ^ _sign(x)).float_of_bits()
