"""Dirichlet: p(x) = prod_i x_i^(a_i - 1) Gamma(sum a) / prod_i Gamma(a_i), on x >= 0 with sum 1."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.errors import explain_error

__all__ = ["Dirichlet"]


class Dirichlet(ExponentialFamily):
    """Shares of independent gamma variables in their sum, along the last dimension. Samples are PyTorch's."""

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True
    _mean_carrier_measure = 0
    _parameters = {"concentration": 1}

    def __init__(self, concentration: Any, validate_args: bool | None = None):
        if concentration.dim() < 1:
            raise ValueError(
                explain_error("Dirichlet", got="a concentration of shape []", expected="one dimension or more")
            )
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return torch._sample_dirichlet(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        return torch.xlogy(a - 1, value).sum(-1) + torch.lgamma(a.sum(-1)) - torch.lgamma(a).sum(-1)

    @property
    def mean(self) -> Any:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Any:
        """(a - 1) / sum(a - 1); a vertex where no a exceeds 1."""
        above = (self.concentration - 1).clamp(min=0)
        mode = above / above.sum(-1, True)
        vertex = torch.nn.functional.one_hot(mode.argmax(dim=-1), self.concentration.shape[-1]).to(mode)
        return torch.where((self.concentration < 1).all(dim=-1, keepdim=True), vertex, mode)

    @property
    def variance(self) -> Any:
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def entropy(self) -> Any:
        a, k = self.concentration, self.concentration.size(-1)
        total = a.sum(-1)
        lead = torch.lgamma(a).sum(-1) - torch.lgamma(total) - (k - total) * torch.digamma(total)
        return lead - ((a - 1) * torch.digamma(a)).sum(-1)

    @property
    def _natural_params(self) -> tuple[Any]:
        return (self.concentration,)

    def _log_normalizer(self, x: Any) -> Any:
        return x.lgamma().sum(-1) - torch.lgamma(x.sum(-1))
