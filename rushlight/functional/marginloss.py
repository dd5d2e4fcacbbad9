"""Losses that ask for a margin: between scores, between classes, between distances."""

from __future__ import annotations

from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.activation import logsigmoid
from rushlight.functional.distance import pairwise_distance
from rushlight.functional.loss import choose, reduced
from rushlight.functional.registry import FUNCTIONS
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record


def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """max(0, -target * (input1 - input2) + margin): target 1 asks for a larger input1, -1 for a larger input2."""
    reduction = choose(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            f"margin_ranking_loss: All input tensors should have same dimension but got sizes: input1: {input1.shape}, input2: {input2.shape}, "
            f"target: {target.shape}."
        )
    return reduced((-target * (input1 - input2) + margin).clamp(min=0), reduction)


def hinge_embedding_loss(
    input: Any, target: Any, margin: float = 1.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """input where target is 1, max(0, margin - input) where it is -1."""
    reduction = choose(reduction, size_average, reduce)
    where = FUNCTIONS["where"]
    far = where(target != 1, (margin - input).clamp(min=0), 0.0)
    return reduced(far + where(target != -1, input, 0.0), reduction)


def soft_margin_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """log(1 + exp(-target * input))."""
    return record(TABLE["soft_margin_loss_op"], (input, target), (choose(reduction, size_average, reduce),))


def multilabel_soft_margin_loss(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """The mean over classes of -(target * log(s) + (1 - target) * log(1 - s)), s = sigmoid(input)."""
    reduction = choose(reduction, size_average, reduce)
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(loss.sum(-1) / input.shape[-1], reduction)


def multi_margin_loss(
    input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Any:  # fmt: skip
    """The mean over the other classes i of max(0, margin - input[target] + input[i])^p, times the weight of the target."""
    reduction = choose(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: only p == 1 and p == 2 supported; got {p}.")
    if weight is not None and weight.ndim != 1:
        raise ValueError(f"multi_margin_loss: weight must be one-dimensional; got shape {list(weight.shape)}.")
    scores = input.reshape(1, -1) if input.ndim < 2 else input
    if target.numel() != scores.shape[0] or target.ndim > 1:
        raise RuntimeError(
            explain_error(
                "multi_margin_loss",
                got=f"a target of shape {list(target.shape)}",
                expected=f"target tensor should be 1-D with one class for each of the {scores.shape[0]} samples",
            )
        )
    at = target.reshape(-1, 1)
    each = (margin - scores.gather(1, at) + scores).clamp(min=0)
    if p == 2:
        each = each * each
    if weight is not None:
        each = each * weight[at]
    loss = each.scatter(1, at, 0.0).sum(1) / scores.shape[1]
    return reduced(loss.reshape(()) if input.ndim < 2 else loss, reduction)


def multilabel_margin_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """Each class named in the target (up to the first -1) against each class that is not: max(0, 1 - x[y] + x[i]), over the classes."""
    reduction = choose(reduction, size_average, reduce)
    if target.shape != input.shape:
        raise RuntimeError(
            f"multilabel_margin_loss: inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}."
        )
    scores = input.reshape(1, -1) if input.ndim < 2 else input
    labels = target.reshape(scores.shape)
    named = (labels >= 0).long().cumprod(1)  # up to the first -1
    at = labels * named
    present = FUNCTIONS["zeros_like"](labels).scatter_add(1, at, named) > 0
    each = (1 - scores.gather(1, at).unsqueeze(2) + scores.unsqueeze(1)).clamp(min=0)  # (N, label, class)
    counts = (named > 0).unsqueeze(2) & (~present).unsqueeze(1)
    loss = FUNCTIONS["where"](counts, each, 0.0).sum((1, 2)) / scores.shape[1]
    return reduced(loss.reshape(()) if input.ndim < 2 else loss, reduction)


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1."""
    reduction = choose(reduction, size_average, reduce)
    if target.ndim > 1:
        raise RuntimeError(
            f"cosine_embedding_loss: 0D or 1D target tensor expected, multi-target not supported; got shape {list(target.shape)}."
        )
    if target.ndim + 1 != input1.ndim or target.ndim + 1 != input2.ndim:
        raise RuntimeError(
            f"cosine_embedding_loss: a {target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    tiny = 1e-12  # keeps the root away from 0
    product = (input1 * input2).sum(-1)
    cos = product / (((input1 * input1).sum(-1) + tiny) * ((input2 * input2).sum(-1) + tiny)).sqrt()
    where = FUNCTIONS["where"]
    return reduced(where(target == 1, 1 - cos, 0.0) + where(target == -1, (cos - margin).clamp(min=0), 0.0), reduction)


def _check_triplet(name: str, anchor: Any, positive: Any, negative: Any, margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"{name}: margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            f"{name}: The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor "
            f"{anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs."
        )


def triplet_margin_loss(
    anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2, eps: float = 1e-06, swap: bool = False,
    size_average: Any = None, reduce: Any = None, reduction: str = "mean",
) -> Any:  # fmt: skip
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d the p-norm distance."""
    reduction = choose(reduction, size_average, reduce)
    _check_triplet("triplet_margin_loss", anchor, positive, negative, margin)
    return _triplet(anchor, positive, negative, lambda a, b: pairwise_distance(a, b, p, eps), margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Any, positive: Any, negative: Any, *, distance_function: Any = None, margin: float = 1.0, swap: bool = False,
    reduction: str = "mean",
) -> Any:  # fmt: skip
    """As `triplet_margin_loss`, with any distance."""
    reduction = choose(reduction)
    _check_triplet("triplet_margin_with_distance_loss", anchor, positive, negative, margin)
    return _triplet(anchor, positive, negative, distance_function or pairwise_distance, margin, swap, reduction)


def _triplet(
    anchor: Any, positive: Any, negative: Any, distance: Any, margin: float, swap: bool, reduction: str
) -> Any:
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:  # the negative counts from whichever of the pair it is nearer to
        far = FUNCTIONS["minimum"](far, distance(positive, negative))
    return reduced((near - far + margin).clamp(min=0), reduction)


__all__ = [
    "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_soft_margin_loss", "soft_margin_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip
