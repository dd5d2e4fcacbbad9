"""Negative binomial: P(k) = Gamma(r + k) / (k! Gamma(r)) (1 - p)^r p^k, successes before the r-th failure."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.gamma import Gamma
from rushlight.distributions.utils import BinaryOrLogits, broadcast_all, lazy_property
from rushlight.nn.functional import logsigmoid

__all__ = ["NegativeBinomial"]


class NegativeBinomial(BinaryOrLogits, Distribution):
    """Successes before `total_count` failures (any number >= 0); `probs` of success, or `logits` = log(p / (1 - p))."""

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0), "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }  # fmt: skip
    support = constraints.nonnegative_integer
    _parameters = {"total_count": 0, "probs": 0, "logits": 0, "_given": None}

    def __init__(self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self.total_count, value = broadcast_all(total_count, self._take(probs, logits))
        self.total_count = self.total_count.type_as(value)
        setattr(self, self._given, value)
        super().__init__(value.size(), validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.total_count * torch.exp(self.logits)

    @property
    def mode(self) -> Any:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0)

    @property
    def variance(self) -> Any:
        return self.mean / torch.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self) -> Gamma:
        return Gamma(self.total_count, torch.exp(-self.logits), validate_args=False)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Poisson counts whose rates are gamma samples."""
        with torch.no_grad():
            return torch.poisson(self._gamma.sample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        r = self.total_count
        unnormalised = r * logsigmoid(-self.logits) + value * logsigmoid(self.logits)
        normaliser = -torch.lgamma(r + value) + torch.lgamma(1 + value) + torch.lgamma(r)
        return unnormalised - torch.where(r + value == 0, 0.0, normaliser)
