"""Checks of the options of the optimisers; the texts name the option, what it got and what it may be."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any
from weakref import ref

import rushlight
from rushlight.errors import explain_error, user_line
from rushlight.lessons import warn


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


def check_state(update: Any, param: Any, state: Sequence[Any]) -> None:
    """Warn when state was made for another dtype or device than the parameter has now. Called while an update is recorded."""
    for tensor in state:
        if tensor.ndim and tensor.shape == param.shape and (tensor.dtype, tensor.device) != (param.dtype, param.device):
            op = f"{update.__qualname__.partition('.')[0]}.step"
            old, new = (f"{t.dtype} ({t.device})" for t in (tensor, param))
            warn("optimizer-before-to", once=user_line(), op=op, old=old, new=new, shape=list(param.shape))
            return


_PILES = 3  # steps in a row with gradients added to those of the step before


class PileWatch:
    """M9: warns once when steps go by without `zero_grad`, so that gradients of all batches pile up.

    The sign is a gradient tensor that is still the one of the last step and was written exactly once since: by the
    `+=` of one `backward()`. zero_grad makes it another tensor or one write more, and so does accumulating several
    backwards on purpose. A look through `grad.data` may have zeroed it unseen: then nothing is said.
    """

    def __init__(self) -> None:
        self._last: Any = None  # weak reference to the gradient of the last step
        self._version = 0
        self._count = 0

    def step(self, name: str, grad: Any) -> None:
        """Look at one gradient tensor, just before it is used."""
        if self._count > _PILES:
            return
        old: Any = self._last() if self._last is not None else None
        if old is not grad:
            self._last, self._count = ref(grad), 0
        elif grad._version == self._version + 1 and not grad._views and _was_added_to(grad):
            self._count += 1
        elif grad._version != self._version:
            self._count = 0
        self._version = grad._version
        if self._count == _PILES:
            self._count += 1
            warn("zero-grad-forgotten", op=f"{name}.step", steps=_PILES)


def _was_added_to(grad: Any) -> bool:
    """Whether the last write was an addition (a `copy_` by hand is no pile); unknown once the value is computed."""
    return grad._trace is None or grad._trace.producer(grad._slot).op.name in ("add_", "macro")
