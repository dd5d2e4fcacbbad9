"""LKJ: Cholesky factors of random correlation matrices (Lewandowski, Kurowicka and Joe, 2009)."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.beta import Beta
from rushlight.distributions.distribution import Distribution, Size
from rushlight.distributions.utils import broadcast_all
from rushlight.errors import explain_error

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Factors L of dim x dim correlation matrices M = L L^T with density proportional to det(M)^(concentration - 1)."""

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky
    _parameters = {"dim": None, "concentration": 0}

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None):
        if dim < 2:
            raise ValueError(explain_error("LKJCholesky", got=f"dim={dim}", expected="dim >= 2"))
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        super().__init__(self.concentration.size(), (dim, dim), validate_args)
        self._beta = self._radii()

    def _radii(self) -> Beta:
        """The squared length of what each row has left of its diagonal (the onion method)."""
        marginal = self.concentration + 0.5 * (self.dim - 2)
        offset = torch.arange(self.dim - 1, dtype=self.concentration.dtype, device=self.concentration.device)
        offset = torch.cat([offset.new_zeros((1,)), offset])
        return Beta(offset + 0.5, marginal.unsqueeze(-1) - 0.5 * offset)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new._beta = self._beta.expand((*batch_shape, self.dim))
        return new

    def sample(self, sample_shape: Any = ()) -> Any:
        with torch.no_grad():
            y = self._beta.sample(Size(sample_shape)).unsqueeze(-1)
            directions = torch.randn(self._extended_shape(sample_shape), dtype=y.dtype, device=y.device).tril(-1)
            directions = directions / directions.norm(dim=-1, keepdim=True)
            rows = torch.arange(self.dim).unsqueeze(-1)
            below = torch.sqrt(y) * torch.where(rows == 0, 0.0, directions)
            diagonal = (1 - below.pow(2).sum(-1)).clamp(min=torch.finfo(y.dtype).tiny).sqrt()
            return below + torch.diag_embed(diagonal)

    def log_prob(self, value: Any) -> Any:
        """sum_i (dim - i + 2 (c - 1)) log L_ii, i = 2..dim, less the log of the normaliser."""
        if self._validate_args:
            self._validate_sample(value)
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = torch.arange(2, self.dim + 1, device=self.concentration.device)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        unnormalised = (order * diagonal.log()).sum(-1)
        less = self.dim - 1
        alpha = self.concentration + 0.5 * less
        normaliser = 0.5 * less * math.log(math.pi) + torch.mvlgamma(alpha - 0.5, less) - torch.lgamma(alpha) * less
        return unnormalised - normaliser
