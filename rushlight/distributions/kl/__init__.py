"""`torch.distributions.kl`: KL(p || q) = E_p[log p(x) - log q(x)], found by the classes of p and q."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from rushlight.distributions.distribution import Distribution
from rushlight.errors import explain_error

__all__ = ["register_kl", "kl_divergence"]

_KL_REGISTRY: dict[tuple[type, type], Callable[[Any, Any], Any]] = {}


def register_kl(type_p: type, type_q: type) -> Callable:
    """Register a function of (p, q) for two classes and their subclasses; a decorator.

    >>> from rushlight.distributions import Normal, register_kl
    >>> class Mine(Normal): ...
    >>> @register_kl(Mine, Mine)
    ... def kl_mine(p, q):
    ...     return abs(p.loc - q.loc)
    """
    for kind in (type_p, type_q):
        if not isinstance(kind, type) or not issubclass(kind, Distribution):
            raise TypeError(explain_error("register_kl", got=f"{kind!r}", expected="subclasses of Distribution"))

    def add(fun: Callable) -> Callable:
        _KL_REGISTRY[type_p, type_q] = fun
        _dispatch_kl.cache_clear()
        return fun

    return add


@functools.cache
def _dispatch_kl(type_p: type, type_q: type) -> Any:
    """The function of the nearest superclasses, those of p first; a warning where those of q first say otherwise."""
    matches = [(p, q) for p, q in _KL_REGISTRY if issubclass(type_p, p) and issubclass(type_q, q)]
    if not matches:
        return None
    rank_p, rank_q = type_p.__mro__.index, type_q.__mro__.index
    left = min(matches, key=lambda m: (rank_p(m[0]), rank_q(m[1])))
    right = min(matches, key=lambda m: (rank_q(m[1]), rank_p(m[0])))
    if _KL_REGISTRY[left] is not _KL_REGISTRY[right]:
        names = [f"({p.__name__}, {q.__name__})" for p, q in (left, right, (type_p, type_q))]
        text = f"kl_divergence: {names[0]} and {names[1]} fit {names[2]} alike; the first is taken. Fix: register_kl for the pair."
        warnings.warn(text, RuntimeWarning, stacklevel=3)
    return _KL_REGISTRY[left]


def kl_divergence(p: Distribution, q: Distribution) -> Any:
    """KL(p || q), of batch shape; NotImplementedError for pairs without a registered formula.

    >>> from rushlight.distributions import Normal, kl_divergence
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    fun = _dispatch_kl(type(p), type(q))
    if fun is None:
        pair = f"({type(p).__name__}, {type(q).__name__})"
        raise NotImplementedError(
            f"kl_divergence: no formula is registered for {pair}. Fix: register_kl, or average log_prob over samples."
        )
    return fun(p, q)


from rushlight.distributions.kl import cross, same  # noqa: E402, F401  they register their formulas
