"""`torch.sym_float` and its siblings: arithmetic of sizes. Sizes are Python's numbers here, so these are Python's functions."""

from __future__ import annotations

import math
from typing import Any

from rushlight.functional.registry import public


@public()
def sym_float(a: Any) -> float:
    """A size as a float."""
    return float(a)


@public()
def sym_int(a: Any) -> int:
    """A number as an int, rounded towards zero."""
    return math.trunc(a)


def _common(a: Any, b: Any, chosen: Any) -> Any:
    """Of the class that both numbers can have, whichever was chosen."""
    return float(chosen) if isinstance(a, float) or isinstance(b, float) else chosen


@public()
def sym_max(a: Any, b: Any) -> Any:
    """The larger of two numbers; a float if one of them is.

    >>> import rushlight as torch
    >>> torch.sym_max(3, 2.5)
    3.0
    """
    return _common(a, b, max(a, b))


@public()
def sym_min(a: Any, b: Any) -> Any:
    """The smaller of two numbers; a float if one of them is."""
    return _common(a, b, min(a, b))


@public()
def sym_not(a: Any) -> bool:
    """Whether a is false."""
    return not a


@public()
def sym_ite(b: bool, t: Any, f: Any) -> Any:
    """t if b, else f."""
    return t if b else f


@public()
def sym_sum(args: Any) -> Any:
    """The sum of a list of numbers."""
    return sum(args)
