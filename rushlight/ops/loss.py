"""Losses of an input and a target, with the reduction inside the op, as PyTorch's graph shows them."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.ir import scalar as L
from rushlight.ir.meta import Meta
from rushlight.ir.op import Op, declare
from rushlight.lessons import say
from rushlight.ops import compositions
from rushlight.ops.activation import only_floating
from rushlight.ops.rules import broadcast_shapes, like, promote_common, result_dtype
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T


def reduce_array(loss: np.ndarray, reduction: str) -> Any:
    """`loss` itself, its mean or its sum."""
    if reduction == "none":
        return loss
    total = np.sum(loss)
    return total if reduction == "sum" else total / loss.dtype.type(loss.size)


def share(g: Any, reduction: str, *shapes: Any) -> Any:
    """The gradient that each element of the unreduced loss gets."""
    if reduction != "mean":
        return g
    count = 1
    for n in broadcast_shapes("loss", *shapes):
        count *= n
    return g / max(count, 1)


def _samples(*numbers: float, low: float = -1.5, high: float = 1.5, target_low: float | None = None) -> Any:
    def samples() -> list:
        first = values(2, 3, low=low, high=high)
        second = values(2, 3, seed=1, low=low if target_low is None else target_low, high=high)
        return [((first, second, *numbers), {"reduction": r}) for r in ("mean", "sum", "none")]

    return samples


def _pointwise_loss(signature: str, each: Any, made_of: Any, rule: Any, target_rule: Any, doc: str, **facts: Any) -> Op:
    """each(input, target, *numbers) summed up, `made_of` the same in tensor code; the rules get the share of the gradient and the same arguments."""
    name = signature.partition("(")[0].removesuffix("_op")
    numbers = signature.count("Number ")

    def infer(x: Meta, target: Meta, *rest: Meta, reduction: str) -> Meta:
        kind = result_dtype(x, target)
        only_floating(name, x if x.dtype is kind else target, name.removesuffix("_loss") + "_cpu")
        shape = broadcast_shapes(name, x.shape, target.shape)
        return like(x, shape=shape if reduction == "none" else (), dtype=kind)

    def reference(x: np.ndarray, target: np.ndarray, *rest: np.ndarray, reduction: str) -> Any:
        return reduce_array(each(x, target, *rest), reduction)

    def spread(chosen: Any) -> Any:
        return lambda g, out, x, t, *rest, reduction: chosen(share(g, reduction, x.shape, t.shape), x, t, *rest)

    facts.setdefault("samples", _samples())
    return declare(
        signature, infer=infer, reference=reference, promote=promote_common, expand=compositions.loss(made_of),
        vjp=(spread(rule), spread(target_rule)) + (None,) * numbers,
        grad_name="".join(w.capitalize() for w in name.split("_")) + "Backward0", doc=doc, **facts,
    )  # fmt: skip


mse_loss = _pointwise_loss(
    "mse_loss_op(Tensor input, Tensor target, *, str reduction='mean')", lambda x, t: np.square(x - t),
    lambda x, t: (x - t) * (x - t),
    lambda g, x, t: g * 2 * (x - t), lambda g, x, t: g * 2 * (t - x), "(input - target)^2",
)  # fmt: skip


def _smooth_l1(x: np.ndarray, t: np.ndarray, beta: np.ndarray) -> np.ndarray:
    d = np.abs(x - t)
    return np.where(d < beta, x.dtype.type(0.5) * d * d / beta, d - x.dtype.type(0.5) * beta)


def _smooth_l1_rule(g: Any, x: Any, t: Any, beta: Any) -> Any:
    d = x - t
    return g * T.where(d.abs() < beta, d / beta, d.sign())


smooth_l1_loss = _pointwise_loss(
    "smooth_l1_loss_op(Tensor input, Tensor target, Number beta=1.0, *, str reduction='mean')", _smooth_l1,
    lambda x, t, beta: T.where((x - t).abs() < beta, 0.5 * (x - t) * (x - t) / beta, (x - t).abs() - 0.5 * beta), _smooth_l1_rule,
    lambda g, x, t, beta: -_smooth_l1_rule(g, x, t, beta), "d^2 / (2 beta) for d = |input - target| < beta, else d - beta / 2",
    samples=_samples(0.8),
)  # fmt: skip


def _huber(x: np.ndarray, t: np.ndarray, delta: np.ndarray) -> np.ndarray:
    d = np.abs(x - t)
    half = x.dtype.type(0.5)
    return np.where(d < delta, half * d * d, delta * (d - half * delta))


def _huber_rule(g: Any, x: Any, t: Any, delta: Any) -> Any:
    d = x - t
    return g * T.where(d.abs() < delta, d, delta * d.sign())


huber_loss = _pointwise_loss(
    "huber_loss_op(Tensor input, Tensor target, Number delta=1.0, *, str reduction='mean')", _huber,
    lambda x, t, delta: T.where((x - t).abs() < delta, 0.5 * (x - t) * (x - t), delta * ((x - t).abs() - 0.5 * delta)), _huber_rule,
    lambda g, x, t, delta: -_huber_rule(g, x, t, delta), "d^2 / 2 for d = |input - target| < delta, else delta * (d - delta / 2)",
    samples=_samples(0.8),
)  # fmt: skip
soft_margin_loss = _pointwise_loss(
    "soft_margin_loss_op(Tensor input, Tensor target, *, str reduction='mean')",
    lambda x, t: np.logaddexp(np.zeros((), x.dtype), -t * x), lambda x, t: -T.apply("log_sigmoid_op", (t * x,), {}), lambda g, x, t: -g * t * (-t * x).sigmoid(),
    lambda g, x, t: -g * x * (-t * x).sigmoid(), "log(1 + exp(-target * input))",
)  # fmt: skip

# --- binary cross-entropy -----------------------------------------------------------------------------------------


def _same_shape(name: str, x: Meta, target: Meta) -> None:
    if tuple(x.shape) != tuple(target.shape):
        fix = f"target.view({', '.join(map(str, x.shape))})" if x.numel == target.numel else "make the sizes equal"
        if x.numel == target.numel and x.ndim == target.ndim + 1 and x.shape[-1] == 1:
            fix = "target.unsqueeze(1), or squeeze the model's output"
        raise ValueError(
            f"{name}: Target size ({target.shape}) must be the same as input size ({x.shape}); this loss does not broadcast. Fix: {fix}."
        )


def _needs_float_target(name: str, x: Meta, target: Meta) -> None:
    if target.dtype is not x.dtype:
        from rushlight.ops.reduce import dtype_name

        raise RuntimeError(
            f"{name}: Found dtype {dtype_name(target.dtype)} but expected {dtype_name(x.dtype)}; got a target of {target.dtype} and an "
            f"input of {x.dtype}. Fix: convert the target with .to({x.dtype})"
            + (", or .float()." if x.dtype.name == "float32" else ".")
        )


def _weighted_shape(name: str, x: Meta, *weights: Meta | None) -> tuple[int, ...]:
    shapes = [w.shape for w in weights if w is not None]
    return broadcast_shapes(name, x.shape, *shapes)


def _bce_infer(x: Meta, target: Meta, weight: Meta | None, reduction: str) -> Meta:
    only_floating("binary_cross_entropy", x)
    _same_shape("binary_cross_entropy", x, target)
    _needs_float_target("binary_cross_entropy", x, target)
    shape = _weighted_shape("binary_cross_entropy", x, weight)
    return like(x, shape=shape if reduction == "none" else ())


def _check_unit(what: str, a: np.ndarray) -> None:
    if a.size and not (np.min(a) >= 0 and np.max(a) <= 1):
        low, high = f"{float(np.min(a)):.6g}", f"{float(np.max(a)):.6g}"
        raise RuntimeError(say("bce-range", what=what, low=low, high=high, fix=say(f"bce-range/{what}")))


def _bce_each(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    _check_unit("input", x)
    _check_unit("target", target)
    floor = x.dtype.type(-100)  # log(0) counts as -100, so that the loss stays finite
    return (target - 1) * np.maximum(np.log1p(-x), floor) - target * np.maximum(np.log(x), floor)


def _bce(x: np.ndarray, target: np.ndarray, weight: np.ndarray | None, reduction: str) -> Any:
    loss = _bce_each(x, target)
    return reduce_array(loss if weight is None else loss * weight, reduction)


def _bce_part_infer(x: Meta, target: Meta) -> Meta:
    only_floating("binary_cross_entropy", x)
    return like(x)


def _lower_bce(x: L.Expr, target: L.Expr) -> L.Expr:
    within = (x >= 0) & (x <= 1) & (target >= 0) & (target <= 1)
    each = (target - 1) * L.maximum(L.log1p(-x), -100) - target * L.maximum(L.log(x), -100)
    return L.require(within, each)


def _bce_rule(g: Any, out: Any, x: Any, target: Any, weight: Any, *, needs: Any, reduction: str) -> tuple:
    g = share(g, reduction, x.shape, () if weight is None else weight.shape)
    if weight is not None:
        g = g * weight
    to_input = g * (x - target) / ((1 - x) * x).clamp(min=1e-12) if needs[0] else None
    to_target = g * ((1 - x).log() - x.log()) if needs[1] else None
    return to_input, to_target, None


_unit_pair = lambda: (values(2, 3, low=0.1, high=0.9), values(2, 3, seed=1, low=0.1, high=0.9))  # noqa: E731

binary_cross_entropy_part = declare(
    "binary_cross_entropy_part(Tensor input, Tensor target)", infer=_bce_part_infer, reference=_bce_each, lower=_lower_bce,
    pointwise=True, samples=lambda: [(_unit_pair(), {})],
    doc="-(target * log(input) + (1 - target) * log(1 - input)); both must lie in [0, 1]",
)  # fmt: skip
binary_cross_entropy = declare(
    "binary_cross_entropy_op(Tensor input, Tensor target, Tensor? weight=None, *, str reduction='mean')", infer=_bce_infer,
    reference=_bce, vjp=_bce_rule, samples=lambda: [((*_unit_pair(), None), {"reduction": r}) for r in ("mean", "sum", "none")],
    expand=compositions.binary_cross_entropy, grad_name="BinaryCrossEntropyBackward0", doc="-(target * log(input) + (1 - target) * log(1 - input)), times weight",
)  # fmt: skip


def _logits_infer(x: Meta, target: Meta, weight: Meta | None, pos_weight: Meta | None, reduction: str) -> Meta:
    name = "binary_cross_entropy_with_logits"
    only_floating(name, x)
    _same_shape(name, x, target)
    _needs_float_target(name, x, target)
    shape = _weighted_shape(name, x, weight, pos_weight)
    return like(x, shape=shape if reduction == "none" else ())


def _logits(x: np.ndarray, target: np.ndarray, weight: Any, pos_weight: Any, reduction: str) -> Any:
    """(1 - t) x + (1 + (p - 1) t) log(1 + exp(-x)), which does not overflow."""
    penalty = np.logaddexp(np.zeros((), x.dtype), -x)
    if pos_weight is not None:
        penalty = penalty * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * x + penalty
    return reduce_array(loss if weight is None else loss * weight, reduction)


def _logits_rule(
    g: Any, out: Any, x: Any, target: Any, weight: Any, pos_weight: Any, *, needs: Any, reduction: str
) -> tuple:
    g = share(g, reduction, x.shape, *[w.shape for w in (weight, pos_weight) if w is not None])
    if weight is not None:
        g = g * weight
    to_input = to_target = to_pos_weight = None
    if needs[0]:
        if pos_weight is None:
            to_input = g * (x.sigmoid() - target)
        else:
            scaled = pos_weight * target
            to_input = g * ((scaled + 1 - target) * x.sigmoid() - scaled)
    if needs[1]:
        to_target = (
            -g * x
            if pos_weight is None
            else g * (T.apply("log_sigmoid_op", (-x,), {}) - pos_weight * T.apply("log_sigmoid_op", (x,), {}))
        )
    if needs[3]:
        to_pos_weight = -g * target * T.apply("log_sigmoid_op", (x,), {})
    return to_input, to_target, None, to_pos_weight


binary_cross_entropy_with_logits = declare(
    "binary_cross_entropy_with_logits_op(Tensor input, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, *, str reduction='mean')",
    infer=_logits_infer, reference=_logits, vjp=_logits_rule,
    samples=lambda: [
        ((values(2, 3), values(2, 3, seed=1, low=0.1, high=0.9), None, p), {"reduction": r})
        for r in ("mean", "none") for p in (None, values(3, low=0.5, high=2.0))
    ],
    expand=compositions.binary_cross_entropy_with_logits, grad_name="BinaryCrossEntropyWithLogitsBackward0", doc="binary cross-entropy of sigmoid(input), without overflow",
)  # fmt: skip
