"""Connectionist temporal classification: the probability of a label sequence, summed over all its alignments."""

from __future__ import annotations

import numpy as np

from rushlight import dtype as dtypes
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.activation import only_floating
from rushlight.ops.rules import like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T, no_second_derivative


def _infer(x: Meta, targets: Meta, input_lengths: Meta, target_lengths: Meta, blank: int, zero_infinity: bool) -> Meta:
    only_floating("ctc_loss", x)
    if x.ndim != 3:
        raise RuntimeError(f"ctc_loss: log_probs must be (T, N, C) or (T, C); got shape {list(x.shape)}.")
    batch = x.shape[1]
    for name, m in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if tuple(m.shape) != (batch,):
            raise RuntimeError(
                f"ctc_loss: {name} must be of size batch_size; got {list(m.shape)} for a batch of {batch}."
            )
    if targets.dtype.category != dtypes.INTEGER:
        raise RuntimeError(f"ctc_loss: targets must be int32 or int64; got {targets.dtype}. Fix: targets.long().")
    if not 0 <= blank < x.shape[2]:
        raise RuntimeError(f"ctc_loss: blank must be in label range; got {blank} with {x.shape[2]} labels.")
    return like(x, shape=(batch,))


def _states(
    x: np.ndarray, targets: np.ndarray, input_lengths: np.ndarray, target_lengths: np.ndarray, blank: int
) -> tuple:
    """Labels with blanks between (N, 2S+1), where two steps at once are allowed, and log-probabilities (T, N, 2S+1)."""
    steps, batch, classes = x.shape
    longest = int(target_lengths.max()) if batch else 0
    if batch and int(input_lengths.max()) > steps:
        raise RuntimeError(
            f"ctc_loss: Expected input_lengths to have value at most {steps}, but got value {int(input_lengths.max())}."
        )
    if batch and min(int(input_lengths.min()), int(target_lengths.min())) < 0:
        raise RuntimeError("ctc_loss: lengths must not be negative.")
    labels = np.full((batch, 2 * longest + 1), blank, np.int64)
    if targets.ndim == 1:
        if len(targets) != int(target_lengths.sum()):
            raise RuntimeError(
                f"ctc_loss: Expected targets to have {int(target_lengths.sum())} labels, the sum of target_lengths, but got {len(targets)}."
            )
        rows = np.split(targets, np.cumsum(target_lengths)[:-1]) if batch else []
    else:
        if targets.shape[1] < longest:
            raise RuntimeError(
                f"ctc_loss: Expected tensor to have size at least {longest} at dimension 1, but got size {targets.shape[1]} for targets."
            )
        rows = list(targets)
    for n, row in enumerate(rows):
        labels[n, 1 : 2 * int(target_lengths[n]) : 2] = row[: int(target_lengths[n])]
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        bad = labels.min() if labels.min() < 0 else labels.max()
        raise IndexError(f"ctc_loss: label {int(bad)} is out of range; expected 0 to {classes - 1}.")
    jump = np.zeros(labels.shape, bool)
    jump[:, 2:] = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
    logs = x[:, np.arange(batch)[:, None], labels]
    return labels, jump, logs


def _shifted(a: np.ndarray, by: int) -> np.ndarray:
    """a moved `by` states to the right (or left), -inf coming in."""
    result = np.full_like(a, -np.inf)
    if by > 0:
        result[:, by:] = a[:, :-by]
    else:
        result[:, :by] = a[:, -by:]
    return result


def _sum(*logs: np.ndarray) -> np.ndarray:
    """log of the sum of exponentials; -inf where all are."""
    total = logs[0]
    for part in logs[1:]:
        total = np.logaddexp(total, part)
    return total


def _forward(logs: np.ndarray, jump: np.ndarray) -> np.ndarray:
    """alpha[t, n, s]: all ways to be in state s at step t, that step included."""
    alpha = np.full_like(logs, -np.inf)
    alpha[0, :, :2] = logs[0, :, :2]
    for t in range(1, len(logs)):
        before = alpha[t - 1]
        two = np.where(jump, _shifted(before, 2), -np.inf) if before.shape[1] > 2 else np.full_like(before, -np.inf)
        alpha[t] = _sum(before, _shifted(before, 1), two) + logs[t] if before.shape[1] > 1 else before + logs[t]
    return alpha


def _backward_sum(logs: np.ndarray, jump: np.ndarray, lengths: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """beta[t, n, s]: all ways on from state s at step t, that step left out."""
    beta = np.full_like(logs, -np.inf)
    states = np.arange(logs.shape[2])
    final = np.where((states == ends[:, None]) | (states == ends[:, None] - 1), 0.0, -np.inf).astype(logs.dtype)
    leap = np.zeros_like(jump)
    leap[:, :-2] = jump[:, 2:]
    for t in range(len(logs) - 1, -1, -1):
        if t + 1 < len(logs):
            after = beta[t + 1] + logs[t + 1]
            if after.shape[1] > 1:
                two = (
                    np.where(leap, _shifted(after, -2), -np.inf) if after.shape[1] > 2 else np.full_like(after, -np.inf)
                )
                after = _sum(after, _shifted(after, -1), two)
            beta[t] = after
        beta[t] = np.where((lengths == t + 1)[:, None], final, np.where((lengths <= t)[:, None], -np.inf, beta[t]))
    return beta


def _likelihood(alpha: np.ndarray, lengths: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """log of the probability of each label sequence."""
    who = np.arange(len(lengths))
    last = alpha[lengths - 1, who]
    found = np.logaddexp(last[who, ends], np.where(ends > 0, last[who, ends - 1], -np.inf))
    return np.where(lengths > 0, found, np.where(ends == 0, 0.0, -np.inf))


def _ctc(
    x: np.ndarray,
    targets: np.ndarray,
    input_lengths: np.ndarray,
    target_lengths: np.ndarray,
    blank: int,
    zero_infinity: bool,
) -> np.ndarray:
    _, jump, logs = _states(x, targets, input_lengths, target_lengths, blank)
    if not logs.size:
        return np.zeros(x.shape[1], x.dtype)
    loss = -_likelihood(_forward(logs, jump), input_lengths, 2 * target_lengths)
    return np.where(np.isinf(loss), 0, loss) if zero_infinity else loss


def _ctc_backward(
    grad: np.ndarray, x: np.ndarray, targets: np.ndarray, input_lengths: np.ndarray, target_lengths: np.ndarray, blank: int,
    zero_infinity: bool,
) -> np.ndarray:  # fmt: skip
    labels, jump, logs = _states(x, targets, input_lengths, target_lengths, blank)
    result = np.zeros_like(x)
    if not logs.size:
        return result
    ends = 2 * target_lengths
    alpha = _forward(logs, jump)
    found = _likelihood(alpha, input_lengths, ends)
    share = np.exp(
        alpha + _backward_sum(logs, jump, input_lengths, ends) - found[:, None]
    )  # of the paths through (t, s)
    if zero_infinity:
        share = np.where(np.isinf(found)[:, None], 0, share)
    steps, batch, _ = x.shape
    share = np.where(np.arange(steps)[:, None, None] < input_lengths[:, None], share, 0)
    where = (np.arange(steps)[:, None, None], np.arange(batch)[:, None], labels)
    np.add.at(result, where, -share * grad[:, None])
    return result


def _samples() -> list:
    x = values(5, 2, 4) - 2
    targets = np.array([[1, 2, 2], [3, 1, 0]])
    return [
        ((x, targets, np.array([5, 4]), np.array([3, 2]), 0, False), {}),
        ((x, np.array([1, 3, 1]), np.array([5, 4]), np.array([1, 2]), 0, True), {}),
    ]


ctc_loss = declare(
    "ctc_loss_op(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int blank=0, bool zero_infinity=False)",
    infer=_infer, reference=_ctc,
    vjp=(
        lambda g, out, x, targets, input_lengths, target_lengths, blank, zero_infinity: T.apply(
            "ctc_loss_backward", (g, x, targets, input_lengths, target_lengths), {"blank": blank, "zero_infinity": zero_infinity}
        ),
        None, None, None,
    ),
    samples=_samples, grad_name="CtcLossBackward0", doc="-log of the probability of each target, over all alignments",
)  # fmt: skip
ctc_loss_backward = declare(
    "ctc_loss_backward(Tensor grad, Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int blank, "
    "bool zero_infinity)",
    infer=lambda grad, x, *rest, **static: like(x), reference=_ctc_backward, vjp=(*[no_second_derivative("ctc_loss")] * 2, None, None, None),
    doc="the gradient of ctc_loss with respect to the log-probabilities",
)  # fmt: skip
