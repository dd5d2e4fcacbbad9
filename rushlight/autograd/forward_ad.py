"""Forward-mode differentiation with dual tensors: `torch.autograd.forward_ad`.

>>> import rushlight as torch
>>> import rushlight.autograd.forward_ad as fwAD
>>> with fwAD.dual_level():
...     x = fwAD.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
...     fwAD.unpack_dual(x * x).tangent
tensor([2., 0.])
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rushlight.autograd.forward import Level
from rushlight.errors import explain_error
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import local


class UnpackedDualTensor(NamedTuple):
    """The value of a dual tensor, and its tangent: None if nothing that carries one leads to it."""

    primal: Any
    tangent: Any


class _DualLevel(Level):
    """The level of `dual_level`, of which a thread has one at most."""


def _current() -> _DualLevel | None:
    return next((found for found in local.levels if isinstance(found, _DualLevel)), None)


def enter_dual_level() -> int:
    """Begin a level; its number. RuntimeError when there is one already."""
    if _current() is not None:
        raise RuntimeError(
            "forward_ad: nested dual levels are not supported: a level has been entered already. Fix: leave it first, or nest "
            "torch.func.jvp."
        )
    local.levels.append(_DualLevel())
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """End the level: its dual tensors are ordinary ones from then on."""
    found = _current()
    if found is None or level not in (None, 0):
        raise RuntimeError(
            explain_error(
                "exit_dual_level", got=f"level={level}" if found else "no level", expected="the level entered last"
            )
        )
    local.levels.remove(found)


class dual_level:
    """A level for the length of a `with`; dual tensors live in it."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *error: Any) -> None:
        exit_dual_level()


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """A tensor with the value of `tensor` that carries `tangent`, of the same shape.

    RuntimeError outside a level and for another shape; ValueError for values that are not floating-point or complex.
    """
    found = _current()
    if found is None or level not in (None, 0):
        raise RuntimeError(
            "make_dual: a dual tensor was to be made but no level exists. Fix: use it inside `with forward_ad.dual_level():`."
        )
    for name, value in (("tensor", tensor), ("tangent", tangent)):
        if not isinstance(value, Handle):
            raise TypeError(
                explain_error("make_dual", got=f"{name} of type {type(value).__name__}", expected="a tensor")
            )
        if not (value.dtype.is_floating_point or value.dtype.is_complex):
            raise ValueError(
                explain_error("make_dual", got=f"{name} of {value.dtype}", expected="a floating-point or complex dtype")
            )
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            explain_error(
                "make_dual", got=f"a tangent of shape {list(tangent.shape)} for a tensor of shape {list(tensor.shape)}",
                expected="the same shape",
            )
        )  # fmt: skip
    return found.dual(tensor, tangent.to(tensor.dtype))


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """(primal, tangent) of a tensor at the current level; the tangent of what depends on no dual tensor is None."""
    if not isinstance(tensor, Handle):
        raise TypeError(explain_error("unpack_dual", got=f"a {type(tensor).__name__}", expected="a tensor"))
    found = _current()
    tangent = None if found is None else found.tangent(tensor)
    if found is None or tangent is None:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(found.plain(tensor), tangent)


__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]
