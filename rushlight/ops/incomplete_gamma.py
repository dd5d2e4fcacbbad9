"""The regularised incomplete gamma functions."""

from __future__ import annotations

from typing import Any

from rushlight.backend.numpy import incomplete_gamma as reference
from rushlight.dtype import FLOATING
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import Op, declare
from rushlight.ops.rules import KIND_NAMES, elementwise, promote_float, result_dtype
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T


def _infer(name: str) -> Any:
    def infer(a: Meta, x: Meta) -> Meta:
        if a.weak or x.weak:
            raise TypeError(
                explain_error(name, got="a Python number", expected="two tensors", fix="torch.tensor(number)")
            )
        kind = result_dtype(a, x)
        if kind.category != FLOATING:
            raise NotImplementedError(
                explain_error(
                    name, got=f"{KIND_NAMES[kind.category]} operands", expected="floating-point ones", fix="x.float()"
                )
            )  # fmt: skip
        return elementwise(name, (a, x), kind)

    return infer


def _no_gradient(name: str) -> Any:
    def refuse(g: Any, out: Any, a: Any, x: Any) -> Any:
        raise NotImplementedError(
            f"{name}: the derivative for '{name}: input' is not implemented: only `other` has a gradient. Fix: detach input."
        )

    return refuse


def _density(g: Any, a: Any, x: Any) -> Any:
    """x^(a - 1) exp(-x) / gamma(a)."""
    return g * T.exp(T.xlogy(a - 1, x) - x - T.lgamma(a))


def _incomplete(name: str, sign: int, doc: str) -> Op:
    return declare(
        f"{name}(Tensor input, Tensor other)", infer=_infer(name), promote=promote_float, pointwise=True, inplace=True,
        reference=getattr(reference, name), vjp=(_no_gradient(name), lambda g, out, a, x: sign * _density(g, a, x)),
        samples=lambda: [
            ((values(2, 3, low=0.3, high=4.0), values(2, 3, seed=1, low=0.4, high=5.0)), {}),
            ((values(2, 1, low=2.0, high=6.0), values(3, low=2.0, high=6.0)), {}),
        ],
        doc=doc,
    )  # fmt: skip


igamma = _incomplete("igamma", 1, "the integral of t^(input - 1) exp(-t) from 0 to `other`, over gamma(input)")
igammac = _incomplete("igammac", -1, "1 - igamma(input, other), exact where that is near 1")
