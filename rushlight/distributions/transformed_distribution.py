"""Distributions of T(x), x from a base distribution: log p(y) = log p(x) - log |dy/dx|."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.independent import Independent
from rushlight.distributions.transforms import ComposeTransform, Transform
from rushlight.distributions.utils import _sum_rightmost
from rushlight.errors import explain_error

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """`transforms`, one or a list applied in order, of samples of `base_distribution`.

    >>> import rushlight as torch
    >>> from rushlight.distributions import ExpTransform, Normal, TransformedDistribution
    >>> TransformedDistribution(Normal(0.0, 1.0), ExpTransform()).log_prob(torch.tensor(1.0))
    tensor(-0.9189)
    """

    arg_constraints: Any = {}
    _parameters: Any = {}

    def __init__(self, base_distribution: Distribution, transforms: Any, validate_args: bool | None = None):
        self.transforms = [transforms] if isinstance(transforms, Transform) else transforms
        if not isinstance(self.transforms, list) or not all(isinstance(t, Transform) for t in self.transforms):
            raise ValueError(
                explain_error(
                    "TransformedDistribution", got=f"{transforms!r}", expected="a transform or a list of them"
                )
            )
        chain, shape = ComposeTransform(self.transforms), base_distribution.batch_shape + base_distribution.event_shape
        if len(shape) < chain.domain.event_dim:
            got = f"a base distribution of shape {list(shape)}"
            expected = f"{chain.domain.event_dim} dimensions or more, as the transforms need"
            raise ValueError(
                explain_error("TransformedDistribution", got=got, expected=expected, fix="expand the base distribution")
            )
        dims = len(base_distribution.event_shape)
        forward = tuple(chain.forward_shape(shape))
        base_shape = tuple(chain.inverse_shape(forward))
        if tuple(shape) != base_shape:
            base_distribution = base_distribution.expand(base_shape[: len(base_shape) - dims])
        more = chain.domain.event_dim - dims
        self.base_dist = Independent(base_distribution, more) if more > 0 else base_distribution
        cut = len(forward) - (chain.codomain.event_dim + max(dims - chain.domain.event_dim, 0))
        super().__init__(forward[:cut], forward[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        shape = tuple(ComposeTransform(self.transforms).inverse_shape(new._batch_shape + self._event_shape))
        new.base_dist = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        new.transforms = self.transforms
        return new

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> Any:
        if not self.transforms:
            return self.base_dist.support
        support, dims = self.transforms[-1].codomain, len(self._event_shape)
        return constraints.independent(support, dims - support.event_dim) if dims > support.event_dim else support

    @property
    def has_rsample(self) -> bool:
        return self.base_dist.has_rsample

    def _forward(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x

    def sample(self, sample_shape: Any = ()) -> Any:
        with torch.no_grad():
            return self._forward(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self._forward(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        dims, result, y = len(self._event_shape), 0.0, value
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            dims += transform.domain.event_dim - transform.codomain.event_dim
            result = result - _sum_rightmost(transform.log_abs_det_jacobian(x, y), dims - transform.domain.event_dim)
            y = x
        return result + _sum_rightmost(self.base_dist.log_prob(y), dims - len(self.base_dist.event_shape))

    def _monotonize_cdf(self, value: Any) -> Any:
        """1 - value where the transforms fall."""
        sign: Any = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        return value if isinstance(sign, int) and sign == 1 else sign * (value - 0.5) + 0.5

    def cdf(self, value: Any) -> Any:
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        return self._monotonize_cdf(self.base_dist.cdf(value))

    def icdf(self, value: Any) -> Any:
        return self._forward(self.base_dist.icdf(self._monotonize_cdf(value)))
