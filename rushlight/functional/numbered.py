"""`torch.kl_div` and others that live in nn.functional too: here the reduction is a number (0 none, 1 mean, 2 sum)."""

from __future__ import annotations

from typing import Any

from rushlight.errors import explain_error
from rushlight.functional import loss as losses
from rushlight.functional import marginloss, sparse
from rushlight.functional.registry import public


def _named(op: str, reduction: Any) -> str:
    if not isinstance(reduction, int) or not 0 <= reduction < 3:
        raise ValueError(
            explain_error(
                f"torch.{op}", got=f"reduction={reduction!r}", expected="0 (none), 1 (mean) or 2 (sum)",
                fix=f"torch.nn.functional.{op} takes the reduction by name",
            )
        )  # fmt: skip
    return losses.REDUCTIONS[reduction]


@public()
def kl_div(input: Any, target: Any, reduction: int = 1, *, log_target: bool = False) -> Any:
    """target · (log(target) − input); see nn.functional.kl_div."""
    loss = losses.kl_div(input, target, reduction="none", log_target=log_target)
    return losses.reduced(loss, _named("kl_div", reduction))


@public()
def ctc_loss(
    log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int = 0, reduction: int = 1,
    zero_infinity: bool = False,
) -> Any:  # fmt: skip
    """−log of the probability of the labels; see nn.functional.ctc_loss."""
    how = _named("ctc_loss", reduction)
    return losses.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, how, zero_infinity)


@public()
def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, pos_weight: Any = None, reduction: int = 1
) -> Any:
    """Binary cross-entropy of sigmoid(input); see nn.functional."""
    how = _named("binary_cross_entropy_with_logits", reduction)
    return losses.binary_cross_entropy_with_logits(input, target, weight, reduction=how, pos_weight=pos_weight)


@public()
def poisson_nll_loss(input: Any, target: Any, log_input: bool, full: bool, eps: float, reduction: int) -> Any:
    """The negative log-likelihood of Poisson counts; see nn.functional."""
    how = _named("poisson_nll_loss", reduction)
    return losses.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=how)


@public()
def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: int = 1) -> Any:
    """max(0, −target · (input1 − input2) + margin); see nn.functional.

    >>> import rushlight as torch
    >>> torch.margin_ranking_loss(torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor([1.0]), reduction=0)
    tensor([2.])
    """
    how = _named("margin_ranking_loss", reduction)
    return marginloss.margin_ranking_loss(input1, input2, target, margin, reduction=how)


@public()
def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: int = 1) -> Any:
    """input where target is 1, max(0, margin − input) where it is −1; see nn.functional."""
    return marginloss.hinge_embedding_loss(input, target, margin, reduction=_named("hinge_embedding_loss", reduction))


@public()
def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: int = 1) -> Any:
    """1 − cos for target 1, max(0, cos − margin) for −1; see nn.functional."""
    how = _named("cosine_embedding_loss", reduction)
    return marginloss.cosine_embedding_loss(input1, input2, target, margin, reduction=how)


@public()
def triplet_margin_loss(
    anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2.0, eps: float = 1e-06,
    swap: bool = False, reduction: int = 1,
) -> Any:  # fmt: skip
    """max(0, ‖anchor − positive‖ − ‖anchor − negative‖ + margin); see nn.functional."""
    how = _named("triplet_margin_loss", reduction)
    return marginloss.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction=how)


@public()
def embedding_renorm_(input: Any, indices: Any, max_norm: float, norm_type: float) -> Any:
    """Scale the rows of input named by indices whose norm is above max_norm down to it, in place."""
    sparse._renormalise(input, indices, max_norm, norm_type)
    return input
