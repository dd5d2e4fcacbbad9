"""Formulas of one element that take more than a line: what the `lower=` of elementwise declarations is made of.

None stands for kinds that a formula cannot do: the NumPy reference runs those.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from rushlight.ir import scalar as L
from rushlight.ir.scalar import Expr


def in_double(function: Callable[..., Expr]) -> Callable[..., Expr]:
    """The function computed in f64 and rounded once: for formulas that magnify the rounding of their input."""

    def run(*args: Expr) -> Expr:
        return L.cast(function(*(L.cast(x, "f64") for x in args)), args[0].kind)

    return run


def if_floating(function: Callable[[Expr], Expr]) -> Callable[[Expr], Expr]:
    """The function of floats; integers and bool as they are."""
    return lambda x: function(x) if x.floating else x


def truth(x: Expr) -> Expr:
    """x != 0."""
    return L.cast(x, "b1")


# --- arithmetic ---------------------------------------------------------------------------------------------------


def plus(a: Expr, b: Expr) -> Expr:
    """a + b; of bools: or."""
    return a | b if a.kind == "b1" else a + b


def times(a: Expr, b: Expr) -> Expr:
    """a * b; of bools: and."""
    return a & b if a.kind == "b1" else a * b


def _divided(a: Expr, b: Expr) -> tuple[Expr, Expr]:
    """Integer quotient toward zero, and remainder, with one division."""
    quotient = a / b
    return quotient, a - quotient * b


def _as_bytes(a: Expr, b: Expr) -> tuple[Expr, Expr]:
    """Bools as 0 and 1."""
    return (L.cast(a, "u8"), L.cast(b, "u8")) if a.kind == "b1" else (a, b)


def trunc_divide(a: Expr, b: Expr) -> Expr:
    """a / b rounded toward zero."""
    if a.floating:
        return L.trunc(a / b)
    a, b = _as_bytes(a, b)
    return L.require(L.ne(b, 0), _divided(a, b)[0])


def floor_divide(a: Expr, b: Expr) -> Expr:
    """floor(a / b), of floats without the rounding of a / b: (a - remainder) / b is nearly whole."""
    if not a.floating:
        a, b = _as_bytes(a, b)
        quotient, rest = _divided(a, b)
        if a.signed:
            quotient = L.select(L.ne(rest, 0) & ((rest ^ b) < 0), quotient - 1, quotient)
        return L.require(L.ne(b, 0), quotient)
    rest = L.fmod(a, b)
    down = L.ne(rest, 0) & ((rest < 0) ^ (b < 0))
    quotient = (a - rest) / b
    quotient = L.select(down, quotient - 1, quotient)
    whole = L.floor(quotient)
    whole = L.select(quotient - whole > 0.5, whole + 1, whole)
    whole = L.select(L.ne(quotient, 0), whole, L.copysign(L.const(0.0, a.kind), a / b))
    return L.select(L.eq(b, 0), a / b, whole)


def remainder(a: Expr, b: Expr) -> Expr:
    """a - floor(a / b) * b: the sign of b."""
    if a.floating:
        rest = L.fmod(a, b)
        moved = L.select((rest < 0) ^ (b < 0), rest + b, rest)
        return L.select(L.ne(rest, 0), moved, L.copysign(L.const(0.0, a.kind), b))
    a, b = _as_bytes(a, b)
    rest = _divided(a, b)[1]
    if a.signed:
        rest = L.select(L.ne(rest, 0) & ((rest ^ b) < 0), rest + b, rest)
    return L.require(L.ne(b, 0), rest)


def fmod(a: Expr, b: Expr) -> Expr:
    """a - trunc(a / b) * b: the sign of a."""
    if a.floating:
        return L.fmod(a, b)
    a, b = _as_bytes(a, b)
    return L.require(L.ne(b, 0), _divided(a, b)[1])


def power(a: Expr, b: Expr) -> Expr | None:
    """a ** b. Integers take a written exponent only: another one needs a loop."""
    if a.kind == "b1":
        return a | ~b
    exponent = b.value if b.op == "const" else None
    if a.floating:
        if exponent in (1, 2, 3):
            return whole_power(a, int(exponent))
        if exponent in (-1, -2):
            return 1 / whole_power(a, -int(exponent))
        return L.pow(a, b)
    if exponent is None or exponent < 0:
        return None
    return whole_power(a, int(exponent)) if exponent else L.const(1, a.kind)


def fixed_power(a: Expr, exponent: float) -> Expr | None:
    """a to one of the powers that need no logarithm; integers to 2 and 3."""
    if not a.floating and (exponent < 1 or a.kind == "b1"):
        return None
    whole = L.sqrt(a) if abs(exponent) == 0.5 else whole_power(a, abs(int(exponent)))
    return whole if exponent > 0 else 1 / whole


def whole_power(a: Expr, n: int) -> Expr:
    """a ** n for n >= 1, by repeated squaring."""
    if n == 1:
        return a
    half = whole_power(a, n // 2)
    return half * half * a if n % 2 else half * half


def lerp(a: Expr, b: Expr, weight: Expr) -> Expr | None:
    """a + weight * (b - a), counted from the nearer end; bools have no difference."""
    if a.kind == "b1":
        return None
    step = b - a
    near, far = a + weight * step, b - step * (1 - weight)
    if weight.op == "const":
        return near if abs(weight.value) < 0.5 else far
    return L.select(L.absolute(weight) < 0.5 if a.floating else L.eq(weight, 0), near, far)


def clamp(x: Expr, low: Expr | None, high: Expr | None) -> Expr:
    """x limited to [low, high]; either may be missing."""
    if low is not None:
        x = L.maximum(x, low)
    return x if high is None else L.minimum(x, high)


def fmax(a: Expr, b: Expr) -> Expr:
    """The larger; NaN loses."""
    return L.select((a >= b) | L.isnan(b), a, b)


def fmin(a: Expr, b: Expr) -> Expr:
    """The smaller; NaN loses."""
    return L.select((a <= b) | L.isnan(b), a, b)


def logaddexp(a: Expr, b: Expr) -> Expr:
    """log(exp(a) + exp(b)) = max + log1p(exp(-|a - b|)); equal infinities have no difference."""
    return L.select(L.eq(a, b), a + math.log(2), L.maximum(a, b) + L.log1p(L.exp(-L.absolute(a - b))))


def logaddexp2(a: Expr, b: Expr) -> Expr:
    """log2(2^a + 2^b), as logaddexp."""
    more = L.log1p(L.exp2(-L.absolute(a - b))) * (1 / math.log(2))
    return L.select(L.eq(a, b), a + 1, L.maximum(a, b) + more)


def x_times(function: Callable[[Expr], Expr]) -> Callable[[Expr, Expr], Expr]:
    """a * function(b), 0 where a is 0; NaN where b is."""
    return lambda a, b: L.select(L.isnan(b), b, L.select(L.eq(a, 0), a * 0, a * function(b)))


def nextafter(a: Expr, b: Expr) -> Expr:
    """The next float after a toward b: one step of the bits, which count up away from zero."""
    whole = "i32" if a.kind == "f32" else "i64"
    step = L.bits(a, whole) + L.select((a < b) ^ (a < 0), L.const(1, whole), -1)
    smallest = L.copysign(L.bits(L.const(1, whole), a.kind), b)
    moved = L.select(L.eq(a, 0), smallest, L.bits(step, a.kind))
    return L.select(L.eq(a, b), b, L.select(L.isnan(a) | L.isnan(b), a + b, moved))


def shift_left(a: Expr, b: Expr) -> Expr:
    """a * 2^b; 0 when all bits are shifted out, and for negative b."""
    width = int(a.kind[1:])
    return L.select((b >= 0) & (b < width), a << b, 0)


def shift_right(a: Expr, b: Expr) -> Expr:
    """floor(a / 2^b); all bits are shifted out for negative b."""
    width = int(a.kind[1:])
    return a >> L.select((b >= 0) & (b < width), b, width - 1) if a.signed else L.select(b < width, a >> b, 0)


# --- one operand --------------------------------------------------------------------------------------------------


def sign(x: Expr) -> Expr:
    """-1, 0 or 1; NaN stays."""
    if x.kind == "b1":
        return x
    rest = L.select(L.eq(x, 0), 0, x) if x.floating else L.const(0, x.kind)
    if x.signed:
        rest = L.select(x < 0, -1, rest)
    return L.select(x > 0, 1, rest)


def rounded(x: Expr, decimals: int) -> Expr | None:
    """To the nearest multiple of 10^-decimals, ties to even."""
    if not x.floating:
        return None if x.kind == "b1" else x
    if decimals == 0:
        return L.rint(x)
    scale = float(10 ** abs(decimals))
    return L.rint(x * scale) / scale if decimals > 0 else L.rint(x / scale) * scale


def signbit(x: Expr) -> Expr:
    """Whether the sign bit is set, of zeros and NaNs too."""
    if x.floating:
        x = L.bits(x, "i32" if x.kind == "f32" else "i64")
    return x < 0 if x.signed else L.const(False, "b1")


def angle(x: Expr) -> Expr:
    """pi for negative numbers, 0 for others; NaN stays."""
    found = L.select(signbit(x), L.const(math.pi, x.kind if x.floating else "f64"), 0)
    return L.select(L.isnan(x), x, found) if x.floating else found


def equals(value: float) -> Callable[[Expr], Expr]:
    """Whether x is this float, which no integer is."""
    return lambda x: L.eq(x, value) if x.floating else L.const(False, "b1")


def isinf(x: Expr) -> Expr:
    """|x| = infinity."""
    return L.eq(L.absolute(x), math.inf) if x.floating else L.const(False, "b1")


def isfinite(x: Expr) -> Expr:
    """|x| < infinity, which NaN is not."""
    return L.absolute(x) < math.inf if x.floating else L.const(True, "b1")


# --- activations --------------------------------------------------------------------------------------------------


def sigmoid(x: Expr) -> Expr:
    """1 / (1 + exp(-x)), below 0 exp(x) / (1 + exp(x)): exp cannot overflow."""
    t = L.exp(-L.absolute(x))
    return L.select(x < 0, t, 1) / (1 + t)


def silu(x: Expr) -> Expr:
    """x * sigmoid(x) with one division."""
    t = L.exp(-L.absolute(x))
    return L.select(x < 0, x * t, x) / (1 + t)


def softplus(x: Expr) -> Expr:
    """log(1 + exp(x)) without overflow."""
    return L.maximum(x, 0) + L.log1p(L.exp(-L.absolute(x)))


def mish(x: Expr) -> Expr:
    """x * tanh(log(1 + e)) = x * (e^2 + 2e) / (e^2 + 2e + 2) for e = exp(x); the factor is 1 from x = 20."""
    e = L.exp(L.minimum(x, 20))
    n = e * (e + 2)
    return x * (n / (n + 2))


def gelu(x: Expr, approximate: str) -> Expr:
    """x * Phi(x); with tanh, (1 + tanh(u)) / 2 is sigmoid(2u)."""
    if approximate == "tanh":
        return x / (1 + L.exp((x + 0.044715 * x * x * x) * (-2 * math.sqrt(2 / math.pi))))
    return 0.5 * x * (1 + L.erf(x * math.sqrt(0.5)))


def relu6(x: Expr) -> Expr:
    """x limited to [0, 6]."""
    return L.minimum(L.maximum(x, 0), 6)


def softshrink(x: Expr, lambd: Expr) -> Expr:
    """x moved by lambd toward 0."""
    return L.select(x > lambd, x - lambd, L.select(x < -lambd, x + lambd, x * 0))


def elu(x: Expr, alpha: Expr, scale: Expr, input_scale: Expr) -> Expr:
    """scale * x; below 0 scale * alpha * (exp(x * input_scale) - 1)."""
    return L.select(x > 0, x * scale, L.expm1(L.minimum(x, 0) * input_scale) * (alpha * scale))


def celu(x: Expr, alpha: Expr) -> Expr:
    """x; below 0 alpha * (exp(x / alpha) - 1)."""
    return L.select(x > 0, x, alpha * L.expm1(L.minimum(x, 0) / alpha))
