"""Distances between two batches of vectors."""

from __future__ import annotations

import rushlight
from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module


class PairwiseDistance(Module):
    """‖x₁ − x₂ + eps‖ₚ over the last dimension.

    >>> import rushlight as torch
    >>> torch.nn.PairwiseDistance(eps=0.0)(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([5.])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: rushlight.Tensor, x2: rushlight.Tensor) -> rushlight.Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """x₁ · x₂ / max(‖x₁‖ ‖x₂‖, eps) along `dim`.

    >>> import rushlight as torch
    >>> torch.nn.CosineSimilarity()(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]]))
    tensor([0.7071])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: rushlight.Tensor, x2: rushlight.Tensor) -> rushlight.Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
