"""Elementwise arithmetic with one or two operands. Formulas for gradients: d/dx of the name, times g."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.dtype import BOOL, COMPLEX, FLOATING, INTEGER
from rushlight.ir.meta import Meta
from rushlight.ir.op import TABLE, Op, declare
from rushlight.ops.rules import (
    arithmetic,
    comparison,
    elementwise,
    float_dtype,
    floating,
    forbid,
    only,
    promote_common,
    promote_float,
    result_dtype,
)  # fmt: skip
from rushlight.ops.samples import binary, int_binary, numbers, positive, unary, unit
from rushlight.ops.tensor_code import T, conj

# --- two operands -------------------------------------------------------------------------------------------------


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
    doc="input + other",
)  # fmt: skip
add_scaled = _binary(
    "add_scaled(Operand input, Operand other, Number alpha)",
    lambda a, b, alpha: a + alpha * b,
    (lambda g, out, a, b, alpha: g, lambda g, out, a, b, alpha: g * conj(alpha), None),
    samples=lambda: [((a, b, 2), {}) for (a, b), _ in binary()], grad_name="AddBackward0", public="",
    doc="input + alpha * other",
)  # fmt: skip
sub = _binary(
    "sub(Operand input, Operand other)", lambda a, b: a - b, (lambda g, out, a, b: g, lambda g, out, a, b: -g),
    rule=_no_bool_subtract, doc="input - other",
)  # fmt: skip
mul = _binary(
    "mul(Operand input, Operand other)", _mul,
    (lambda g, out, a, b: g * conj(b), lambda g, out, a, b: g * conj(a)), doc="input * other",
)  # fmt: skip
true_divide = _binary(
    "div(Operand input, Operand other)", np.true_divide,
    (lambda g, out, a, b: g / conj(b), lambda g, out, a, b: -g * conj(a / b / b)),
    rule=floating("div"), promote=promote_float, doc="input / other",
)  # fmt: skip


def _floor_divide(a: np.ndarray, b: np.ndarray) -> Any:
    if a.dtype.kind in "iub":
        if not np.all(b):
            raise RuntimeError("floor_divide: ZeroDivisionError: got a zero among integer divisors.")
        return np.floor_divide(a, b)
    return np.floor_divide(a, b)


def _trunc_divide(a: np.ndarray, b: np.ndarray) -> Any:
    if a.dtype.kind in "iub":
        if not np.all(b):
            raise RuntimeError("div: ZeroDivisionError: got a zero among integer divisors.")
        wide = np.floor_divide(a, b)
        return wide + ((wide < 0) & (wide * b != a))
    return np.trunc(a / b)


floor_divide = _binary(
    "floor_divide(Operand input, Operand other)", _floor_divide, None, samples=numbers, doc="floor(input / other)"
)
trunc_divide = _binary(
    "trunc_divide(Operand input, Operand other)", _trunc_divide, (None, None), samples=numbers,
    grad_name="DivBackward1", public="", doc="input / other, rounded toward zero",
)  # fmt: skip


def _remainder(a: np.ndarray, b: np.ndarray) -> Any:
    if a.dtype.kind in "iub" and not np.all(b):
        raise RuntimeError("remainder: ZeroDivisionError: got a zero among integer divisors.")
    return np.remainder(a, b)


remainder = _binary(
    "remainder(Operand input, Operand other)", _remainder,
    (lambda g, out, a, b: g, lambda g, out, a, b: -g * T.floor(a / b)), samples=numbers,
    doc="input - floor(input / other) * other: the sign of other",
)  # fmt: skip
fmod = _binary(
    "fmod(Operand input, Operand other)", lambda a, b: np.fmod(a, b),
    (lambda g, out, a, b: g, lambda g, out, a, b: -g * T.trunc(a / b)), samples=numbers,
    doc="input - trunc(input / other) * other: the sign of input",
)  # fmt: skip


def _pow(a: np.ndarray, b: np.ndarray) -> Any:
    if a.dtype.kind in "iu":
        if b.ndim == 0 and b < 0:
            raise RuntimeError("pow: Integers to negative integer powers are not allowed. Fix: use a floating base.")
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
    samples=lambda: [((a, b), {}) for (a, b), _ in binary(low=0.3)], doc="input ** exponent",
)  # fmt: skip
maximum = _binary(
    "maximum(Tensor input, Tensor other)", np.maximum,
    (lambda g, out, a, b: T.share_gradient(g, a, b, a > b), lambda g, out, a, b: T.share_gradient(g, a, b, b > a)),
    inplace=False, doc="the larger of the two; NaN wins",
)  # fmt: skip
minimum = _binary(
    "minimum(Tensor input, Tensor other)", np.minimum,
    (lambda g, out, a, b: T.share_gradient(g, a, b, a < b), lambda g, out, a, b: T.share_gradient(g, a, b, b < a)),
    inplace=False, doc="the smaller of the two; NaN wins",
)  # fmt: skip
fmax = _binary(
    "fmax(Tensor input, Tensor other)", np.fmax,
    (lambda g, out, a, b: g * ((a >= b) | b.isnan()), lambda g, out, a, b: g * ~((a >= b) | b.isnan())),
    inplace=False, doc="the larger of the two; NaN loses",
)  # fmt: skip
fmin = _binary(
    "fmin(Tensor input, Tensor other)", np.fmin,
    (lambda g, out, a, b: g * ((a <= b) | b.isnan()), lambda g, out, a, b: g * ~((a <= b) | b.isnan())),
    inplace=False, doc="the smaller of the two; NaN loses",
)  # fmt: skip
atan2 = _binary(
    "atan2(Tensor input, Tensor other)", np.arctan2,
    (lambda g, out, a, b: g * b / (a * a + b * b), lambda g, out, a, b: -g * a / (a * a + b * b)),
    rule=floating("atan2"), promote=promote_float, doc="the angle of the point (other, input)",
)  # fmt: skip
hypot = _binary(
    "hypot(Tensor input, Tensor other)", np.hypot,
    (lambda g, out, a, b: g * (a / out), lambda g, out, a, b: g * (b / out)), doc="sqrt(input^2 + other^2)",
)  # fmt: skip


def _logaddexp(a: np.ndarray, b: np.ndarray) -> Any:
    if a.dtype.kind != "c":
        return np.logaddexp(a, b)
    top = np.maximum(a.real, b.real)
    return top + np.log(np.exp(a - top) + np.exp(b - top))


logaddexp = _binary(
    "logaddexp(Tensor input, Tensor other)", _logaddexp,
    (lambda g, out, a, b: g * T.exp(a - out), lambda g, out, a, b: g * T.exp(b - out)), inplace=False,
    rule=floating("logaddexp"), promote=promote_float, doc="log(exp(input) + exp(other))",
)  # fmt: skip
logaddexp2 = _binary(
    "logaddexp2(Tensor input, Tensor other)", np.logaddexp2,
    (lambda g, out, a, b: g * T.exp2(a - out), lambda g, out, a, b: g * T.exp2(b - out)), inplace=False,
    rule=floating("logaddexp2"), promote=promote_float, doc="log2(2^input + 2^other)",
)  # fmt: skip
copysign = _binary(
    "copysign(Tensor input, Operand other)", np.copysign,
    (lambda g, out, a, b: g * T.where(a == 0, T.zeros_like(out), out / a), None),
    rule=floating("copysign"), promote=promote_float, doc="|input| with the sign of other",
)  # fmt: skip
xlogy = _binary(
    "xlogy(Operand input, Operand other)",
    lambda a, b: np.where(np.isnan(b), b, np.where(a == 0, a * 0, a * np.log(b))),
    (
        lambda g, out, a, b: g * T.where((a == 0) & (b <= 0), T.zeros_like(out), T.log(b)),
        lambda g, out, a, b: g * a / b,
    ),
    rule=floating("xlogy"), promote=promote_float,
    samples=lambda: [((a, b), {}) for (a, b), _ in binary(low=0.3)], doc="input * log(other), 0 where input is 0",
)  # fmt: skip
nextafter = _binary("nextafter(Tensor input, Tensor other)", np.nextafter, None, doc="the next float toward other")


def _gcd_like(name: str, function: Any) -> Op:
    return _binary(
        f"{name}(Tensor input, Tensor other)", function, None, samples=int_binary, doc=f"the {name} of integers"
    )


gcd, lcm = _gcd_like("gcd", np.gcd), _gcd_like("lcm", np.lcm)

# --- comparison and logic -----------------------------------------------------------------------------------------


def _comparison(name: str, function: Any, doc: str) -> Op:
    return declare(
        f"{name}(Operand input, Operand other)", infer=comparison(name), reference=function, promote=promote_common,
        pointwise=True, inplace=True, samples=binary, doc=doc,
    )  # fmt: skip


eq = _comparison("eq", np.equal, "input == other")
ne = _comparison("ne", np.not_equal, "input != other")
lt = _comparison("lt", np.less, "input < other")
le = _comparison("le", np.less_equal, "input <= other")
gt = _comparison("gt", np.greater, "input > other")
ge = _comparison("ge", np.greater_equal, "input >= other")
logical_and = _comparison("logical_and", np.logical_and, "both are true (non-zero)")
logical_or = _comparison("logical_or", np.logical_or, "one is true (non-zero)")
logical_xor = _comparison("logical_xor", np.logical_xor, "exactly one is true (non-zero)")


def _bitwise(signature: str, function: Any, doc: str, shift: bool = False) -> Op:
    name = signature.partition("(")[0]

    def rule(*metas: Meta) -> Meta:
        for m in metas:
            forbid(name, m, FLOATING, COMPLEX, *((BOOL,) if shift else ()), why="convert it to an integer dtype")
        return elementwise(name, metas, result_dtype(*metas))

    return declare(
        signature, infer=rule, reference=function, promote=promote_common, pointwise=True, inplace=True,
        samples=int_binary if len(signature.split(",")) > 1 else lambda: [((a,), {}) for (a, _), _ in int_binary()], doc=doc,
    )  # fmt: skip


bitwise_and = _bitwise("bitwise_and(Operand input, Operand other)", np.bitwise_and, "input & other")
bitwise_or = _bitwise("bitwise_or(Operand input, Operand other)", np.bitwise_or, "input | other")
bitwise_xor = _bitwise("bitwise_xor(Operand input, Operand other)", np.bitwise_xor, "input ^ other")
bitwise_not = _bitwise("bitwise_not(Tensor input)", np.invert, "~input")
bitwise_left_shift = _bitwise("bitwise_left_shift(Operand input, Operand other)", np.left_shift, "input << other", True)
bitwise_right_shift = _bitwise(
    "bitwise_right_shift(Operand input, Operand other)", np.right_shift, "input >> other", True
)

logical_not = declare(
    "logical_not(Tensor input)", infer=comparison("logical_not"), reference=np.logical_not, pointwise=True, inplace=True,
    samples=unary, doc="true where input is zero",
)  # fmt: skip

# --- one operand --------------------------------------------------------------------------------------------------


def _unary(name: str, reference: Any, vjp: Any, doc: str, **facts: Any) -> Op:
    """Integers become the default float."""
    facts.setdefault("samples", unary)
    return declare(
        f"{name}(Tensor input)", infer=floating(name), reference=reference, vjp=None if vjp is None else (vjp,),
        promote=promote_float, pointwise=True, inplace=True, doc=doc, **facts,
    )  # fmt: skip


exp = _unary("exp", np.exp, lambda g, out, x: g * conj(out), "e^input")
exp2 = _unary("exp2", np.exp2, lambda g, out, x: g * conj(out) * 0.6931471805599453, "2^input")
expm1 = _unary("expm1", np.expm1, lambda g, out, x: g * conj(out + 1), "e^input - 1")
log = _unary("log", np.log, lambda g, out, x: g / conj(x), "natural logarithm", samples=positive)
log2 = _unary("log2", np.log2, lambda g, out, x: g / conj(x * 0.6931471805599453), "base-2 logarithm", samples=positive)
log10 = _unary(
    "log10", np.log10, lambda g, out, x: g / conj(x * 2.302585092994046), "base-10 logarithm", samples=positive
)
log1p = _unary("log1p", np.log1p, lambda g, out, x: g / conj(x + 1), "log(1 + input)", samples=positive)
sqrt = _unary("sqrt", np.sqrt, lambda g, out, x: g / conj(2 * out), "square root", samples=positive)
rsqrt = _unary(
    "rsqrt",
    lambda x: 1 / np.sqrt(x),
    lambda g, out, x: -0.5 * g * conj(out * out * out),
    "1 / sqrt(input)",
    samples=positive,
)
reciprocal = _unary(
    "reciprocal", lambda x: 1 / x, lambda g, out, x: -g * conj(out * out), "1 / input", samples=positive
)
sin = _unary("sin", np.sin, lambda g, out, x: g * conj(x.cos()), "sine")
cos = _unary("cos", np.cos, lambda g, out, x: -g * conj(x.sin()), "cosine")
tan = _unary("tan", np.tan, lambda g, out, x: g * conj(1 + out * out), "tangent", samples=unit)
asin = _unary("asin", np.arcsin, lambda g, out, x: g * conj((1 - x * x).rsqrt()), "inverse sine", samples=unit)
acos = _unary("acos", np.arccos, lambda g, out, x: -g * conj((1 - x * x).rsqrt()), "inverse cosine", samples=unit)
atan = _unary("atan", np.arctan, lambda g, out, x: g / conj(1 + x * x), "inverse tangent")
sinh = _unary("sinh", np.sinh, lambda g, out, x: g * conj(x.cosh()), "hyperbolic sine")
cosh = _unary("cosh", np.cosh, lambda g, out, x: g * conj(x.sinh()), "hyperbolic cosine")
tanh = _unary("tanh", np.tanh, lambda g, out, x: g * conj(1 - out * out), "hyperbolic tangent")
asinh = _unary("asinh", np.arcsinh, lambda g, out, x: g * conj((x * x + 1).rsqrt()), "inverse hyperbolic sine")
acosh = _unary(
    "acosh", np.arccosh, lambda g, out, x: g * conj((x - 1).rsqrt() * (x + 1).rsqrt()), "inverse hyperbolic cosine",
    samples=lambda: [((np.asarray(a + 1),), {}) for (a,), _ in positive()],
)  # fmt: skip
atanh = _unary("atanh", np.arctanh, lambda g, out, x: g / conj(1 - x * x), "inverse hyperbolic tangent", samples=unit)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x)) if x.dtype.kind == "f" else None
    return 1 / (1 + np.exp(-x)) if e is None else np.where(x >= 0, 1 / (1 + e), e / (1 + e))


sigmoid = _unary("sigmoid", _sigmoid, lambda g, out, x: g * conj(out * (1 - out)), "1 / (1 + e^-input)")


def _real_unary(name: str, reference: Any, vjp: Any, doc: str, **facts: Any) -> Op:
    """Keeps the dtype; integers stay integers."""
    facts.setdefault("samples", unary)
    return declare(
        f"{name}(Tensor input)", infer=arithmetic(name), reference=reference, vjp=None if vjp is None else (vjp,),
        pointwise=True, inplace=True, doc=doc, **facts,
    )  # fmt: skip


def _no_bool_negative(x: Meta) -> Meta:
    forbid("neg", x, BOOL, why="use the `~` or `logical_not()` operator")
    return elementwise("neg", (x,), x.dtype)


neg = declare(
    "neg(Tensor input)", infer=_no_bool_negative, reference=np.negative, vjp=(lambda g, out, x: -g,), pointwise=True,
    inplace=True, samples=unary, doc="-input",
)  # fmt: skip


def _rounded(function: Any) -> Any:
    return lambda x: x if x.dtype.kind in "iu" else function(x)


floor = _real_unary("floor", _rounded(np.floor), lambda g, out, x: T.zeros_like(g), "round down")
ceil = _real_unary("ceil", _rounded(np.ceil), lambda g, out, x: T.zeros_like(g), "round up")
trunc = _real_unary("trunc", _rounded(np.trunc), lambda g, out, x: T.zeros_like(g), "round toward zero")
frac = _real_unary("frac", lambda x: x - np.trunc(x), lambda g, out, x: g, "the part after the point")
sign = _real_unary(
    "sign", lambda x: x if x.dtype == bool else np.sign(x), lambda g, out, x: T.zeros_like(g), "-1, 0 or 1"
)
sgn = _real_unary(
    "sgn", lambda x: x if x.dtype == bool else np.sign(x),
    lambda g, out, x: T.sgn_gradient(g, out, x), "input / |input|, 0 at 0",
)  # fmt: skip
positive_op = _real_unary("positive", lambda x: +x, lambda g, out, x: g, "+input")


def _round(x: np.ndarray, decimals: int) -> np.ndarray:
    return x if x.dtype.kind in "iu" else np.round(x, decimals)


round_ = declare(
    "round(Tensor input, *, int decimals=0)", infer=lambda x, decimals: elementwise("round", (x,), x.dtype),
    reference=_round, vjp=(lambda g, out, x, decimals: T.zeros_like(g),), pointwise=True, inplace=True, samples=unary,
    doc="to the nearest, ties to even",
)  # fmt: skip


def _abs_infer(x: Meta) -> Meta:
    return elementwise("abs", (x,), x.dtype.to_real())


abs_ = declare(
    "abs(Tensor input)", infer=_abs_infer, reference=lambda x: x if x.dtype == bool else np.abs(x),
    vjp=(lambda g, out, x: g * x.sgn(),), pointwise=True, inplace=True, samples=unary, doc="absolute value",
)  # fmt: skip
square = declare(
    "square(Tensor input)", infer=lambda x: elementwise("square", (x,), dtypes.int64 if x.dtype.category == BOOL else x.dtype),
    reference=lambda x: np.square(x.astype(np.int64) if x.dtype == bool else x), vjp=(lambda g, out, x: g * conj(2 * x),),
    pointwise=True, inplace=True, samples=unary, doc="input * input",
)  # fmt: skip
conj_physical = _real_unary(
    "conj_physical", np.conjugate, lambda g, out, x: g.conj(), "complex conjugate", grad_name="ConjBackward0"
)
angle = declare(
    "angle(Tensor input)", infer=lambda x: elementwise("angle", (x,), float_dtype(x).to_real()),
    reference=lambda x: np.where(np.isnan(x), x.real, np.angle(x)) if x.dtype.kind == "f" else np.angle(x),
    vjp=(lambda g, out, x: T.angle_gradient(g, x),), pointwise=True, samples=unary, doc="the angle in the complex plane",
)  # fmt: skip


def _predicate(name: str, function: Any, doc: str) -> Op:
    return declare(
        f"{name}(Tensor input)", infer=comparison(name), reference=function, pointwise=True, samples=unary, doc=doc
    )


isnan = _predicate("isnan", np.isnan, "is not a number")
isinf = _predicate("isinf", np.isinf, "is infinite")
isfinite = _predicate("isfinite", np.isfinite, "is neither infinite nor NaN")
isposinf = _predicate("isposinf", lambda x: x == np.inf, "is +infinity")
isneginf = _predicate("isneginf", lambda x: x == -np.inf, "is -infinity")
signbit = _predicate("signbit", lambda x: np.signbit(x) if x.dtype.kind == "f" else x < 0, "the sign bit is set")

# --- choosing and limiting ----------------------------------------------------------------------------------------


def _where_infer(condition: Meta, input: Meta, other: Meta) -> Meta:
    if condition.dtype not in (dtypes.bool_, dtypes.uint8):
        raise RuntimeError(
            f"where: expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}. Fix: compare it, for example `condition != 0`."
        )
    kind = result_dtype(input, other)
    found = elementwise("where", (condition, input, other), kind)
    return found


where = declare(
    "where(Tensor condition, Operand input, Operand other)", infer=_where_infer,
    reference=lambda c, a, b: np.where(c.astype(bool, copy=False), a, b),
    vjp=(
        None,
        lambda g, out, c, a, b: T.where(c, g, T.zeros_like(g)),
        lambda g, out, c, a, b: T.where(c, T.zeros_like(g), g),
    ),
    pointwise=True, samples=lambda: [((a > b, a, b), {}) for (a, b), _ in binary()],
    doc="input where condition holds, other elsewhere",
)  # fmt: skip


def _clamp_infer(x: Meta, low: Meta | None, high: Meta | None) -> Meta:
    present = [m for m in (x, low, high) if m is not None]
    if len(present) == 1:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None.")
    forbid("clamp", x, COMPLEX)
    return elementwise("clamp", present, result_dtype(*present))


def _clamp(x: np.ndarray, low: Any, high: Any) -> np.ndarray:
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def _clamp_mask(x: Any, low: Any, high: Any) -> Any:
    if low is None:
        return x <= high
    return x >= low if high is None else (x >= low) & (x <= high)


clamp = declare(
    "clamp(Tensor input, Operand? min=None, Operand? max=None)", infer=_clamp_infer, reference=_clamp, promote=promote_common,
    vjp=(
        lambda g, out, x, low, high: T.where(_clamp_mask(x, low, high), g, T.zeros_like(g)),
        lambda g, out, x, low, high: T.where(x < low if high is None else (x < low) & (low <= high), g, T.zeros_like(g)),
        lambda g, out, x, low, high: T.where(x > high if low is None else (x > high) | (low > high), g, T.zeros_like(g)),
    ),
    pointwise=True, inplace=True,
    samples=lambda: [((a, -0.5, 0.75), {}) for (a,), _ in unary()] + [((a, None, 0.25), {}) for (a,), _ in unary()],
    doc="limit to [min, max]",
)  # fmt: skip


def _ternary(signature: str, reference: Any, vjp: Any, doc: str) -> Op:
    name = signature.partition("(")[0]

    def rule(x: Meta, a: Meta, b: Meta, value: Meta) -> Meta:
        found = result_dtype(x, a, b)
        if name == "addcdiv" and a.dtype.category < FLOATING and b.dtype.category < FLOATING:
            raise RuntimeError(
                "addcdiv: Integer division with addcdiv is not supported: got integer tensor1 and tensor2. "
                "Fix: convert them with .float()."
            )
        return elementwise(name, (x, a, b), found)

    return declare(
        signature, infer=rule, reference=reference, vjp=vjp, promote=lambda x, a, b, value: promote_common(x, a, b), pointwise=True,
        inplace=True, samples=lambda: [((a, b, a - b), {"value": 0.5}) for (a, b), _ in binary()], doc=doc,
    )  # fmt: skip


lerp = declare(
    "lerp(Tensor input, Tensor end, Operand weight)", infer=arithmetic("lerp"), promote=promote_common,
    reference=lambda a, b, w: np.where(np.abs(w) < 0.5, a + w * (b - a), b - (b - a) * (1 - w)),
    vjp=(
        lambda g, out, a, b, w: g * (1 - w), lambda g, out, a, b, w: g * w, lambda g, out, a, b, w: g * (b - a),
    ),
    pointwise=True, inplace=True, samples=lambda: [((a, b, 0.3), {}) for (a, b), _ in binary()],
    doc="input + weight * (end - input)",
)  # fmt: skip
addcmul = _ternary(
    "addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1)",
    lambda x, a, b, value: x + value * a * b,
    (
        lambda g, out, x, a, b, value: g, lambda g, out, x, a, b, value: g * conj(b * value),
        lambda g, out, x, a, b, value: g * conj(a * value), None,
    ),
    "input + value * tensor1 * tensor2",
)  # fmt: skip
addcdiv = _ternary(
    "addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1)",
    lambda x, a, b, value: x + value * a / b,
    (
        lambda g, out, x, a, b, value: g, lambda g, out, x, a, b, value: g * conj(value / b),
        lambda g, out, x, a, b, value: -g * conj(value * a / (b * b)), None,
    ),
    "input + value * tensor1 / tensor2",
)  # fmt: skip

# --- operands that make no sense, refused at the user's line -------------------------------------------------------

_ORDERED = """remainder fmod atan2 hypot copysign floor_divide trunc_divide maximum minimum fmax fmin logaddexp2 ceil floor trunc
    round sign isposinf isneginf signbit lt le gt ge"""
for _names, _kinds in {
    _ORDERED: (BOOL, INTEGER, FLOATING), "gcd lcm": (INTEGER,), "nextafter": (FLOATING,), "frac": (INTEGER, FLOATING), "positive": (INTEGER, FLOATING, COMPLEX),
}.items():  # fmt: skip
    for _name in _names.split():
        TABLE[_name].infer = only(_name, TABLE[_name].infer, *_kinds)

# --- conversion ---------------------------------------------------------------------------------------------------


def _convert(x: np.ndarray, dtype: Any) -> np.ndarray:
    from rushlight.backend.numpy.half import convert

    return convert(x, dtype.compute)


cast = declare(
    "cast(Tensor input, dtype dtype)", public="",
    infer=lambda x, dtype: elementwise("cast", (x,), dtype) if not x.weak else x.variant(dtype=dtype, weak=False),
    reference=_convert, vjp=(lambda g, out, x, dtype: g.to(x.dtype),), pointwise=True, grad_name="ToCopyBackward0",
    samples=lambda: [((a, dtypes.float64), {}) for (a,), _ in unary()], doc="the same values in another dtype",
)  # fmt: skip
