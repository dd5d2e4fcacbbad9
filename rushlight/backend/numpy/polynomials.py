"""Orthogonal polynomials of float64 arrays, by their recurrences over the degree (DLMF 18.9, 18.5).

n may differ from element to element; it is cut off to a whole number, and polynomials of a negative degree are 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Arrays = tuple[np.ndarray, np.ndarray]
# (degree k, x, value for k, value for k - 1) -> value for k + 1
Step = Callable[[int, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _degrees(x: np.ndarray, n: np.ndarray) -> Arrays:
    """x in float64 and whole degrees, of one shape; NaN is no degree."""
    whole = np.where(np.isnan(n), -1, np.clip(n, -1, 2.0**62)).astype(np.int64)
    wide, whole = np.broadcast_arrays(np.asarray(x, np.float64), whole)
    return wide, whole


def _recurrence(x: np.ndarray, n: np.ndarray, first: np.ndarray, step: Step) -> np.ndarray:
    """The value for degree n: 0 below 0, 1 for 0, `first` for 1, then by steps, until NaN has swallowed all."""
    out = np.where(n < 0, 0.0, np.where(n == 0, 1.0, first))
    before, value = np.ones_like(out), first
    for k in range(1, int(n.max(initial=0))):
        value, before = step(k, x, value, before), value
        wanted = n > k
        out = np.where(wanted, value, out)
        if np.isnan(value[wanted]).all():
            break
    return out


def _polynomial(first: Callable[[np.ndarray], np.ndarray], step: Step) -> Callable[..., np.ndarray]:
    def run(x: np.ndarray, n: np.ndarray) -> np.ndarray:
        kind = np.result_type(x, n)
        wide, whole = _degrees(x, n)
        return _recurrence(wide, whole, first(wide), step).astype(kind)

    return run


hermite_h = _polynomial(lambda x: 2 * x, lambda k, x, p, q: 2 * (x * p - k * q))
hermite_he = _polynomial(lambda x: +x, lambda k, x, p, q: x * p - k * q)
laguerre = _polynomial(lambda x: 1 - x, lambda k, x, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1))
legendre = _polynomial(lambda x: +x, lambda k, x, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1))

# --- Chebyshev --------------------------------------------------------------------------------------------------------

_BY_ANGLE = 8  # beyond this degree by sines and cosines where |x| < 1: one step, and no error that grows


def _by_angle(kind: str, n: np.ndarray, x: np.ndarray) -> np.ndarray:
    """[18.5.1-4] with x = cos(angle), |x| < 1."""
    angle = np.arccos(x)
    if kind == "t":
        return np.cos(n * angle)
    if kind == "u":
        return np.sin((n + 1) * angle) / np.sin(angle)
    if kind == "v":
        return np.cos((n + 0.5) * angle) / np.cos(angle / 2)
    return np.sin((n + 0.5) * angle) / np.sin(angle / 2)


def _at_ends(kind: str, n: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The values at 1 and -1."""
    sign = np.where(positive | (n % 2 == 0), 1.0, -1.0)
    if kind == "t":
        return sign
    if kind == "u":
        return sign * (n + 1)
    large = positive == (kind == "w")
    return np.where(large, 2 * n + 1, 1) * sign


_FIRST = {"t": lambda x: +x, "u": lambda x: 2 * x, "v": lambda x: 2 * x - 1, "w": lambda x: 2 * x + 1}


def chebyshev(kind: str, shifted: bool = False) -> Callable[..., np.ndarray]:
    """The polynomials of the first to fourth kind, t, u, v, w; `shifted`: of 2x - 1."""

    def run(x: np.ndarray, n: np.ndarray) -> np.ndarray:
        dtype = np.result_type(x, n)
        wide, whole = _degrees(x, n)
        if shifted:
            wide = 2 * wide - 1
        size = np.abs(wide)
        by_angle = (size < 1) & (whole > _BY_ANGLE)
        ends = (size == 1) & (whole >= 0)
        rest = np.where(by_angle | ends, 0, whole)
        out = _recurrence(wide, rest, _FIRST[kind](wide), lambda k, x, p, q: 2 * x * p - q)
        out[by_angle] = _by_angle(kind, whole[by_angle], wide[by_angle])
        out[ends] = _at_ends(kind, whole[ends], wide[ends] > 0)
        return out.astype(dtype)

    return run
