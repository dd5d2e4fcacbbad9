"""Binomial counts, an element at a time: inversion where few successes are expected, else Hormann's BTRS (1993)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rushlight.backend.numpy.mt19937 import Engine
from rushlight.backend.numpy.sampling import round_to

_TAIL = [
    math.lgamma(k + 1) - ((k + 0.5) * math.log(k + 1) - (k + 1) + 0.5 * math.log(2 * math.pi)) for k in range(10)
]  # log k! less Stirling's approximation of it


def binomial(engine: Engine, count: np.ndarray, prob: np.ndarray, dtype: Any) -> np.ndarray:
    """How many of `count` trials succeed, each with chance `prob`."""
    count, prob = np.broadcast_arrays(count, prob)
    pairs = zip(count.ravel().tolist(), prob.ravel().tolist(), strict=True)
    return round_to(np.array([_one(engine, n, p) for n, p in pairs], np.float64), dtype).reshape(count.shape)


def _one(engine: Engine, count: float, prob: float) -> float:
    if count <= 0 or prob <= 0:
        return 0.0
    if prob >= 1:
        return count
    if prob != prob:
        return math.nan
    if prob > 0.5:  # count the failures
        return count - _few_or_many(engine, count, 1 - prob)
    return _few_or_many(engine, count, prob)


def _few_or_many(engine: Engine, count: float, prob: float) -> float:
    return _many(engine, count, prob) if count * prob >= 10 else _few(engine, count, prob)


def _few(engine: Engine, count: float, prob: float) -> float:
    """Geometric waiting times for successes, as many as fit into `count` trials."""
    waited, successes, log_failure = 0.0, 0.0, math.log1p(-prob)
    while True:
        u = float(engine.doubles(1)[0])
        waited += math.ceil(math.log(u) / log_failure) if u else math.inf
        if waited > count:
            return successes
        successes += 1


def _stirling_tail(k: float) -> float:
    if k <= 9:
        return _TAIL[int(k)]
    inverse = 1 / ((k + 1) * (k + 1))
    return (1 / 12 - (1 / 360 - inverse / 1260) * inverse) / (k + 1)


def _many(engine: Engine, count: float, prob: float) -> float:
    """Transformed rejection with squeeze."""
    deviation = math.sqrt(count * prob * (1 - prob))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * prob
    c = count * prob + 0.5
    v_r = 0.92 - 4.2 / b
    r = prob / (1 - prob)
    alpha = (2.83 + 5.1 / b) * deviation
    mode = math.floor((count + 1) * prob)
    while True:
        u = float(engine.doubles(1)[0]) - 0.5
        v = float(engine.doubles(1)[0])
        us = 0.5 - abs(u)
        k = float(math.floor((2 * a / us + b) * u + c))
        if us >= 0.07 and v <= v_r:
            return k
        if k < 0 or k > count:
            continue
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (r * (count - mode + 1)))
            + (count + 1) * math.log((count - mode + 1) / (count - k + 1))
            + (k + 0.5) * math.log(r * (count - k + 1) / (k + 1))
            + _stirling_tail(mode) + _stirling_tail(count - mode) - _stirling_tail(k) - _stirling_tail(count - k)
        )  # fmt: skip
        if math.log(v * alpha / (a / (us * us) + b)) <= bound:
            return k
