"""Cross entropy of a linear layer's outputs, without keeping all of those."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.nn.functional.loss import cross_entropy
from rushlight.utils.checkpoint import checkpoint

Tensor = rushlight.Tensor

__all__ = ["linear_cross_entropy"]


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """How `linear_cross_entropy` cuts the batch, so that the logits of one part exist at a time; they are computed again for the gradient.

    `batch_chunk_size` rows at a time; None: such a part of the batch as the inputs are of a row of logits (`chunking_method`
    'aspect_ratio:k' makes it k times as large). Gradients accumulate in float32 or wider and can be taken again, whatever
    `allow_retain_graph`, `acc_policy` and `acc_dtype` say.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        method = self.chunking_method
        name, colon, factor = (method or "").partition(":")
        size = self.batch_chunk_size
        floats = (None, rushlight.float16, rushlight.bfloat16, rushlight.float32, rushlight.float64)
        checks: dict[str, tuple[bool, str]] = {
            "acc_policy": (
                self.acc_policy in ("auto", "accurate", "balanced", "compact"),
                "'auto', 'accurate', 'balanced' or 'compact'",
            ),
            "chunking_method": (
                method in (None, "auto", "aspect_ratio")
                or name == "aspect_ratio"
                and factor.isdigit()
                and int(factor) > 0,
                "None, 'auto', 'aspect_ratio' or 'aspect_ratio:k' with a whole k > 0",
            ),
            "batch_chunk_size": (size is None or isinstance(size, int) and size > 0, "None or a whole number > 0"),
            "acc_dtype": (self.acc_dtype in floats, "None or a floating-point dtype"),
        }
        for option, (fine, expected) in checks.items():
            if not fine:
                got = f"{option}={getattr(self, option)!r}"
                raise ValueError(explain_error("LinearCrossEntropyOptions", got=got, expected=expected))

    def rows(self, batch: int, in_features: int, num_classes: int) -> int:
        """How many rows of the batch are computed at a time."""
        if self.batch_chunk_size is not None:
            return self.batch_chunk_size
        factor = int((self.chunking_method or "").partition(":")[2] or 1)
        return max(1, min(batch, factor * math.ceil(batch * in_features / num_classes)))


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Tensor:
    """cross_entropy(input @ linear_weightᵀ + linear_bias, target, ...).

    input (N, in) or (in), linear_weight (C, in) or (C, d₁, …, in), target: classes (N, d₁, …) or probabilities (N, C, d₁, …). `options`
    cut the batch into parts, whose logits never exist all at once; where that is of no use (one sample, a weight (C, d₁, …, in)) it is
    computed whole.

    Errors: RuntimeError for shapes that do not fit, and for `ignore_index` with probabilities.

    >>> import rushlight as torch
    >>> x, w = torch.eye(2), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    >>> torch.nn.functional.linear_cross_entropy(x, w, torch.tensor([0, 1]))
    tensor(0.5514)
    """
    single, places = input.dim() == 1, tuple(linear_weight.shape[1:-1])
    _check(input, linear_weight, linear_bias, single, places)
    classes, features = linear_weight.shape[0], input.shape[-1]
    rows = () if single else (input.shape[0],)
    probabilities = tuple(target.shape) == (*rows, classes, *places)
    if probabilities and ignore_index is not None:
        raise RuntimeError(
            explain_error(
                "linear_cross_entropy",
                got=f"ignore_index={ignore_index} with class probabilities",
                expected="class indices, of which one can be ignored",
            )
        )
    given = {"weight": weight, "label_smoothing": label_smoothing}
    given["ignore_index"] = -100 if ignore_index is None else ignore_index
    flat_weight = linear_weight.reshape(-1, features)
    flat_bias = None if linear_bias is None else linear_bias.reshape(-1)

    def loss(x: Tensor, y: Tensor, how: str) -> Tensor:
        logits = rushlight.nn.functional.linear(x, flat_weight, flat_bias)
        return cross_entropy(logits.reshape(*x.shape[:-1], classes, *places), y, reduction=how, **given)

    size = 0 if single or places or options is None else options.rows(rows[0], features, classes)
    if not 0 < size < (rows[0] if rows else 0) or reduction not in ("none", "mean", "sum"):
        return loss(input, target, reduction)
    how = "none" if reduction == "none" else "sum"
    parts = [
        checkpoint(loss, x, y, how, use_reentrant=False)
        for x, y in zip(input.split(size), target.split(size), strict=True)
    ]
    if reduction == "none":
        return rushlight.cat(parts)
    total = sum(parts[1:], parts[0])
    if reduction == "sum":
        return total
    if probabilities:
        return total / rows[0]
    counted = (target != given["ignore_index"]).to(total.dtype)
    if weight is not None:
        counted = counted * weight[target.clamp(0, classes - 1)]
    return total / counted.sum()


def _check(input: Tensor, weight: Tensor, bias: Tensor | None, single: bool, places: tuple[int, ...]) -> None:
    got = expected = ""
    if input.dim() not in (1, 2):
        got, expected = f"an input of shape {list(input.shape)}", "(N, in_features) or (in_features)"
    elif weight.dim() < 2 or weight.shape[-1] != input.shape[-1]:
        got, expected = (
            f"linear_weight of shape {list(weight.shape)}",
            f"(classes, ..., {input.shape[-1]}), as the input has",
        )
    elif bias is not None and tuple(bias.shape) != tuple(weight.shape[:-1]):
        got, expected = f"linear_bias of shape {list(bias.shape)}", f"{list(weight.shape[:-1])}, as linear_weight has"
    elif places and single:
        got, expected = f"one sample with linear_weight of shape {list(weight.shape)}", "a batch (N, in_features)"
    if got:
        raise RuntimeError(explain_error("linear_cross_entropy", got=got, expected=expected))
