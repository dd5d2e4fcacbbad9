"""Multinomial: P(x) = n! prod_i p_i^x_i / x_i!, how often each class comes in n draws."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.binomial import Binomial
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import broadcast_all
from rushlight.errors import explain_error

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """Counts of classes in `total_count` draws (one int), by weights `probs`, or by `logits`."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    _parameters = {"_categorical": 0, "total_count": None}

    def __init__(self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        if not isinstance(total_count, int):
            got = f"total_count of class {type(total_count).__name__}"
            raise NotImplementedError(
                explain_error("Multinomial", got=got, expected="one int for the whole batch", fix="int(total_count)")
            )
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.probs * self.total_count

    @property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    @property
    def logits(self) -> Any:
        return self._categorical.logits

    @property
    def probs(self) -> Any:
        return self._categorical.probs

    @property
    def param_shape(self) -> Any:
        return self._categorical.param_shape

    def sample(self, sample_shape: Any = ()) -> Any:
        with torch.no_grad():
            drawn = self._categorical.sample((self.total_count, *sample_shape)).movedim(0, -1)
            counts = torch.zeros(self._extended_shape(sample_shape), dtype=torch.int64)
            return counts.scatter_add_(-1, drawn, torch.ones_like(drawn)).type_as(self.probs)

    def entropy(self) -> Any:
        """n H(p) - log n! + sum_i E log x_i!, each x_i binomial."""
        n = torch.tensor(self.total_count)
        single = Binomial(self.total_count, self.probs)
        counts = single.enumerate_support(expand=False)[1:]
        expected = (torch.exp(single.log_prob(counts)) * torch.lgamma(counts + 1)).sum((0, -1))
        return n * self._categorical.entropy() - torch.lgamma(n + 1) + expected

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        ways = torch.lgamma(value.sum(-1) + 1) - torch.lgamma(value + 1).sum(-1)
        return ways + torch.where((value == 0) & (logits == -torch.inf), 0.0, logits * value).sum(-1)
