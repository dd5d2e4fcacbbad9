"""Special functions of one element as sums of a fixed length: Chebyshev series, Euler and Maclaurin's formula.

Everything is computed in f64 and rounded once. The Chebyshev coefficients come from the NumPy reference, when a program
first needs them: sum of c_k T_k(t) on [-1, 1], summed by Clenshaw's recurrence.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.backend.numpy import special
from rushlight.ir import scalar as L
from rushlight.ir.scalar import Expr
from rushlight.ops.formulas import in_double, whole_power


@functools.cache
def _coefficients(function: Callable[[np.ndarray], np.ndarray], count: int) -> tuple[float, ...]:
    """c_k of the function on [-1, 1], from twice as many points, so that their rounding errors average out."""
    points = 2 * count
    odd = 2 * np.arange(points) + 1
    turns = np.arange(count)[:, None] * odd % (4 * points)  # whole turns taken off while they are integers: exact
    waves = np.cos(turns * (math.pi / (2 * points)))
    found = (waves * function(waves[1])).sum(1) * (2 / points)
    found[0] /= 2
    return tuple(found.tolist())


def chebyshev(function: Callable[[np.ndarray], np.ndarray], count: int, t: Expr) -> Expr:
    """The function at t in [-1, 1], to `count` terms."""
    first, *rest = _coefficients(function, count)
    b, before = L.const(0.0, "f64"), L.const(0.0, "f64")
    for c in reversed(rest):
        b, before = 2 * t * b - before + c, b
    return t * b - before + first


# --- Bessel -------------------------------------------------------------------------------------------------------


def _near(order: int) -> Callable[[np.ndarray], np.ndarray]:
    """exp(-y) I(y) for y = 4 (t + 1) in [0, 8]; of order 1 divided by y."""
    if order == 0:
        return lambda t: special.i0e(4 * (t + 1))
    return lambda t: special.i1e(4 * (t + 1)) / (4 * (t + 1))


def _far(order: int) -> Callable[[np.ndarray], np.ndarray]:
    """sqrt(y) exp(-y) I(y) for y = 16 / (t + 1), 8 and more."""
    function = special.i0e if order == 0 else special.i1e
    return lambda t: np.sqrt(16 / (t + 1)) * function(16 / (t + 1))


_BESSEL = tuple((_near(order), _far(order)) for order in (0, 1))


def _scaled_bessel(order: int, x: Expr) -> Expr:
    """exp(-|x|) I_order(x)."""
    near, far = _BESSEL[order]
    y = L.absolute(x)
    low = chebyshev(near, 34, L.minimum(y, 8) / 4 - 1)
    outer = L.maximum(y, 8)
    high = chebyshev(far, 30, 16 / outer - 1) / L.sqrt(outer)
    if order == 0:
        return L.select(y <= 8, low, high)
    return L.select(y <= 8, low * x, L.copysign(high, x))


def bessel(order: int, scaled: bool) -> Callable[[Expr], Expr]:
    """I_order(x), the modified Bessel function; `scaled`: times exp(-|x|)."""

    def run(x: Expr) -> Expr:
        found = _scaled_bessel(order, x)
        return found if scaled else found * L.exp(L.absolute(x))

    return in_double(run)


# --- the normal distribution --------------------------------------------------------------------------------------


def _tail(t: np.ndarray) -> np.ndarray:
    """(1 + 2y) exp(y^2) erfc(y) for t = (y - 3.75) / (y + 3.75): smooth from y = 0 to infinity.

    Source: M. M. Shepherd and J. G. Laframboise, Math. Comp. 36, 1981.
    """
    y = 3.75 * (1 + t) / (1 - t)
    return (1 + 2 * y) * special.erfcx(y)


def _scaled_erfc(y: Expr) -> Expr:
    """exp(y^2) erfc(y) for y >= 0; 3.75 (1 + t) / (1 - t) is y."""
    t = 1 - 7.5 / (y + 3.75)
    return chebyshev(_tail, 30, t) / (1 + 2 * y)


@in_double
def erfcx(x: Expr) -> Expr:
    """exp(x^2) erfc(x); below 0 2 exp(x^2) less the value at -x."""
    found = _scaled_erfc(L.absolute(x))
    return L.select(x < 0, 2 * L.exp(x * x) - found, found)


@in_double
def ndtr(x: Expr) -> Expr:
    """erfc(-x / sqrt(2)) / 2."""
    return 0.5 * L.erfc(x * -math.sqrt(0.5))


@in_double
def log_ndtr(x: Expr) -> Expr:
    """log(ndtr(x)); below -1 log(erfcx(t) / 2) - t^2 for t = -x / sqrt(2)."""
    t = x * math.sqrt(0.5)
    low = L.log(0.5 * _scaled_erfc(L.absolute(t))) - t * t
    return L.select(x < -1, low, L.log1p(-0.5 * L.erfc(t)))


# --- zeta ---------------------------------------------------------------------------------------------------------


def _hurwitz(s: Expr | int, x: Expr) -> Expr:
    """The sum of (x + k)^-s over k >= 0, for s > 1 and x > 0: ten terms, then the formula of Euler and Maclaurin."""

    def inverse_power(base: Expr, n: Expr | int) -> Expr:
        return whole_power(1 / base, n) if isinstance(n, int) else L.pow(base, -n)

    total = inverse_power(x, s)
    for k in range(1, 10):
        total = total + inverse_power(x + k, s)
    y = x + 10
    power = inverse_power(y, s)
    total = total + inverse_power(y, s - 1) / (s - 1) + 0.5 * power
    factor, power, square = s, power / y, y * y
    for j, b in enumerate(special.BERNOULLI, 1):
        total = total + (b / math.factorial(2 * j)) * (factor * power)
        factor = factor * (s + (2 * j - 1)) * (s + 2 * j)
        power = power / square
    return total


def _zeta_at(s: Expr | int, q: Expr) -> Expr:
    """zeta(s, q) for s > 1: infinite at its poles 0, -1, …, NaN between them."""
    beyond = L.select(L.eq(q, L.floor(q)), L.const(math.inf, "f64"), math.nan)
    return L.select(q > 0, _hurwitz(s, q), beyond)


@in_double
def zeta(s: Expr, q: Expr) -> Expr:
    """The Hurwitz zeta function: infinite for s = 1, NaN below."""
    edge = L.select(L.eq(s, 1), L.const(math.inf, "f64"), math.nan)
    return L.select(s > 1, _zeta_at(s, q), edge)


def polygamma(x: Expr, n: int) -> Expr | None:
    """The n-th derivative of digamma: (-1)^(n+1) n! zeta(n + 1, x); of order 1 reflected at 1/2."""
    if n > 20:  # the formula would be as deep as n, and from 171 on n! is beyond float64
        return None
    return L.digamma(x) if n == 0 else in_double(lambda wide: _polygamma(wide, n))(x)


def _polygamma(x: Expr, n: int) -> Expr:
    if n > 1:
        factor = float((-1) ** (n + 1) * math.factorial(n))
        low = x < 0
        value = _zeta_at(n + 1, L.select(low, 1 - x, x)) * factor
        whole = L.floor(x)
        angle = (x - whole) * math.pi
        turn = L.cos(angle) / L.sin(angle)
        bend: Any = 0.0
        for coefficient in reversed(special.cotangent_derivative(n)):
            bend = bend * turn + coefficient
        mirrored = value * (-1.0) ** n - bend * math.pi ** (n + 1)
        return L.select(low, L.select(L.eq(x, whole), factor * math.inf, mirrored), value)
    low = x < 0.5
    value = _hurwitz(2, L.select(low, 1 - x, x))
    ratio = math.pi / L.sin(math.pi * x)
    return L.select(low, ratio * ratio - value, value)


# --- others -------------------------------------------------------------------------------------------------------


def sinc(x: Expr) -> Expr:
    """sin(pi x) / (pi x), 1 at 0."""
    turn = x * math.pi
    return L.select(L.eq(x, 0), 1, L.sin(turn) / turn)


def entr(x: Expr) -> Expr:
    """-x log(x); 0 at 0, -infinity below."""
    edge = L.select(L.eq(x, 0), L.const(0.0, x.kind), -math.inf)
    return L.select((x > 0) | L.isnan(x), -x * L.log(x), edge)


def logit(x: Expr, eps: float | None) -> Expr:
    """log(x / (1 - x)), with x limited to [eps, 1 - eps]."""
    if eps is not None:
        x = L.minimum(L.maximum(x, eps), 1 - eps)
    return L.log(x / (1 - x))
