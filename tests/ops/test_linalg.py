"""Products, solutions, factorisations, norms and special functions against PyTorch: values, gradients, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")
inf = math.inf

N = np.random.RandomState(0)
A = N.randn(4, 4) + 3 * np.eye(4)  # square
B = N.randn(2, 3, 3) + 3 * np.eye(3)  # a batch of square ones
S = A @ A.T  # positive-definite
M, W, V = N.randn(4, 3), N.randn(3, 5), N.randn(4)  # tall, wide, vector
T3 = N.randn(2, 3, 4)
C = N.randn(3, 3) + 1j * N.randn(3, 3) + 2 * np.eye(3)
K = N.randn(5, 2)


def leaves(value):
    if hasattr(value, "detach"):
        return [value]
    return [leaf for v in value for leaf in leaves(v)]


def agree(ours, theirs, tolerance, what):
    for a, b in zip(ours, theirs, strict=True):
        assert str(a.dtype) == str(b.dtype)
        assert tuple(a.shape) == tuple(b.shape)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance, err_msg=what)


def both(call, *arrays, tolerance=1e-9):
    """Values and gradients of `call(module, *tensors)`."""
    results = []
    for m in (rushlight, torch):
        inputs = [m.from_numpy(a.copy()).requires_grad_() for a in arrays]
        out = leaves(call(m, *inputs))
        sums = [
            (o * m.arange(1, o.numel() + 1, dtype=m.float64).reshape(o.shape) / 3).sum() for o in out if o.requires_grad
        ]
        sums = [s.real if s.is_complex() else s for s in sums]
        if sums:
            sum(sums).backward()
        results.append((out, [x.grad for x in inputs] if sums else []))
    agree(results[0][0], results[1][0], tolerance, "value")
    agree(results[0][1], results[1][1], tolerance, "gradient")


PRODUCTS = [
    (lambda m, a, b: m.mm(a, b), M, W), (lambda m, a, b: m.bmm(a, b), B, T3), (lambda m, a, b: a.mv(b), A, V),
    (lambda m, a, b: m.dot(a, b), V, V + 1), (lambda m, a, b: m.vdot(a, b), C[0], C[1]), (lambda m, a, b: m.outer(a, b), V, W[0]),
    (lambda m, a, b: m.ger(a, b), V, W[0]), (lambda m, a, b: m.inner(a, b), A, A + 1),
    (lambda m, c, a, b: m.addmm(c, a, b, beta=0.5, alpha=2), W[0], M, W), (lambda m, c, a, b: c.addmm(mat1=a, mat2=b), W[0], M, W),
    (lambda m, c, a, b: m.addmv(c, a, b), V, A, V), (lambda m, c, a, b: m.addr(c, a, b, alpha=3), W[0], V, W[0]),
    (lambda m, c, a, b: m.baddbmm(c, a, b), T3, B, T3), (lambda m, c, a, b: m.addbmm(c, a, b), T3[0], B, T3),
    (lambda m, a, b, c: m.linalg.multi_dot([a, b, c]), M, W, K), (lambda m, a, b, c: m.linalg.multi_dot([a, b, c]), V, M, W[:, 0]),
    (lambda m, a, b, c: m.chain_matmul(a, b, c), M, W, K), (lambda m, a, b: m.tensordot(a, b, dims=1), T3, A),
    (lambda m, a, b: m.tensordot(a, b, dims=([1, 0], [1, 0])), T3, B), (lambda m, a, b: m.tensordot(a, b, dims=0), V, V),
    (lambda m, a, b: m.kron(a, b), M, W), (lambda m, a, b: m.kron(a, b), T3, V), (lambda m, a, b: m.linalg.vecdot(a, b), T3, T3 + 1),
    (lambda m, a, b: m.cross(a, b, dim=1), T3, T3**2), (lambda m, a, b: m.linalg.cross(a, b), M, M**2),
]  # fmt: skip
EQUATIONS = [
    ("ij,jk->ik", M, W), ("ij,jk", M, W), ("ij->ji", M), ("ij->", M), ("ii->i", A), ("ii", A), ("bij,bjk->bik", B, T3),
    ("...ij,...jk->...ik", B, T3), ("i,j->ij", V, W[0]), ("ij,ij->ij", A, S), ("ij,ij", A, S), ("bij,bij->b", T3, T3 + 1),
    ("ij,jk,kl->il", M, W, K), ("b...,b...->...", T3, T3), ("ijk,k->ij", T3, V), ("ij,k->i", M, V), ("ij...->...ji", T3),
    ("i j , j k -> i k", M, W), ("aij,ajk->ik", B, T3), ("ij,ij->i", A[:1], A), ("ij,jk->ik", C, C + 1),
]  # fmt: skip
SOLUTIONS = [
    *[(lambda m, x, n=n: getattr(m.linalg, n)(x), X) for n in ("det", "slogdet", "inv") for X in (A, B, C)],
    (lambda m, x: m.det(x), np.zeros((2, 2))), (lambda m, x: m.logdet(x), S), (lambda m, x: x.inverse(), A),
    (lambda m, a, b: m.linalg.solve(a, b), A, M), (lambda m, a, b: m.linalg.solve(a, b), A, V),
    (lambda m, a, b: m.linalg.solve(a, b), B, T3[:, :, 0]), (lambda m, a, b: m.linalg.solve(a, b), C, C + 2),
    (lambda m, a, b: m.linalg.solve(a, b, left=False), A, M.T.copy()), (lambda m, x: m.linalg.pinv(x), M),
    (lambda m, x: m.linalg.pinv(x), W), (lambda m, x: m.pinverse(x), T3), (lambda m, a, b: m.linalg.lstsq(a, b)[:1], M, A),
    (lambda m, a, b: m.linalg.solve_triangular(a, b, upper=True), A, M),
    (lambda m, a, b: m.linalg.solve_triangular(a, b, upper=False, unitriangular=True), A, M),
    (lambda m, a, b: m.linalg.solve_triangular(a, b, upper=False, left=False), A, M.T.copy()),
    (lambda m, a, b: m.triangular_solve(b, a, transpose=True)[0], A, M), (lambda m, x: m.linalg.tensorinv(x.reshape(2, 2, 4)), A),
    (lambda m, x, b: m.linalg.tensorsolve(x.reshape(2, 2, 4), b.reshape(2, 2)), A, V),
]  # fmt: skip
FACTORS = [
    (lambda m, x: m.linalg.cholesky(x), S), (lambda m, x: m.linalg.cholesky(x, upper=True), S), (lambda m, x: m.cholesky(x @ x.mT), B),
    (lambda m, x: m.linalg.cholesky(x @ x.mH), C), (lambda m, b, x: m.cholesky_solve(b, m.linalg.cholesky(x)), M, S),
    (lambda m, x: m.cholesky_inverse(m.linalg.cholesky(x)), S), (lambda m, x: m.linalg.qr(x), M), (lambda m, x: m.qr(x), A),
    (lambda m, x: m.linalg.qr(x), B), (lambda m, x: m.linalg.qr(x), C), (lambda m, x: m.linalg.svdvals(x), M),
    (lambda m, x: m.linalg.svdvals(x), B), (lambda m, x: [p.abs() for p in m.linalg.svd(x, False)], M),
    (lambda m, x: [p.abs() for p in m.linalg.svd(x, False)], W[:, :4]), (lambda m, x: [p.abs() for p in m.svd(x)], M),
    (lambda m, x: m.linalg.svd(x)[1], M), (lambda m, x: [p.abs() for p in m.linalg.eigh(x)], S),
    (lambda m, x: m.linalg.eigvalsh(x), S), (lambda m, x: m.linalg.eigvalsh(x, "U"), S), (lambda m, x: m.matrix_exp(x), A),
    (lambda m, x: m.linalg.matrix_exp(x * 0.01), B), (lambda m, x: m.matrix_power(x, 5), A),
    (lambda m, x: m.linalg.matrix_power(x, -2), B), (lambda m, x: m.trace(x), M), (lambda m, x: m.linalg.cond(x), M),
    (lambda m, x: m.linalg.lu(x.detach()), M), (lambda m, x: m.linalg.lu_factor(x.detach()), B),
    (lambda m, x, b: m.linalg.lu_solve(*m.linalg.lu_factor(x.detach()), b.detach()), A, M),
    (lambda m, x: m.linalg.matrix_rank(x.detach()), np.ones((3, 3))), (lambda m, x: m.linalg.matrix_rank(x.detach()), B),
]  # fmt: skip
ORDERS = (0.5, 1, 1.5, 2, 3, inf, -inf, -1)
NORMS = [
    *[(lambda m, x, p=p: m.linalg.norm(x, p), M) for p in (None, "fro", "nuc", 1, -1, 2, -2, inf, -inf)],
    *[(lambda m, x, p=p: m.linalg.matrix_norm(x, p, dim=(0, 2), keepdim=True), T3) for p in ("fro", "nuc", 1, inf, 2)],
    *[(lambda m, x, p=p: m.linalg.vector_norm(x, p, dim=1), T3) for p in ORDERS],
    *[(lambda m, x, p=p: [m.norm(x, p), x.norm(p, (0, 2), True)], T3) for p in ORDERS],
    *[(lambda m, x, p=p: m.linalg.vector_norm(x, p, dim=1), np.array([[0, 0.0], [1, 0], [2, 2]])) for p in (1, 1.5, 2, 3, inf)],
    (lambda m, x: m.norm(x.detach(), 0), T3), (lambda m, x: x.norm(), T3), (lambda m, x: x.norm("nuc", dim=(0, 1)), T3),
    (lambda m, x: m.linalg.vector_norm(x), C),
    (lambda m, a, b: m.cdist(a, b), M, K[:3].repeat(3, 1)[:, :3]), (lambda m, a, b: m.cdist(a, b, p=1), M, M + 1),
    (lambda m, a: m.cdist(a, a), M), (lambda m, a, b: m.dist(a, b, 3), A, A + 1), (lambda m, x: m.renorm(x, 2, 0, 1.0), M),
]  # fmt: skip
REST = [
    (lambda m, x: m.cov(x), M), (lambda m, x: m.cov(x, correction=0), V), (lambda m, x: m.corrcoef(x), M),
    (lambda m, x: m.cov(x, fweights=m.tensor([1, 2, 3]), aweights=m.tensor([0.2, 0.3, 0.5], dtype=m.float64)), M),
    (lambda m, a, b: m.block_diag(a, b, b[0]), M, W), (lambda m, x: [m.vander(x.detach()), m.linalg.vander(x.detach(), N=3)], V),
    (lambda m, x: m.trapezoid(x, dx=0.5), M), (lambda m, y, x: m.trapz(y, x), M, np.array([0, 1, 3.0])),
    (lambda m, x: m.cumulative_trapezoid(x, dim=0), M), (lambda m, x: m.gradient(x), M),
    (lambda m, x: m.gradient(x, spacing=2.0, dim=0), M), (lambda m, x, h: m.gradient(x, spacing=(h.detach(),), dim=0)[0] + 0 * h[0], M, np.array([0, 1, 3.0, 4])),
]  # fmt: skip


@pytest.mark.parametrize("case", PRODUCTS + SOLUTIONS + FACTORS + NORMS + REST)
def test_values_and_gradients(case):
    both(*case)


@pytest.mark.parametrize("case", EQUATIONS)
def test_einsum(case):
    both(lambda m, *operands: m.einsum(case[0], *operands), *case[1:])


def test_einsum_with_sublists():
    both(lambda m, a, b: m.einsum(a, [0, 1], b, [1, 2], [0, 2]), M, W)
    both(lambda m, a, b: m.einsum(a, [..., 0, 1], b, [..., 1, 2]), B, T3)


def test_second_derivatives():
    for call, x in (
        (lambda m, t: m.linalg.det(t), A),
        (lambda m, t: m.linalg.inv(t), A),
        (lambda m, t: m.linalg.slogdet(t)[1], A),
    ):
        grads = []
        for m in (rushlight, torch):
            t = m.from_numpy(x.copy()).requires_grad_()
            (first,) = m.autograd.grad((call(m, t) ** 2).sum(), t, create_graph=True)
            (second,) = m.autograd.grad((first**2).sum(), t)
            grads.append(second.numpy())
        np.testing.assert_allclose(*grads, rtol=1e-7, atol=1e-8)


def test_determinant_of_a_singular_matrix_has_its_cofactors_for_gradient():
    x = rushlight.tensor([[1.0, 1, 1], [1, 2, 1], [1, 1, 1]], dtype=rushlight.float64, requires_grad=True)
    rushlight.det(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), [[1, 0, -1], [0, 0, 0], [-1, 0, 1]], atol=1e-12)


def test_svd_and_eig_rebuild_the_matrix():
    x = rushlight.from_numpy(W.copy())
    u, s, vh = rushlight.linalg.svd(x)
    assert u.shape == (3, 3) and vh.shape == (5, 5)
    np.testing.assert_allclose((u * s @ vh[:3]).numpy(), W, atol=1e-12)
    values, vectors = rushlight.linalg.eig(rushlight.from_numpy(A.copy()))
    np.testing.assert_allclose((vectors * values @ rushlight.linalg.inv(vectors)).real.numpy(), A, atol=1e-10)


def test_lstsq_reports_residuals_and_rank():
    for driver in (None, "gelsd", "gels"):
        found = rushlight.linalg.lstsq(rushlight.from_numpy(M.copy()), rushlight.from_numpy(A.copy()), driver=driver)
        theirs = torch.linalg.lstsq(torch.from_numpy(M), torch.from_numpy(A), driver=driver)
        for a, b in zip(found, theirs, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-12)


def test_norm_computes_in_the_dtype_asked_for():
    x = rushlight.tensor([3.0, 4.0])
    assert x.norm(dtype=rushlight.float64).dtype is rushlight.float64


def test_linalg_error_names_the_problem():
    assert issubclass(rushlight.linalg.LinAlgError, RuntimeError)
    zeros = rushlight.stack([rushlight.eye(2), rushlight.zeros(2, 2)])
    with pytest.raises(rushlight.linalg.LinAlgError, match=r"linalg.inv: \(Batch element 1\).*singular"):
        rushlight.linalg.inv(zeros).tolist()
    with pytest.raises(rushlight.linalg.LinAlgError, match="linalg.solve.*singular"):
        rushlight.linalg.solve(zeros[1], rushlight.ones(2)).tolist()
    with pytest.raises(rushlight.linalg.LinAlgError, match="linalg.cholesky.*not positive-definite"):
        rushlight.linalg.cholesky(-rushlight.eye(2)).tolist()


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.mm(m.zeros(2, 3), m.zeros(2, 3)), lambda m: m.mm(m.zeros(2, 3), m.zeros(3)), lambda m: m.bmm(m.zeros(2, 3), m.zeros(3, 2)),
        lambda m: m.mm(m.zeros(2, 3), m.zeros(3, 2).double()), lambda m: m.bmm(m.zeros(2, 3, 3), m.zeros(1, 3, 3)),
        lambda m: m.mv(m.zeros(2, 3), m.zeros(2)), lambda m: m.dot(m.zeros(2), m.zeros(3)), lambda m: m.dot(m.zeros(2, 2), m.zeros(2, 2)),
        lambda m: m.dot(m.zeros(2), m.zeros(2).double()), lambda m: m.addmm(m.zeros(7), m.zeros(2, 3), m.zeros(3, 2)),
        lambda m: m.linalg.det(m.zeros(2, 3)), lambda m: m.linalg.inv(m.zeros(3)), lambda m: m.linalg.inv(m.ones(2, 2).long()),
        lambda m: m.linalg.inv(m.ones(2, 2).half()), lambda m: m.linalg.solve(m.eye(2), m.zeros(3, 1)),
        lambda m: m.linalg.qr(m.eye(2), mode="x"), lambda m: m.linalg.eigh(m.eye(2), "X"), lambda m: m.einsum("ij,jk->ik", m.zeros(2, 3), m.zeros(2, 3)),
        lambda m: m.einsum("ij->i"), lambda m: m.einsum("ij,jk->ik", m.zeros(2, 3)), lambda m: m.einsum("ij->ik", m.zeros(2, 3)),
        lambda m: m.einsum("ij->ii", m.zeros(2, 3)), lambda m: m.einsum("ijk->i", m.zeros(2, 3)), lambda m: m.einsum("i1->i", m.zeros(2, 3)),
        lambda m: m.norm(m.tensor([1, 2])), lambda m: m.zeros(0).norm(inf), lambda m: m.zeros(2, 2).norm(dim=5),
        lambda m: m.linalg.matrix_norm(m.zeros(2, 2), 7), lambda m: m.linalg.norm(m.zeros(2, 2, 2), 2), lambda m: m.cross(m.zeros(2), m.zeros(2)),
        lambda m: m.linalg.cross(m.zeros(3, 2), m.zeros(3, 2)), lambda m: m.trace(m.zeros(2)), lambda m: m.cdist(m.zeros(2, 3), m.zeros(2, 4)),
        lambda m: m.tensordot(m.zeros(2, 3), m.zeros(2, 3), dims=1), lambda m: m.matrix_power(m.zeros(2, 3), 2),
        lambda m: m.linalg.multi_dot([m.zeros(2, 2)]), lambda m: m.polygamma(-1, m.ones(2)), lambda m: m.heaviside(m.ones(2), m.ones(2).double()),
        lambda m: m.frexp(m.tensor([1])), lambda m: m.erf(m.tensor([1j])), lambda m: m.linalg.inv(m.zeros(2, 2)).tolist(),
    ],
)  # fmt: skip
def test_errors_are_torchs(call):
    with pytest.raises(Exception) as theirs:
        call(torch)
    expected = (
        rushlight.linalg.LinAlgError if isinstance(theirs.value, torch.linalg.LinAlgError) else type(theirs.value)
    )
    with pytest.raises(expected):
        call(rushlight)


# --- special functions --------------------------------------------------------------------------------------------

X = np.concatenate([N.randn(200) * s for s in (0.1, 1, 3, 8)] + [[0.0, 1.0, -1.0]])
P = np.abs(X) + 0.05
SPECIAL = [
    ("erf", X), ("erfc", X), ("erfcx", X[X > -5]), ("erfinv", np.tanh(X[np.abs(X) < 3])), ("log_ndtr", X), ("digamma", P), ("gammaln", P),
    ("i0", X), ("i0e", X), ("i1", X), ("i1e", X), ("sinc", X), ("entr", P), ("expit", X), ("logit", 1 / (1 + np.exp(-X[np.abs(X) < 6]))),
]  # fmt: skip


@pytest.mark.parametrize("name, x", SPECIAL)
def test_special_functions(name, x):
    call = lambda m, t: getattr(m.special, name)(t)  # noqa: E731
    # PyTorch's own trigamma, the derivative of digamma, is good to 1e-9 only
    both(call, x, tolerance=1e-8 if name in ("digamma", "gammaln") else 1e-10)
    single = x.astype(np.float32)
    exact = call(torch, torch.from_numpy(single.astype(np.float64))).numpy()
    ours = call(rushlight, rushlight.from_numpy(single)).numpy()
    near = np.abs(exact) > 1e-30
    if name not in ("sinc", "entr", "expit", "logit"):  # those are float32 arithmetic, as PyTorch's
        assert (np.abs(ours - exact)[near] <= 1.0 * np.spacing(np.abs(exact[near]).astype(np.float32))).all()


def test_more_special_functions():
    both(
        lambda m, x: [
            m.polygamma(2, x),
            m.polygamma(3, x),
            m.mvlgamma(x + 3, 2),
            m.special.zeta(m.tensor(2.5, dtype=m.float64), x),
        ],
        P,
    )
    both(
        lambda m, x: [m.special.xlog1py(x, x), m.deg2rad(x), m.rad2deg(x), m.float_power(x, 2), m.special.xlogy(x, x)],
        P,
    )
    both(lambda m, x: [m.ldexp(x.detach(), m.tensor([3])), m.frexp(x.detach()), m.heaviside(x.detach(), x.detach())], X)
    both(lambda m, x: m.special.ndtr(x), X[np.abs(X) < 3], tolerance=1e-12)
    np.testing.assert_allclose(
        rushlight.polygamma(1, rushlight.tensor(1.0, dtype=rushlight.float64)).item(), math.pi**2 / 6, rtol=1e-14
    )
    assert rushlight.special.digamma(rushlight.tensor([0.0, -1.0])).tolist()[0] == -inf
    assert rushlight.erf(rushlight.tensor([1])).dtype is rushlight.float32
    with pytest.raises(AttributeError, match="erfinv"):
        _ = rushlight.special.erfi


def test_storages_are_shared_by_views():
    x = rushlight.arange(6, dtype=rushlight.float32).reshape(2, 3)
    bytes_, other = x.untyped_storage(), x.t()[1].untyped_storage()
    assert bytes_.data_ptr() == other.data_ptr() == x.data_ptr()
    assert bytes_.nbytes() == bytes_.size() == len(bytes_) == 24
    assert x.t().storage().tolist() == [0, 1, 2, 3, 4, 5]
    x[1].storage()[0] = 9
    assert x[0, 0].item() == 9
    x.add_(1)
    assert x.untyped_storage().data_ptr() == bytes_.data_ptr()
    assert x.bfloat16().storage().tolist()[1] == 2 and bytes_.clone().data_ptr() != bytes_.data_ptr()
    assert rushlight.empty(3, device="meta").untyped_storage().nbytes() == 12
    with pytest.raises(RuntimeError, match="elements"):
        bytes_.copy_(rushlight.zeros(1).untyped_storage())


DECOMPOSITIONS = {
    "eigh values": lambda a: rushlight.linalg.eigh(a + a.mT)[0],
    "eigh vectors": lambda a: rushlight.linalg.eigh(a + a.mT)[1].abs(),  # their signs are free
    "eigvalsh": lambda a: rushlight.linalg.eigvalsh(a + a.mT),
    "svd": lambda a: tuple(part.abs() for part in rushlight.linalg.svd(a, full_matrices=False)),
    "svdvals": lambda a: rushlight.linalg.svdvals(a),
    "qr": lambda a: tuple(rushlight.linalg.qr(a)),
    "cofactors": lambda a: rushlight.linalg.det(a * (1 - rushlight.eye(4, dtype=a.dtype)[3])),  # singular
}


@pytest.mark.parametrize("name", DECOMPOSITIONS)
def test_gradients_of_decompositions_are_those_of_finite_differences(name):
    rushlight.manual_seed(0)
    a = rushlight.randn(4, 4, dtype=rushlight.float64, requires_grad=True)
    assert rushlight.autograd.gradcheck(DECOMPOSITIONS[name], (a,))
