"""Special functions: erf, gamma, Bessel, and what is built of them in one step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.backend.numpy import special
from rushlight.dtype import COMPLEX
from rushlight.errors import explain_error
from rushlight.ir import scalar as L
from rushlight.ir.meta import Meta
from rushlight.ir.op import Op, declare, node_name
from rushlight.ops import formulas, series
from rushlight.ops.rules import elementwise, float_dtype, floating, forbid, promote_common, promote_float, result_dtype
from rushlight.ops.samples import binary, positive, unary, unit
from rushlight.ops.tensor_code import T, conj

_SQRT_PI = math.sqrt(math.pi)


def _real_float(name: str) -> Any:
    """Rule: broadcast; integers become the default float; complex is refused."""

    def infer(*metas: Meta, **static: Any) -> Meta:
        present = [m for m in metas if m is not None]
        if any(m.dtype.category == COMPLEX for m in present):
            raise NotImplementedError(
                explain_error(name, got="a complex tensor", expected="a real dtype", fix="use .real or .abs()")
            )
        return elementwise(name, present, float_dtype(*present))

    return infer


_NAMESPACE_ONLY = {"entr", "erfcx", "i0e", "i1", "i1e", "log_ndtr", "ndtr"}  # in torch.special, not in torch


def _special(
    name: str,
    reference: Any,
    vjp: Any,
    lower: Any,
    doc: str,
    samples: Any = unary,
    *,
    inplace: bool = True,
    more: str = "",
    infer: Any = None,
) -> Op:
    return declare(
        f"{name}(Tensor input{more})", infer=infer or _real_float(name), reference=reference,
        vjp=None if vjp is None else (vjp,), promote=promote_float, pointwise=True, inplace=inplace, samples=samples,
        lower=lower,
        doc=doc, public="" if name in _NAMESPACE_ONLY else "function method",
        grad_name=node_name(f"special_{name}") if name in _NAMESPACE_ONLY else "",
    )  # fmt: skip


erf = _special(
    "erf",
    special.erf,
    lambda g, out, x: g * (2 / _SQRT_PI) * T.exp(-x * x),
    L.erf,
    "2/sqrt(pi) * integral of exp(-t^2) from 0 to input",
)
erfc = _special(
    "erfc",
    special.erfc,
    lambda g, out, x: g * (-2 / _SQRT_PI) * T.exp(-x * x),
    L.erfc,
    "1 - erf(input), exact in the tail",
)
erfcx = _special(
    "erfcx",
    special.erfcx,
    lambda g, out, x: g * (2 * x * out - 2 / _SQRT_PI),
    series.erfcx,
    "exp(input^2) * erfc(input)",
    inplace=False,
)
erfinv = _special(
    "erfinv",
    special.erfinv,
    lambda g, out, x: g * (_SQRT_PI / 2) * T.exp(out * out),
    L.erfinv,
    "the inverse of erf, on (-1, 1)",
    unit,
)
ndtr = _special(
    "ndtr", special.ndtr, lambda g, out, x: g * T.exp(-0.5 * x * x) / math.sqrt(2 * math.pi),
    series.ndtr, "the normal distribution function",
    inplace=False,
)  # fmt: skip
log_ndtr = _special(
    "log_ndtr", special.log_ndtr, lambda g, out, x: g * T.exp(-0.5 * x * x - out) / math.sqrt(2 * math.pi),
    series.log_ndtr, "log of the normal distribution function", inplace=False,
)  # fmt: skip
lgamma = _special(
    "lgamma", special.lgamma, lambda g, out, x: g * T.digamma(x), L.lgamma, "log |gamma(input)|", positive
)
digamma = _special(
    "digamma", special.digamma, lambda g, out, x: g * T.polygamma(1, x), L.digamma, "the derivative of lgamma", positive
)
i0 = _special(
    "i0",
    special.i0,
    lambda g, out, x: g * T.apply("i1", (x,), {}),
    series.bessel(0, scaled=False),
    "modified Bessel function of order 0",
)
i0e = _special(
    "i0e",
    special.i0e,
    lambda g, out, x: g * (T.apply("i1e", (x,), {}) - x.sgn() * out),
    series.bessel(0, scaled=True),
    "exp(-|input|) * i0(input)",
    inplace=False,
)
i1 = _special(
    "i1", special.i1,
    lambda g, out,
    x: g * T.where(x.abs() < 1e-7, T.zeros_like(x) + 0.5, T.i0(x) - out / T.where(x.abs() < 1e-7, T.ones_like(x), x)),
    series.bessel(1, scaled=False), "modified Bessel function of order 1", inplace=False,
)  # fmt: skip
i1e = _special(
    "i1e", special.i1e,
    lambda g, out, x: g * T.where(
        x.abs() < 1e-7, T.zeros_like(x) + 0.5,
        T.apply("i0e", (x,), {}) - out * (x.sgn() + 1 / T.where(x.abs() < 1e-7, T.ones_like(x), x)),
    ),
    series.bessel(1, scaled=True), "exp(-|input|) * i1(input)", inplace=False,
)  # fmt: skip


def _sinc(x: np.ndarray) -> np.ndarray:
    turn = x * np.asarray(math.pi, x.real.dtype)
    return np.where(x == 0, 1, np.sin(turn) / np.where(turn == 0, 1, turn))


def _sinc_rule(g: Any, out: Any, x: Any) -> Any:
    safe = T.where(x == 0, T.ones_like(x), x)
    return g * conj(T.where(x == 0, T.zeros_like(x), (T.cos(math.pi * safe) - out) / safe))


sinc = _special("sinc", _sinc, _sinc_rule, series.sinc, "sin(pi x) / (pi x), 1 at 0", infer=floating("sinc"))


def _entr(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, -x * np.log(np.where(x > 0, x, 1)), np.where(x == 0, 0, np.where(np.isnan(x), x, -np.inf)))


entr = _special(
    "entr",
    _entr,
    lambda g, out, x: g * (-T.log(x) - 1),
    series.entr,
    "-x log x; 0 at 0, -infinity below",
    positive,
    inplace=False,
)
deg2rad = _special(
    "deg2rad",
    lambda x: x * np.asarray(math.pi / 180, x.dtype),
    lambda g, out, x: g * (math.pi / 180),
    lambda x: x * (math.pi / 180),
    "degrees to radians",
)
rad2deg = _special(
    "rad2deg",
    lambda x: x * np.asarray(180 / math.pi, x.dtype),
    lambda g, out, x: g * (180 / math.pi),
    lambda x: x * (180 / math.pi),
    "radians to degrees",
)


def _logit(x: np.ndarray, eps: float | None) -> np.ndarray:
    if eps is not None:
        x = np.clip(x, np.asarray(eps, x.dtype), np.asarray(1 - eps, x.dtype))
    return np.log(x / (1 - x))


def _logit_rule(g: Any, out: Any, x: Any, eps: float | None) -> Any:
    slope = g / (x * (1 - x))
    if eps is None:
        return T.where((x < 0) | (x > 1), T.zeros_like(x) + math.nan, slope)
    return T.where((x < eps) | (x > 1 - eps), T.zeros_like(x), slope)


logit = _special(
    "logit", _logit, _logit_rule, series.logit, "log(x / (1 - x)), with x limited to [eps, 1 - eps]",
    lambda: [((np.asarray(a * 0.4 + 0.5), *eps), {}) for (a,), _ in unit() for eps in ((), (0.1,))],
    more=", any eps=None",
)  # fmt: skip

polygamma = declare(
    "polygamma_op(Tensor input, int n)", infer=_real_float("polygamma"), reference=lambda x, n: special.polygamma(n, x),
    vjp=(lambda g, out, x, n: g * T.polygamma(n + 1, x),), promote=promote_float, pointwise=True,
    samples=lambda: [((a, n), {}) for (a,), _ in positive() for n in (1, 2)], lower=series.polygamma,
    doc="the n-th derivative of digamma",
)  # fmt: skip


def _no_zeta_rule(*_: Any) -> Any:
    raise NotImplementedError(
        explain_error(
            "special.zeta", got="a backward to the exponent, its first argument", expected="a gradient of the second alone",
            fix="detach() the first argument",
        )
    )  # fmt: skip


zeta = declare(
    "zeta(Operand input, Operand other)", public="", infer=_real_float("zeta"), reference=special.zeta, promote=promote_float,
    vjp=(_no_zeta_rule, lambda g, out, x, q: g * -x * T.apply("zeta", (x + 1, q), {})), pointwise=True,
    samples=lambda: [((2.5, np.asarray(a + 1)), {}) for (a,), _ in positive()], lower=series.zeta,
    doc="the Hurwitz zeta function",
)  # fmt: skip
xlog1py = declare(
    "xlog1py(Operand input, Operand other)", public="", grad_name="SpecialXlog1PyBackward0", infer=_real_float("xlog1py"), promote=promote_float, pointwise=True,
    reference=lambda a, b: np.where(np.isnan(b), b, np.where(a == 0, a * 0, a * np.log1p(b))),
    vjp=(
        lambda g, out, a, b: g * T.log1p(T.as_operand(b, g)),
        lambda g, out, a, b: g * a / (b + 1),
    ),
    samples=lambda: [((a, b), {}) for (a, b), _ in binary(low=0.3)], lower=formulas.x_times(L.log1p),
    doc="input * log1p(other), 0 where input is 0",
)  # fmt: skip


def _heaviside_infer(x: Meta, values: Meta) -> Meta:
    if x.dtype is not values.dtype:
        raise RuntimeError(
            explain_error(
                "heaviside", got=f"{x.dtype} and {values.dtype}", expected="one dtype", fix=f"values.to({x.dtype})"
            )
        )
    forbid("heaviside", x, COMPLEX)
    return elementwise("heaviside", (x, values), result_dtype(x, values))


heaviside = declare(
    "heaviside(Tensor input, Tensor values)", infer=_heaviside_infer, promote=promote_common, pointwise=True,
    inplace=True,
    reference=lambda x, v: np.where(x == 0, v, (x > 0).astype(x.dtype)), samples=binary,
    lower=lambda x, v: L.select(L.eq(x, 0), v, L.cast(x > 0, x.kind)), doc="0 below zero, 1 above, `values` at zero",
)  # fmt: skip


def _frexp_infer(x: Meta) -> tuple[Meta, Meta]:
    if x.dtype.category != dtypes.FLOATING:
        raise RuntimeError(
            explain_error("frexp", got=f"a tensor of {x.dtype}", expected="a floating-point dtype", fix="x.float()")
        )
    return elementwise("frexp", (x,), x.dtype), elementwise("frexp", (x,), dtypes.int32)


frexp = declare(
    "frexp_op(Tensor input)", infer=_frexp_infer, reference=np.frexp, grad_name="FrexpBackward0",
    vjp=(lambda g, out, x: g[0] * T.exp2(-out[1].to(g[0].dtype)),), samples=positive,
    doc="mantissa in [0.5, 1) and power of two",
)  # fmt: skip
