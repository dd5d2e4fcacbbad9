"""The operators: `+ - * /`, their reflected and in-place forms, comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.dtype import FLOATING
from rushlight.functional.quick import binary, from_array, is_operand, reflected, unary
from rushlight.functional.registry import METHODS
from rushlight.ir.op import TABLE, Op
from rushlight.lazy.handle import Handle
from rushlight.lazy.views import record_inplace


def _inplace(op: Op) -> Callable[[Any, Any], Any]:
    def apply(self: Any, other: Any) -> Any:
        if not is_operand(other):
            return METHODS[op.name](self, other) if isinstance(other, Handle) else NotImplemented
        if isinstance(other, np.ndarray):
            other = from_array(other)
        return record_inplace(op, (self, other), ())

    return apply


def _comparison(op: Op) -> Callable[[Any, Any], Any]:
    fast = binary(op, dunder=True)

    def apply(self: Any, other: Any) -> Any:
        if other is None or isinstance(other, (str, bytes, list, tuple, dict, set)):
            return NotImplemented
        return fast(self, other)

    return apply


def check_exponent(base: Any, exponent: Any) -> None:
    """No integer has a power of a number below 0. A tensor of such exponents yields 0, 1 and -1 instead."""
    if exponent.__class__ is int and exponent < 0 and not isinstance(base, float | complex):
        if base.__class__ is int or base._meta.dtype.category < FLOATING:
            raise RuntimeError(
                f"pow: Integers to negative integer powers are not allowed; got the exponent {exponent}. Fix: use a floating base."
            )


def _power() -> Callable[[Any, Any], Any]:
    """x ** 2 is x * x: an exponent that is a number may change from step to step, and a power of any exponent is dear."""
    power, square = binary(TABLE["pow"], dunder=True), unary(TABLE["square"])

    def apply(self: Any, other: Any) -> Any:
        if other.__class__ in (int, float):
            if other == 2 and self._meta.dtype.category >= FLOATING:
                return square(self)
            check_exponent(self, other)
        return power(self, other)

    return apply


def _power_inplace() -> Callable[[Any, Any], Any]:
    fast = _inplace(TABLE["pow_"])

    def apply(self: Any, other: Any) -> Any:
        check_exponent(self, other)
        return fast(self, other)

    return apply


def _build() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    arithmetic = {
        "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide", "mod": "remainder", "pow": "pow",
        "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "bitwise_left_shift",
        "rshift": "bitwise_right_shift",
    }  # fmt: skip
    for dunder, name in arithmetic.items():
        found[f"__{dunder}__"] = binary(TABLE[name], dunder=True)
        found[f"__r{dunder}__"] = reflected(TABLE[name])
        found[f"__i{dunder}__"] = _inplace(TABLE[name + "_"])
    found["__pow__"], found["__ipow__"] = _power(), _power_inplace()
    found["__matmul__"], found["__rmatmul__"] = binary(TABLE["matmul"], dunder=True), reflected(TABLE["matmul"])
    for dunder in ("eq", "ne", "lt", "le", "gt", "ge"):
        found[f"__{dunder}__"] = _comparison(TABLE[dunder])
    for dunder, name in {"neg": "neg", "pos": "positive", "abs": "abs", "invert": "bitwise_not"}.items():
        found[f"__{dunder}__"] = unary(TABLE[name])
    return found


DUNDERS = _build()
