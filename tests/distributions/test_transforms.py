"""Transforms, constraints and the registries against PyTorch's."""

from __future__ import annotations

import copy
import pickle

import pytest

import rushlight

torch = pytest.importorskip("torch")

from cases import MATRIX, TRANSFORMS, TRIL, VECTOR  # noqa: E402
from two_libraries import Side, array, attempt, same, seeded  # noqa: E402


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transform(name, sides):
    make, values = TRANSFORMS[name]
    seen = []
    for side in sides:
        transform, x = make(side.D, side.t), side.t(values)
        y = transform(x)
        found = {
            what: attempt(lambda t=transform, w=what: getattr(t, w))
            for what in ("domain", "codomain", "bijective", "event_dim", "sign")
        }
        found = {what: value if hasattr(value, "detach") else str(value) for what, value in found.items()}
        jacobian = attempt(lambda t=transform, x=x, y=y: t.log_abs_det_jacobian(x, y))
        found |= {"y": y, "x": transform.inv(y), "log|dy/dx|": jacobian, "repr": repr(transform)}
        found |= {
            "forward": tuple(transform.forward_shape(x.shape)),
            "inverse": tuple(transform.inverse_shape(y.shape)),
        }
        if hasattr(jacobian, "detach") and jacobian.requires_grad:
            found["gradient"] = side.gradients(jacobian)[-1]
        found["slope"] = side.gradients(y * y)[-1]
        seen.append(found)
    for what in seen[1]:
        same(seen[0][what], seen[1][what], what=what)


@pytest.mark.parametrize(
    "name", [n for n in TRANSFORMS if n not in ("Abs", "Softmax", "LowerCholesky", "PositiveDefinite")]
)
def test_log_abs_det_jacobian_is_that_of_the_jacobian(name):
    """For one value of the transform."""
    side = Side(rushlight)
    make, values = TRANSFORMS[name]
    transform = make(side.D, side.t)
    if name in ("Cat", "Stack", "Affine", "Power"):  # a transform an entry: they differ along the batch
        values = [values] if name == "Stack" else values[:1]
        x = side.t(values[0] if name == "Stack" else values)
        jacobian = rushlight.autograd.functional.jacobian(transform, x).reshape(x.numel(), x.numel()).diagonal()
        same(transform.log_abs_det_jacobian(x, transform(x)).flatten(), jacobian.abs().log())
        return
    dims = transform.domain.event_dim
    x = side.t(values[0] if dims else values[0][0])
    y = transform(x)
    jacobian = rushlight.autograd.functional.jacobian(transform, x)
    if name == "CorrCholesky":
        rows, columns = rushlight.tril_indices(3, 3, -1)
        jacobian = jacobian[rows, columns]
    elif name in ("StickBreaking", "Compose-vectors"):
        jacobian = jacobian[:-1]
    jacobian = jacobian.reshape(x.numel(), x.numel())
    expected = rushlight.linalg.slogdet(jacobian).logabsdet
    if name == "Compose-vectors":  # exp after the simplex: of all shares, not of the n - 1 free ones
        expected = expected + y[-1].log()
    same(transform.log_abs_det_jacobian(x, y), expected, rtol=1e-7)


def test_cache_gives_back_the_same_tensor():
    t = rushlight.distributions.ExpTransform(cache_size=1)
    x = rushlight.tensor([1.0, 2.0])
    y = t(x)
    assert t.inv(y) is x and t(x) is y
    assert rushlight.distributions.ExpTransform()(x) is not y
    assert t.inv.inv is t and t.with_cache(1) is t and t.with_cache(0)._cache_size == 0
    with pytest.raises(ValueError, match="0 or 1"):
        rushlight.distributions.ExpTransform(cache_size=2)


def test_equality_and_copies():
    D = rushlight.distributions
    assert D.ExpTransform() == D.ExpTransform() and D.ExpTransform() != D.TanhTransform()
    assert D.AffineTransform(0.0, 2.0) == D.AffineTransform(0.0, rushlight.tensor(2.0)) != D.AffineTransform(1.0, 2.0)
    chain = D.ComposeTransform([D.ExpTransform(), D.AffineTransform(0.0, 2.0)])
    for other in (copy.deepcopy(chain), pickle.loads(pickle.dumps(chain))):
        assert other == chain and other.inv == chain.inv


BAD = {
    "reshape": lambda D, m: D.ReshapeTransform((2,), (3,)),
    "shape": lambda D, m: D.ReshapeTransform((2,), (1, 2)).forward_shape((3,)),
    "triangle": lambda D, m: D.CorrCholeskyTransform().forward_shape((4,)),
    "square": lambda D, m: D.CorrCholeskyTransform().inverse_shape((2, 3)),
    "pieces": lambda D, m: D.CatTransform([D.ExpTransform()] * 2)(m.zeros(3)),
    "parts": lambda D, m: D.StackTransform([1]),
    "dims": lambda D, m: D.IndependentTransform(D.ExpTransform(), 2)(m.zeros(3)),
    "sign": lambda D, m: D.SoftmaxTransform().sign,
    "jacobian": lambda D, m: D.SoftmaxTransform().log_abs_det_jacobian(m.zeros(2), m.zeros(2)),
    "registry": lambda D, m: D.biject_to(D.constraints.boolean),
    "kind": lambda D, m: D.biject_to.register(int, lambda c: None),
    "dependent": lambda D, m: D.constraints.dependent.check(m.zeros(1)),
    "discrete": lambda D, m: D.constraints.dependent.is_discrete,
    "independent": lambda D, m: D.constraints.independent(D.constraints.real, 2).check(m.zeros(1)),
    "abstract": lambda D, m: D.constraints.Constraint().check(m.zeros(1)),
}  # fmt: skip


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_errors_have_pytorchs_classes(call):
    with pytest.raises(Exception) as theirs:
        call(torch.distributions, torch)
    with pytest.raises(type(theirs.value)) as ours:
        call(rushlight.distributions, rushlight)
    assert type(ours.value) is type(theirs.value)


CONSTRAINTS = {
    "boolean": lambda C: C.boolean, "cat": lambda C: C.cat([C.positive, C.real], dim=-1, lengths=[1, 2]),
    "corr_cholesky": lambda C: C.corr_cholesky, "greater_than": lambda C: C.greater_than(0.5),
    "greater_than_eq": lambda C: C.greater_than_eq(1.0), "half_open": lambda C: C.half_open_interval(0.0, 1.0),
    "independent": lambda C: C.independent(C.positive, 1), "integer_interval": lambda C: C.integer_interval(0, 1),
    "interval": lambda C: C.interval(-1.0, 1.0), "less_than": lambda C: C.less_than(1.0), "lower_cholesky": lambda C: C.lower_cholesky,
    "lower_triangular": lambda C: C.lower_triangular, "multinomial": lambda C: C.multinomial(3), "nonnegative": lambda C: C.nonnegative,
    "nonnegative_integer": lambda C: C.nonnegative_integer, "one_hot": lambda C: C.one_hot, "positive": lambda C: C.positive,
    "positive_definite": lambda C: C.positive_definite, "positive_integer": lambda C: C.positive_integer,
    "positive_semidefinite": lambda C: C.positive_semidefinite, "real": lambda C: C.real, "real_vector": lambda C: C.real_vector,
    "simplex": lambda C: C.simplex, "square": lambda C: C.square, "stack": lambda C: C.stack([C.positive, C.real, C.boolean], dim=-1),
    "symmetric": lambda C: C.symmetric, "unit_interval": lambda C: C.unit_interval,
}  # fmt: skip
VALUES = [
    [[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [-1.0, 1.5, 0.5]],
    [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.6, 0.8]],
    [[2.0, 0.5, 0.0], [0.5, 1.0, 0.1], [0.0, 0.1, 3.0]],
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [float("nan"), 2.0, -1.0]],
]


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraint(name, sides):
    for values in VALUES:
        if name.startswith("positive_") and values is VALUES[3]:
            continue  # eigenvalues of nan
        ours, theirs = (
            CONSTRAINTS[name](s.D.constraints).check(s.library.tensor(values, dtype=s.library.float64)) for s in sides
        )
        assert array(ours).tolist() == array(theirs).tolist()
    ours, theirs = (CONSTRAINTS[name](s.D.constraints) for s in sides)
    assert (repr(ours), ours.is_discrete, ours.event_dim) == (repr(theirs), theirs.is_discrete, theirs.event_dim)


@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
@pytest.mark.parametrize("name", CONSTRAINTS)
def test_registries(name, registry, sides):
    """The same transform for every constraint, and what it gives satisfies the constraint."""
    ours, theirs = (attempt(lambda s=s: getattr(s.D, registry)(CONSTRAINTS[name](s.D.constraints))) for s in sides)
    assert repr(ours) == repr(theirs)
    if isinstance(ours, type):
        return
    x = rushlight.tensor([VECTOR[0]] * 3, dtype=rushlight.float64)
    assert CONSTRAINTS[name](rushlight.distributions.constraints).check(ours(x)).all()


def test_matrices_and_vectors(sides):
    ours, theirs = (s.D.utils for s in sides)
    a, b = (s.library.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]) for s in sides)
    for diag in (0, -1):
        same(ours.vec_to_tril_matrix(a, diag), theirs.vec_to_tril_matrix(b, diag))
    same(ours.tril_matrix_to_vec(rushlight.tensor(TRIL)), theirs.tril_matrix_to_vec(torch.tensor(TRIL)))
    with pytest.raises(ValueError, match="entries"):
        ours.vec_to_tril_matrix(a[..., :5])


def test_precision_and_covariance(sides):
    seeded()
    for make in (
        lambda s: s.D.MultivariateNormal(s.t([0.0, 1.0]), s.t(MATRIX)),
        lambda s: s.D.MultivariateNormal(s.t([0.0, 1.0]), precision_matrix=s.t(MATRIX)),
        lambda s: s.D.LowRankMultivariateNormal(s.t([0.0, 1.0]), s.t([[1.0], [0.5]]), s.t([[1.0, 2.0], [3.0, 1.0]])),
        lambda s: s.D.Wishart(s.t(3.0), scale_tril=s.t(TRIL)),
    ):
        ours, theirs = map(make, sides)
        for what in ("covariance_matrix", "precision_matrix", "scale_tril"):
            same(getattr(ours, what), getattr(theirs, what), what=what)
