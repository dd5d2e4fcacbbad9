"""exp, log and what is made of them.

Every function reduces its argument to a short interval, exactly or nearly so, and evaluates a polynomial there. The
coefficients are minimax fits (by Remez's exchange; of float32, each was rounded before the next was fitted); the
interval and the largest relative error stand beside them.
"""

from __future__ import annotations

from rushlight.backend.llvm.target import current
from rushlight.backend.llvm.text import vector
from rushlight.backend.llvm.vectors import (
    BIAS,
    MANTISSA,
    Vector,
    at_least,
    at_most,
    copysign,
    fma,
    polynomial,
)

# ln 2 in two parts: the first has so few bits that its product with an exponent is exact.
LN2 = {"f32": (0.693145751953125, 1.4286068203094173e-06), "f64": (0.693147180559663, 2.8235290563031577e-13)}
LOG2_E = 1.4426950408889634

# exp(r) = 1 + r + r² P(r), |r| <= ln(2) / 2: 2^-28, 2^-58
EXP = {
    "f32": (0.49999994, 0.16666517, 0.041668106, 0.00836913, 0.0013836431),
    "f64": (
        0.5000000000000011, 0.16666666666666424, 0.04166666666652559, 0.008333333333483645, 0.0013888888944956072,
        0.00019841269537055757, 2.48014916117164e-05, 2.755755291622785e-06, 2.763081517236526e-07,
        2.5012607486975988e-08,
    ),
}  # fmt: skip
# (exp(r) - 1 - r) / r² over the same interval, as accurate as a small r asks: 2^-26, 2^-61
_EXPM1 = {
    "f32": (0.49999997, 0.16666539, 0.041667745, 0.008367061, 0.001383928),
    "f64": (
        0.5, 0.16666666666666677, 0.041666666666666685, 0.008333333333321835, 0.0013888888888895987,
        0.00019841269885153689, 2.480158726769485e-05, 2.7557245372105213e-06, 2.7557344117257175e-07,
        2.5108613218762894e-08, 2.0888249095323944e-09,
    ),
}  # fmt: skip
# (2^r - 1) / r, |r| <= 1/2: 2^-26, 2^-57
_EXP2 = {
    "f32": (0.6931472, 0.24022594, 0.055503663, 0.0096254395, 0.0013387864, 0.00013332562),
    "f64": (
        0.6931471805599453, 0.24022650695910172, 0.05550410866482457, 0.009618129107577167, 0.0013333558145572915,
        0.00015403530478599675, 1.5252734727635688e-05, 1.3215424680340874e-06, 1.0177663026255204e-07,
        7.075570440829203e-09, 4.5178168935314067e-10,
    ),
}  # fmt: skip
# Arguments beyond these give infinity and zero.
_EXP_RANGE = {"f32": (-104.0, 90.0), "f64": (-746.0, 712.0)}
_EXPM1_LAST = {"f32": 89.0, "f64": 710.0}  # infinite from here on; more would leave no room for 2^n
_EXP2_RANGE = {"f32": (-151.0, 130.0), "f64": (-1076.0, 1026.0)}


def _clamped(x: Vector, ends: tuple[float, float]) -> Vector:
    return at_most(at_least(x, ends[0]), ends[1])


def _shifter(kind: str) -> float:
    """A number so large that a sum with it is an integer, with twice the bias in its lowest bits."""
    return 1.5 * 2.0 ** MANTISSA[kind] + 2 * BIAS[kind]


def _scaled(p: Vector, shifted: Vector) -> Vector:
    """p * 2^n, for the sum of n and `_shifter`: rounded once, so that the result may be denormal or infinite."""
    if current().name == "avx512" and p.lanes * int(p.kind[1:]) >= 128:
        return _scaled_at_once(p, shifted - _shifter(p.kind))
    mantissa = MANTISSA[p.kind]
    twice = shifted.bits()
    half = twice >> 1  # in two factors: one alone could not hold the exponent
    return p * (half << mantissa).float_of_bits() * ((twice - half) << mantissa).float_of_bits()


def _scaled_at_once(p: Vector, n: Vector) -> Vector:
    """p * 2^n by AVX-512's own instruction, one register at a time; the same bits."""
    bits = int(p.kind[1:])
    lanes = min(p.lanes, 512 // bits)
    part, mask = vector(p.kind, lanes), f"i{max(lanes, 8)} -1"
    rounding = ", i32 4" if lanes * bits == 512 else ""  # that of all arithmetic
    name = f"llvm.x86.avx512.mask.scalef.{'ps' if bits == 32 else 'pd'}.{lanes * bits}"
    found = []
    for first in range(0, p.lanes, lanes):
        a, b = (_part(x, first, lanes) for x in (p, n))
        found.append(p.w.let(f"call {part} @{name}({part} {a}, {part} {b}, {part} {a}, {mask}{rounding})"))
    while len(found) > 1:
        wide, lanes = vector(p.kind, lanes), 2 * lanes
        picks = ", ".join(f"i32 {i}" for i in range(lanes))
        found = [
            p.w.let(f"shufflevector {wide} {a}, {wide} {b}, <{lanes} x i32> <{picks}>")
            for a, b in zip(found[::2], found[1::2], strict=True)
        ]
    return Vector(p.w, p.kind, p.lanes, found[0])


def _part(x: Vector, first: int, lanes: int) -> str:
    """Some neighbouring lanes."""
    if lanes == x.lanes:
        return x.name
    picks = ", ".join(f"i32 {first + i}" for i in range(lanes))
    return x.w.let(f"shufflevector {x.type} {x.name}, {x.type} poison, <{lanes} x i32> <{picks}>")


def exp(x: Vector, exponent: int = 0, low: Vector | None = None) -> Vector:
    """e^(x + low) 2^exponent, for a tiny `low`: n = round(x / ln 2), 2^n e^(x - n ln 2)."""
    kind = x.kind
    x = _clamped(x, _EXP_RANGE[kind])
    shifter = _shifter(kind)
    shifted = fma(x, LOG2_E, shifter)
    n = shifted - shifter
    r = fma(n, -LN2[kind][1], fma(n, -LN2[kind][0], x))
    if low is not None:
        r = r + low
    p = polynomial(r, (1.0, 1.0, *EXP[kind]))
    return _scaled(p, shifted + exponent if exponent else shifted)


def exp2(x: Vector) -> Vector:
    """2^x."""
    kind = x.kind
    x = _clamped(x, _EXP2_RANGE[kind])
    shifter = _shifter(kind)
    shifted = x + shifter
    r = x - (shifted - shifter)
    return _scaled(polynomial(r, (1.0, *_EXP2[kind])), shifted)


def expm1(x: Vector) -> Vector:
    """e^x - 1 = 2^n (e^r - 1) + (2^n - 1)."""
    kind = x.kind
    mantissa = MANTISSA[kind]
    sign = x
    x = at_most(at_least(x, -0.75 * (mantissa + 3)), _EXPM1_LAST[kind])
    shifter = 1.5 * 2.0**mantissa + BIAS[kind] - 1
    shifted = fma(x, LOG2_E, shifter)
    n = shifted - shifter
    r = fma(n, -LN2[kind][1], fma(n, -LN2[kind][0], x))
    p = fma(r * r, polynomial(r, _EXPM1[kind]), r)
    half = (shifted.bits() << mantissa).float_of_bits()  # 2^(n-1): 2^n may be infinite where the result is not
    found = fma(half, p, half - 0.5)
    return copysign(found + found, sign)
