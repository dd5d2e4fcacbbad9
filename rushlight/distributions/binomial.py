"""Binomial: P(k) = C(n, k) p^k (1 - p)^(n - k), the successes in n trials."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import BinaryOrLogits, broadcast_all

__all__ = ["Binomial"]


class Binomial(BinaryOrLogits, Distribution):
    """Successes in `total_count` trials with `probs`, or `logits` = log(p / (1 - p))."""

    arg_constraints = {
        "total_count": constraints.nonnegative_integer, "probs": constraints.unit_interval, "logits": constraints.real
    }  # fmt: skip
    has_enumerate_support = True
    _parameters = {"total_count": 0, "probs": 0, "logits": 0, "_given": None}

    def __init__(self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self.total_count, value = broadcast_all(total_count, self._take(probs, logits))
        self.total_count = self.total_count.type_as(value)
        setattr(self, self._given, value)
        super().__init__(value.size(), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Any:
        return self.total_count * self.probs

    @property
    def mode(self) -> Any:
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            return torch.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Any) -> Any:
        """log C(n, k) + k logit - n log(1 + e^logit), the last written so that nothing overflows."""
        if self._validate_args:
            self._validate_sample(value)
        n, logits = self.total_count, self.logits
        ways = torch.lgamma(n + 1) - torch.lgamma(value + 1) - torch.lgamma(n - value + 1)
        return ways + value * logits - n * (logits.clamp(min=0) + torch.log1p(torch.exp(-logits.abs())))

    def entropy(self) -> Any:
        """-sum_k P(k) log P(k), where `total_count` is the same everywhere."""
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(torch.exp(log_prob) * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> Any:
        count = int(self.total_count.max())
        if not (self.total_count == count).all():
            raise NotImplementedError("Binomial: enumerate_support() needs one total_count for the whole batch.")
        return self._enumerated(torch.arange(1 + count, dtype=self._param.dtype, device=self._param.device), expand)
