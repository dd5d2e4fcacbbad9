"""`T`: the public functions, looked up when a gradient rule runs (rules are plain tensor code, written before it exists)."""

from __future__ import annotations

import importlib
from typing import Any


class _TensorCode:
    def __getattr__(self, name: str) -> Any:
        found = getattr(importlib.import_module("rushlight.functional"), name)
        setattr(self, name, found)
        return found


T: Any = _TensorCode()


def conj(x: Any) -> Any:
    """The conjugate of a complex tensor or number; real ones as they are."""
    if x.__class__ is complex:
        return x.conjugate()
    return x.conj() if getattr(x, "is_complex", bool)() else x


def real_like(g: Any, x: Any) -> Any:
    """The part of a gradient that a real operand can take."""
    return g.real if g.is_complex() and not x.is_complex() else g


def no_second_derivative(name: str) -> Any:
    """The rule of a gradient op that cannot be differentiated again: says so."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(
            f"{name}: the second derivative is not supported. Fix: do not pass create_graph=True through {name}."
        )

    return refuse
