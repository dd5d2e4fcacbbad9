"""Small layers and losses of detectors and classifiers."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight import nn
from rushlight.errors import explain_error
from rushlight.nn import functional as F


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation with statistics and weights that stay: x · s + (bias - mean · s), s = weight / √(var + eps)."""

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        for name, fill in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((num_features,), fill))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        state_dict.pop(prefix + "num_batches_tracked", None)  # a file of BatchNorm2d
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, x: Any) -> Any:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weight.shape[0]}, eps={self.eps})"


class Permute(nn.Module):
    """x.permute(dims)."""

    def __init__(self, dims: list[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Any) -> Any:
        return torch.permute(x, self.dims)


def stochastic_depth(input: Any, p: float, mode: str, training: bool = True) -> Any:
    """Zeros in place of whole samples (mode "row") or of the whole batch ("batch") with probability p; what is left is
    divided by 1 - p."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(explain_error("stochastic_depth", got=f"p={p}", expected="a probability in [0, 1]"))
    if mode not in ("batch", "row"):
        raise ValueError(explain_error("stochastic_depth", got=f"mode={mode!r}", expected='"batch" or "row"'))
    if not training or p == 0.0:
        return input
    size = [input.shape[0] if mode == "row" else 1] + [1] * (input.ndim - 1)
    kept = torch.empty(size, dtype=input.dtype, device=input.device).bernoulli_(1.0 - p)
    return input * (kept / (1.0 - p) if p < 1.0 else kept)


class StochasticDepth(nn.Module):
    """`stochastic_depth` while training."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, input: Any) -> Any:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"


def sigmoid_focal_loss(
    inputs: Any, targets: Any, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Any:
    """(1 - p_t)^gamma · cross entropy, where p_t is the probability given to the truth; positives weigh alpha, negatives
    1 - alpha (a negative alpha: all the same). `inputs` are logits, `targets` 0 or 1."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            explain_error("sigmoid_focal_loss", got=f"reduction={reduction!r}", expected='"none", "mean" or "sum"')
        )
    p = torch.sigmoid(inputs)
    entropy = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    loss = entropy * (1 - (p * targets + (1 - p) * (1 - targets))) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return loss if reduction == "none" else getattr(loss, reduction)()
