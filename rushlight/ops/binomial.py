"""Binomial counts with a number of trials and a chance for each element."""

from __future__ import annotations

from typing import Any

from rushlight.backend.numpy.binomial import binomial as draw
from rushlight.dtype import FLOATING
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.rules import broadcast_shapes, like
from rushlight.ops.tensor_code import T


def _infer(count: Meta, prob: Meta, dtype: Any, generator: int) -> Meta:
    for name, x in (("count", count), ("prob", prob)):
        if x.dtype.category != FLOATING:
            raise ValueError(explain_error("binomial", got=f"{name} of {x.dtype}", expected="a floating-point dtype"))
    if count.dtype is not prob.dtype:
        raise RuntimeError(
            explain_error("binomial", got=f"count of {count.dtype}, prob of {prob.dtype}", expected="one dtype")
        )
    return like(count, shape=broadcast_shapes("binomial", count.shape, prob.shape))


binomial = declare(
    "binomial_op(Tensor count, Tensor prob, dtype dtype, int generator)", infer=_infer, random=True,
    reference=lambda e, count, prob, dtype: draw(e, count, prob, dtype),
    vjp=(lambda g, out, count, prob, dtype, generator: T.zeros_like(count), lambda g, out, count, prob, dtype, generator: T.zeros_like(prob)),
    grad_name="BinomialBackward0", doc="binomial counts with trials and a chance for each element",
)  # fmt: skip
