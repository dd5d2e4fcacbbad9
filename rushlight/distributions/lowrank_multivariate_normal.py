"""Multivariate normal with covariance W W^T + diag(D), W with few columns."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.multivariate_normal import half_log_det, mahalanobis
from rushlight.distributions.utils import _standard_normal, lazy_property
from rushlight.errors import explain_error

__all__ = ["LowRankMultivariateNormal"]


class LowRankMultivariateNormal(Distribution):
    """Normal vectors with covariance W W^T + diag(D): `cov_factor` W (n, rank), `cov_diag` D (n).

    Densities take the rank x rank capacitance matrix I + W^T D^-1 W instead of the covariance (Woodbury's identity).
    """

    arg_constraints = {
        "loc": constraints.real_vector, "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }  # fmt: skip
    support = constraints.real_vector
    has_rsample = True
    _parameters = {
        "loc": 1, "cov_factor": 2, "cov_diag": 1, "_unbroadcasted_cov_factor": None, "_unbroadcasted_cov_diag": None,
        "_capacitance_tril": None,
    }  # fmt: skip

    def __init__(self, loc: Any, cov_factor: Any, cov_diag: Any, validate_args: bool | None = None):
        def refuse(got: str, expected: str) -> None:
            raise ValueError(explain_error("LowRankMultivariateNormal", got=got, expected=expected))

        if loc.dim() < 1:
            refuse("loc of shape []", "one dimension or more")
        n = loc.shape[-1]
        if cov_factor.dim() < 2 or cov_factor.shape[-2] != n:
            refuse(f"cov_factor of shape {list(cov_factor.shape)}", f"(..., {n}, rank)")
        if cov_diag.dim() < 1 or cov_diag.shape[-1] != n:
            refuse(f"cov_diag of shape {list(cov_diag.shape)}", f"(..., {n})")
        batch = torch.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        self.loc = loc.expand((*batch, n))
        self.cov_factor, self.cov_diag = (
            cov_factor.expand((*batch, *cov_factor.shape[-2:])),
            cov_diag.expand((*batch, n)),
        )
        super().__init__(batch, (n,), validate_args=validate_args)
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = cov_factor, cov_diag
        rank = cov_factor.shape[-1]
        identity = torch.eye(rank, dtype=loc.dtype, device=loc.device)
        self._capacitance_tril = torch.linalg.cholesky(identity + self._weighted() @ cov_factor)

    def _weighted(self) -> Any:
        """W^T D^-1."""
        return self._unbroadcasted_cov_factor.mT / self._unbroadcasted_cov_diag.unsqueeze(-2)

    def _matrix(self, value: Any) -> Any:
        return value.expand(self._batch_shape + self._event_shape + self._event_shape)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @lazy_property
    def variance(self) -> Any:
        value = self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag
        return value.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Any:
        """D^(1/2) chol(I + D^(-1/2) W W^T D^(-1/2))."""
        root = self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        factor = self._unbroadcasted_cov_factor / root
        identity = torch.eye(self._event_shape[0], dtype=factor.dtype, device=factor.device)
        return self._matrix(root * torch.linalg.cholesky(factor @ factor.mT + identity))

    @lazy_property
    def covariance_matrix(self) -> Any:
        factor = self._unbroadcasted_cov_factor
        return self._matrix(factor @ factor.mT + torch.diag_embed(self._unbroadcasted_cov_diag))

    @lazy_property
    def precision_matrix(self) -> Any:
        """D^-1 - A^T A, A = L^-1 W^T D^-1, L the capacitance matrix's factor."""
        a = torch.linalg.solve_triangular(self._capacitance_tril, self._weighted(), upper=False)
        return self._matrix(torch.diag_embed(self._unbroadcasted_cov_diag.reciprocal()) - a.mT @ a)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        narrow = _standard_normal((*shape[:-1], self.cov_factor.shape[-1]), self.loc.dtype, self.loc.device)
        wide = _standard_normal(shape, self.loc.dtype, self.loc.device)
        low = (self._unbroadcasted_cov_factor @ narrow.unsqueeze(-1)).squeeze(-1)
        return self.loc + low + self._unbroadcasted_cov_diag.sqrt() * wide

    def _log_det(self) -> Any:
        return 2 * half_log_det(self._capacitance_tril) + self._unbroadcasted_cov_diag.log().sum(-1)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        x = value - self.loc
        inner = (self._weighted() @ x.unsqueeze(-1)).squeeze(-1)
        distance = (x.pow(2) / self._unbroadcasted_cov_diag).sum(-1) - mahalanobis(self._capacitance_tril, inner)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + self._log_det() + distance)

    def entropy(self) -> Any:
        value = 0.5 * (self._event_shape[0] * (1 + math.log(2 * math.pi)) + self._log_det())
        return value.expand(self._batch_shape)
