"""Wishart: p(X) proportional to det(X)^((df - p - 1) / 2) exp(-tr(V^-1 X) / 2), on positive definite p x p matrices."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch
from rushlight.distributions import constraints
from rushlight.distributions.chi2 import Chi2
from rushlight.distributions.distribution import Size
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.multivariate_normal import half_log_det, scale_of
from rushlight.distributions.utils import lazy_property, one_of, vec_to_tril_matrix
from rushlight.errors import explain_error, warn_user

__all__ = ["Wishart"]


class Wishart(ExponentialFamily):
    """The scatter matrix of `df` normal vectors around 0; df > p - 1 may be any number.

    Exactly one of `covariance_matrix` V, `precision_matrix` V^-1 and `scale_tril` L, V = L L^T.
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0
    _parameters = {
        "df": 0, "covariance_matrix": 2, "precision_matrix": 2, "scale_tril": 2, "_unbroadcasted_scale_tril": None
    }  # fmt: skip

    def __init__(
        self, df: Any, covariance_matrix: Any = None, precision_matrix: Any = None, scale_tril: Any = None,
        validate_args: bool | None = None,
    ):  # fmt: skip
        given = one_of(
            "Wishart",
            AssertionError,
            covariance_matrix=covariance_matrix,
            scale_tril=scale_tril,
            precision_matrix=precision_matrix,
        )
        matrix = next(m for m in (covariance_matrix, scale_tril, precision_matrix) if m is not None)
        if matrix.dim() < 2:
            raise ValueError(
                explain_error(
                    "Wishart", got=f"{given} of shape {list(matrix.shape)}", expected="two dimensions or more"
                )
            )
        df = df if isinstance(df, torch.Tensor) else torch.tensor(df, dtype=matrix.dtype, device=matrix.device)
        batch, p = torch.broadcast_shapes(df.shape, matrix.shape[:-2]), matrix.shape[-1]
        self.df = df.expand(batch)
        setattr(self, given, matrix.expand((*batch, *matrix.shape[-2:])))
        if self.df.le(p - 1).any():
            raise ValueError(explain_error("Wishart", got=f"df={df}", expected=f"df > {p - 1}, the dimension less one"))
        super().__init__(batch, matrix.shape[-2:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = scale_of(given, matrix)

    @property
    def arg_constraints(self) -> dict[str, Any]:
        return {
            "covariance_matrix": constraints.positive_definite, "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky, "df": constraints.greater_than(self._event_shape[-1] - 1),
        }  # fmt: skip

    def _matrix(self, value: Any) -> Any:
        return value.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Any:
        return self._matrix(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Any:
        return self._matrix(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Any:
        return self._matrix(torch.cholesky_inverse(self._unbroadcasted_scale_tril))

    def _df(self, dims: int) -> Any:
        return self.df.view(*self._batch_shape, *(1,) * dims)

    @property
    def mean(self) -> Any:
        return self._df(2) * self.covariance_matrix

    @property
    def mode(self) -> Any:
        """(df - p - 1) V; nan where that is not positive."""
        factor = self.df - self.covariance_matrix.shape[-1] - 1
        factor = torch.where(factor <= 0, math.nan, factor)
        return factor.view(*self._batch_shape, 1, 1) * self.covariance_matrix

    @property
    def variance(self) -> Any:
        """df (V_ij^2 + V_ii V_jj)."""
        v = self.covariance_matrix
        diagonal = v.diagonal(dim1=-2, dim2=-1)
        return self._df(2) * (v.pow(2) + diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2))

    def _bartlett_sampling(self, sample_shape: Any = ()) -> Any:
        """(L A)(L A)^T, A lower triangular: roots of chi-squared samples on the diagonal, normal ones below."""
        p = self._event_shape[-1]
        counts = self.df.unsqueeze(-1) - torch.arange(p, dtype=self.df.dtype, device=self.df.device)
        roots = Chi2(counts).rsample(sample_shape).sqrt()
        below = torch.randn(Size(sample_shape) + self._batch_shape + (p * (p - 1) // 2,), dtype=self.df.dtype)
        noise = torch.diag_embed(roots)
        if p > 1:
            noise = noise + vec_to_tril_matrix(below, diag=-1)
        chol = self._unbroadcasted_scale_tril @ noise
        return chol @ chol.mT

    def rsample(self, sample_shape: Any = (), max_try_correction: int | None = None) -> Any:
        """Samples; those that rounding has made singular are drawn again, `max_try_correction` (10) times at most.

        PyTorch draws every sample twice and keeps the second, and so the same numbers take it here.
        """
        sample_shape = Size(sample_shape)
        tries = 10 if max_try_correction is None else max_try_correction
        sample = self._bartlett_sampling(sample_shape)
        if tries > 0:
            sample = self._bartlett_sampling(sample_shape)
        for _ in range(tries - 1):
            with torch.no_grad():
                singular = self.support.check(sample).logical_not()
                if not singular.any():
                    break
            warn_user("Wishart: a sample is singular and is drawn again. Fix: a larger df, or float64.")
            sample = torch.where(singular[..., None, None], self._bartlett_sampling(sample_shape), sample)
        return sample

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        nu, p = self.df, self._event_shape[-1]
        solved = torch.cholesky_solve(value, self._unbroadcasted_scale_tril)
        return (
            -nu * (p * math.log(2) / 2 + half_log_det(self._unbroadcasted_scale_tril))
            - torch.mvlgamma(nu / 2, p)
            + (nu - p - 1) / 2 * torch.linalg.slogdet(value).logabsdet
            - solved.diagonal(dim1=-2, dim2=-1).sum(-1) / 2
        )

    def entropy(self) -> Any:
        nu, p = self.df, self._event_shape[-1]
        psi = torch.digamma(nu.unsqueeze(-1) / 2 - torch.arange(p, dtype=nu.dtype, device=nu.device) / 2).sum(-1)
        return (
            (p + 1) * (p * math.log(2) / 2 + half_log_det(self._unbroadcasted_scale_tril))
            + torch.mvlgamma(nu / 2, p) - (nu - p - 1) / 2 * psi + nu * p / 2
        )  # fmt: skip

    @property
    def _natural_params(self) -> tuple[Any, Any]:
        return self.df / 2, -self.precision_matrix / 2

    def _log_normalizer(self, x: Any, y: Any) -> Any:
        p = y.shape[-1]
        return x * (-torch.linalg.slogdet(-2 * y).logabsdet + p * math.log(2)) + torch.mvlgamma(x, p)
