"""Von Mises: p(x) = exp(k cos(x - loc)) / (2 pi I0(k)), on the circle."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import broadcast_all, lazy_property

__all__ = ["VonMises"]


class VonMises(Distribution):
    """Angles in [-pi, pi) around `loc`; `concentration` k is the inverse of a variance where it is large."""

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    _parameters = {"loc": 0, "concentration": 0}

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None):
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def log_prob(self, value: Any) -> Any:
        """k (cos(x - loc) - 1) - log(2 pi) - log(exp(-k) I0(k))."""
        if self._validate_args:
            self._validate_sample(value)
        k = self.concentration
        return k * (torch.cos(value - self.loc) - 1) - math.log(2 * math.pi) - torch.special.i0e(k).log()

    @lazy_property
    def _proposal_r(self) -> Any:
        """Best and Fisher's (1979) parameter of the wrapped Cauchy envelope; 1/k + k for small k."""
        k = self.concentration.double()
        tau = 1 + (1 + 4 * k.pow(2)).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        return torch.where(k < 1e-5, 1 / k + k, (1 + rho.pow(2)) / (2 * rho))

    def sample(self, sample_shape: Any = ()) -> Any:
        """Rejection from a wrapped Cauchy distribution, in float64; every round draws for the whole shape."""
        shape = self._extended_shape(sample_shape)
        k, r, loc = self.concentration.double(), self._proposal_r, self.loc.double()
        with torch.no_grad():
            x, done = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.bool)
            while not done.all():
                u1, u2, u3 = torch.rand((3, *shape), dtype=torch.float64).unbind()
                z = torch.cos(math.pi * u1)
                f = (1 + r * z) / (r + z)
                c = k * (r - f)
                accept = (c * (2 - c) - u2 > 0) | ((c / u2).log() + 1 - c >= 0)
                x = torch.where(accept, (u3 - 0.5).sign() * f.acos(), x)
                done = done | accept
            return ((x + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)

    @property
    def mean(self) -> Any:
        """The circular mean."""
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @lazy_property
    def variance(self) -> Any:
        """The circular variance 1 - I1(k) / I0(k)."""
        return 1 - torch.special.i1e(self.concentration) / torch.special.i0e(self.concentration)
