"""KL(p || q) of two distributions of one family."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch
from rushlight import distributions as d
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.kl import kl_divergence, register_kl
from rushlight.distributions.multivariate_normal import half_log_det
from rushlight.distributions.utils import _sum_rightmost, euler_constant
from rushlight.nn.functional import softplus


@register_kl(d.Bernoulli, d.Bernoulli)
def _bernoulli(p: Any, q: Any) -> Any:
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    one = torch.where(p.probs == 0, 0.0, torch.where(q.probs == 0, math.inf, one))
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    zero = torch.where(p.probs == 1, 0.0, torch.where(q.probs == 1, math.inf, zero))
    return one + zero


@register_kl(d.Beta, d.Beta)
def _beta(p: Any, q: Any) -> Any:
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(d.Binomial, d.Binomial)
def _binomial(p: Any, q: Any) -> Any:
    """Infinite where p's count is the larger one; there is no formula for a smaller one."""
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("kl_divergence: a Binomial p with a smaller total_count than q's has no closed form.")
    kl = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return torch.where(p.total_count > q.total_count, math.inf, kl)


@register_kl(d.Categorical, d.Categorical)
def _categorical(p: Any, q: Any) -> Any:
    each = p.probs * (p.logits - q.logits)
    each = torch.where(q.probs == 0, math.inf, each)
    return torch.where(p.probs == 0, 0.0, each).sum(-1)


@register_kl(d.OneHotCategorical, d.OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Any:
    return _categorical(p._categorical, q._categorical)


@register_kl(d.ContinuousBernoulli, d.ContinuousBernoulli)
def _continuous_bernoulli(p: Any, q: Any) -> Any:
    own = p.mean * p.logits + p._cont_bern_log_norm() + torch.log1p(-p.probs)
    return own - p.mean * q.logits - q._cont_bern_log_norm() - torch.log1p(-q.probs)


@register_kl(d.Dirichlet, d.Dirichlet)
def _dirichlet(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    normalisers = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return normalisers + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(d.Exponential, d.Exponential)
def _exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p: Any, q: Any) -> Any:
    """The Bregman divergence of A: A(theta_q) - A(theta_p) - <theta_q - theta_p, E_p t(x)>."""
    if type(p) is not type(q):
        raise NotImplementedError(
            f"kl_divergence: no formula for ({type(p).__name__}, {type(q).__name__}). Fix: register_kl."
        )
    normalizer, parameters, expected = p._expectations()
    others = q._natural_params
    result = q._log_normalizer(*others) - normalizer
    for ours, theirs, mean in zip(parameters, others, expected, strict=True):
        result = result - _sum_rightmost((theirs - ours) * mean, len(q.event_shape))
    return result


@register_kl(d.Gamma, d.Gamma)
def _gamma(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    rates = b * (p.rate / q.rate).log() + (q.rate - p.rate) * (a / p.rate)
    return rates + b.lgamma() - a.lgamma() + (a - b) * a.digamma()


@register_kl(d.Gumbel, d.Gumbel)
def _gumbel(p: Any, q: Any) -> Any:
    ratio, shift = p.scale / q.scale, (p.loc - q.loc) / q.scale
    return shift - ratio.log() + ratio * euler_constant + (torch.lgamma(1 + ratio) - shift).exp() - (1 + euler_constant)


@register_kl(d.Geometric, d.Geometric)
def _geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - torch.log1p(-q.probs) / p.probs - q.logits


@register_kl(d.HalfNormal, d.HalfNormal)
def _half_normal(p: Any, q: Any) -> Any:
    return _normal(p.base_dist, q.base_dist)


@register_kl(d.Laplace, d.Laplace)
def _laplace(p: Any, q: Any) -> Any:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return distance / q.scale - ratio.log() + ratio * (-distance / p.scale).exp() - 1


@register_kl(d.Normal, d.Normal)
def _normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(d.Pareto, d.Pareto)
def _pareto(p: Any, q: Any) -> Any:
    """Infinite where p's support begins before q's."""
    ratio = q.alpha / p.alpha
    kl = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return torch.where(p.scale < q.scale, math.inf, kl)


@register_kl(d.Poisson, d.Poisson)
def _poisson(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(d.Uniform, d.Uniform)
def _uniform(p: Any, q: Any) -> Any:
    kl = ((q.high - q.low) / (p.high - p.low)).log()
    return torch.where((q.low > p.low) | (q.high < p.high), math.inf, kl)


@register_kl(d.Cauchy, d.Cauchy)
def _cauchy(p: Any, q: Any) -> Any:
    return (((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)) / (4 * p.scale * q.scale)).log()


@register_kl(d.TransformedDistribution, d.TransformedDistribution)
def _transformed(p: Any, q: Any) -> Any:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError(
            "kl_divergence: got different transforms or event shapes; only the same on both sides cancel."
        )
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(d.Independent, d.Independent)
def _independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            "kl_divergence: got Independent distributions with different reinterpreted_batch_ndims."
        )
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


# --- multivariate normals, with covariances in full or of low rank ----------------------------------------------------


def _root(p: Any) -> Any:
    """R with R R^T = the covariance."""
    if isinstance(p, d.MultivariateNormal):
        return p._unbroadcasted_scale_tril
    wide = torch.diag_embed(p.cov_diag.sqrt())
    return torch.cat([p.cov_factor, wide], -1)


def _log_det(p: Any) -> Any:
    return 2 * half_log_det(p._unbroadcasted_scale_tril) if isinstance(p, d.MultivariateNormal) else p._log_det()


def _quadratic(q: Any, x: Any) -> Any:
    """The sum of x^T C^-1 x over the columns of x."""
    if isinstance(q, d.MultivariateNormal):
        return torch.linalg.solve_triangular(q._unbroadcasted_scale_tril, x, upper=False).pow(2).sum((-2, -1))
    inner = torch.linalg.solve_triangular(q._capacitance_tril, q._weighted() @ x, upper=False)
    return (x.pow(2) / q._unbroadcasted_cov_diag.unsqueeze(-1)).sum((-2, -1)) - inner.pow(2).sum((-2, -1))


def _multivariate_normal(p: Any, q: Any) -> Any:
    """(log det C_q - log det C_p + tr(C_q^-1 C_p) + x^T C_q^-1 x - n) / 2, x the distance of the means."""
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"kl_divergence: got vectors of {p.event_shape[0]} and {q.event_shape[0]} elements; expected as many."
        )
    distance = _quadratic(q, (q.loc - p.loc).unsqueeze(-1))
    return 0.5 * (_log_det(q) - _log_det(p) + _quadratic(q, _root(p)) + distance - p.event_shape[0])


for _p in (d.MultivariateNormal, d.LowRankMultivariateNormal):
    for _q in (d.MultivariateNormal, d.LowRankMultivariateNormal):
        register_kl(_p, _q)(_multivariate_normal)
