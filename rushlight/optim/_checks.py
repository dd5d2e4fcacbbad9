"""Checks of the options of the optimisers; the texts name the option, what it got and what it may be."""

from __future__ import annotations

import sys
from typing import Any

import rushlight
from rushlight.errors import explain_error


def at_least_zero(name: str, **options: Any) -> None:
    """ValueError unless every option is a number >= 0 (or a tensor with one such number)."""
    for option, value in options.items():
        if isinstance(value, rushlight.Tensor) and value.numel() != 1:
            raise _error(name, option, value, "a number, or a tensor with one element")
        if not 0.0 <= value:
            raise _error(name, option, value, "a number >= 0")


def betas_in_range(name: str, betas: tuple[Any, Any]) -> None:
    """ValueError unless both betas lie in [0, 1)."""
    for index in (0, 1):
        if not 0.0 <= betas[index] < 1.0:
            raise _error(name, f"betas[{index}]", betas[index], "0 <= beta < 1")


def in_range(name: str, option: str, value: Any, low: float, high: float) -> None:
    """ValueError unless low <= value <= high."""
    if not low <= value <= high:
        raise _error(name, option, value, f"{low} <= {option} <= {high}")


def fused_alone(name: str, fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """RuntimeError if `fused=True` stands beside an option that excludes it."""
    if fused and (foreach or differentiable):
        other = "differentiable" if differentiable else "foreach"
        raise RuntimeError(
            explain_error(
                name,
                got=f"fused=True and {other}=True",
                expected="at most one of them",
                fix="leave both out: every step is one fused program",
            )
        )


def _error(name: str, option: str, value: Any, expected: str) -> ValueError:
    return ValueError(explain_error(name, got=f"{option}={value!r}", expected=expected, fix=f"change {option}"))


def caller_depth() -> int:
    """The `stacklevel` at which the function that calls this can warn about the user's line."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("rushlight."):
        frame = frame.f_back
        depth += 1
    return depth
