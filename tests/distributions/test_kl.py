"""kl_divergence of every registered pair against PyTorch's, and how a pair is found."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight
from rushlight.distributions.kl import _KL_REGISTRY

torch = pytest.importorskip("torch")

from cases import FOR_KL  # noqa: E402
from two_libraries import Side, array, attempt, same  # noqa: E402


def names(registry):
    return {(p.__name__, q.__name__) for p, q in registry}


def test_the_same_pairs_are_registered():
    assert names(_KL_REGISTRY) == names(torch.distributions.kl._KL_REGISTRY)


def divergence(side, first, second):
    return attempt(lambda: side.D.kl_divergence(first(side.D, side.t), second(side.D, side.t)))


@pytest.mark.parametrize("pair", sorted(names(_KL_REGISTRY)), ids="-".join)
def test_pair(pair):
    for first, second in zip(FOR_KL[pair[0]], reversed(FOR_KL[pair[1]]), strict=True):
        ours, theirs = (divergence(side, first, second) for side in (Side(rushlight), Side(torch)))
        if theirs is RuntimeError:  # PyTorch does not broadcast these batches
            assert pair == ("LowRankMultivariateNormal", "MultivariateNormal") and ours.shape == (2,)
        elif isinstance(theirs, torch.Tensor) and theirs.isinf().all():
            assert array(ours).min() == np.inf  # of the batch of both; PyTorch's may have that of p alone
        elif "ContinuousBernoulli" in pair and "Uniform" in pair:
            both = array(theirs)  # PyTorch says infinite where both supports are [0, 1]
            np.testing.assert_allclose(array(ours)[np.isfinite(both)], both[np.isfinite(both)], rtol=1e-7)
        else:
            same(ours, theirs, rtol=1e-6, atol=1e-9)


def test_where_the_supports_are_the_same():
    """By quadrature."""
    D = rushlight.distributions
    x = (rushlight.arange(20000, dtype=rushlight.float64) + 0.5) / 20000
    zero, one, share = (rushlight.tensor(v, dtype=rushlight.float64) for v in (0.0, 1.0, 0.2))
    flat, tilted = D.Uniform(zero, one), D.ContinuousBernoulli(share)
    for p, q in ((tilted, flat), (flat, tilted)):
        expected = (p.log_prob(x).exp() * (p.log_prob(x) - q.log_prob(x))).mean().item()
        assert abs(D.kl_divergence(p, q).item() - expected) < 1e-5


def test_the_nearest_pair_is_taken():
    D = rushlight.distributions

    class A(D.Normal):
        pass

    class B(A):
        pass

    D.register_kl(A, D.Normal)(lambda p, q: "left")
    D.register_kl(D.Normal, A)(lambda p, q: "right")
    try:
        assert D.kl_divergence(B(0.0, 1.0), D.Normal(0.0, 1.0)) == "left"
        assert D.kl_divergence(D.Normal(0.0, 1.0), B(0.0, 1.0)) == "right"
        with pytest.warns(RuntimeWarning, match="alike"):
            assert D.kl_divergence(B(0.0, 1.0), B(0.0, 1.0)) == "left"
        D.register_kl(B, B)(lambda p, q: "both")
        assert D.kl_divergence(B(0.0, 1.0), B(0.0, 1.0)) == "both"
    finally:
        for p, q in [key for key in _KL_REGISTRY if key[0] in (A, B) or key[1] in (A, B)]:
            del _KL_REGISTRY[p, q]
        rushlight.distributions.kl._dispatch_kl.cache_clear()


def test_different_transforms_do_not_cancel():
    D = rushlight.distributions
    p, q = (D.TransformedDistribution(D.Normal(0.0, 1.0), t) for t in (D.ExpTransform(), D.TanhTransform()))
    with pytest.raises(NotImplementedError, match="transforms"):
        D.kl_divergence(p, q)


def test_only_distributions_are_registered():
    with pytest.raises(TypeError, match="Distribution"):
        rushlight.distributions.register_kl(int, rushlight.distributions.Normal)
