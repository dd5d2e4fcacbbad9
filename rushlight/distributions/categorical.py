"""Categorical: class i with probability p_i."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import BinaryOrLogits
from rushlight.errors import explain_error

__all__ = ["Categorical"]


class Categorical(BinaryOrLogits, Distribution):
    """Classes by weights `probs` >= 0 (they are divided by their sum), or by `logits`, along the last dimension.

    >>> import rushlight as torch
    >>> torch.distributions.Categorical(torch.tensor([0.0, 1.0])).sample()
    tensor(1)
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _binary = False
    _parameters = {"probs": 1, "logits": 1, "_given": None, "_num_events": None}

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        value = self._take(probs, logits)
        if value.dim() < 1:
            raise ValueError(
                explain_error("Categorical", got=f"{self._given} of shape []", expected="one dimension or more")
            )
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = logits - logits.logsumexp(dim=-1, keepdim=True)
        self._num_events = value.size(-1)
        super().__init__(value.size()[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    def _nothing(self) -> Any:
        return torch.full(self._extended_shape(), torch.nan, dtype=self.probs.dtype, device=self.probs.device)

    @property
    def mean(self) -> Any:
        """nan: classes have no order."""
        return self._nothing()

    @property
    def mode(self) -> Any:
        return self.probs.argmax(dim=-1)

    @property
    def variance(self) -> Any:
        return self._nothing()

    def sample(self, sample_shape: Any = ()) -> Any:
        sample_shape = torch.Size(sample_shape)
        with torch.no_grad():
            drawn = torch.multinomial(self.probs.reshape(-1, self._num_events), sample_shape.numel(), True)
            return drawn.T.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        value, logits = torch.broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Any:
        least = torch.finfo(self.logits.dtype).min  # 0 log 0 is 0
        return -(self.logits.clamp(min=least) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Any:
        return self._enumerated(torch.arange(self._num_events, dtype=torch.long, device=self._param.device), expand)
