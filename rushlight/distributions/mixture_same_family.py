"""Mixtures: p(x) = sum_k w_k p_k(x), all p_k of one family."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.distribution import Distribution, Size
from rushlight.errors import explain_error

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """Weights in a Categorical, and a distribution whose last batch dimension numbers the components.

    >>> import rushlight as torch
    >>> from rushlight.distributions import Categorical, MixtureSameFamily, Normal
    >>> two = MixtureSameFamily(Categorical(torch.ones(2)), Normal(torch.tensor([-1.0, 1.0]), 0.5))
    >>> two.mean
    tensor(0.)
    """

    arg_constraints: Any = {}
    has_rsample = False
    _parameters = {"_num_component": None, "_event_ndims": None}

    def __init__(self, mixture_distribution: Any, component_distribution: Any, validate_args: bool | None = None):
        def refuse(got: str, expected: str) -> None:
            raise ValueError(explain_error("MixtureSameFamily", got=got, expected=expected))

        if not isinstance(mixture_distribution, Categorical):
            refuse(f"a mixture of class {type(mixture_distribution).__name__}", "a Categorical")
        if not isinstance(component_distribution, Distribution):
            refuse(f"components of class {type(component_distribution).__name__}", "a Distribution")
        batch = component_distribution.batch_shape
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        for ours, theirs in zip(reversed(mixture_distribution.batch_shape), reversed(batch[:-1]), strict=False):
            if ours != 1 and theirs != 1 and ours != theirs:
                refuse(
                    f"mixture batch {list(mixture_distribution.batch_shape)} and components {list(batch)}",
                    "the same batch, and the components last",
                )
        self._num_component = mixture_distribution.logits.shape[-1]
        if not batch or batch[-1] != self._num_component:
            refuse(f"{self._num_component} weights and components {list(batch)}", "a weight for each component")
        self._event_ndims = len(component_distribution.event_shape)
        super().__init__(batch[:-1], component_distribution.event_shape, validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new._mixture_distribution = self._mixture_distribution.expand(Size(batch_shape))
        new._component_distribution = self._component_distribution.expand((*batch_shape, self._num_component))
        return new

    @constraints.dependent_property
    def support(self) -> Any:
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Any:
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Any:
        return self._component_distribution

    def _averaged(self, values: Any) -> Any:
        """The mean of the components' values, by weight."""
        weights = self.mixture_distribution.probs
        return (weights.reshape(*weights.shape, *(1,) * self._event_ndims) * values).sum(-1 - self._event_ndims)

    @property
    def mean(self) -> Any:
        return self._averaged(self.component_distribution.mean)

    @property
    def variance(self) -> Any:
        """The mean of the variances and the variance of the means."""
        parts = self.component_distribution
        centre = self.mean.unsqueeze(-1 - self._event_ndims)
        return self._averaged(parts.variance) + self._averaged((parts.mean - centre).pow(2))

    def cdf(self, x: Any) -> Any:
        return (
            self.component_distribution.cdf(x.unsqueeze(-1 - self._event_ndims)) * self.mixture_distribution.probs
        ).sum(-1)

    def log_prob(self, x: Any) -> Any:
        if self._validate_args:
            self._validate_sample(x)
        parts = self.component_distribution.log_prob(x.unsqueeze(-1 - self._event_ndims))
        return torch.logsumexp(parts + torch.log_softmax(self.mixture_distribution.logits, dim=-1), dim=-1)

    def sample(self, sample_shape: Any = ()) -> Any:
        with torch.no_grad():
            dim = len(sample_shape) + len(self._batch_shape)
            chosen = self.mixture_distribution.sample(sample_shape)
            drawn = self.component_distribution.sample(sample_shape)
            chosen = chosen.reshape(*chosen.shape, *(1,) * (self._event_ndims + 1))
            chosen = chosen.expand(*drawn.shape[:dim], 1, *self._event_shape)
            return drawn.gather(dim, chosen).squeeze(dim)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"
