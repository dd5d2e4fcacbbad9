"""KL(p || q) of distributions of two families: -H(p) - E_p log q(x).

E_p log q is a sum of a few expectations: of x, its square, log x, log(1 - x), exp(-x / s). Each p gives those that it
has in closed form; each q asks for those that its density is made of.
"""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch
from rushlight import distributions as d
from rushlight.distributions.kl import register_kl
from rushlight.distributions.utils import euler_constant

# --- what p gives -----------------------------------------------------------------------------------------------------


def _x_log_x(x: Any) -> Any:
    return torch.xlogy(x, x)


def _mean_log(p: Any) -> Any:
    """E log x."""
    if isinstance(p, d.Beta):
        return p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    if isinstance(p, d.Exponential):
        return -euler_constant - p.rate.log()
    if isinstance(p, d.Pareto):
        return p.scale.log() + p.alpha.reciprocal()
    return (_x_log_x(p.high) - _x_log_x(p.low)) / (p.high - p.low) - 1  # uniform


def _mean_log_rest(p: Any) -> Any:
    """E log(1 - x), x uniform."""
    return (_x_log_x(1 - p.low) - _x_log_x(1 - p.high)) / (p.high - p.low) - 1


def _mean_decay(p: Any, q: Any) -> Any:
    """E exp(-(x - loc) / s), loc and s those of q."""
    s = q.scale
    if isinstance(p, d.Normal):
        return ((q.loc - p.loc) / s + 0.5 * (p.scale / s).pow(2)).exp()
    if isinstance(p, d.Uniform):
        return s / (p.high - p.low) * (((q.loc - p.low) / s).exp() - ((q.loc - p.high) / s).exp())
    count = p.concentration if isinstance(p, d.Gamma) else 1.0  # an exponential variable is gamma(1)
    return (q.loc / s - count * (s * p.rate).reciprocal().log1p()).exp()


def _mean_distance(p: Any, q: Any) -> Any:
    """E |x - loc|, x normal."""
    distance = p.loc - q.loc
    z = distance / (p.scale * math.sqrt(2))
    return p.scale * math.sqrt(2 / math.pi) * (-z.pow(2)).exp() + distance * z.erf()


# --- what q asks for: E_p log q ---------------------------------------------------------------------------------------


def _under_beta(p: Any, q: Any) -> Any:
    a, b = q.concentration1, q.concentration0
    return (a - 1) * _mean_log(p) + (b - 1) * _mean_log_rest(p) - (a.lgamma() + b.lgamma() - (a + b).lgamma())


def _under_continuous_bernoulli(p: Any, q: Any) -> Any:
    return p.mean * q.logits + torch.log1p(-q.probs) + q._cont_bern_log_norm()


def _under_exponential(p: Any, q: Any) -> Any:
    return q.rate.log() - q.rate * p.mean


def _under_gamma(p: Any, q: Any) -> Any:
    a = q.concentration
    return a * q.rate.log() - a.lgamma() + (a - 1) * _mean_log(p) - q.rate * p.mean


def _under_gumbel(p: Any, q: Any) -> Any:
    return -q.scale.log() - (p.mean - q.loc) / q.scale - _mean_decay(p, q)


def _under_laplace(p: Any, q: Any) -> Any:
    return -(2 * q.scale).log() - _mean_distance(p, q) / q.scale


def _under_normal(p: Any, q: Any) -> Any:
    square = p.variance + (p.mean - q.loc).pow(2)
    return -0.5 * math.log(2 * math.pi) - q.scale.log() - square / (2 * q.scale.pow(2))


def _under_pareto(p: Any, q: Any) -> Any:
    return q.alpha.log() + q.alpha * q.scale.log() - (q.alpha + 1) * _mean_log(p)


def _under_poisson(p: Any, q: Any) -> Any:
    return p.probs * q.rate.log() - q.rate  # x is 0 or 1, and log x! is 0


def _under_uniform(p: Any, q: Any) -> Any:
    return -(q.high - q.low).log()


_UNDER = {
    d.Beta: _under_beta, d.ContinuousBernoulli: _under_continuous_bernoulli, d.Exponential: _under_exponential,
    d.Gamma: _under_gamma, d.Gumbel: _under_gumbel, d.Laplace: _under_laplace, d.Normal: _under_normal,
    d.Pareto: _under_pareto, d.Poisson: _under_poisson, d.Uniform: _under_uniform,
}  # fmt: skip

# --- which pairs ------------------------------------------------------------------------------------------------------

_FINITE = {
    d.Bernoulli: (d.Poisson,),
    d.Beta: (d.ContinuousBernoulli, d.Exponential, d.Gamma, d.Normal, d.Uniform),
    d.ContinuousBernoulli: (d.Exponential, d.Normal, d.Uniform),
    d.Exponential: (d.Gamma, d.Gumbel, d.Normal),
    d.Gamma: (d.Exponential, d.Gumbel, d.Normal),
    d.Gumbel: (d.Normal,),
    d.Laplace: (d.Normal,),
    d.Normal: (d.Gumbel, d.Laplace),
    d.Pareto: (d.Exponential, d.Gamma, d.Normal),
    d.Uniform: (d.Beta, d.ContinuousBernoulli, d.Exponential, d.Gamma, d.Gumbel, d.Normal, d.Pareto),
}
# q is 0 in places where p is not, whatever the parameters.
_INFINITE = {
    d.Beta: (d.Pareto,),
    d.ContinuousBernoulli: (d.Pareto,),
    d.Exponential: (d.Beta, d.ContinuousBernoulli, d.Pareto, d.Uniform),
    d.Gamma: (d.Beta, d.ContinuousBernoulli, d.Pareto, d.Uniform),
    d.Gumbel: (d.Beta, d.ContinuousBernoulli, d.Exponential, d.Gamma, d.Pareto, d.Uniform),
    d.Laplace: (d.Beta, d.ContinuousBernoulli, d.Exponential, d.Gamma, d.Pareto, d.Uniform),
    d.Normal: (d.Beta, d.ContinuousBernoulli, d.Exponential, d.Gamma, d.Pareto, d.Uniform),
    d.Pareto: (d.Beta, d.ContinuousBernoulli, d.Uniform),
    d.Poisson: (d.Bernoulli, d.Binomial),
}


def _ends(distribution: Any) -> tuple[Any, Any]:
    """The ends of the support."""
    if isinstance(distribution, d.Uniform):
        return distribution.low, distribution.high
    if isinstance(distribution, d.Pareto):
        return distribution.scale, math.inf
    if isinstance(distribution, (d.Beta, d.ContinuousBernoulli)):
        return 0.0, 1.0
    return (0.0, math.inf) if isinstance(distribution, (d.Exponential, d.Gamma)) else (-math.inf, math.inf)


def _finite(under: Any) -> Any:
    def kl(p: Any, q: Any) -> Any:
        value = -p.entropy() - under(p, q)
        if not isinstance(p, d.Uniform) and not isinstance(q, d.Uniform):
            return value
        (low, high), (least, most) = _ends(p), _ends(q)
        outside = torch.as_tensor(low < least) | torch.as_tensor(high > most)
        return torch.where(outside, math.inf, value)

    return kl


def _heavy_tailed(under: Any, moment: int) -> Any:
    """Of a Pareto p that may lack the moment that q asks for: then infinite."""

    def kl(p: Any, q: Any) -> Any:
        return torch.where(p.alpha <= moment, math.inf, -p.entropy() - under(p, q))

    return kl


def _infinite(p: Any, q: Any) -> Any:
    shape = torch.broadcast_shapes(p.batch_shape, q.batch_shape)
    first = next(v for v in (getattr(p, name) for name in p.arg_constraints) if isinstance(v, torch.Tensor))
    return torch.full(shape, math.inf, dtype=first.dtype, device=first.device)


for _p, _qs in _FINITE.items():
    for _q in _qs:
        if _p is d.Pareto:
            register_kl(_p, _q)(_heavy_tailed(_UNDER[_q], 2 if _q is d.Normal else 1))
        else:
            register_kl(_p, _q)(_finite(_UNDER[_q]))
for _p, _qs in _INFINITE.items():
    for _q in _qs:
        register_kl(_p, _q)(_infinite)
