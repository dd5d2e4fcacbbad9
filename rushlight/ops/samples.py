"""Sample inputs for the generated tests: lists of (args, kwargs) whose arrays are NumPy's, in float64 unless said."""

from __future__ import annotations

from typing import Any

import numpy as np

Sample = tuple[tuple, dict[str, Any]]


def values(*shape: int, seed: int = 0, low: float = -1.5, high: float = 1.5) -> np.ndarray:
    """Distinct values, none near a multiple of 1/2 where rounding and kinks sit."""
    rng = np.random.RandomState(seed + sum(shape))
    count = int(np.prod(shape))
    spread = np.linspace(low, high, count + 2)[1:-1] if count else np.zeros(0)
    spread = np.where(np.abs(spread * 2 - np.round(spread * 2)) < 0.05, spread + 0.06, spread)
    return rng.permutation(spread).reshape(shape) if shape else np.asarray(spread[0] + 0.37)


def unary() -> list[Sample]:
    """One array: matrix, scalar, empty."""
    return [((values(2, 3),), {}), ((values(),), {}), ((values(0, 3),), {}), ((values(3, 4).T,), {})]


def positive() -> list[Sample]:
    """Values in (0.2, 3)."""
    return [((values(2, 3, low=0.2, high=3.0),), {}), ((np.asarray(0.7),), {})]


def unit() -> list[Sample]:
    """Values in (-0.9, 0.9)."""
    return [((values(2, 3, low=-0.9, high=0.9),), {}), ((np.asarray(0.3),), {})]


def binary(low: float = -1.5) -> list[Sample]:
    """Two arrays: same shape, broadcast both ways, with a 0-d one."""
    return [
        ((values(2, 3, low=low), values(2, 3, seed=1, low=low)), {}),
        ((values(2, 1, low=low), values(3, seed=1, low=low)), {}),
        ((values(2, 3, low=low), np.asarray(0.8)), {}),
    ]


def numbers() -> list[Sample]:
    """Dividends and divisors away from jumps."""
    return [((values(2, 3) * 4, values(2, 3, seed=1, low=0.6, high=2.2)), {})]


def int_binary() -> list[Sample]:
    """Two arrays of small positive integers."""
    rng = np.random.RandomState(0)
    return [((rng.randint(0, 7, (2, 3)), rng.randint(1, 5, (2, 3))), {})]
