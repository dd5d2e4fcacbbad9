"""Elementwise functions of two operands. Formulas for gradients: d/dx of the name, times g."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.dtype import BOOL, FLOATING, INTEGER
from rushlight.ir import scalar as L
from rushlight.ir.meta import Meta
from rushlight.ir.op import TABLE, Op, declare
from rushlight.ops import formulas
from rushlight.ops.rules import (
    arithmetic,
    elementwise,
    floating,
    only,
    promote_common,
    promote_float,
    result_dtype,
)  # fmt: skip
from rushlight.ops.samples import binary, int_binary, numbers, values
from rushlight.ops.tensor_code import T, conj


def _no_bool_subtract(a: Meta, b: Meta) -> Meta:
    if a.dtype.category == BOOL or b.dtype.category == BOOL:
        raise RuntimeError(
            "sub: Subtraction, the `-` operator, with a bool operand is not supported. "
            "Fix: use the `^` or `logical_xor()` operator instead."
        )
    return elementwise("sub", (a, b), result_dtype(a, b))


def _add(a: np.ndarray, b: np.ndarray) -> Any:
    return np.logical_or(a, b) if a.dtype == bool else a + b


def _mul(a: np.ndarray, b: np.ndarray) -> Any:
    return np.logical_and(a, b) if a.dtype == bool else a * b


def _binary(
    signature: str, reference: Any, vjp: Any, *, rule: Any = None, promote: Any = promote_common, **facts: Any
) -> Op:
    name = signature.partition("(")[0]
    facts.setdefault("samples", binary)
    facts.setdefault("inplace", True)
    return declare(
        signature,
        infer=rule or arithmetic(name),
        reference=reference,
        vjp=vjp,
        promote=promote,
        pointwise=True,
        **facts,
    )


add = _binary(
    "add(Operand input, Operand other)", _add, (lambda g, out, a, b: g, lambda g, out, a, b: g),
    lower=formulas.plus, numbers_alone=True, doc="input + other",
)  # fmt: skip
add_scaled = _binary(
    "add_scaled(Operand input, Operand other, Number alpha)",
    lambda a, b, alpha: a + alpha * b,
    (lambda g, out, a, b, alpha: g, lambda g, out, a, b, alpha: g * conj(alpha), lambda g, out, a, b, alpha: g * conj(b)),
    samples=lambda: [((a, b, 2), {}) for (a, b), _ in binary()], grad_name="AddBackward0", public="",
    lower=lambda a, b, alpha: formulas.plus(a, formulas.times(alpha, b)),
    numbers_alone=True, doc="input + alpha * other",
)  # fmt: skip
sub = _binary(
    "sub(Operand input, Operand other)", lambda a, b: a - b, (lambda g, out, a, b: g, lambda g, out, a, b: -g),
    rule=_no_bool_subtract, lower=lambda a, b: a - b, numbers_alone=True, doc="input - other",
)  # fmt: skip
mul = _binary(
    "mul(Operand input, Operand other)", _mul,
    (lambda g, out, a, b: g * conj(b), lambda g, out, a, b: g * conj(a)), lower=formulas.times,
    numbers_alone=True, doc="input * other",
)  # fmt: skip
true_divide = _binary(
    "div(Operand input, Operand other)", np.true_divide,
    (lambda g, out, a, b: g / conj(b), lambda g, out, a, b: -g * conj(a / b / b)),
    rule=floating("div"), promote=promote_float, lower=lambda a, b: a / b, numbers_alone=True, doc="input / other",
)  # fmt: skip


def _check_divisors(name: str, a: np.ndarray, b: np.ndarray) -> None:
    """RuntimeError, as PyTorch, if some integer is to be divided by zero."""
    if a.dtype.kind in "iub" and not np.all(b) and a.size:
        raise RuntimeError(f"{name}: ZeroDivisionError: got a zero among integer divisors.")


def _floor_divide(a: np.ndarray, b: np.ndarray) -> Any:
    _check_divisors("floor_divide", a, b)
    return np.floor_divide(a, b)


def _flat(g: Any, out: Any, a: Any, b: Any) -> Any:
    """The gradient of a step function."""
    return T.zeros_like(g)


def _trunc_divide(a: np.ndarray, b: np.ndarray) -> Any:
    _check_divisors("div", a, b)
    if a.dtype.kind in "iub":
        wide = np.floor_divide(a, b)
        return wide + ((wide < 0) & (wide * b != a))
    return np.trunc(a / b)


floor_divide = _binary(
    "floor_divide(Operand input, Operand other)", _floor_divide, None, samples=numbers,
    lower=formulas.floor_divide, numbers_alone=True, doc="floor(input / other)",
)  # fmt: skip
trunc_divide = _binary(
    "trunc_divide(Operand input, Operand other)", _trunc_divide, (_flat, _flat), samples=numbers,
    numbers_alone=True, grad_name="DivBackward1", public="", lower=formulas.trunc_divide, doc="input / other, rounded toward zero",
)  # fmt: skip
div_floor = _binary(
    "div_floor(Operand input, Operand other)", _floor_divide, (_flat, _flat), samples=numbers, numbers_alone=True,
    grad_name="DivBackward1", public="", lower=formulas.floor_divide, doc="floor_divide, with the gradient that it has: zero",
)  # fmt: skip


def _remainder(a: np.ndarray, b: np.ndarray) -> Any:
    _check_divisors("remainder", a, b)
    return np.remainder(a, b)


remainder = _binary(
    "remainder(Operand input, Operand other)", _remainder,
    (lambda g, out, a, b: g, lambda g, out, a, b: -g * T.floor(a / b)), samples=numbers,
    lower=formulas.remainder,
    doc="input - floor(input / other) * other: the sign of other",
)  # fmt: skip


def _fmod(a: np.ndarray, b: np.ndarray) -> Any:
    _check_divisors("fmod", a, b)
    return np.fmod(a, b)


fmod = _binary(
    "fmod(Tensor input, Operand other)", _fmod,
    (lambda g, out, a, b: g, lambda g, out, a, b: -g * T.trunc(a / b)), samples=numbers,
    lower=formulas.fmod,
    doc="input - trunc(input / other) * other: the sign of input",
)  # fmt: skip


def _pow(a: np.ndarray, b: np.ndarray) -> Any:
    if a.dtype.kind in "iu":
        # a negative power of an integer is 0 except for +-1
        base = np.power(a, np.maximum(b, 0))
        small = np.where(a == 1, 1, np.where(a == -1, np.where(b % 2 == 0, 1, -1), 0)).astype(a.dtype)
        return np.where(b < 0, small, base) if np.any(b < 0) else base
    if b.ndim == 0 and b == 2:
        return a * a
    return np.power(a, b)


pow_ = _binary(
    "pow(Operand input, Operand exponent)", _pow,
    (
        lambda g, out, a, b: T.where(T.as_operand(b, a) == 0, T.zeros_like(g), g * conj(b * T.pow(a, b - 1))),
        lambda g, out, a, b: g * conj(T.where((T.as_operand(a, g) == 0) & (T.as_operand(b, g) >= 0) if not g.is_complex() else T.as_operand(a, g) == 0, T.zeros_like(out), out * T.log(T.as_operand(a, g)))),
    ),
    samples=lambda: [((a, b), {}) for (a, b), _ in binary(low=0.3)], lower=formulas.power,
    doc="input ** exponent",
)  # fmt: skip
# Exponents with code of their own, as in PyTorch. A number that is an operand may change from step to step; these are part of the step.
POWERS = (-2.0, -1.0, -0.5, 0.5, 2.0, 3.0)


def _fixed_power(x: np.ndarray, exponent: float) -> np.ndarray:
    if abs(exponent) == 0.5:
        root = np.sqrt(x)
        return root if exponent > 0 else 1 / root
    found = x if exponent == -1 else x * x * x if exponent == 3 else x * x
    return found if exponent > 0 else 1 / found


fixed_power = declare(
    "fixed_power_op(Tensor input, float exponent)", infer=lambda x, exponent: elementwise("pow", (x,), x.dtype),
    reference=_fixed_power,
    vjp=(lambda g, out, x, exponent: g * conj(exponent * (x if exponent == 2 else T.pow(x, exponent - 1))),),
    lower=formulas.fixed_power, pointwise=True, grad_name="PowBackward0",
    samples=lambda: [((values(3, 4, low=0.3), exponent), {}) for exponent in POWERS], doc="input to one of a few powers",
)  # fmt: skip
maximum = _binary(
    "maximum(Tensor input, Tensor other)", np.maximum,
    (lambda g, out, a, b: T.share_gradient(g, a, b, a > b), lambda g, out, a, b: T.share_gradient(g, a, b, b > a)),
    inplace=False, lower=L.maximum, doc="the larger of the two; NaN wins",
)  # fmt: skip
minimum = _binary(
    "minimum(Tensor input, Tensor other)", np.minimum,
    (lambda g, out, a, b: T.share_gradient(g, a, b, a < b), lambda g, out, a, b: T.share_gradient(g, a, b, b < a)),
    inplace=False, lower=L.minimum, doc="the smaller of the two; NaN wins",
)  # fmt: skip
fmax = _binary(
    "fmax(Tensor input, Tensor other)", np.fmax,
    (lambda g, out, a, b: g * ((a >= b) | b.isnan()), lambda g, out, a, b: g * ~((a >= b) | b.isnan())),
    inplace=False, lower=formulas.fmax, doc="the larger of the two; NaN loses",
)  # fmt: skip
fmin = _binary(
    "fmin(Tensor input, Tensor other)", np.fmin,
    (lambda g, out, a, b: g * ((a <= b) | b.isnan()), lambda g, out, a, b: g * ~((a <= b) | b.isnan())),
    inplace=False, lower=formulas.fmin, doc="the smaller of the two; NaN loses",
)  # fmt: skip
atan2 = _binary(
    "atan2(Tensor input, Tensor other)", np.arctan2,
    (lambda g, out, a, b: g * b / (a * a + b * b), lambda g, out, a, b: -g * a / (a * a + b * b)),
    rule=floating("atan2"), promote=promote_float, lower=L.atan2, doc="the angle of the point (other, input)",
)  # fmt: skip
hypot = _binary(
    "hypot(Tensor input, Tensor other)", np.hypot,
    (lambda g, out, a, b: g * (a / out), lambda g, out, a, b: g * (b / out)),
    lower=lambda a, b: L.hypot(a, b) if a.floating else None, doc="sqrt(input^2 + other^2)",
)  # fmt: skip


def _logaddexp(a: np.ndarray, b: np.ndarray) -> Any:
    if a.dtype.kind != "c":
        return np.logaddexp(a, b)
    swap = b.real > a.real
    top, low = np.where(swap, b, a), np.where(swap, a, b)
    apart = low - np.where(np.isinf(top.real), 0, top)  # inf - inf would be NaN
    return top + np.log1p(np.exp(apart))


logaddexp = _binary(
    "logaddexp(Tensor input, Tensor other)", _logaddexp,
    (lambda g, out, a, b: g * conj(T.exp(a - out)), lambda g, out, a, b: g * conj(T.exp(b - out))), inplace=False,
    rule=floating("logaddexp"), promote=promote_float, lower=formulas.logaddexp, doc="log(exp(input) + exp(other))",
)  # fmt: skip
logaddexp2 = _binary(
    "logaddexp2(Tensor input, Tensor other)", np.logaddexp2,
    (lambda g, out, a, b: g * T.exp2(a - out), lambda g, out, a, b: g * T.exp2(b - out)), inplace=False,
    rule=floating("logaddexp2"), promote=promote_float, lower=formulas.logaddexp2, doc="log2(2^input + 2^other)",
)  # fmt: skip
copysign = _binary(
    "copysign(Tensor input, Operand other)", np.copysign,
    (lambda g, out, a, b: g * T.where(a == 0, T.zeros_like(out), out / a), None),
    rule=floating("copysign"), promote=promote_float, lower=L.copysign, doc="|input| with the sign of other",
)  # fmt: skip
xlogy = _binary(
    "xlogy(Operand input, Operand other)",
    lambda a, b: np.where(np.isnan(b), b, np.where(a == 0, a * 0, a * np.log(b))),
    (
        lambda g, out, a, b: g * T.where((a == 0) & (b <= 0), T.zeros_like(out), T.log(b)),
        lambda g, out, a, b: g * a / b,
    ),
    rule=floating("xlogy"), promote=promote_float, lower=formulas.x_times(L.log),
    samples=lambda: [((a, b), {}) for (a, b), _ in binary(low=0.3)], doc="input * log(other), 0 where input is 0",
)  # fmt: skip
nextafter = _binary(
    "nextafter(Tensor input, Tensor other)", np.nextafter, (lambda g, out, a, b: g, _flat), lower=formulas.nextafter,
    doc="the next float toward other",
)  # fmt: skip


def _gcd_like(name: str, function: Any) -> Op:
    return _binary(
        f"{name}(Tensor input, Tensor other)", function, None, samples=int_binary, doc=f"the {name} of integers"
    )


gcd, lcm = _gcd_like("gcd", np.gcd), _gcd_like("lcm", np.lcm)


# --- operands that make no sense, refused at the user's line -------------------------------------------------------


def refuse_other_kinds(names: str, *kinds: int) -> None:
    """Let these ops of the table take operands of these dtype categories only."""
    for name in names.split():
        TABLE[name].infer = only(name, TABLE[name].infer, *kinds)


refuse_other_kinds(
    "remainder fmod atan2 hypot copysign floor_divide div_floor trunc_divide maximum minimum fmax fmin logaddexp2",
    BOOL, INTEGER, FLOATING,
)  # fmt: skip
refuse_other_kinds("gcd lcm", INTEGER)
refuse_other_kinds("nextafter", FLOATING)
