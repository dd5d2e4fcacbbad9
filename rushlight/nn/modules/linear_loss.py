"""A linear layer and the cross entropy of its outputs as one layer."""

from __future__ import annotations

import math
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.nn.functional.linear_loss import LinearCrossEntropyOptions, linear_cross_entropy
from rushlight.nn.modules.linear import Linear
from rushlight.nn.modules.module import Module

Tensor = rushlight.Tensor

__all__ = ["LinearCrossEntropyLoss", "LinearCrossEntropyOptions"]


class LinearCrossEntropyLoss(Module):
    """cross_entropy(linear(input), target): input (N, in_features) → a loss; `linear` is a child, so its weight is learned.

    With out_features=(d₁, …), targets are (N, d₁, …) and there are as many outputs for each. `options` cut the batch into parts whose
    logits never exist all at once (`LinearCrossEntropyOptions`).

    Errors: RuntimeError if `weight` is not (num_classes,) or label_smoothing is not within [0, 1].

    >>> import rushlight as torch
    >>> loss = torch.nn.LinearCrossEntropyLoss(5, 1000, options=torch.nn.LinearCrossEntropyOptions(batch_chunk_size=16))
    >>> loss(torch.ones(64, 5), torch.arange(64)).shape
    torch.Size([])
    """

    weight: Tensor | None

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        name = "LinearCrossEntropyLoss"
        if weight is not None and tuple(weight.shape) != (num_classes,):
            got = f"weight of shape {list(weight.shape)}"
            raise RuntimeError(explain_error(name, got=got, expected=f"[{num_classes}], one number for each class"))
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(
                explain_error(name, got=f"label_smoothing={label_smoothing}", expected="between 0 and 1")
            )
        super().__init__()
        self.reduction = reduction
        self.register_buffer("weight", weight)
        self.num_classes = num_classes
        self.out_features = out_features
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.linear = Linear(
            in_features, math.prod(out_features, start=num_classes), bias=bias, device=device, dtype=dtype
        )
        self.options = options

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, out_features={self.out_features}, "
            f"bias={self.linear.bias is not None}, reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        shape = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return linear_cross_entropy(
            input,
            self.linear.weight.reshape(*shape, self.linear.in_features),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )
