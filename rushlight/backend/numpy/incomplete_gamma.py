"""The regularised incomplete gamma functions P(a, x) and Q(a, x) = 1 - P of float arrays.

Numbers in brackets are equations of the NIST Digital Library of Mathematical Functions. Where a is large and x near it,
Temme's expansion; else a series or a continued fraction, whichever converges fast and gives the smaller of the two.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import numpy as np

from rushlight.backend.numpy import special

_LIMIT = 4000  # steps of a series or fraction: a few hundred are the most that any a and x need
_ORDERS, _POWERS = 12, 26  # of Temme's expansion: below 1e-17 for a >= 20 and |x / a - 1| < 0.3


def _factor(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """x^a exp(-x) / gamma(a + 1); for large a by Stirling's series, without differences of large logarithms."""
    direct = np.exp(a * np.log(x) - x - special.lgamma(a + 1))
    large = np.maximum(a, 20.0)
    square = 1 / (large * large)
    rest = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))) / large
    ratio = x / large
    stirling = np.exp(-large * (ratio - 1 - np.log(ratio)) - rest) / np.sqrt(2 * math.pi * large)
    return np.where(a < 20, direct, stirling)


def _series(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """P: the sum of x^k / ((a + 1) ... (a + k)) times the factor [8.7.1, 8.2.6]."""
    term = np.ones_like(x)
    total = term.copy()
    for k in range(1, _LIMIT):
        term = term * x / (a + k)
        total += term
        if not np.any(term > 1e-17 * total):
            break
    return _factor(a, x) * total


def _fraction(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Q: the continued fraction [8.9.2], contracted, from its front by Lentz's method."""
    b = x + 1 - a
    c, d = np.full_like(x, 1e300), 1 / b
    found = d.copy()
    for k in range(1, _LIMIT):
        step = k * (a - k)
        b = b + 2
        d = 1 / (step * d + b)
        c = b + step / c
        found *= c * d
        if not np.any(np.abs(c * d - 1) > 4e-16):
            break
    return _factor(a, x) * a * found


@functools.cache
def _log_gamma_terms() -> np.ndarray:
    """c_k of log gamma(1 + a) = sum of c_k a^k [5.7.3]: the Euler constant, then zeta values."""
    orders = np.arange(2, 60)
    zeta = special.zeta(orders.astype(float), np.ones(len(orders)))
    return np.concatenate([[0.0, -0.57721566490153286], (-1.0) ** orders * zeta / orders])


def _small(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Q for x <= 1.1 and small a, where 1 - P has lost its digits: 1 - x^a / gamma(1 + a) less the series [8.7.1]."""
    near = np.minimum(a, 0.5)
    log_gamma = np.where(a < 0.5, np.polynomial.polynomial.polyval(near, _log_gamma_terms()), special.lgamma(a + 1))
    power = a * np.log(x) - log_gamma
    term, total = np.ones_like(x), np.zeros_like(x)
    for k in range(1, 30):
        term = term * -x / k
        total += term / (a + k)
    return -np.expm1(power) - np.exp(power) * a * total


# --- Temme's expansion [8.12] -----------------------------------------------------------------------------------------


@functools.cache
def _temme_terms() -> np.ndarray:
    """d[k, n] of c_k(eta) = sum of d[k, n] eta^n [8.12.10, 8.12.11], from exact fractions.

    With mu = x / a - 1 = eta + eta^2 / 3 + ..., which satisfies mu mu' = eta (1 + mu): c_0 = 1 / mu - 1 / eta, and
    c_k = c_(k-1)' / eta + g / mu, with that g for which no 1 / eta is left.
    """
    count = _POWERS + 2 * _ORDERS + 2
    mu = [Fraction(0), Fraction(1)]
    for n in range(3, count + 3):
        product = sum((mu[i] * mu[n - i] for i in range(2, n - 1)), Fraction(0))
        mu.append((2 * mu[n - 2] / n - product) / 2)
    inverse = [Fraction(1)]  # eta / mu
    for n in range(1, count + 1):
        inverse.append(-sum((mu[i + 1] * inverse[n - i] for i in range(1, n + 1)), Fraction(0)))
    row = inverse[1:]
    rows = [row]
    for _ in range(1, _ORDERS):
        row = [(n + 2) * row[n + 2] - row[1] * inverse[n + 1] for n in range(len(row) - 2)]
        rows.append(row)
    return np.array([[float(c) for c in row[:_POWERS]] for row in rows])


def _temme(a: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P and Q: half erfc(-+ eta sqrt(a / 2)) -+ exp(-a eta^2 / 2) / sqrt(2 pi a) times the sum of c_k(eta) a^-k."""
    mu = (x - a) / a
    t = mu / (2 + mu)
    square = t * t
    tail = np.zeros_like(t)
    for k in range(25, 1, -2):  # atanh(t) - t: what log(1 + mu) / 2 has beside t
        tail = (tail + 1 / k) * square
    half = np.maximum(square / (1 - t) - tail * t, 0) * 2  # eta^2 / 2 = mu - log(1 + mu)
    eta = np.copysign(np.sqrt(2 * half), mu)
    total = np.zeros_like(a)
    for row in _temme_terms()[::-1]:
        total = total / a + np.polynomial.polynomial.polyval(eta, row)
    rest = np.exp(-a * half) / np.sqrt(2 * math.pi * a) * total
    y = np.copysign(np.sqrt(a * half), mu)
    return special.erfc(-y) / 2 - rest, special.erfc(y) / 2 + rest


# --- all of it --------------------------------------------------------------------------------------------------------


def _regular(a: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P and Q for finite positive a and x."""
    p, q = np.empty_like(x), np.empty_like(x)
    temme = (a > 20) & (np.abs(x - a) < 0.3 * a)
    fraction = ~temme & (x > 1.1) & (x > a)
    small = ~temme & (x <= 1.1) & np.where(x <= 0.5, a * np.log(np.minimum(x, 0.5)) > -0.4, a < 1.1 * x)
    series = ~(temme | fraction | small)
    p[temme], q[temme] = _temme(a[temme], x[temme])
    q[fraction] = _fraction(a[fraction], x[fraction])
    p[fraction] = 1 - q[fraction]
    p[series] = _series(a[series], x[series])
    q[series] = 1 - p[series]
    p[small], q[small] = _series(a[small], x[small]), _small(a[small], x[small])
    return p, q


def _regularized(a: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P and Q in float64; NaN where an argument is negative or NaN, or both are 0 or infinite."""
    a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    p = np.full(a.shape, np.nan)
    q = p.copy()
    some = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    p[some], q[some] = _regular(a[some], x[some])
    above = (a >= 0) & (x >= 0) & ~some & ((x > a) | (a == 0) & (x > 0))
    below = (a >= 0) & (x >= 0) & ~some & (a > x)
    p[above], q[above] = 1, 0
    p[below], q[below] = 0, 1
    return p, q


def igamma(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """P(a, x): the integral of t^(a-1) exp(-t) from 0 to x, over gamma(a)."""
    return _regularized(a, x)[0].astype(np.result_type(a, x))


def igammac(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Q(a, x): the same integral from x on."""
    return _regularized(a, x)[1].astype(np.result_type(a, x))
