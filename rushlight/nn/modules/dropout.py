"""Layers that zero random values while training and do nothing in eval mode."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module


class _DropoutNd(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: got p={p}; expected a probability between 0 and 1")
        self.p = p
        self.inplace = inplace

    def _drop(self, function: Any, input: rushlight.Tensor) -> rushlight.Tensor:
        return function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Zero each value with probability p and scale the others by 1/(1 − p), in training only.

    Shapes: any. ValueError for a p that is not in 0 … 1.

    >>> import rushlight as torch
    >>> torch.nn.Dropout(0.2).eval()(torch.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        return self._drop(F.dropout, input)


class Dropout1d(_DropoutNd):
    """Zero whole channels of (N, C, L)."""

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        return self._drop(F.dropout1d, input)


class Dropout2d(_DropoutNd):
    """Zero whole channels of (N, C, H, W); a 2-D input (after a Linear) is treated as (N, C).

    >>> import rushlight as torch
    >>> torch.nn.Dropout2d(0.5).eval()(torch.ones(1, 2, 2, 2)).sum().item()
    8.0
    """

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        return self._drop(F.dropout2d, input)


class Dropout3d(_DropoutNd):
    """Zero whole channels of (N, C, D, H, W)."""

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        return self._drop(F.dropout3d, input)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean 0 and variance 1, for networks of SELUs."""

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """AlphaDropout of whole channels."""

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training)
