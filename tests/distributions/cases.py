"""What the tests try: `make(D, t)` makes a distribution with either library's classes and either's float64 tensors."""

from __future__ import annotations

MATRIX = [[2.0, 0.5], [0.5, 1.0]]
TRIL = [[1.2, 0.0], [0.3, 0.7]]
BATCH_OF_TRILS = [TRIL, [[0.5, 0.0], [-1.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]]]
LOGITS = [[0.1, -1.0, 2.0], [0.0, 0.5, 0.3]]

DISTRIBUTIONS = {
    "Bernoulli": lambda D, t: D.Bernoulli(t([0.2, 0.7, 0.5])),
    "Bernoulli-logits": lambda D, t: D.Bernoulli(logits=t([-1.0, 3.0])),
    "Bernoulli-number": lambda D, t: D.Bernoulli(0.25),
    "Beta": lambda D, t: D.Beta(t([0.5, 2.0, 30.0]), t([1.5, 2.0, 0.7])),
    "Binomial": lambda D, t: D.Binomial(5, t([0.2, 0.9])),
    "Binomial-logits": lambda D, t: D.Binomial(t([40.0, 4.0]), logits=t([0.5, -0.3])),
    "Categorical": lambda D, t: D.Categorical(t([[0.1, 0.3, 0.6], [1.0, 2.0, 3.0]])),
    "Categorical-logits": lambda D, t: D.Categorical(logits=t(LOGITS)),
    "Cauchy": lambda D, t: D.Cauchy(t([0.0, 1.0]), t([1.0, 3.0])),
    "Chi2": lambda D, t: D.Chi2(t([1.0, 4.5])),
    "ContinuousBernoulli": lambda D, t: D.ContinuousBernoulli(t([0.2, 0.5, 0.5004, 0.9])),
    "ContinuousBernoulli-logits": lambda D, t: D.ContinuousBernoulli(logits=t([-1.0, 0.001, 2.0])),
    "Dirichlet": lambda D, t: D.Dirichlet(t([[0.5, 1.0, 3.0], [2.0, 2.0, 2.0]])),
    "Exponential": lambda D, t: D.Exponential(t([0.5, 2.0])),
    "FisherSnedecor": lambda D, t: D.FisherSnedecor(t([1.0, 5.0, 8.0]), t([2.0, 3.0, 9.0])),
    "Gamma": lambda D, t: D.Gamma(t([0.3, 1.0, 7.0]), t([1.0, 2.0, 0.5])),
    "Geometric": lambda D, t: D.Geometric(t([0.2, 0.8])),
    "Geometric-logits": lambda D, t: D.Geometric(logits=t([0.2, -0.8])),
    "Gumbel": lambda D, t: D.Gumbel(t([0.0, 1.0]), t([1.0, 2.0])),
    "HalfCauchy": lambda D, t: D.HalfCauchy(t([1.0, 2.0])),
    "HalfNormal": lambda D, t: D.HalfNormal(t([1.0, 2.0])),
    "Independent": lambda D, t: D.Independent(D.Normal(t([[0.0, 1.0, 2.0]] * 2), t([1.0, 2.0, 3.0])), 1),
    "Independent-transformed": lambda D, t: D.Independent(D.LogNormal(t([0.0, 1.0]), t([1.0, 0.5])), 1),
    "InverseGamma": lambda D, t: D.InverseGamma(t([0.7, 1.5, 4.0]), t([1.0, 2.0, 0.5])),
    "Kumaraswamy": lambda D, t: D.Kumaraswamy(t([0.7, 2.0]), t([1.5, 3.0])),
    "LKJCholesky": lambda D, t: D.LKJCholesky(3, t([0.5, 2.0])),
    "Laplace": lambda D, t: D.Laplace(t([0.0, 1.0]), t([1.0, 2.0])),
    "LogNormal": lambda D, t: D.LogNormal(t([0.0, 1.0]), t([1.0, 0.5])),
    "LogisticNormal": lambda D, t: D.LogisticNormal(t([0.0, 1.0]), t([1.0, 0.5])),
    "LowRankMultivariateNormal": lambda D, t: D.LowRankMultivariateNormal(
        t([0.0, 1.0, 2.0]), t([[1.0], [0.5], [-1.0]]), t([[1.0, 2.0, 0.5], [1.0, 1.0, 1.0]])
    ),
    "MixtureSameFamily": lambda D, t: D.MixtureSameFamily(
        D.Categorical(t([0.3, 0.7])), D.Normal(t([-1.0, 1.0]), t([0.5, 1.0]))
    ),
    "MixtureSameFamily-vectors": lambda D, t: D.MixtureSameFamily(
        D.Categorical(t([[0.3, 0.7], [0.5, 0.5]])), D.Independent(D.Normal(t([[[-1.0, 1.0]] * 2] * 2), t(0.5)), 1)
    ),
    "Multinomial": lambda D, t: D.Multinomial(6, t([[0.1, 0.3, 0.6], [0.2, 0.3, 0.5]])),
    "MultivariateNormal": lambda D, t: D.MultivariateNormal(t([0.0, 1.0]), t(MATRIX)),
    "MultivariateNormal-precision": lambda D, t: D.MultivariateNormal(t([0.0, 1.0]), precision_matrix=t(MATRIX)),
    "MultivariateNormal-batch": lambda D, t: D.MultivariateNormal(t([0.0, 1.0]), scale_tril=t(BATCH_OF_TRILS)),
    "NegativeBinomial": lambda D, t: D.NegativeBinomial(t([3.0, 0.5]), t([0.2, 0.7])),
    "NegativeBinomial-logits": lambda D, t: D.NegativeBinomial(t([3.0, 0.5]), logits=t([0.2, -0.7])),
    "Normal": lambda D, t: D.Normal(t([0.0, 1.0, -2.0]), t([1.0, 2.0, 0.1])),
    "Normal-numbers": lambda D, t: D.Normal(0.5, 2),
    "OneHotCategorical": lambda D, t: D.OneHotCategorical(t([[0.1, 0.3, 0.6], [1.0, 2.0, 3.0]])),
    "OneHotCategoricalStraightThrough": lambda D, t: D.OneHotCategoricalStraightThrough(logits=t(LOGITS)),
    "Pareto": lambda D, t: D.Pareto(t([1.0, 2.0, 1.0]), t([0.7, 1.5, 3.0])),
    "Poisson": lambda D, t: D.Poisson(t([0.5, 4.0, 30.0])),
    "RelaxedBernoulli": lambda D, t: D.RelaxedBernoulli(t(0.7), t([0.2, 0.8])),
    "RelaxedOneHotCategorical": lambda D, t: D.RelaxedOneHotCategorical(t(0.7), logits=t(LOGITS)),
    "StudentT": lambda D, t: D.StudentT(t([0.9, 1.5, 5.0]), t([0.0, 1.0, 2.0]), t(2.0)),
    "TransformedDistribution": lambda D, t: D.TransformedDistribution(
        D.Normal(t([0.0, 1.0]), t(1.0)), [D.AffineTransform(t(1.0), t([-2.0, 2.0])), D.SigmoidTransform()]
    ),
    "TransformedDistribution-chain": lambda D, t: D.TransformedDistribution(
        D.Normal(t([[0.0, 1.0, 0.3]] * 2), t(1.0)), [D.ExpTransform(), D.PowerTransform(t(-0.5)), D.ReshapeTransform((3,), (3, 1))]
    ),
    "Uniform": lambda D, t: D.Uniform(t([0.0, -1.0]), t([1.0, 4.0])),
    "VonMises": lambda D, t: D.VonMises(t([0.0, 2.0]), t([0.5, 8.0])),
    "Weibull": lambda D, t: D.Weibull(t([1.0, 2.0]), t([1.5, 3.0])),
    "Wishart": lambda D, t: D.Wishart(t([3.0, 4.5]), t(MATRIX)),
    "Wishart-scale": lambda D, t: D.Wishart(t(4.0), scale_tril=t(BATCH_OF_TRILS)),
}  # fmt: skip

# KL pairs: at least one distribution a class; all registered pairs are tried, with parameters that overlap and that do not.
FOR_KL = {
    "Bernoulli": [lambda D, t: D.Bernoulli(t([0.2, 0.0, 1.0])), lambda D, t: D.Bernoulli(t([0.6, 0.5, 0.0]))],
    "Beta": [lambda D, t: D.Beta(t([0.5, 2.0, 3.0]), t([1.5, 2.0, 1.0])), lambda D, t: D.Beta(t([1.0, 2.5, 3.0]), t(0.5))],
    "Binomial": [lambda D, t: D.Binomial(t(30.0), t([0.2, 0.5, 0.7])), lambda D, t: D.Binomial(t([30.0, 20.0, 3.0]), t(0.4))],
    "Categorical": [lambda D, t: D.Categorical(t([[0.5, 0.5, 0.0]])), lambda D, t: D.Categorical(t([[0.2, 0.2, 0.6], [1.0, 0.0, 1.0]]))],
    "Cauchy": [lambda D, t: D.Cauchy(t([0.0, 1.0, 2.0]), t(1.0)), lambda D, t: D.Cauchy(t(0.5), t([0.5, 1.0, 2.0]))],
    "ContinuousBernoulli": [
        lambda D, t: D.ContinuousBernoulli(t([0.2, 0.5, 0.8])), lambda D, t: D.ContinuousBernoulli(t([0.4, 0.3, 0.1])),
    ],
    "Dirichlet": [lambda D, t: D.Dirichlet(t([[0.5, 1.0, 3.0]])), lambda D, t: D.Dirichlet(t([[1.0, 1.0, 1.0]] * 2))],
    "Exponential": [lambda D, t: D.Exponential(t([0.5, 1.0, 2.0])), lambda D, t: D.Exponential(t(1.5))],
    "Gamma": [lambda D, t: D.Gamma(t([0.5, 1.0, 2.0]), t(2.0)), lambda D, t: D.Gamma(t([1.5, 3.0, 0.4]), t(1.0))],
    "Geometric": [lambda D, t: D.Geometric(t([0.5, 0.1, 0.2])), lambda D, t: D.Geometric(t(0.7))],
    "Gumbel": [lambda D, t: D.Gumbel(t([0.0, 1.0, -1.0]), t(1.0)), lambda D, t: D.Gumbel(t(0.5), t([1.0, 2.0, 0.5]))],
    "HalfNormal": [lambda D, t: D.HalfNormal(t([0.5, 1.0, 2.0])), lambda D, t: D.HalfNormal(t(1.5))],
    "Independent": [
        lambda D, t: D.Independent(D.Normal(t([0.0, 1.0, 2.0]), t(1.0)), 1), lambda D, t: D.Independent(D.Normal(t([0.5] * 3), t(2.0)), 1)
    ],
    "Laplace": [lambda D, t: D.Laplace(t([0.0, 1.0, -1.0]), t(1.0)), lambda D, t: D.Laplace(t(0.5), t([1.0, 2.0, 0.5]))],
    "LowRankMultivariateNormal": [
        lambda D, t: D.LowRankMultivariateNormal(t([0.0, 1.0]), t([[1.0], [0.5]]), t([1.0, 2.0])),
        lambda D, t: D.LowRankMultivariateNormal(t([0.5, 1.0]), t([[1.0], [-0.5]]), t([[0.5, 2.0], [1.0, 3.0]])),
    ],
    "MultivariateNormal": [
        lambda D, t: D.MultivariateNormal(t([0.0, 1.0]), t(MATRIX)), lambda D, t: D.MultivariateNormal(t([0.0, 0.5]), scale_tril=t(TRIL)),
    ],
    "Normal": [lambda D, t: D.Normal(t([0.0, 1.0, -1.0]), t(1.0)), lambda D, t: D.Normal(t(0.5), t([1.0, 2.0, 0.5]))],
    "OneHotCategorical": [lambda D, t: D.OneHotCategorical(t([0.5, 0.5, 0.0])), lambda D, t: D.OneHotCategorical(t([0.2, 0.2, 0.6]))],
    "Pareto": [lambda D, t: D.Pareto(t([0.5, 1.0, 2.0]), t([3.5, 1.5, 0.5])), lambda D, t: D.Pareto(t(0.7), t([1.0, 2.0, 0.5]))],
    "Poisson": [lambda D, t: D.Poisson(t([0.5, 1.0, 20.0])), lambda D, t: D.Poisson(t(1.5))],
    "TransformedDistribution": [lambda D, t: D.LogNormal(t([0.0, 1.0]), t(1.0)), lambda D, t: D.LogNormal(t(0.5), t([2.0, 0.5]))],
    "Uniform": [lambda D, t: D.Uniform(t([0.0, 0.2, -1.0]), t([1.0, 0.8, 3.0])), lambda D, t: D.Uniform(t([0.0, 0.5, -2.0]), t(3.0))],
    "ExponentialFamily": [lambda D, t: D.Wishart(t([3.0, 4.5]), t(MATRIX)), lambda D, t: D.Wishart(t(4.0), scale_tril=t(TRIL))],
}  # fmt: skip

VECTOR = [[0.3, -1.2, 2.0], [0.0, 0.5, -0.7]]
SQUARE = [[0.3, 9.0], [-0.4, 0.8]]
TRANSFORMS = {  # make, x
    "Abs": (lambda D, t: D.AbsTransform(), VECTOR),
    "Affine": (lambda D, t: D.AffineTransform(t(1.0), t([2.0, -1.0, 0.5])), VECTOR),
    "Affine-number": (lambda D, t: D.AffineTransform(1, -2), VECTOR),
    "Affine-vectors": (lambda D, t: D.AffineTransform(t(1.0), t([2.0, -1.0, 0.5]), event_dim=1), VECTOR),
    "Cat": (lambda D, t: D.CatTransform([D.ExpTransform(), D.SigmoidTransform()], dim=1, lengths=[1, 2]), VECTOR),
    "Compose": (lambda D, t: D.ComposeTransform([D.ExpTransform(), D.AffineTransform(t(0.1), t(2.0)), D.PowerTransform(t(2.0))]), VECTOR),
    "Compose-vectors": (lambda D, t: D.ComposeTransform([D.AffineTransform(t(0.0), t(2.0)), D.StickBreakingTransform(), D.ExpTransform()]), VECTOR),
    "CorrCholesky": (lambda D, t: D.CorrCholeskyTransform(), VECTOR),
    "Cumulative": (lambda D, t: D.CumulativeDistributionTransform(D.Normal(t(0.0), t(2.0))), VECTOR),
    "Exp": (lambda D, t: D.ExpTransform(), VECTOR),
    "Independent": (lambda D, t: D.IndependentTransform(D.ExpTransform(), 1), VECTOR),
    "LowerCholesky": (lambda D, t: D.LowerCholeskyTransform(), SQUARE),
    "PositiveDefinite": (lambda D, t: D.PositiveDefiniteTransform(), SQUARE),
    "Power": (lambda D, t: D.PowerTransform(t([0.5, -1.0, 2.0])), [[0.3, 1.2, 2.0]]),
    "Reshape": (lambda D, t: D.ReshapeTransform((3,), (1, 3)), VECTOR),
    "Sigmoid": (lambda D, t: D.SigmoidTransform(), VECTOR),
    "Softmax": (lambda D, t: D.SoftmaxTransform(), VECTOR),
    "Softplus": (lambda D, t: D.SoftplusTransform(), VECTOR),
    "Stack": (lambda D, t: D.StackTransform([D.ExpTransform(), D.TanhTransform()], dim=0), VECTOR),
    "StickBreaking": (lambda D, t: D.StickBreakingTransform(), VECTOR),
    "Tanh": (lambda D, t: D.TanhTransform(), VECTOR),
    "identity": (lambda D, t: D.identity_transform, VECTOR),
    "Exp-inverse": (lambda D, t: D.ExpTransform().inv, [[0.3, 1.2]]),
}  # fmt: skip
