"""Checking and spreading the integer arguments of layers."""

from __future__ import annotations

import operator
from typing import Any

from rushlight.errors import explain_error


def spread(value: Any, count: int) -> tuple[Any, ...]:
    """`value` repeated `count` times, or `value` itself as a tuple if it already is a sequence."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * count


def check_counts(layer: str, **counts: Any) -> None:
    """TypeError unless every argument is an integer (a float such as 784.0 is not)."""
    for name, value in counts.items():
        try:
            operator.index(value)
        except TypeError:
            whole = isinstance(value, float) and value.is_integer()
            raise TypeError(
                explain_error(
                    layer,
                    got=f"{name}={value!r} of type {type(value).__name__}",
                    expected="an int",
                    fix=f"write {name}={int(value)}" if whole else "convert it, for example with int(...) or //",
                )
            ) from None
