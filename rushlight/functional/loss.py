"""Losses with PyTorch's signatures: reductions and their old forms, checks, and composites."""

from __future__ import annotations

import math
import warnings
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record
from rushlight.lessons import say, warn

REDUCTIONS = ("none", "mean", "sum")


def choose(reduction: Any, size_average: Any = None, reduce: Any = None) -> str:
    """The reduction to use: the old arguments win, with a warning."""
    if size_average is not None or reduce is not None:
        average, reduced = size_average is None or size_average, reduce is None or reduce
        reduction = "none" if not reduced else "mean" if average else "sum"
        warnings.warn(
            f"size_average and reduce args will be deprecated. Fix: use reduction='{reduction}' instead.",
            UserWarning,
            stacklevel=3,
        )
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction; expected 'none', 'mean' or 'sum'.")
    return reduction


def reduced(loss: Any, reduction: str) -> Any:
    """The loss itself, its mean or its sum."""
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def warn_about_sizes(name: str, input: Any, target: Any) -> None:
    """M16 and M18: a target of another size is broadcast, which is rarely what was meant."""
    if input.shape != target.shape:
        result = list(FUNCTIONS["broadcast_shapes"](input.shape, target.shape))
        both = list(input.shape) != result != list(target.shape)
        which, elements = say(f"loss-sizes-differ/{'both' if both else 'one'}"), math.prod(result)
        facts = {"target": target.shape, "input": input.shape, "result": result, "elements": elements}
        warn("loss-sizes-differ", op=name, which=which, **facts)


def _check_weight(name: str, input: Any, weight: Any) -> None:
    if weight.shape != input.shape:
        raise ValueError(
            explain_error(
                name,
                got=f"weight of shape {list(weight.shape)}",
                expected=f"the shape of the input, {list(input.shape)}",
            )
        )


def _weighted(name: str, loss: Any, input: Any, weight: Any, reduction: str) -> Any:
    _check_weight(name, input, weight)
    loss = loss * weight
    return loss.sum() / weight.sum() if reduction == "mean" else reduced(loss, reduction)


# --- regression ---------------------------------------------------------------------------------------------------


def mse_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Any = None
) -> Any:
    """(input - target)^2.

    >>> import rushlight as torch
    >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0]))
    tensor(5.)
    """
    reduction = choose(reduction, size_average, reduce)
    warn_about_sizes("mse_loss", input, target)
    if weight is not None:
        return _weighted("mse_loss", record(TABLE["mse_loss_op"], (input, target), ("none",)), input, weight, reduction)
    return record(TABLE["mse_loss_op"], (input, target), (reduction,))


def l1_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Any = None
) -> Any:
    """|input - target|."""
    reduction = choose(reduction, size_average, reduce)
    warn_about_sizes("l1_loss", input, target)
    loss = (input - target).abs()
    return reduced(loss, reduction) if weight is None else _weighted("l1_loss", loss, input, weight, reduction)


def smooth_l1_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0
) -> Any:
    """d^2 / (2 beta) where d = |input - target| < beta, else d - beta / 2."""
    reduction = choose(reduction, size_average, reduce)
    warn_about_sizes("smooth_l1_loss", input, target)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta; got {beta}.")
    if beta == 0:
        return reduced((input - target).abs(), reduction)
    return record(TABLE["smooth_l1_loss_op"], (input, target, beta), (reduction,))


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """d^2 / 2 where d = |input - target| < delta, else delta * (d - delta / 2)."""
    reduction = choose(reduction)
    warn_about_sizes("huber_loss", input, target)
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta; got {delta}.")
    if weight is not None:
        _check_weight("huber_loss", input, weight)
        return reduced(record(TABLE["huber_loss_op"], (input, target, delta), ("none",)) * weight, reduction)
    return record(TABLE["huber_loss_op"], (input, target, delta), (reduction,))


def poisson_nll_loss(
    input: Any, target: Any, log_input: bool = True, full: bool = False, size_average: Any = None, eps: float = 1e-08,
    reduce: Any = None, reduction: str = "mean",
) -> Any:  # fmt: skip
    """exp(input) - target * input, or input - target * log(input + eps); full=True adds Stirling's approximation of log(target!)."""
    reduction = choose(reduction, size_average, reduce)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-06, reduction: str = "mean"
) -> Any:
    """(log(var) + (input - target)^2 / var) / 2, var at least eps; full=True adds log(2 pi) / 2."""
    if isinstance(var, (int, float)):
        if var < 0:
            raise ValueError(f"gaussian_nll_loss: var has negative entry/entries; got {var}.")
        var = FUNCTIONS["full_like"](input, float(var))
    elif bool((var < 0).any()):
        raise ValueError(
            "gaussian_nll_loss: var has negative entry/entries. Fix: let the model give log(var) and pass its exp()."
        )
    if var.shape != input.shape:
        if tuple(input.shape[:-1]) == tuple(var.shape):
            var = var.unsqueeze(-1)
        elif tuple(input.shape[:-1]) != tuple(var.shape[:-1]) or var.shape[-1] != 1:
            raise ValueError(
                f"gaussian_nll_loss: var is of incorrect size; got {list(var.shape)} for input {list(input.shape)}; expected the same shape, "
                "or the last dimension missing or 1."
            )
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not valid; expected 'none', 'mean' or 'sum'.")
    floor = var.detach().clamp(min=eps)
    var = var + (floor - var.detach())  # the gradient passes the floor, as if it were not there
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)


# --- classification -----------------------------------------------------------------------------------------------


def nll_loss(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
    reduction: str = "mean",
) -> Any:  # fmt: skip
    """-input[n, target[n]]: input holds log-probabilities, (C), (N, C) or (N, C, d1, ...); mean is over the class weights.

    >>> import rushlight as torch
    >>> torch.nn.functional.nll_loss(torch.tensor([[-0.5, -1.0]]), torch.tensor([1]))
    tensor(1.)
    """
    reduction = choose(reduction, size_average, reduce)
    return record(
        TABLE["nll_loss2d_op" if input.ndim > 2 else "nll_loss_op"], (input, target, weight), (reduction, ignore_index)
    )


def cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
    reduction: str = "mean", label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    """-log(softmax(input))[target]: input holds logits; target class indices, or probabilities of the input's shape.

    >>> import rushlight as torch
    >>> torch.nn.functional.cross_entropy(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    tensor(0.6931)
    """
    reduction = choose(reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"cross_entropy: label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    axis = 0 if input.ndim == 1 else 1
    if not input.ndim:
        raise RuntimeError("cross_entropy: input should be (C), (N, C) or (N, C, d1, ...); got a scalar.")
    if input.shape == target.shape:
        return _cross_entropy_of_probabilities(input, target, weight, reduction, label_smoothing, axis)
    logs = record(TABLE["log_softmax"], (input,), (axis, None))
    loss = nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    if label_smoothing == 0.0:
        return loss
    return loss * (1 - label_smoothing) + _uniform_part(logs, target, weight, ignore_index, reduction, axis) * (
        label_smoothing / input.shape[axis]
    )


def _per_class(weight: Any, ndim: int, axis: int) -> Any:
    return weight.reshape((1,) * axis + (-1,) + (1,) * (ndim - axis - 1))


def _uniform_part(logs: Any, target: Any, weight: Any, ignore_index: int, reduction: str, axis: int) -> Any:
    """What a target spread evenly over the classes costs, times their number."""
    spread = logs if weight is None else logs * _per_class(weight, logs.ndim, axis)
    ignored = target == ignore_index
    loss = (-spread.sum(axis)).masked_fill(ignored, 0)
    if reduction != "mean":
        return reduced(loss, reduction)
    if weight is None:
        return loss.sum() / (~ignored).sum()
    at = target.long().masked_fill(ignored, 0)
    return loss.sum() / weight[at].masked_fill(ignored, 0).sum()


def _cross_entropy_of_probabilities(
    input: Any, target: Any, weight: Any, reduction: str, label_smoothing: float, axis: int
) -> Any:
    if target.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            f"cross_entropy: Expected floating point type for target with class probabilities, got {target.dtype}: a target of the input's "
            f"shape {list(input.shape)} is read as probabilities. Fix: target.float() for probabilities, target.argmax({axis}) for class indices."
        )
    classes = input.shape[axis]
    if label_smoothing > 0.0:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    loss = record(TABLE["log_softmax"], (input,), (axis, None)) * target
    if weight is not None:
        loss = loss * _per_class(weight, input.ndim, axis)
    if reduction == "none":
        return -loss.sum(axis)
    total = -loss.sum()
    return total if reduction == "sum" else total / (input.numel() // max(classes, 1))


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """-(target * log(input) + (1 - target) * log(1 - input)), times weight; input holds probabilities."""
    reduction = choose(reduction, size_average, reduce)
    return record(TABLE["binary_cross_entropy_op"], (input, target, weight), (reduction,))


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:  # fmt: skip
    """Binary cross-entropy of sigmoid(input), without overflow; pos_weight multiplies the positive part."""
    reduction = choose(reduction, size_average, reduce)
    return record(TABLE["binary_cross_entropy_with_logits_op"], (input, target, weight, pos_weight), (reduction,))


def kl_div(
    input: Any,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """target * (log(target) - input): input holds log-probabilities, target probabilities (or their logs)."""
    batch = reduction == "batchmean" and size_average is None and reduce is None
    chosen = "sum" if batch else choose(reduction, size_average, reduce)
    if chosen == "mean":
        warnings.warn(
            "kl_div: reduction='mean' divides the total loss by both the batch size and the support size. "
            "Fix: reduction='batchmean' divides by the batch size only, which is the mathematical definition.",
            UserWarning, stacklevel=2,
        )  # fmt: skip
    if log_target:
        loss = target.exp() * (target - input)
    else:
        loss = FUNCTIONS["xlogy"](target, target) - target * input
    total = reduced(loss, chosen)
    return total / input.shape[0] if batch and input.ndim else total


def _lengths(value: Any) -> Any:
    from rushlight.lazy.handle import Handle

    return value if isinstance(value, Handle) else FUNCTIONS["tensor"](value, dtype=dtypes.int64)


def ctc_loss(
    log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int = 0, reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:  # fmt: skip
    """-log of the probability of the target labels, summed over all alignments with blanks and repeats.

    log_probs: (T, N, C) or (T, C); targets: (N, S), or all labels one after the other. mean divides by the target lengths first.
    """
    reduction = choose(reduction)
    lone = log_probs.ndim == 2
    input_lengths, target_lengths = _lengths(input_lengths).reshape(-1), _lengths(target_lengths).reshape(-1)
    if lone:
        log_probs = log_probs.unsqueeze(1)
        targets = targets.reshape(1, -1)
    loss = record(TABLE["ctc_loss_op"], (log_probs, targets, input_lengths, target_lengths), (blank, zero_infinity))
    if reduction == "mean":
        return (loss / target_lengths.clamp(min=1).to(loss.dtype)).mean()
    return loss.sum() if reduction == "sum" else loss.squeeze(0) if lone else loss


__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "ctc_loss", "gaussian_nll_loss", "huber_loss", "kl_div",
    "l1_loss", "mse_loss", "nll_loss", "poisson_nll_loss", "smooth_l1_loss",
]  # fmt: skip
