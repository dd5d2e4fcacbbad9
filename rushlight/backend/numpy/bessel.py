"""Bessel functions of orders 0 and 1 and Airy's Ai, which NumPy lacks: power series near 0, integrals far from it.

An integral over a bell-shaped function is summed up by the trapezoidal rule, whose error falls exponentially with the
number of points. Numbers in brackets are equations of the NIST Digital Library of Mathematical Functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from rushlight.backend.numpy.special import _in_float64

EULER = 0.57721566490153286
NEAR = {"J": 4.0, "K": 2.0}  # where the integrals take over
_TERMS = 26  # of power series: (4 / 2)^(2k) / k!^2 is below 1e-16 of the first ones from here on


def _trapezoid(step: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Points t >= 0 and weights of an even function's integral from 0 on."""
    t = np.arange(0, end, step)[:, None]
    weight = np.full_like(t, step)
    weight[0] /= 2
    return t, weight


# --- near 0: sums over (x^2 / 4)^k / (k! (k + order)!) ----------------------------------------------------------------


def power_series(order: int, q: np.ndarray, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """(S, D) for q = x^2 / 4: S sums (sign q)^k / (k! (k + order)!), D the same terms times the harmonic numbers
    H_k + H_(k + order). S (x / 2)^order is J or I [10.2.2, 10.25.2]; D is what Y and K have beside the logarithm.
    """
    term = np.ones_like(q)
    harmonic = float(order)
    total, weighted = term.copy(), term * harmonic
    for k in range(1, _TERMS):
        term = term * q * (sign / (k * (k + order)))
        harmonic += 1 / k + 1 / (k + order)
        total += term
        weighted += term * harmonic
    return total, weighted


# --- J and Y ----------------------------------------------------------------------------------------------------------

_HANKEL_T, _HANKEL_W = _trapezoid(0.22, 6.3)


def hankel(order: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P, Q) with J + iY = sqrt(2 / (pi x)) (P + iQ) exp(i (x - order pi / 2 - pi / 4)), for x >= 4.

    Hankel's integral over u = t^2: exp(-u) u^(order - 1/2) (1 + iu / (2x))^(order - 1/2) / gamma(order + 1/2).
    """
    square = _HANKEL_T**2
    root = np.sqrt(1 + 0.5j * square / x)
    if order == 0:
        found = (2 / math.sqrt(math.pi) * _HANKEL_W * np.exp(-square) / root).sum(0)
    else:
        found = (4 / math.sqrt(math.pi) * _HANKEL_W * square * np.exp(-square) * root).sum(0)
    return found.real, found.imag


def turned(order: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """sqrt(2) times the cosine and the sine of x - order pi / 2 - pi / 4."""
    c, s = np.cos(x), np.sin(x)
    return (c + s, s - c) if order == 0 else (s - c, -(s + c))


def _far(order: int, second: bool, x: np.ndarray) -> np.ndarray:
    p, q = hankel(order, x)
    c, s = turned(order, x)
    return (p * s + q * c if second else p * c - q * s) / np.sqrt(math.pi * x)


def _first_kind(order: int) -> Callable[[np.ndarray], np.ndarray]:
    def run(x: np.ndarray) -> np.ndarray:
        y = np.abs(x)
        near = ~(y > NEAR["J"])
        out = np.empty_like(x)
        inner = y[near]
        out[near] = power_series(order, inner * inner / 4, -1)[0] * (inner / 2) ** order
        out[~near] = _far(order, False, y[~near])
        return out if order == 0 else np.where(x < 0, -out, out)

    return run


def _second_kind(order: int) -> Callable[[np.ndarray], np.ndarray]:
    """[10.8.1, 10.8.2]; -infinity at 0, NaN below."""

    def run(x: np.ndarray) -> np.ndarray:
        near = ~(x > NEAR["J"])
        out = np.empty_like(x)
        out[near] = _second_near(order, x[near])
        out[~near] = _far(order, True, x[~near])
        return out

    return run


def _second_near(order: int, x: np.ndarray) -> np.ndarray:
    inner = np.where(x > 0, x, 1.0)
    total, weighted = power_series(order, inner * inner / 4, -1)
    scale = (inner / 2) ** order
    found = (2 * (np.log(inner / 2) + EULER) * total - weighted) * scale
    found = (found - 2 * order / inner) / math.pi
    return np.where(x > 0, found, np.where(x == 0, -np.inf, np.nan))


# --- K ----------------------------------------------------------------------------------------------------------------


def scaled_k_far(order: int, x: np.ndarray) -> np.ndarray:
    """sqrt(x) exp(x) K(x) for x >= 2: the integral of exp(-x (cosh t - 1)) cosh(order t) [10.32.9].

    With sinh(t / 2) = v / sqrt(2x) it is one of exp(-v^2), whatever x is.
    """
    v = _HANKEL_T
    spread = 1 + v * v / (2 * x)  # cosh(t / 2)^2
    found = np.sqrt(2 / spread) * np.exp(-v * v)
    if order == 1:
        found = found * (1 + v * v / x)
    return (_HANKEL_W * found).sum(0)


def _modified(order: int, scaled: bool) -> Callable[[np.ndarray], np.ndarray]:
    """K, or exp(x) K: infinite at 0, NaN below."""

    def run(x: np.ndarray) -> np.ndarray:
        near = ~(x > NEAR["K"])
        out = np.empty_like(x)
        inner, outer = x[near], x[~near]
        out[near] = _k_near(order, inner) * (np.exp(inner) if scaled else 1)
        out[~near] = scaled_k_far(order, outer) / np.sqrt(outer) * (1 if scaled else np.exp(-outer))
        return out

    return run


def _k_near(order: int, x: np.ndarray) -> np.ndarray:
    """[10.31.1, 10.31.2]"""
    inner = np.where(x > 0, x, 1.0)
    total, weighted = power_series(order, inner * inner / 4, 1)
    found = weighted / 2 - (np.log(inner / 2) + EULER) * total
    if order == 1:
        found = 1 / inner - found * inner / 2
    return np.where(x > 0, found, np.where(x == 0, np.inf, np.nan))


# --- Airy -------------------------------------------------------------------------------------------------------------

AIRY = (-3.0, 1.5)  # the power series between
_AIRY_T, _AIRY_W = _trapezoid(0.08, 6.3)


def airy_far(x: np.ndarray) -> np.ndarray:
    """For x >= 1.5: x^(1/4) exp(z) Ai(x), z = 2/3 x^(3/2), the integral of exp(-sqrt(x) t^2) cos(t^3 / 3) / pi."""
    cubed = _AIRY_T**3 / 3 / x**0.75
    return (_AIRY_W * np.exp(-(_AIRY_T**2)) * np.cos(cubed)).sum(0) / math.pi


def airy_waves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(C, S) for x >= 3: x^(1/4) Ai(-x) = C cos(z) + S sin(z), z = 2/3 x^(3/2).

    Ai(-x) is twice the real part of exp(i pi / 3) Ai(x exp(i pi / 3)) [9.2.14], and that the integral above.
    """
    turn = math.cos(math.pi / 6)
    weight = _AIRY_W * np.exp(-(_AIRY_T**2) * (1 + 1j * math.tan(math.pi / 6)))
    cubed = _AIRY_T**3 / 3 / (turn**1.5 * x**0.75)
    found = (weight * np.cos(cubed)).sum(0) * (2 / math.pi / math.sqrt(turn) * np.exp(1j * math.pi / 3))
    return found.real, found.imag


def airy_near(x: np.ndarray) -> np.ndarray:
    """[9.4.1]"""
    cube = x * x * x
    f, g = np.ones_like(x), x.copy()
    even, odd = f.copy(), g.copy()
    for k in range(1, 16):
        f = f * cube / ((3 * k - 1) * (3 * k))
        g = g * cube / ((3 * k) * (3 * k + 1))
        even += f
        odd += g
    return 0.35502805388781724 * even - 0.25881940379280680 * odd


def _airy64(x: np.ndarray) -> np.ndarray:
    low, high = AIRY
    out = airy_near(np.clip(x, low, high))
    right, left = x > high, x < low
    y = x[right]
    out[right] = airy_far(y) * y**-0.25 * np.exp(-2 / 3 * y * np.sqrt(y))
    y = -x[left]
    c, s = airy_waves(y)
    z = 2 / 3 * y * np.sqrt(y)
    out[left] = (c * np.cos(z) + s * np.sin(z)) * y**-0.25
    return out


j0, j1 = _in_float64(_first_kind(0)), _in_float64(_first_kind(1))
y0, y1 = _in_float64(_second_kind(0)), _in_float64(_second_kind(1))
k0, k1 = _in_float64(_modified(0, False)), _in_float64(_modified(1, False))
k0e, k1e = _in_float64(_modified(0, True)), _in_float64(_modified(1, True))
airy_ai = _in_float64(_airy64)
