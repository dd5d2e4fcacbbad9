"""Generalised Pareto: p(x) = (1 + k z)^(-1 - 1/k) / scale, z = (x - loc) / scale, k the concentration."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """What exceeds a high threshold `loc`: exponential at k = 0, heavy-tailed for k > 0, bounded for k < 0."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}
    has_rsample = True
    _parameters = {"loc": 0, "scale": 0, "concentration": 0}

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None):
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.size(), validate_args=validate_args)

    def _exponential(self) -> Any:
        return torch.isclose(self.concentration, torch.zeros_like(self.concentration))

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.icdf(torch.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device))

    def _z(self, x: Any) -> Any:
        return (x - self.loc) / self.scale

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        z, flat = self._z(value), self._exponential()
        k = torch.where(flat, torch.ones_like(self.concentration), self.concentration)
        heavy = -(1 + 1 / k) * torch.log1p(k * z)
        return torch.where(flat, -z, heavy) - torch.log(self.scale)

    def log_survival_function(self, value: Any) -> Any:
        """log(1 - cdf)."""
        if self._validate_args:
            self._validate_sample(value)
        z, flat = self._z(value), self._exponential()
        k = torch.where(flat, torch.ones_like(self.concentration), self.concentration)
        return torch.where(flat, -z, -torch.log1p(k * z) / k)

    def log_cdf(self, value: Any) -> Any:
        """log(1 - exp(log_survival_function))."""
        if self._validate_args:
            self._validate_sample(value)
        return torch.log1p(-torch.exp(self.log_survival_function(value)))

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return torch.exp(self.log_cdf(value))

    def icdf(self, value: Any) -> Any:
        flat = self._exponential()
        k = torch.where(flat, torch.ones_like(self.concentration), self.concentration)
        log_survival = torch.log1p(-value)
        heavy = self.loc + self.scale * torch.expm1(-k * log_survival) / k
        return torch.where(flat, self.loc - self.scale * log_survival, heavy)

    @property
    def mean(self) -> Any:
        """loc + scale / (1 - k); infinite for k >= 1."""
        k = self.concentration
        return torch.where(k < 1, self.loc + self.scale / (1 - k), math.inf)

    @property
    def variance(self) -> Any:
        """scale^2 / ((1 - k)^2 (1 - 2k)); infinite for k >= 1/2."""
        k = self.concentration
        return torch.where(k < 0.5, self.scale.pow(2) / ((1 - k).pow(2) * (1 - 2 * k)), math.inf)

    def entropy(self) -> Any:
        return torch.log(self.scale) + self.concentration + 1

    @property
    def mode(self) -> Any:
        return self.loc

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """[loc, loc - scale / k], without upper end for k >= 0."""
        k = self.concentration
        return constraints.interval(self.loc, torch.where(k < 0, self.loc - self.scale / k, math.inf))
