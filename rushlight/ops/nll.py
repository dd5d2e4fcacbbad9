"""Negative log-likelihood of class indices, and its gradient. Both are linear in their first argument."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.ir import scalar as L
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.lessons import say
from rushlight.ops import compositions
from rushlight.ops.activation import only_floating
from rushlight.ops.rules import like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T


def check_class_target(name: str, target: Meta) -> None:
    """M17: class indices are int64 (or uint8)."""
    if target.dtype not in (dtypes.int64, dtypes.uint8):
        from rushlight.ops.reduce import dtype_name

        found = dtype_name(target.dtype)
        raise RuntimeError(
            say("target-not-integer", op=name, found=found, dtype=target.dtype, shape=list(target.shape))
        )


def check_classes(name: str, x: Meta, target: Meta, weight: Meta | None) -> None:
    """The shapes of input, target and class weights."""
    only_floating(name, x, f"{name}_out_frame")
    check_class_target(name, target)
    classes = x.shape[1] if x.ndim > 1 else x.shape[0] if x.ndim else 0
    if not x.ndim:
        raise RuntimeError(f"{name}: input tensor should be 1D or more, (C) or (N, C, ...); got a scalar.")
    if x.ndim == 1 and target.ndim > 1 or x.ndim == 2 and target.ndim > 1:
        raise RuntimeError(
            f"{name}: 0D or 1D target tensor expected, multi-target not supported; got input {list(x.shape)} and target "
            f"{list(target.shape)}. Fix: for class indices use target.squeeze(1) or target.argmax(1); class probabilities must be "
            "floating and have the shape of the input."
        )
    if x.ndim > 1 and (not target.ndim or x.shape[0] != target.shape[0]):
        raise ValueError(
            f"{name}: Expected input batch_size ({x.shape[0]}) to match target batch_size ({target.shape[0] if target.ndim else 1}); "
            f"got input {list(x.shape)} and target {list(target.shape)}. Fix: give one target to each sample; if the model flattens "
            "with view(-1, n), use flatten(x, 1), which keeps the batch."
        )
    if x.ndim > 2 and tuple(target.shape[1:]) != tuple(x.shape[2:]):
        raise RuntimeError(
            f"{name}: Expected target size {[x.shape[0], *x.shape[2:]]}, got {list(target.shape)}: for input (N, C, d1, ...) the target "
            "is (N, d1, ...). Fix: move the class dimension of the input to position 1."
        )
    if weight is not None and (weight.ndim != 1 or weight.shape[0] != classes):
        raise RuntimeError(
            f"{name}: weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of shape: "
            f"{list(weight.shape)}. Fix: give one weight to each class."
        )
    if weight is not None and weight.dtype is not x.dtype:
        raise RuntimeError(
            f"{name}: expected scalar type {x.dtype} but found {weight.dtype} for the class weights. Fix: weight.to({x.dtype})."
        )


def _nll_infer(x: Meta, target: Meta, weight: Meta | None, reduction: str, ignore_index: int) -> Meta:
    check_classes("nll_loss", x, target, weight)
    return like(x, shape=target.shape if reduction == "none" else ())


def _positions(target: np.ndarray, classes: int, ignore_index: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Class indices fit for indexing, and a mask of the samples that count (None: all of them)."""
    target = target.astype(np.int64, copy=False)
    if not target.size:
        return target, None
    low, high = int(target.min()), int(target.max())
    if low >= 0 and high < classes and not low <= ignore_index <= high:
        return target, None
    valid = target != ignore_index
    wrong = target[valid & ((target < 0) | (target >= classes))]
    if wrong.size:
        first, low, high = int(wrong[0]), int(target[valid].min()), int(target[valid].max())
        fix = say("target-out-of-range/widen", outputs=high + 1) if high >= classes else ""
        fix = fix or say("target-out-of-range/negative", target=low)
        raise IndexError(
            say("target-out-of-range", target=first, classes=classes, last=classes - 1, low=low, high=high, fix=fix)
        )
    return np.where(valid, target, 0), valid


def _weights(at: np.ndarray, valid: np.ndarray | None, weight: np.ndarray | None, kind: Any) -> np.ndarray | None:
    """The weight of each sample; None when all weigh 1."""
    if weight is None:
        return None if valid is None else valid.astype(kind)
    chosen = weight[at]
    return chosen if valid is None else np.where(valid, chosen, np.zeros((), kind))


def _nll(x: np.ndarray, target: np.ndarray, weight: np.ndarray | None, reduction: str, ignore_index: int) -> Any:
    axis = 1 if x.ndim > 1 else 0
    at, valid = _positions(target, x.shape[axis], ignore_index)
    if x.ndim == 1:
        loss = -x[at].reshape(target.shape)
    elif x.ndim == 2:
        loss = -x[np.arange(len(x)), at]
    else:
        loss = -np.take_along_axis(x, at[:, None], 1)[:, 0]
    scale = _weights(at, valid, weight, x.dtype)
    if scale is not None:
        loss = np.where(scale == 0, np.zeros((), x.dtype), loss * scale)
    if reduction == "none":
        return loss
    total = np.sum(loss)
    if reduction == "sum":
        return total
    return total / (x.dtype.type(loss.size) if scale is None else np.sum(scale))


def _backward(
    grad: np.ndarray, target: np.ndarray, weight: np.ndarray | None, shape: tuple, reduction: str, ignore_index: int
) -> np.ndarray:
    axis = 1 if len(shape) > 1 else 0
    at, valid = _positions(target, shape[axis], ignore_index)
    scale = _weights(at, valid, weight, grad.dtype)
    part = -grad if scale is None else -grad * scale
    if reduction == "mean":
        part = part / (grad.dtype.type(max(target.size, 1)) if scale is None else np.sum(scale))
    result = np.zeros(shape, grad.dtype)
    if len(shape) == 1:
        result[at] = part.reshape(at.shape)
    elif len(shape) == 2:
        result[np.arange(shape[0]), at] = part
    else:
        np.put_along_axis(result, at[:, None], np.broadcast_to(part, at.shape)[:, None], 1)
    return result


def _backward_rule(name: str) -> Any:
    """Backward is the transpose of a linear map; its gradient is the map itself."""
    return lambda gg, out, grad, target, weight, shape, reduction, ignore_index: T.apply(
        name, (gg, target, weight), {"reduction": reduction, "ignore_index": ignore_index}
    )


def _declare(name: str, grad_name: str, samples: Any) -> Any:
    return declare(
        f"{name}(Tensor input, Tensor target, Tensor? weight=None, str reduction='mean', int ignore_index=-100)",
        infer=_nll_infer, reference=_nll,
        vjp=(
            lambda g, out, x, target, weight, reduction, ignore_index: T.apply(
                "nll_loss_backward", (g, target, weight),
                {"shape": tuple(x.shape), "reduction": reduction, "ignore_index": ignore_index},
            ),
            None, None,
        ),
        expand=compositions.nll_loss, samples=samples, grad_name=grad_name, doc="-input[target] along the class dimension, times the class weight",
    )  # fmt: skip


def _class_index(target: np.ndarray, classes: int, ignore_index: int) -> np.ndarray:
    at, valid = _positions(target, classes, ignore_index)
    return at if valid is None else np.where(valid, at, -1)


def _class_index_infer(target: Meta, classes: int, ignore_index: int) -> Meta:
    check_class_target("nll_loss", target)
    return like(target, dtype=dtypes.int64)


def _lower_class_index(target: L.Expr, classes: int, ignore_index: int) -> L.Expr:
    index = L.cast(target, "i64")
    ignored = L.eq(index, ignore_index)
    return L.require(ignored | (index >= 0) & (index < classes), L.select(ignored, -1, index))


class_index = declare(
    "class_index_part(Tensor target, int classes, int ignore_index)", reference=_class_index, lower=_lower_class_index,
    infer=_class_index_infer, pointwise=True,
    samples=lambda: [((np.array([2, 0, 1]), 3, 1), {})], doc="class indices, -1 where they are to be ignored; IndexError beyond the classes",
)  # fmt: skip

_target = np.array([2, 0, 1])
nll_loss = _declare(
    "nll_loss_op", "NllLossBackward0",
    lambda: [
        ((values(3, 4), _target, None, r, -100), {}) for r in ("mean", "sum", "none")
    ] + [((values(3, 4), _target, values(4, low=0.5, high=2.0), r, 1), {}) for r in ("mean", "none")],
)  # fmt: skip
nll_loss2d = _declare(
    "nll_loss2d_op", "NllLoss2DBackward0",
    lambda: [((values(2, 3, 4), np.array([[0, 1, 2, 2], [2, 0, 0, 1]]), None, r, 2), {}) for r in ("mean", "none")],
)  # fmt: skip
nll_loss_backward = declare(
    "nll_loss_backward(Tensor grad, Tensor target, Tensor? weight, any shape, str reduction, int ignore_index)",
    infer=lambda grad, target, weight, shape, reduction, ignore_index: like(grad, shape=shape), reference=_backward,
    vjp=(_backward_rule("nll_loss_op"), None, None), expand=compositions.nll_loss_backward,
    doc="the gradient of nll_loss with respect to its input",
)  # fmt: skip
