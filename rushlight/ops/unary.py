"""Elementwise functions of one operand. Formulas for gradients: d/dx of the name, times g."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.dtype import BOOL, COMPLEX, FLOATING, INTEGER
from rushlight.ir import scalar as L
from rushlight.ir.meta import Meta
from rushlight.ir.op import Op, declare
from rushlight.ops import formulas
from rushlight.ops.elementwise import refuse_other_kinds
from rushlight.ops.rules import arithmetic, comparison, elementwise, float_dtype, floating, forbid, promote_float
from rushlight.ops.samples import positive, unary, unit
from rushlight.ops.tensor_code import T, conj


def _unary(name: str, reference: Any, vjp: Any, lower: Any, doc: str, **facts: Any) -> Op:
    """Integers become the default float."""
    facts.setdefault("samples", unary)
    return declare(
        f"{name}(Tensor input)", infer=floating(name), reference=reference, vjp=None if vjp is None else (vjp,),
        promote=promote_float, pointwise=True, inplace=True, lower=lower, doc=doc, **facts,
    )  # fmt: skip


exp = _unary("exp", np.exp, lambda g, out, x: g * conj(out), L.exp, "e^input")
exp2 = _unary("exp2", np.exp2, lambda g, out, x: g * conj(out) * 0.6931471805599453, L.exp2, "2^input")
expm1 = _unary("expm1", np.expm1, lambda g, out, x: g * conj(out + 1), L.expm1, "e^input - 1")
log = _unary("log", np.log, lambda g, out, x: g / conj(x), L.log, "natural logarithm", samples=positive)
log2 = _unary(
    "log2", np.log2, lambda g, out, x: g / conj(x * 0.6931471805599453), L.log2, "base-2 logarithm", samples=positive
)
log10 = _unary(
    "log10", np.log10, lambda g, out, x: g / conj(x * 2.302585092994046), L.log10, "base-10 logarithm", samples=positive
)
log1p = _unary("log1p", np.log1p, lambda g, out, x: g / conj(x + 1), L.log1p, "log(1 + input)", samples=positive)
sqrt = _unary("sqrt", np.sqrt, lambda g, out, x: g / conj(2 * out), L.sqrt, "square root", samples=positive)
rsqrt = _unary(
    "rsqrt",
    lambda x: 1 / np.sqrt(x),
    lambda g, out, x: -0.5 * g * conj(out * out * out),
    lambda x: 1 / L.sqrt(x),
    "1 / sqrt(input)",
    samples=positive,
)
reciprocal = _unary(
    "reciprocal",
    lambda x: 1 / x,
    lambda g, out, x: -g * conj(out * out),
    lambda x: 1 / x,
    "1 / input",
    samples=positive,
)
sin = _unary("sin", np.sin, lambda g, out, x: g * conj(x.cos()), L.sin, "sine")
cos = _unary("cos", np.cos, lambda g, out, x: -g * conj(x.sin()), L.cos, "cosine")
tan = _unary("tan", np.tan, lambda g, out, x: g * conj(1 + out * out), L.tan, "tangent", samples=unit)
asin = _unary("asin", np.arcsin, lambda g, out, x: g * conj((1 - x * x).rsqrt()), L.asin, "inverse sine", samples=unit)
acos = _unary(
    "acos", np.arccos, lambda g, out, x: -g * conj((1 - x * x).rsqrt()), L.acos, "inverse cosine", samples=unit
)
atan = _unary("atan", np.arctan, lambda g, out, x: g / conj(1 + x * x), L.atan, "inverse tangent")
sinh = _unary("sinh", np.sinh, lambda g, out, x: g * conj(x.cosh()), L.sinh, "hyperbolic sine")
cosh = _unary("cosh", np.cosh, lambda g, out, x: g * conj(x.sinh()), L.cosh, "hyperbolic cosine")
tanh = _unary("tanh", np.tanh, lambda g, out, x: g * conj(1 - out * out), L.tanh, "hyperbolic tangent")
asinh = _unary("asinh", np.arcsinh, lambda g, out, x: g * conj((x * x + 1).rsqrt()), L.asinh, "inverse hyperbolic sine")
acosh = _unary(
    "acosh", np.arccosh, lambda g, out, x: g * conj((x - 1).rsqrt() * (x + 1).rsqrt()), L.acosh,
    "inverse hyperbolic cosine", samples=lambda: [((np.asarray(a + 1),), {}) for (a,), _ in positive()],
)  # fmt: skip
atanh = _unary(
    "atanh", np.arctanh, lambda g, out, x: g / conj(1 - x * x), L.atanh, "inverse hyperbolic tangent", samples=unit
)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x)) if x.dtype.kind == "f" else None
    return 1 / (1 + np.exp(-x)) if e is None else np.where(x >= 0, 1 / (1 + e), e / (1 + e))


sigmoid = _unary(
    "sigmoid", _sigmoid, lambda g, out, x: g * conj(out * (1 - out)), formulas.sigmoid, "1 / (1 + e^-input)"
)


def _real_unary(name: str, reference: Any, vjp: Any, lower: Any, doc: str, **facts: Any) -> Op:
    """Keeps the dtype; integers stay integers."""
    facts.setdefault("samples", unary)
    return declare(
        f"{name}(Tensor input)", infer=arithmetic(name), reference=reference, vjp=None if vjp is None else (vjp,),
        pointwise=True, inplace=True, lower=lower, doc=doc, **facts,
    )  # fmt: skip


def _no_bool_negative(x: Meta) -> Meta:
    forbid("neg", x, BOOL, why="use the `~` or `logical_not()` operator")
    return elementwise("neg", (x,), x.dtype)


neg = declare(
    "neg(Tensor input)", infer=_no_bool_negative, reference=np.negative, vjp=(lambda g, out, x: -g,), pointwise=True,
    inplace=True, samples=unary, lower=lambda x: -x, doc="-input",
)  # fmt: skip


def _rounded(function: Any) -> Any:
    return lambda x: x if x.dtype.kind in "iu" else function(x)


floor = _real_unary(
    "floor", _rounded(np.floor), lambda g, out, x: T.zeros_like(g), formulas.if_floating(L.floor), "round down"
)
ceil = _real_unary(
    "ceil", _rounded(np.ceil), lambda g, out, x: T.zeros_like(g), formulas.if_floating(L.ceil), "round up"
)
trunc = _real_unary(
    "trunc", _rounded(np.trunc), lambda g, out, x: T.zeros_like(g), formulas.if_floating(L.trunc), "round toward zero"
)
frac = _real_unary(
    "frac",
    lambda x: x - np.trunc(x),
    lambda g, out, x: g,
    lambda x: x - L.trunc(x) if x.floating else x ^ x,
    "the part after the point",
)
sign = _real_unary(
    "sign",
    lambda x: x if x.dtype == bool else np.sign(x),
    lambda g, out, x: T.zeros_like(g),
    formulas.sign,
    "-1, 0 or 1",
)
sgn = _real_unary(
    "sgn", lambda x: x if x.dtype == bool else np.sign(x),
    lambda g, out, x: T.sgn_gradient(g, out, x), formulas.sign, "input / |input|, 0 at 0",
)  # fmt: skip
positive_op = _real_unary("positive", lambda x: +x, lambda g, out, x: g, lambda x: x, "+input")


def _round(x: np.ndarray, decimals: int) -> np.ndarray:
    return x if x.dtype.kind in "iu" else np.round(x, decimals)


round_ = declare(
    "round(Tensor input, *, int decimals=0)", infer=lambda x, decimals: elementwise("round", (x,), x.dtype),
    reference=_round, vjp=(lambda g, out, x, decimals: T.zeros_like(g),), pointwise=True, inplace=True, samples=unary,
    lower=formulas.rounded, doc="to the nearest, ties to even",
)  # fmt: skip


def _abs_infer(x: Meta) -> Meta:
    return elementwise("abs", (x,), x.dtype.to_real())


abs_ = declare(
    "abs(Tensor input)", infer=_abs_infer, reference=lambda x: x if x.dtype == bool else np.abs(x),
    vjp=(lambda g, out, x: g * x.sgn(),), pointwise=True, inplace=True, samples=unary,
    lower=lambda x: x if x.kind == "b1" else L.absolute(x), doc="absolute value",
)  # fmt: skip
square = declare(
    "square(Tensor input)", infer=lambda x: elementwise("square", (x,), dtypes.int64 if x.dtype.category == BOOL else x.dtype),
    reference=lambda x: np.square(x.astype(np.int64) if x.dtype == bool else x), vjp=(lambda g, out, x: g * conj(2 * x),),
    pointwise=True, inplace=True, samples=unary, lower=lambda x: L.cast(x, "i64") if x.kind == "b1" else x * x,
    grad_name="PowBackward0", doc="input * input",
)  # fmt: skip
conj_physical = _real_unary(
    "conj_physical",
    np.conjugate,
    lambda g, out, x: g.conj(),
    lambda x: x,
    "complex conjugate",
    grad_name="ConjBackward0",
)
angle = declare(
    "angle(Tensor input)", infer=lambda x: elementwise("angle", (x,), float_dtype(x).to_real()),
    reference=lambda x: (
        np.angle(x) if x.dtype.kind == "c" else np.where(np.isnan(x), x, np.angle(x)) if x.dtype.kind == "f"
        else np.where(x < 0, np.pi, 0.0)
    ),
    vjp=(lambda g, out, x: T.angle_gradient(g, x),), pointwise=True, samples=unary,
    lower=formulas.angle, doc="the angle in the complex plane",
)  # fmt: skip


def _predicate(name: str, function: Any, lower: Any, doc: str) -> Op:
    return declare(
        f"{name}(Tensor input)",
        infer=comparison(name),
        reference=function,
        pointwise=True,
        samples=unary,
        lower=lower,
        doc=doc,
    )


isnan = _predicate("isnan", np.isnan, L.isnan, "is not a number")
isinf = _predicate("isinf", np.isinf, formulas.isinf, "is infinite")
isfinite = _predicate("isfinite", np.isfinite, formulas.isfinite, "is neither infinite nor NaN")
isposinf = _predicate("isposinf", lambda x: x == np.inf, formulas.equals(math.inf), "is +infinity")
isneginf = _predicate("isneginf", lambda x: x == -np.inf, formulas.equals(-math.inf), "is -infinity")
signbit = _predicate(
    "signbit", lambda x: np.signbit(x) if x.dtype.kind == "f" else x < 0, formulas.signbit, "the sign bit is set"
)


def _convert(x: np.ndarray, dtype: Any) -> np.ndarray:
    from rushlight.backend.numpy.half import convert

    return convert(x, dtype.compute)


cast = declare(
    "cast(Tensor input, dtype dtype)", public="",
    infer=lambda x, dtype: elementwise("cast", (x,), dtype) if not x.weak else x.variant(dtype=dtype, weak=False),
    reference=_convert, vjp=(lambda g, out, x, dtype: g.to(x.dtype),), pointwise=True, grad_name="ToCopyBackward0",
    samples=lambda: [((a, dtypes.float64), {}) for (a,), _ in unary()],
    lower=lambda x, dtype: x,  # the compiler casts what a formula gives
    doc="the same values in another dtype",
)  # fmt: skip

refuse_other_kinds("ceil floor trunc round sign isposinf isneginf signbit", BOOL, INTEGER, FLOATING)
refuse_other_kinds("frac", INTEGER, FLOATING)
refuse_other_kinds("positive", INTEGER, FLOATING, COMPLEX)
