"""Exponential families: p(x) = h(x) exp(<theta, t(x)> - A(theta))."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight.distributions.distribution import Distribution, _missing

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """A family that knows its natural parameters theta, A(theta) and E log h(x): entropy and divergence follow from them."""

    @property
    def _natural_params(self) -> tuple[Any, ...]:
        raise _missing(self, "_natural_params")

    def _log_normalizer(self, *natural_params: Any) -> Any:
        raise _missing(self, "_log_normalizer()")

    @property
    def _mean_carrier_measure(self) -> Any:
        raise _missing(self, "_mean_carrier_measure")

    def _expectations(self) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
        """A(theta), theta, and E t(x) = dA/dtheta, by differentiation."""
        parameters = tuple(p.detach().requires_grad_() for p in self._natural_params)
        with torch.enable_grad():
            normalizer = self._log_normalizer(*parameters)
            return normalizer, parameters, torch.autograd.grad(normalizer.sum(), parameters, create_graph=True)

    def entropy(self) -> Any:
        """A(theta) - <theta, dA/dtheta> - E log h(x)."""
        normalizer, parameters, gradients = self._expectations()
        result = normalizer - self._mean_carrier_measure
        for parameter, gradient in zip(parameters, gradients, strict=True):
            result = result - (parameter * gradient).reshape(*self._batch_shape, -1).sum(-1)
        return result
