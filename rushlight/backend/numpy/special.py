"""Special functions of float32 and float64 arrays, which NumPy lacks. All compute in float64 and round once.

erf, erfc and erfcx are W. J. Cody's rational approximations (Math. Comp. 23, 1969): relative error about 1e-16.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from rushlight.backend.numpy.fused import libm

BLOCK = 1 << 14  # elements at a time: the intermediate arrays stay in cache

_NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_MIDDLE = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip
_FAR = (
    (
        1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
        1.60837851487422766e-2, 6.58749161529837803e-4,
    ),
    (
        1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)  # fmt: skip
# erf(x) / x as a ratio of polynomials in x**2 on |x| <= 4, fitted to relative error 3e-9: exact enough for float32.
_SINGLE = (
    (
        -1.3619425323709088e-08, 4.768510467635565e-06, 0.0003826595060128644, 0.0038530827535993247,
        0.054369419337205585, 0.18505304491242375, 1.128379169969637,
    ),
    (
        6.390891818905296e-05, 0.0013124160731443743, 0.01547937926834912, 0.11396049439035065, 0.49733242254987475,
        1.0,
    ),
)  # fmt: skip


def _horner(x: np.ndarray, coefficients: Sequence[float]) -> np.ndarray:
    """A polynomial, highest power first."""
    total = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        total *= x
        total += c
    return total


def _ratio(x: np.ndarray, table: tuple[Sequence[float], Sequence[float]]) -> np.ndarray:
    return _horner(x, table[0]) / _horner(x, table[1])


def _in_float64(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Run on float64 blocks; the result has the dtype of the first argument."""

    def run(x: np.ndarray, *others: np.ndarray) -> np.ndarray:
        x = np.asarray(x)
        if x.size <= BLOCK:
            return function(x.astype(np.float64).reshape(-1)).reshape(x.shape).astype(x.dtype)
        flat = x.reshape(-1)
        out = np.empty(flat.shape, x.dtype)
        for start in range(0, flat.size, BLOCK):
            out[start : start + BLOCK] = function(flat[start : start + BLOCK].astype(np.float64))
        return out.reshape(x.shape)

    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return run


def _scaled_tail(y: np.ndarray) -> np.ndarray:
    """exp(y**2) * erfc(y) for y > 0.46875."""
    out = np.empty_like(y)
    far = y > 4
    middle = ~far
    out[middle] = _ratio(y[middle], _MIDDLE)
    inverse = 1 / y[far]
    square = inverse * inverse
    out[far] = (1 / math.sqrt(math.pi) - square * _ratio(square, _FAR)) * inverse
    return out


def _exp_minus_square(y: np.ndarray) -> np.ndarray:
    """exp(-y**2) without the rounding of y**2: the first 4 bits after the point are squared apart."""
    head = np.trunc(y * 16) / 16
    return np.exp(-head * head) * np.exp(-(y - head) * (y + head))


def _erf64(x: np.ndarray) -> np.ndarray:
    y = np.abs(x)
    near = ~(y > 0.46875)
    out = np.empty_like(x)
    inner = x[near]
    out[near] = inner * _ratio(inner * inner, _NEAR)
    outer = np.minimum(y[~near], 27.0)
    out[~near] = np.copysign(1 - _exp_minus_square(outer) * _scaled_tail(outer), x[~near])
    return out


def _erf_single(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, -4.0, 4.0)
    return x * _ratio(x * x, _SINGLE)


_erf_double, _erf_narrow = _in_float64(_erf64), _in_float64(_erf_single)


def erf(x: np.ndarray) -> np.ndarray:
    """The error function."""
    return _erf_double(x) if x.dtype == np.float64 else _erf_narrow(x)


def _erfc64(x: np.ndarray) -> np.ndarray:
    y = np.abs(x)
    near = ~(y > 0.46875)
    out = np.empty_like(x)
    inner = x[near]
    out[near] = 1 - inner * _ratio(inner * inner, _NEAR)
    outer = np.minimum(y[~near], 30.0)
    tail = _exp_minus_square(outer) * _scaled_tail(outer)
    out[~near] = np.where(x[~near] < 0, 2 - tail, tail)
    return out


def _erfcx64(x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    positive = x > 0.46875
    out[positive] = _scaled_tail(x[positive])
    rest = x[~positive]
    out[~positive] = np.exp(rest * rest) * _erfc64(rest)
    return out


erfc = _in_float64(_erfc64)
erfcx = _in_float64(_erfcx64)

# M. Giles, "Approximating the erfinv function": a first value good to 1e-7.
_CENTRE = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164,
    0.246640727, 1.50140941,
)  # fmt: skip
_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
    1.00167406, 2.83297682,
)  # fmt: skip


def _erfinv64(y: np.ndarray) -> np.ndarray:
    """Giles's approximation and four steps of Halley's method, on erfc of the distance to 1 where that is small."""
    ends = np.abs(y) == 1
    valid = np.abs(y) < 1
    a = np.where(valid, np.abs(y), 0.5)
    w = -np.log((1 - a) * (1 + a))
    x = a * np.where(w < 5, _horner(w - 2.5, _CENTRE), _horner(np.sqrt(np.maximum(w, 5)) - 3, _TAIL))
    for _ in range(4):
        error = np.where(a < 0.5, _erf64(x) - a, (1 - a) - _erfc64(x))
        step = error / (2 / math.sqrt(math.pi) * np.exp(-x * x))
        x = x - step / (1 + x * step)
    return np.copysign(np.where(ends, np.inf, np.where(valid, x, np.nan)), y)


erfinv = _in_float64(_erfinv64)


def _ndtr64(x: np.ndarray) -> np.ndarray:
    return 0.5 * _erfc64(-x * math.sqrt(0.5))


def _log_ndtr64(x: np.ndarray) -> np.ndarray:
    t = x * math.sqrt(0.5)
    low = x < -1
    return np.where(
        low, np.log(0.5 * _erfcx64(np.where(low, -t, 1.0))) - t * t, np.log1p(-0.5 * _erfc64(np.where(low, 1.0, t)))
    )


ndtr = _in_float64(_ndtr64)
log_ndtr = _in_float64(_log_ndtr64)


def _lgamma1(x: float) -> float:
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):  # a pole, or beyond the largest float
        return math.inf


lgamma = _in_float64(lambda x: libm(_lgamma1, x))


def _digamma64(x: np.ndarray) -> np.ndarray:
    """Recurrence up to x >= 10, then the asymptotic series; reflection for negative x."""
    negative = x < 0
    pole = negative & (x == np.floor(x))
    y = np.where(negative, 1 - x, x)
    shift = np.zeros_like(y)
    for _ in range(10):
        small = y < 10
        shift -= np.where(small, 1 / np.where(y == 0, 1.0, y), 0.0)
        y = np.where(small, y + 1, y)
    z = 1 / (y * y)
    series = _horner(z, (1 / 12, -691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12)) * z
    out = np.log(y) - 0.5 / y - series + shift
    fraction = x - np.round(x)
    out = np.where(negative, out - math.pi / np.tan(math.pi * fraction), out)
    return np.where(pole, np.nan, np.where(x == 0, np.copysign(np.inf, -x), out))


digamma = _in_float64(_digamma64)

BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330,
)  # fmt: skip


def _hurwitz(s: float, x: np.ndarray) -> np.ndarray:
    """zeta(s, x) = sum of (x + k)**-s, for s > 1 and x > 0: ten terms and the Euler-Maclaurin formula."""
    total = np.zeros_like(x)
    for k in range(10):
        total += (x + k) ** -s
    y = x + 10
    total += y ** (1 - s) / (s - 1) + 0.5 * y**-s
    factor, power = s, y ** (-s - 1)
    for j, b in enumerate(BERNOULLI, 1):
        total += b / math.factorial(2 * j) * factor * power
        factor *= (s + 2 * j - 1) * (s + 2 * j)
        power = power / (y * y)
    return total


def zeta(x: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The Hurwitz zeta function of order x > 1 at q > 0; infinite at its poles, NaN elsewhere."""
    kind = np.result_type(x, q)
    x, q = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(q, np.float64))
    out = np.empty(x.shape)
    for s in np.unique(x):
        where = x == s
        if s == 1:
            out[where] = np.inf
        elif not s > 1:
            out[where] = np.nan
        else:
            at = q[where]
            poles = (at <= 0) & (at == np.floor(at))
            found = _hurwitz(float(s), np.where(at > 0, at, 1.0))
            out[where] = np.where(poles, np.inf, np.where(at > 0, found, np.nan))
    return out.astype(kind)


def polygamma(n: int, x: np.ndarray) -> np.ndarray:
    """The n-th derivative of digamma."""
    if n == 0:
        return digamma(x)
    wide = np.asarray(x, np.float64)
    if n == 1:  # reflection: trigamma(1 - x) + trigamma(x) = (pi / sin(pi x))**2
        low = wide < 0.5
        value = _hurwitz(2.0, np.where(low, 1 - wide, wide))
        return np.where(low, (math.pi / np.sin(math.pi * wide)) ** 2 - value, value).astype(x.dtype)
    if n > 170:  # n! is beyond float64
        value = (math.inf if n % 2 else -math.inf) * zeta(np.full(wide.shape, n + 1.0), wide)
        return np.where(wide < 0, np.nan, value).astype(x.dtype)
    factor = math.factorial(n) * (1.0 if n % 2 else -1.0)
    low = wide < 0
    value = factor * zeta(np.full(wide.shape, n + 1.0), np.where(low, 1 - wide, wide))
    if n > 120:  # nor are the numbers that reflection needs
        value = np.where(low, np.nan, value)
    elif low.any():  # reflection: (-1)**n psi_n(1 - x) - psi_n(x) = pi (d/dx)**n cot(pi x)
        turn = 1 / np.tan(math.pi * (wide - np.floor(wide)))
        bend = np.polynomial.polynomial.polyval(turn, cotangent_derivative(n)) * math.pi ** (n + 1)
        value = np.where(low, np.where(wide == np.floor(wide), factor * np.inf, (-1.0) ** n * value - bend), value)
    return value.astype(x.dtype)


def cotangent_derivative(n: int) -> list[float]:
    """The coefficients of the polynomial in c = cot(x) that is the n-th derivative of cot(x): c' = -(1 + c**2)."""
    found = [0, 1]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(found)][1:]
        found = [-(a + b) for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return [float(c) for c in found]


def _bessel(order: int) -> Callable[[np.ndarray], np.ndarray]:
    """exp(-|x|) I_order(x): the power series up to |x| = 30, the asymptotic one beyond."""

    def run(x: np.ndarray) -> np.ndarray:
        y = np.abs(x)
        near = np.minimum(y, 30.0)
        quarter = near * near / 4
        term = np.ones_like(y) if order == 0 else near / 2
        total = term.copy()
        for k in range(1, 70):
            term = term * quarter / (k * (k + order))
            total += term
        far = np.maximum(y, 30.0)
        tail, term = np.ones_like(y), np.ones_like(y)
        for k in range(1, 25):
            term = term * -((4 * order * order) - (2 * k - 1) ** 2) / (8 * k * far)
            tail += term
        out = np.where(y <= 30, total * np.exp(-near), tail / np.sqrt(2 * math.pi * far))
        out = np.where(np.isinf(x), 0.0, out)
        return out if order == 0 else np.copysign(out, x)

    return run


_i0e64, _i1e64 = _bessel(0), _bessel(1)
i0e, i1e = _in_float64(_i0e64), _in_float64(_i1e64)
i0 = _in_float64(lambda x: np.exp(np.abs(x)) * _i0e64(x))
i1 = _in_float64(lambda x: np.exp(np.abs(x)) * _i1e64(x))
