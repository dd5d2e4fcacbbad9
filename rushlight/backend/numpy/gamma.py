"""Gamma and Dirichlet samples as PyTorch draws them, and how a sample moves when its concentration does.

Sampling is Marsaglia and Tsang's squeeze (2000): x normal, v = (1 + c x)^3 with c = 1 / sqrt(9 d), d = a - 1/3; d v is
accepted where log(u) < x^2 / 2 + d - d v + d log(v). For a < 1 a sample of a + 1 is scaled by u^(1 / a).

The derivative is implicit (Figurnov et al., 2018): for a sample t with distribution function F(t; a) and density p,

    dt/da = -(dF/da) / p(t) = -integral from the left end to t of (log s - E log s) p(s) ds / p(t),

or the same integral over the other side with the other sign; on one of the two sides the integrand has one sign.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator

import numpy as np

from rushlight.backend.numpy.mt19937 import Engine
from rushlight.backend.numpy.special import digamma

_CHUNK = 1 << 10  # uniforms that are taken from the engine at a time
_SQUEEZE, _THIRD = (
    float(np.float32(0.0331)),
    float(np.float32(1) / np.float32(3)),
)  # single precision, as PyTorch has them


class _Uniforms:
    """The engine's doubles one at a time, drawn in chunks; `close` puts the engine where single draws would have."""

    def __init__(self, engine: Engine):
        self._engine, self._cached = engine, engine._cached
        self._start = engine.get_state()
        self._used = 0
        self._chunk: Iterator[float] = iter(())

    def __call__(self) -> float:
        self._used += 1
        for value in self._chunk:
            return value
        self._chunk = iter(self._engine.doubles(_CHUNK).tolist())
        return next(self._chunk)

    def normal(self) -> float:
        """A standard normal by Box-Muller; the second of a pair waits for the next call."""
        if self._cached is not None:
            value, self._cached = self._cached, None
            return value
        turn = 2 * math.pi * self()
        radius = math.sqrt(-2 * math.log1p(-self()))
        self._cached = radius * math.sin(turn)
        return radius * math.cos(turn)

    def close(self) -> None:
        if self._used:
            self._engine.set_state(self._start)
            self._engine.words(2 * self._used)
        self._engine._cached = self._cached


def _one(uniform: _Uniforms, a: float, single: bool) -> float:
    """One sample; `single`: a + 1 and d are rounded to single precision."""
    scale = 1.0
    if a < 1:
        if a == 0:
            return 0.0
        inverse = 1 / a
        scale = (1 - uniform()) ** (float(np.float32(inverse)) if single else inverse)
        a += 1
        a = float(np.float32(a)) if single else a
    d = float(np.float32(a - _THIRD)) if single else a - _THIRD
    c = 1 / math.sqrt(9 * d)
    while True:
        y = 0.0
        while y <= 0:
            x = uniform.normal()
            y = 1 + c * x
        v = y * y * y
        u = 1 - uniform()
        square = x * x
        if u < 1 - _SQUEEZE * square * square or math.log(u) < 0.5 * square + d * (1 - v + math.log(v)):
            return scale * d * v


def _draw(engine: Engine, concentration: np.ndarray, single: bool = False) -> np.ndarray:
    """float64 samples, an element at a time; nan where the concentration is negative or nan."""
    uniform = _Uniforms(engine)
    samples = [
        _one(uniform, a, single) if a >= 0 and a != math.inf else a * math.nan for a in concentration.ravel().tolist()
    ]
    uniform.close()
    return np.array(samples, np.float64).reshape(concentration.shape)


def standard_gamma(engine: Engine, concentration: np.ndarray) -> np.ndarray:
    """Gamma samples of rate 1, at least the smallest normal number of their dtype.

    >>> standard_gamma(Engine(0), np.array([0.5, 3.0])).round(4).tolist()
    [0.0008, 1.2728]
    """
    kind = concentration.dtype
    return np.maximum(_draw(engine, concentration, single=kind == np.float32).astype(kind), np.finfo(kind).tiny)


def dirichlet(engine: Engine, concentration: np.ndarray) -> np.ndarray:
    """Gamma samples over their sum along the last dimension, kept inside (0, 1)."""
    samples = _draw(engine, concentration)
    kind = concentration.dtype
    shares = (samples / samples.sum(-1, keepdims=True)).astype(kind)
    return np.clip(shares, np.finfo(kind).tiny, np.nextafter(kind.type(1), kind.type(0)))


@functools.cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    """The tanh-sinh rule on [0, 1]: nodes crowd at both ends, so features of any scale near them are resolved."""
    k = np.arange(-54, 55) / 16
    inner = np.pi / 2 * np.sinh(k)
    return 1 / (1 + np.exp(-2 * inner)), np.pi / 4 * np.cosh(k) / np.cosh(inner) ** 2 / 16


def _one_side(
    log_density: Callable, slope: Callable, score: Callable, y: np.ndarray, side: np.ndarray, reach: np.ndarray
) -> np.ndarray:
    """Integral over w >= 0 of score(z) exp(log_density(z) - log_density(y)), z = y + side * w.

    `log_density` is concave. The integral ends where it has fallen by about 40: Newton's method from `reach`, a point
    beyond, comes no nearer than that. It is done in two parts, before and after z = 0, where a logistic density with
    long tails bends.
    """
    with np.errstate(all="ignore"):
        top = log_density(y)
        end = reach
        for _ in range(12):
            z = y + side * end
            end = end - (log_density(z) - top + 40) / (side * slope(z))
        bend = np.clip(-side * y, 0, end)
        x, weight = _nodes()
        total = np.zeros_like(bend)
        for start, width in ((np.zeros_like(bend), bend), (bend, end - bend)):
            z = (y + side * start)[:, None] + (side * width)[:, None] * x
            total = total + width * ((score(z) * np.exp(log_density(z) - top[:, None])) @ weight)
        return total


def _flat(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Called with float64 vectors, a few thousand elements at a time; the result has the first one's dtype and shape."""

    @functools.wraps(function)
    def outer(*arrays: np.ndarray) -> np.ndarray:
        wide = np.broadcast_arrays(*arrays)
        parts = np.array_split(
            np.array([a.ravel() for a in wide], np.float64), max(1, -(-wide[0].size // 4096)), axis=1
        )
        return np.concatenate([function(*part) for part in parts]).reshape(wide[0].shape).astype(arrays[0].dtype)

    return outer


@_flat
def standard_gamma_grad(concentration: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """d sample / d concentration of a Gamma sample of rate 1.

    >>> standard_gamma_grad(np.array([1.0]), np.array([1.0])).round(6).tolist()
    [1.173563]
    """
    out = np.empty_like(sample)
    small = ~(sample > 2)
    out[small] = _gamma_series(concentration[small], sample[small])
    a, x = concentration[~small], sample[~small]
    centre = digamma(a)
    y = np.log(x)
    side = np.where(y > centre, 1.0, -1.0)
    reach = np.where(side > 0, np.sqrt(80 / x) + 4 / x, (40 + x) / a)
    stretched = a[:, None], centre[:, None]

    def column(z: np.ndarray, which: int) -> np.ndarray:
        return stretched[which] if z.ndim == 2 else stretched[which][:, 0]

    out[~small] = side * x * _one_side(
        lambda z: column(z, 0) * z - np.exp(z), lambda z: column(z, 0) - np.exp(z), lambda z: z - column(z, 1), y, side, reach
    )  # fmt: skip
    return out


def _gamma_series(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The integral with exp(-s) as its Taylor series: -x e^x sum_n (-x)^n / n! (log x - psi(a) - 1/(a + n)) / (a + n)."""
    with np.errstate(all="ignore"):
        log_x, term, total = np.log(x), np.ones_like(x), np.zeros_like(x)
        centre = digamma(a + 1)  # psi(a) + 1/a: the two cancel for small a
        for n in range(32):
            total += term / (a + n) * (log_x - centre + (n / (a * (a + n)) if n else 0.0))
            term = term * -x / (n + 1)
        return -x * np.exp(x) * total


@_flat
def dirichlet_grad(sample: np.ndarray, concentration: np.ndarray, total: np.ndarray) -> np.ndarray:
    """(d x / d a) / (1 - x) for x of a Beta(a, total - a), what the share of one class in a Dirichlet sample is.

    >>> dirichlet_grad(np.array([0.25]), np.array([1.0]), np.array([2.0])).round(6).tolist()
    [0.462098]
    """
    a, b = concentration, total - concentration
    with np.errstate(all="ignore"):
        y = np.log(sample) - np.log1p(-sample)
        centre = digamma(a) - digamma(total)
        side = np.where(np.log(sample) > centre, 1.0, -1.0)
    parts = [p[:, None] for p in (a, b, centre)]

    def log_density(z: np.ndarray) -> np.ndarray:
        """a log s + b log(1 - s) at s = sigmoid(z): the density of z."""
        a, b = (p if z.ndim == 2 else p[:, 0] for p in parts[:2])
        return -a * np.logaddexp(0, -z) - b * np.logaddexp(0, z)

    def slope(z: np.ndarray) -> np.ndarray:
        a, b = (p if z.ndim == 2 else p[:, 0] for p in parts[:2])
        return a / (1 + np.exp(z)) - b / (1 + np.exp(-z))

    def score(z: np.ndarray) -> np.ndarray:
        return -np.logaddexp(0, -z) - parts[2]

    # Beyond 0 the density falls at least as exp(-a w) to the left, as exp(-b w) to the right.
    reach = np.abs(y) + 40 / np.where(side > 0, b, a) + np.log(2) * total / np.where(side > 0, b, a)
    return side * sample * _one_side(log_density, slope, score, y, side, reach)
