"""Every distribution against PyTorch's: properties, samples of the same seed, densities, and gradients in float64."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import rushlight
from rushlight import config

torch = pytest.importorskip("torch")

from cases import DISTRIBUTIONS  # noqa: E402
from two_libraries import array, attempt, same, seeded  # noqa: E402

# PyTorch's I0 is a polynomial of about 8 digits; its implicit gradients of gamma variables have about 4.
CLOSE = {"VonMises": 3e-6}
IMPLICIT = 1e-3


@pytest.fixture(params=DISTRIBUTIONS)
def pair(request, sides):
    """(name, our distribution, PyTorch's)."""
    return request.param, *(DISTRIBUTIONS[request.param](side.D, side.t) for side in sides)


@pytest.mark.filterwarnings("ignore:Singular sample")
class TestLikePyTorch:
    def test_properties(self, pair):
        name, ours, theirs = pair
        for what in (
            "batch_shape",
            "event_shape",
            "has_rsample",
            "has_enumerate_support",
            "mean",
            "mode",
            "variance",
            "stddev",
        ):
            if (name, what) == ("Kumaraswamy", "mode"):
                continue  # PyTorch's is nan; test_modes
            same(
                *(attempt(lambda d=d, what=what: getattr(d, what)) for d in (ours, theirs)),
                rtol=CLOSE.get(name, 1e-9),
                what=what,
            )
        assert repr(ours) == repr(theirs)
        assert type(ours).__module__.removeprefix("rush") == type(theirs).__module__.replace("torch", "light", 1)

    def test_entropy_and_all_values(self, pair):
        _, ours, theirs = pair
        for what in ("entropy", "perplexity", "enumerate_support"):
            same(*(attempt(lambda d=d, what=what: getattr(d, what)()) for d in (ours, theirs)), what=what)
        same(*(attempt(lambda d=d: d.enumerate_support(expand=False)) for d in (ours, theirs)))

    @pytest.mark.parametrize("shape", [(), (3, 2)])
    def test_samples_are_pytorchs(self, pair, shape):
        name, ours, theirs = pair
        seeded()
        same(ours.sample(shape), theirs.sample(shape), rtol=1e-12)
        np.testing.assert_array_equal(rushlight.get_rng_state().numpy(), torch.get_rng_state().numpy())

    def test_densities(self, pair, sides):
        name, ours, theirs = pair
        value = theirs.sample((4,))
        mine = rushlight.tensor(value.tolist(), dtype=getattr(rushlight, str(value.dtype)[6:]))
        logs = ours.log_prob(mine), theirs.log_prob(value)
        same(*logs, rtol=CLOSE.get(name, 1e-8), atol=CLOSE.get(name, 1e-9))
        same(*(attempt(lambda d=d, x=x: d.cdf(x)) for d, x in ((ours, mine), (theirs, value))))
        level = 0.3
        same(
            *(
                attempt(lambda d=d, s=s: d.icdf(s.library.tensor(level, dtype=s.library.float64)))
                for d, s in zip((ours, theirs), sides)
            )
        )
        if sides[0].parameters:
            for own, other in zip(sides[0].gradients(logs[0]), sides[1].gradients(logs[1]), strict=True):
                assert (own is None) == (other is None)
                if (
                    own is not None
                ):  # what is above a Cholesky factor's diagonal is no part of it: no gradient of ours goes there
                    other = other.tril() if name == "Wishart-scale" and other.dim() > 1 else other
                    same(own, other, rtol=CLOSE.get(name, 1e-7), atol=1e-8)

    def test_gradients_of_samples(self, pair, sides):
        name, ours, theirs = pair
        seeded()
        drawn = [attempt(lambda d=d: d.rsample((3,))) for d in (ours, theirs)]
        same(*drawn, rtol=1e-12)
        if (
            not sides[0].parameters or not theirs.has_rsample or name.startswith("Wishart")
        ):  # PyTorch cannot differentiate its Wishart samples
            return
        for own, other in zip(*(s.gradients(x * x) for s, x in zip(sides, drawn)), strict=True):
            assert (own is None) == (other is None)
            if own is not None:
                same(own, other, rtol=IMPLICIT, atol=1e-9)

    def test_expand(self, pair):
        name, ours, theirs = pair
        shape = (3, *theirs.batch_shape)
        ours, theirs = ours.expand(shape), theirs.expand(shape)
        assert type(ours).__name__ == type(theirs).__name__
        for what in ("batch_shape", "event_shape", "mean", "variance"):
            same(
                *(attempt(lambda d=d, what=what: getattr(d, what)) for d in (ours, theirs)),
                rtol=CLOSE.get(name, 1e-9),
                what=what,
            )
        seeded()
        drawn = ours.sample((2,)), theirs.sample((2,))
        same(*drawn, rtol=1e-12)
        same(ours.log_prob(drawn[0]), theirs.log_prob(drawn[1]), rtol=CLOSE.get(name, 1e-8), atol=CLOSE.get(name, 1e-9))


# PyTorch's GeneralizedPareto is for float32 only.
def test_generalized_pareto():
    def make(m):
        return m.distributions.GeneralizedPareto(
            m.tensor([0.0, 1.0, 0.0]), m.tensor([1.0, 2.0, 1.0]), m.tensor([0.0, 0.4, -0.5])
        )

    ours, theirs = make(rushlight), make(torch)
    for what in ("mean", "variance", "mode", "batch_shape", "has_rsample"):
        same(getattr(ours, what), getattr(theirs, what), rtol=1e-6)
    assert repr(ours) == repr(theirs)
    same(ours.entropy(), theirs.entropy())
    seeded()
    values = ours.sample((5,)), theirs.sample((5,))
    same(*values, rtol=1e-6)
    for what in ("log_prob", "cdf", "log_cdf", "log_survival_function"):
        same(getattr(ours, what)(values[0]), getattr(theirs, what)(values[1]), rtol=1e-5, atol=1e-6)
    same(ours.icdf(rushlight.tensor(0.3)), theirs.icdf(torch.tensor(0.3)), rtol=1e-6)
    with pytest.raises(ValueError, match="support"):
        ours.log_prob(rushlight.tensor(-0.5))


BAD = {
    "scale": lambda D, m: D.Normal(0.0, -1.0),
    "nan": lambda D, m: D.Normal(float("nan"), 1.0),
    "text": lambda D, m: D.Normal("a", 1.0),
    "bounds": lambda D, m: D.Uniform(1.0, 0.0),
    "both": lambda D, m: D.Bernoulli(0.5, logits=0.5),
    "neither": lambda D, m: D.Categorical(),
    "probability": lambda D, m: D.Bernoulli(1.5),
    "never": lambda D, m: D.Geometric(0.0),
    "vector": lambda D, m: D.Categorical(m.tensor(0.5)),
    "concentration": lambda D, m: D.Dirichlet(m.tensor(1.0)),
    "simplex": lambda D, m: D.Categorical(m.tensor([-0.5, 1.5])),
    "counts": lambda D, m: D.Multinomial(m.tensor(3), m.tensor([0.5, 0.5])),
    "matrix": lambda D, m: D.MultivariateNormal(m.zeros(2), m.ones(2)),
    "indefinite": lambda D, m: D.MultivariateNormal(m.zeros(2), -m.eye(2)),
    "asymmetric": lambda D, m: D.MultivariateNormal(m.zeros(2), m.tensor([[1.0, 0.5], [0.0, 1.0]])),
    "scalar mean": lambda D, m: D.MultivariateNormal(m.tensor(0.0), m.eye(2)),
    "two matrices": lambda D, m: D.MultivariateNormal(m.zeros(2), m.eye(2), m.eye(2)),
    "low rank": lambda D, m: D.LowRankMultivariateNormal(m.zeros(2), m.ones(3, 1), m.ones(2)),
    "degrees": lambda D, m: D.Wishart(m.tensor(0.5), m.eye(2)),
    "two scatters": lambda D, m: D.Wishart(m.tensor(3.0), m.eye(2), m.eye(2)),
    "dimension": lambda D, m: D.LKJCholesky(1),
    "batch": lambda D, m: D.Independent(D.Normal(0.0, 1.0), 1),
    "mixture": lambda D, m: D.MixtureSameFamily(D.Normal(0.0, 1.0), D.Normal(0.0, 1.0)),
    "weights": lambda D, m: D.MixtureSameFamily(D.Categorical(m.ones(3)), D.Normal(m.zeros(2), 1.0)),
    "transform": lambda D, m: D.TransformedDistribution(D.Normal(0.0, 1.0), [1]),
    "event": lambda D, m: D.TransformedDistribution(D.Normal(0.0, 1.0), D.StickBreakingTransform()),
    "number": lambda D, m: D.Normal(0.0, 1.0).log_prob(1.0),
    "outside": lambda D, m: D.Exponential(1.0).log_prob(m.tensor(-1.0)),
    "half": lambda D, m: D.Poisson(1.0).log_prob(m.tensor(0.5)),
    "class": lambda D, m: D.Categorical(m.ones(2)).log_prob(m.tensor(2)),
    "shape": lambda D, m: D.Normal(m.zeros(3), 1.0).log_prob(m.zeros(2)),
    "event shape": lambda D, m: D.Dirichlet(m.ones(3)).log_prob(m.ones(2) / 2),
    "no samples": lambda D, m: D.Poisson(1.0).rsample(),
    "no cdf": lambda D, m: D.Beta(1.0, 1.0).cdf(m.tensor(0.5)),
    "no entropy": lambda D, m: D.NegativeBinomial(1.0, 0.5 * m.ones(())).entropy(),
    "no support": lambda D, m: D.Distribution().support,
    "no kl": lambda D, m: D.kl_divergence(D.Cauchy(0.0, 1.0), D.Normal(0.0, 1.0)),
    "other family": lambda D, m: D.kl_divergence(D.Normal(0.0, 1.0), D.Bernoulli(0.5)),
    "counts differ": lambda D, m: D.Binomial(m.tensor([1.0, 2.0]), m.tensor(0.5)).enumerate_support(),
    "half precision": lambda D, m: D.Gamma(m.ones(2, dtype=m.float16), 1.0).sample(),
    "default": lambda D, m: D.Distribution.set_default_validate_args(3),
}  # fmt: skip


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_errors_have_pytorchs_classes(call):
    with pytest.raises(Exception) as theirs:
        call(torch.distributions, torch)
    with pytest.raises(type(theirs.value)) as ours:
        call(rushlight.distributions, rushlight)
    assert type(ours.value) is type(theirs.value)
    assert len(str(ours.value)) > 20


def test_checks_can_be_switched_off():
    D = rushlight.distributions
    assert np.isnan(D.Normal(0.0, -1.0, validate_args=False).log_prob(rushlight.tensor(0.0)).item())
    assert D.Exponential(1.0, validate_args=False).log_prob(rushlight.tensor(-1.0)).item() == 1.0
    D.Distribution.set_default_validate_args(False)
    try:
        assert D.Uniform(1.0, 0.0).mean.item() == 0.5
    finally:
        D.Distribution.set_default_validate_args(True)


def test_the_message_says_what_is_wrong():
    with pytest.raises(
        ValueError, match=r"Normal: got scale=-1.0; expected scale to satisfy GreaterThan\(lower_bound=0.0\).*Fix:"
    ):
        rushlight.distributions.Normal(0.0, -1.0)


def test_modes():
    """Where PyTorch's are nan or no maxima: the density is highest there."""
    D = rushlight.distributions
    grid = rushlight.linspace(0.001, 0.999, 999, dtype=rushlight.float64)
    beta_like = D.Kumaraswamy(rushlight.tensor(2.0, dtype=rushlight.float64), 3.0)
    assert abs(grid[beta_like.log_prob(grid).argmax()].item() - beta_like.mode.item()) < 1e-3
    assert D.Weibull(1.0, 0.5).mode.item() == 0.0


def test_subclasses_define_their_own_expand():
    D = rushlight.distributions

    class Plain(D.Normal):
        pass

    class Own(D.Normal):
        def __init__(self, loc):
            super().__init__(loc, 1.0)

    class Expandable(Own):
        def expand(self, batch_shape, _instance=None):
            return super().expand(batch_shape, self._get_checked_instance(Expandable, _instance))

    assert type(Plain(0.0, 1.0).expand((2,))) is Plain
    assert Expandable(0.0).expand((2,)).mean.tolist() == [0.0, 0.0]
    with pytest.raises(NotImplementedError, match="expand"):
        Own(0.0).expand((2,))


@pytest.mark.parametrize("concentration", [0.02, 0.4, 1.0, 3.0, 80.0, 1e4])
def test_implicit_gradient_of_gamma_samples(concentration):
    """dx/da = -(dF/da) / p, by differences of F where SciPy has it, and to fewer digits by PyTorch's approximation."""
    special = pytest.importorskip("scipy.special")
    seeded()
    a = np.full(40, concentration)
    x = torch.distributions.Gamma(torch.tensor(a), 1.0).sample().numpy()
    ours = rushlight._standard_gamma_grad(rushlight.tensor(a), rushlight.tensor(x)).numpy()
    np.testing.assert_allclose(
        ours, torch._standard_gamma_grad(torch.tensor(a), torch.tensor(x)).numpy(), rtol=IMPLICIT
    )
    step = 1e-4 * a
    slope = (special.gammainc(a - 2 * step, x) - 8 * special.gammainc(a - step, x) + 8 * special.gammainc(a + step, x) - special.gammainc(a + 2 * step, x)) / (12 * step)  # fmt: skip
    log_density = (a - 1) * np.log(x) - x - special.gammaln(a)
    inside = (x > 1e-30) & (special.gammainc(a, x) < 0.999)
    np.testing.assert_allclose(ours[inside], (-slope / np.exp(log_density))[inside], rtol=2e-6)


def test_implicit_gradient_of_beta_samples():
    sizes = np.array([0.05, 0.5, 1.0, 3.0, 60.0, 2000.0])
    a, b = (g.ravel() for g in np.meshgrid(np.repeat(sizes, 5), sizes))
    seeded()
    x = torch.distributions.Beta(torch.tensor(a), torch.tensor(b)).sample().numpy()
    ours = rushlight._dirichlet_grad(*map(rushlight.tensor, (x, a, a + b))).numpy()
    theirs = torch._dirichlet_grad(*map(torch.tensor, (x, a, a + b))).numpy()
    error = np.abs(ours - theirs) / np.abs(theirs)
    assert (
        np.isfinite(ours).all() and np.median(error) < 1e-4 and error.max() < 0.03
    )  # PyTorch's approximation is off by up to 2 %
    special = pytest.importorskip("scipy.special")
    step = 1e-4 * a
    slope = (special.betainc(a + step, b, x) - special.betainc(a - step, b, x)) / (2 * step)
    log_density = special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b)
    inside = (x > 1e-8) & (x < 1 - 1e-8) & (special.betainc(a, b, x) < 0.99) & (special.betainc(a, b, x) > 1e-6)
    assert inside.sum() > 60
    np.testing.assert_allclose(ours[inside], (-slope / np.exp(log_density) / (1 - x))[inside], rtol=1e-4)


def test_second_derivatives_of_samples_are_refused():
    a = rushlight.tensor([1.0, 2.0], requires_grad=True)
    (first,) = rushlight.autograd.grad(rushlight._standard_gamma(a).sum(), a, create_graph=True)
    with pytest.raises(NotImplementedError, match="_standard_gamma_grad"):
        first.sum().backward()


def test_on_the_native_backend(monkeypatch):
    """A policy-gradient step, and a reparameterised one, compiled and run twice."""
    monkeypatch.setattr(config, "backend", "llvm")

    def step(m):
        m.manual_seed(1)
        w = m.tensor([0.1, -0.2, 0.3], requires_grad=True)
        for _ in range(2):
            policy = m.distributions.Categorical(logits=w)
            noise = m.distributions.Gamma(w.exp(), 2.0).rsample((5,))
            loss = (
                -policy.log_prob(policy.sample((4,))).mean()
                + m.distributions.kl_divergence(policy, m.distributions.Categorical(m.ones(3)))
                + noise.mean()
            )
            (g,) = m.autograd.grad(loss, w)
            w = (w - 0.1 * g).detach().requires_grad_()
        return w

    np.testing.assert_allclose(array(step(rushlight)), array(step(torch)), rtol=1e-4)


def test_loads_on_first_use():
    code = "import sys, rushlight; assert 'rushlight.distributions' not in sys.modules; rushlight.distributions.Normal(0.0, 1.0)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_and_signatures():
    import inspect

    assert set(rushlight.distributions.__all__) == set(torch.distributions.__all__)
    for name in torch.distributions.__all__:
        theirs = getattr(torch.distributions, name)
        if inspect.isclass(theirs):
            own = inspect.signature(getattr(rushlight.distributions, name).__init__)
            assert list(own.parameters) == list(inspect.signature(theirs.__init__).parameters), name
