"""The operators: `+ - * /`, their reflected and in-place forms, comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.dtype import COMPLEX, FLOATING, INTEGER
from rushlight.functional.quick import binary, from_array, is_operand, reflected, unary
from rushlight.functional.registry import METHODS
from rushlight.ir.op import TABLE, Op
from rushlight.lazy.handle import Handle
from rushlight.lazy.views import record_inplace
from rushlight.ops.elementwise import POWERS


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


_any_power = binary(TABLE["pow"], dunder=True)
_fixed_powers = {exponent: unary(TABLE["fixed_power_op"], (exponent,)) for exponent in POWERS}


def power(self: Any, other: Any) -> Any:
    """`tensor ** other`. A power of any exponent is dear, and x ** 2 is x * x."""
    if other.__class__ in (int, float):
        fixed = _fixed_powers.get(other)
        if fixed is not None:
            category = self._meta.dtype.category
            if category == FLOATING or other == 2 and category == COMPLEX:
                return fixed(self)
            if category == INTEGER and other.__class__ is int and other > 0:
                return fixed(self)
        check_exponent(self, other)
    return _any_power(self, other)


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
    found["__pow__"], found["__ipow__"] = power, _power_inplace()
    found["__matmul__"], found["__rmatmul__"] = binary(TABLE["matmul"], dunder=True), reflected(TABLE["matmul"])
    for dunder in ("eq", "ne", "lt", "le", "gt", "ge"):
        found[f"__{dunder}__"] = _comparison(TABLE[dunder])
    for dunder, name in {"neg": "neg", "pos": "positive", "abs": "abs", "invert": "bitwise_not"}.items():
        found[f"__{dunder}__"] = unary(TABLE[name])
    return found


DUNDERS = _build()
