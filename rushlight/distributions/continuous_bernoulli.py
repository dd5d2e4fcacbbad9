"""Continuous Bernoulli: p(x) = C(p) p^x (1 - p)^(1 - x) on [0, 1] (Loaiza-Ganem and Cunningham, 2019).

C(p) = 2 artanh(1 - 2p) / (1 - 2p), and 2 at p = 1/2. Near 1/2, for p within `lims`, Taylor series stand for the
formulas that are 0 / 0 there.
"""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.utils import BinaryOrLogits, broadcast_all, clamp_probs
from rushlight.errors import explain_error
from rushlight.nn.functional import binary_cross_entropy_with_logits

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(BinaryOrLogits, ExponentialFamily):
    """Values in [0, 1]; exactly one of `probs` and `logits` is given. `probs` is not the mean."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0
    _parameters = {"probs": 0, "logits": 0, "_given": None, "_lims": None}

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ):
        (value,) = broadcast_all(self._take(probs, logits))
        if probs is not None:
            if validate_args is not None and not self.arg_constraints["probs"].check(value).all():
                raise ValueError(
                    explain_error(
                        "ContinuousBernoulli", got=f"probs={value}", expected="probs in [0, 1]", fix="logits.sigmoid()"
                    )
                )
            value = clamp_probs(value)
        setattr(self, self._given, value)
        self._lims = lims
        super().__init__(value.size(), validate_args=validate_args)

    def _away(self) -> Any:
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut(self) -> Any:
        """The probabilities, moved to the nearer end of `lims` from within: the formulas are finite there."""
        return torch.where(self._away(), self.probs, self._lims[0] * torch.ones_like(self.probs))

    def _cont_bern_log_norm(self) -> Any:
        """log C(p)."""
        cut, x = self._cut(), (self.probs - 0.5).pow(2)
        below = torch.where(cut <= 0.5, cut, torch.zeros_like(cut))
        above = torch.where(cut >= 0.5, cut, torch.ones_like(cut))
        width = torch.where(cut <= 0.5, torch.log1p(-2 * below), torch.log(2 * above - 1))
        formula = torch.log((torch.log1p(-cut) - torch.log(cut)).abs()) - width
        return torch.where(self._away(), formula, 0.6931471805599453 + (4 / 3 + 104 / 45 * x) * x)

    @property
    def mean(self) -> Any:
        """p / (2p - 1) + 1 / (2 artanh(1 - 2p))."""
        cut, x = self._cut(), self.probs - 0.5
        formula = cut / (2 * cut - 1) + 1 / (torch.log1p(-cut) - torch.log(cut))
        return torch.where(self._away(), formula, 0.5 + (1 / 3 + 16 / 45 * x.pow(2)) * x)

    @property
    def stddev(self) -> Any:
        return torch.sqrt(self.variance)

    @property
    def variance(self) -> Any:
        """p (p - 1) / (1 - 2p)^2 + 1 / (2 artanh(1 - 2p))^2."""
        cut, x = self._cut(), (self.probs - 0.5).pow(2)
        formula = cut * (cut - 1) / (1 - 2 * cut).pow(2) + 1 / (torch.log1p(-cut) - torch.log(cut)).pow(2)
        return torch.where(self._away(), formula, 1 / 12 - (1 / 15 - 128 / 945 * x) * x)

    def sample(self, sample_shape: Any = ()) -> Any:
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        u = torch.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype, device=self.probs.device)
        return self.icdf(u)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none") + self._cont_bern_log_norm()

    def cdf(self, value: Any) -> Any:
        """(p^x (1 - p)^(1 - x) + p - 1) / (2p - 1); x at p = 1/2."""
        if self._validate_args:
            self._validate_sample(value)
        cut = self._cut()
        formula = (torch.pow(cut, value) * torch.pow(1 - cut, 1 - value) + cut - 1) / (2 * cut - 1)
        inside = torch.where(self._away(), formula, value)
        return torch.where(
            value <= 0, torch.zeros_like(inside), torch.where(value >= 1, torch.ones_like(inside), inside)
        )

    def icdf(self, value: Any) -> Any:
        cut = self._cut()
        formula = (torch.log1p(-cut + value * (2 * cut - 1)) - torch.log1p(-cut)) / (torch.log(cut) - torch.log1p(-cut))
        return torch.where(self._away(), formula, value)

    def entropy(self) -> Any:
        """-mean logit - log(1 - p) - log C(p)."""
        failure = torch.log1p(-self.probs)
        return self.mean * (failure - torch.log(self.probs)) - self._cont_bern_log_norm() - failure

    @property
    def _natural_params(self) -> tuple[Any]:
        return (self.logits,)

    def _log_normalizer(self, x: Any) -> Any:
        """log((e^x - 1) / x), its Taylor series near 0."""
        away = (x <= self._lims[0] - 0.5) | (x > self._lims[1] - 0.5)
        cut = torch.where(away, x, (self._lims[0] - 0.5) * torch.ones_like(x))
        formula = torch.log((torch.special.expm1(cut)).abs()) - torch.log(cut.abs())
        return torch.where(away, formula, 0.5 * x + x.pow(2) / 24 - x.pow(4) / 2880)
