"""Random draws, in the order and of the kind that PyTorch's stream expects, so that a seed gives the same pictures."""

from __future__ import annotations

import rushlight


def chance(p: float) -> bool:
    """True with probability p; one `rand(1)`, compared in float32 as a tensor comparison does."""
    return bool(rushlight.rand(1) < p)


def uniform(low: float, high: float) -> float:
    """One number of [low, high)."""
    return float(rushlight.empty(1).uniform_(low, high).item())


def integer(low: int, high: int) -> int:
    """One integer of [low, high)."""
    return int(rushlight.randint(low, high, size=(1,)).item())


def log_uniform(low: float, high: float) -> float:
    """One number of [low, high), each ratio equally likely (drawn between the logarithms, in float32)."""
    bounds = rushlight.log(rushlight.tensor([float(low), float(high)])).tolist()
    return float(rushlight.exp(rushlight.empty(1).uniform_(*bounds)).item())
