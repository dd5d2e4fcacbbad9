"""Geometric: P(k) = (1 - p)^k p, the failures before the first success."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import BinaryOrLogits, broadcast_all
from rushlight.errors import explain_error
from rushlight.nn.functional import binary_cross_entropy_with_logits

__all__ = ["Geometric"]


class Geometric(BinaryOrLogits, Distribution):
    """Failures before the first success of trials with `probs`, or `logits` = log(p / (1 - p)); ValueError at p = 0."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer
    _parameters = {"probs": 0, "logits": 0, "_given": None}

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        (value,) = broadcast_all(self._take(probs, logits))
        setattr(self, self._given, value)
        super().__init__(value.size(), validate_args=validate_args)
        if self._validate_args and probs is not None and not (value > 0).all():
            raise ValueError(
                explain_error("Geometric", got=f"probs={value}", expected="probs > 0", fix="a success must be possible")
            )

    @property
    def mean(self) -> Any:
        return 1 / self.probs - 1

    @property
    def mode(self) -> Any:
        return torch.zeros_like(self.probs)

    @property
    def variance(self) -> Any:
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape: Any = ()) -> Any:
        """floor(log(u) / log(1 - p)), u uniform."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            u = self.probs.new_empty(shape).uniform_(torch.finfo(self.probs.dtype).tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        failure = torch.where((probs == 1) & (value == 0), 0.0, probs)  # 0 failures of certain successes: 0 log 0 is 0
        return value * (-failure).log1p() + self.probs.log()

    def entropy(self) -> Any:
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs
