"""Elementwise functions of three operands: choosing, limiting, interpolating, fused multiply and divide."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.dtype import COMPLEX, FLOATING
from rushlight.ir import scalar as L
from rushlight.ir.meta import Meta
from rushlight.ir.op import Op, declare
from rushlight.ops import formulas
from rushlight.ops.rules import arithmetic, elementwise, forbid, promote_common, result_dtype
from rushlight.ops.samples import binary, unary
from rushlight.ops.tensor_code import T, conj


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
    lower=lambda c, a, b: L.select(formulas.truth(c), a, b), doc="input where condition holds, other elsewhere",
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
    lower=formulas.clamp, doc="limit to [min, max]",
)  # fmt: skip


def _ternary(signature: str, reference: Any, vjp: Any, lower: Any, doc: str) -> Op:
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
        inplace=True, samples=lambda: [((a, b, a - b), {"value": 0.5}) for (a, b), _ in binary()], lower=lower, doc=doc,
    )  # fmt: skip


lerp = declare(
    "lerp(Tensor input, Tensor end, Operand weight)", infer=arithmetic("lerp"), promote=promote_common,
    reference=lambda a, b, w: np.where(np.abs(w) < 0.5, a + w * (b - a), b - (b - a) * (1 - w)),
    vjp=(
        lambda g, out, a, b, w: g * conj(1 - w), lambda g, out, a, b, w: g * conj(w), lambda g, out, a, b, w: g * conj(b - a),
    ),
    pointwise=True, inplace=True, samples=lambda: [((a, b, 0.3), {}) for (a, b), _ in binary()],
    lower=formulas.lerp, doc="input + weight * (end - input)",
)  # fmt: skip
addcmul = _ternary(
    "addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1)",
    lambda x, a, b, value: x + value * a * b,
    (
        lambda g, out, x, a, b, value: g, lambda g, out, x, a, b, value: g * conj(b * value),
        lambda g, out, x, a, b, value: g * conj(a * value), lambda g, out, x, a, b, value: g * conj(a * b),
    ),
    lambda x, a, b, value: formulas.plus(x, formulas.times(formulas.times(value, a), b)),
    "input + value * tensor1 * tensor2",
)  # fmt: skip
addcdiv = _ternary(
    "addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1)",
    lambda x, a, b, value: x + value * a / b,
    (
        lambda g, out, x, a, b, value: g, lambda g, out, x, a, b, value: g * conj(value / b),
        lambda g, out, x, a, b, value: -g * conj(value * a / (b * b)), lambda g, out, x, a, b, value: g * conj(a / b),
    ),
    lambda x, a, b, value: x + value * a / b,
    "input + value * tensor1 / tensor2",
)  # fmt: skip
