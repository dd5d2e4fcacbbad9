"""Multivariate normal: p(x) proportional to exp(-(x - loc)^T C^-1 (x - loc) / 2)."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import _standard_normal, lazy_property, one_of
from rushlight.errors import explain_error

__all__ = ["MultivariateNormal"]


def mahalanobis(tril: Any, x: Any) -> Any:
    """|L^-1 x|^2 for lower triangular L (..., n, n) and x (..., n), broadcast."""
    if tril.dim() == 2:  # one matrix: all vectors are columns of one system
        flat = torch.linalg.solve_triangular(tril, x.reshape(-1, x.shape[-1]).mT, upper=False)
        return flat.pow(2).sum(0).reshape(x.shape[:-1])
    return torch.linalg.solve_triangular(tril, x.unsqueeze(-1), upper=False).pow(2).sum((-2, -1))


def half_log_det(tril: Any) -> Any:
    """log det L."""
    return tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def precision_to_scale_tril(precision: Any) -> Any:
    """The Cholesky factor of P^-1, from that of P with rows and columns in reverse order."""
    reverse = torch.linalg.cholesky(torch.flip(precision, (-2, -1)))
    inverse = torch.flip(reverse, (-2, -1)).mT
    identity = torch.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    return torch.linalg.solve_triangular(inverse, identity.expand_as(precision), upper=False)


def scale_of(given: str, matrix: Any) -> Any:
    """The Cholesky factor of the covariance from whichever matrix is given."""
    if given == "scale_tril":
        return matrix
    return torch.linalg.cholesky(matrix) if given == "covariance_matrix" else precision_to_scale_tril(matrix)


class MultivariateNormal(Distribution):
    """Normal vectors; exactly one of `covariance_matrix` C, `precision_matrix` C^-1 and `scale_tril` L, C = L L^T.

    >>> import rushlight as torch
    >>> d = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    >>> d.log_prob(torch.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector, "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite, "scale_tril": constraints.lower_cholesky,
    }  # fmt: skip
    support = constraints.real_vector
    has_rsample = True
    _parameters = {
        "loc": 1, "covariance_matrix": 2, "precision_matrix": 2, "scale_tril": 2, "_unbroadcasted_scale_tril": None
    }  # fmt: skip

    def __init__(
        self, loc: Any, covariance_matrix: Any = None, precision_matrix: Any = None, scale_tril: Any = None,
        validate_args: bool | None = None,
    ):  # fmt: skip
        if loc.dim() < 1:
            raise ValueError(
                explain_error("MultivariateNormal", got="loc of shape []", expected="one dimension or more")
            )
        given = one_of(
            "MultivariateNormal",
            covariance_matrix=covariance_matrix,
            scale_tril=scale_tril,
            precision_matrix=precision_matrix,
        )
        matrix = next(m for m in (scale_tril, covariance_matrix, precision_matrix) if m is not None)
        if matrix.dim() < 2:
            got = f"{given} of shape {list(matrix.shape)}"
            raise ValueError(explain_error("MultivariateNormal", got=got, expected="two dimensions or more"))
        batch = torch.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, given, matrix.expand((*batch, *matrix.shape[-2:])))
        self.loc = loc.expand((*batch, loc.shape[-1]))
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = scale_of(given, matrix)

    def _matrix(self, value: Any) -> Any:
        return value.expand(self._batch_shape + self._event_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Any:
        return self._matrix(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Any:
        return self._matrix(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Any:
        return self._matrix(torch.cholesky_inverse(self._unbroadcasted_scale_tril))

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        return self._unbroadcasted_scale_tril.pow(2).sum(-1).expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """loc + L (standard normal samples)."""
        eps = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype, self.loc.device)
        return self.loc + (self._unbroadcasted_scale_tril @ eps.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        tril = self._unbroadcasted_scale_tril
        distance = mahalanobis(tril, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + distance) - half_log_det(tril)

    def entropy(self) -> Any:
        """n (1 + log 2 pi) / 2 + log det L."""
        value = 0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi)) + half_log_det(self._unbroadcasted_scale_tril)
        return value.expand(self._batch_shape)
