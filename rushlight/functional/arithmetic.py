"""Arithmetic with PyTorch's extra arguments: alpha, exponents, rounding modes; and the other names of ops."""

from __future__ import annotations

from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional import old_forms
from rushlight.functional.fast import check_exponent, power
from rushlight.functional.quick import binary
from rushlight.functional.registry import public, rule_helper, write_out
from rushlight.ir.op import TABLE, renamed
from rushlight.lazy.handle import HANDLES, Handle
from rushlight.lazy.record import record
from rushlight.lazy.views import record_inplace


def _scaled(name: str, sign: int) -> None:
    """`add` and `sub`, with `alpha`."""
    plain, scaled = TABLE[name], TABLE["add_scaled"]
    plain_, scaled_ = TABLE[name + "_"], TABLE["add_scaled_"]

    def negated(alpha: Any) -> Any:
        return alpha if sign > 0 else -alpha

    def check(input: Any, other: Any, alpha: Any) -> None:
        if isinstance(alpha, float) and all(
            x._meta.dtype.category < dtypes.FLOATING if isinstance(x, Handle) else isinstance(x, int)
            for x in (input, other)
        ):
            raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")

    fast = binary(plain)

    def out_of_place(input: Any, other: Any, *old: Any, alpha: Any = 1, out: Any = None) -> Any:
        if old:
            input, other, alpha = old_forms.scaled(name, input, other, old)
        if alpha.__class__ is int and alpha == 1:
            result = fast(input, other)
        else:
            check(input, other, alpha)
            result = record(scaled, (input, other, negated(alpha)))
        return result if out is None else write_out(out, result)

    def in_place(input: Any, other: Any, *old: Any, alpha: Any = 1) -> Any:
        if old:
            input, other, alpha = old_forms.scaled(name + "_", input, other, old)
        if alpha.__class__ is int and alpha == 1:
            return record_inplace(plain_, (input, other))
        check(input, other, alpha)
        return record_inplace(scaled_, (input, other, negated(alpha)))

    long_name = {"add": "add", "sub": "subtract"}[name]
    out_of_place.__name__, in_place.__name__ = name, name + "_"
    out_of_place.__doc__ = f"input {'+' if sign > 0 else '-'} alpha * other, broadcast."
    public(name, long_name, method=True)(out_of_place)
    public(name + "_", long_name + "_", method=True, function=False)(in_place)


_scaled("add", 1)
_scaled("sub", -1)


_power = binary(TABLE["pow"])


@public(method=True)
def pow(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """input ** exponent. RuntimeError for integers and a number below 0 as the exponent.

    >>> import rushlight as torch
    >>> torch.pow(torch.tensor([1, 2, 3]), 2), torch.pow(2.0, torch.tensor([-1]))
    (tensor([1, 4, 9]), tensor([0.5000]))
    """
    if input.__class__ in HANDLES:
        result = power(input, exponent)
    else:
        check_exponent(input, exponent)
        result = _power(input, exponent)
    return result if out is None else write_out(out, result)


@public(method=True, function=False)
def pow_(input: Any, exponent: Any) -> Any:
    """In-place `pow`."""
    check_exponent(input, exponent)
    return record_inplace(TABLE["pow_"], (input, exponent), ())


@public()
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """other - alpha * input."""
    if not isinstance(input, Handle):
        raise TypeError(explain_error("rsub", got=f"input of type {type(input).__name__}", expected="a tensor"))
    return record(renamed("sub", "RsubBackward0"), (other, input if alpha == 1 else input * alpha))


_true_divide = binary(TABLE["div"])
_MODES = {None: "div", "floor": "div_floor", "trunc": "trunc_divide"}


def _mode(rounding_mode: str | None) -> str:
    if rounding_mode not in _MODES:
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )
    return _MODES[rounding_mode]


@public("div", "divide", method=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """input / other; rounded down or toward zero on request.

    Integers give floating results, unless `rounding_mode` is "trunc" (towards zero) or "floor". RuntimeError where
    shapes cannot be broadcast.

    >>> import rushlight as torch
    >>> torch.div(torch.tensor([7, -7]), 2)
    tensor([ 3.5000, -3.5000])
    >>> torch.div(torch.tensor([7, -7]), 2, rounding_mode="floor")
    tensor([ 3, -4])
    """
    if rounding_mode is None:
        result = _true_divide(input, other)
    else:
        result = record(TABLE[_mode(rounding_mode)], (input, other))
    return result if out is None else write_out(out, result)


@public("div_", "divide_", method=True, function=False)
def div_(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """In-place `div`."""
    return record_inplace(TABLE[_mode(rounding_mode) + "_"], (input, other))


public("true_divide", method=True)(lambda input, other, *, out=None: div(input, other, out=out))
public("true_divide_", method=True, function=False)(lambda input, other: div_(input, other))


@rule_helper
def as_operand(value: Any, like: Any) -> Any:
    """A Python number or tensor as something gradient rules can compute with beside `like`."""
    if isinstance(value, Handle):
        return value
    from rushlight.functional.creation import constant

    return constant(value, like)


@rule_helper
def share_gradient(g: Any, a: Any, b: Any, wins: Any) -> Any:
    """Gradient of maximum/minimum: all of it to the winner, half on a tie."""
    where = record
    tie = a == b
    half = where(TABLE["where"], (tie, g / 2, g))
    return half.masked_fill(~(wins | tie), 0)


@rule_helper
def sgn_gradient(g: Any, out: Any, x: Any) -> Any:
    """Gradient of sgn: zero for real numbers, the turning part for complex ones."""
    if not x.is_complex():
        return zeros_like(g)
    magnitude = x.abs()
    turned = (g / magnitude) - (g.conj() * out * out + g) * 0
    found = (g - (g * out.conj()).real * out) / magnitude
    return record(TABLE["where"], (magnitude == 0, zeros_like(turned), found))


def zeros_like(x: Any) -> Any:
    """Zeros with the shape and dtype of x."""
    from rushlight.functional import FUNCTIONS

    return FUNCTIONS["zeros_like"](x)


@rule_helper
def angle_gradient(g: Any, x: Any) -> Any:
    """Gradient of the angle: perpendicular to the number, over its squared length."""
    if not x.is_complex():
        return zeros_like(x)
    from rushlight.functional import FUNCTIONS

    length = x.real * x.real + x.imag * x.imag
    return FUNCTIONS["complex"](-g * x.imag / length, g * x.real / length)


def _aliases() -> None:
    """PyTorch's other names of ops."""
    from rushlight.functional.registry import function_of

    names = {
        "mul": ("multiply",), "neg": ("negative",), "eq": (), "gt": ("greater",), "ge": ("greater_equal",), "lt": ("less",),
        "le": ("less_equal",), "ne": ("not_equal",), "abs": ("absolute",), "asin": ("arcsin",), "acos": ("arccos",),
        "atan": ("arctan",), "asinh": ("arcsinh",), "acosh": ("arccosh",), "atanh": ("arctanh",), "atan2": ("arctan2",),
        "trunc": ("fix",), "clamp": ("clip",),
    }  # fmt: skip
    for name, others in names.items():
        for suffix in ("", "_"):
            if name + suffix in TABLE:
                function = function_of(TABLE[name + suffix])
                for other in others:
                    public(other + suffix, method=True, function=not suffix)(function)


_aliases()
