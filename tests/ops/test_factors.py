"""Packed factorisations, functions in `_ex`, tolerances that are tensors, and complex gradients: against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

R = np.random.RandomState(3)
SQUARE = R.randn(4, 4)
TALL, WIDE = R.randn(5, 3), R.randn(3, 5)
BATCH = R.randn(2, 3, 3)
COMPLEX = R.randn(2, 3, 3) + 1j * R.randn(2, 3, 3)
COMPLEX_TALL = R.randn(4, 2) + 1j * R.randn(4, 2)
MATRICES = [SQUARE, TALL, WIDE, BATCH, COMPLEX, COMPLEX_TALL, COMPLEX_TALL.T.copy()]
SQUARES = [SQUARE, BATCH, COMPLEX]


def leaves(value):
    return [value] if hasattr(value, "detach") else [leaf for v in value for leaf in leaves(v)]


def both(call, *arrays, tolerance=1e-9):
    """Values, dtypes and gradients of `call(module, *tensors)` under both libraries."""
    sides = []
    for m in (rushlight, torch):
        inputs = [m.from_numpy(a.copy()) for a in arrays]
        inputs = [x.requires_grad_() if x.is_floating_point() or x.is_complex() else x for x in inputs]
        out = leaves(call(m, *inputs))
        parts = [
            (o * m.arange(1, o.numel() + 1, dtype=m.float64).reshape(o.shape)).sum() for o in out if o.requires_grad
        ]
        if parts:
            sum(p.real + 2 * p.imag if p.is_complex() else p for p in parts).backward()
        sides.append((out, [x.grad for x in inputs if x.grad is not None]))
    for ours, theirs in zip(*sides, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert str(a.dtype) == str(b.dtype)
            a, b = a.detach().resolve_conj().numpy(), b.detach().resolve_conj().numpy()
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("x", MATRICES)
def test_lu_and_its_gradient(x: np.ndarray) -> None:
    both(lambda m, x: m.linalg.lu(x), x)
    both(lambda m, x: m.linalg.lu_factor_ex(x), x)
    both(lambda m, x: m.lu_unpack(*m.linalg.lu_factor(x)), x)
    both(lambda m, x: m.lu(x, get_infos=True), x)


def test_lu_of_more_columns_than_a_panel() -> None:
    for shape in ((70, 70), (2, 40, 90), (90, 40)):
        x = R.randn(*shape)
        P, L, U = rushlight.linalg.lu(rushlight.from_numpy(x))
        np.testing.assert_allclose((P @ L @ U).numpy(), x, atol=1e-12)
        assert L.abs().max().item() == 1.0
        pivots = rushlight.linalg.lu_factor(rushlight.from_numpy(x)).pivots
        assert pivots.tolist() == torch.linalg.lu_factor(torch.from_numpy(x)).pivots.tolist()


def test_lu_has_a_second_gradient() -> None:
    for x in (SQUARE[:3, :3], TALL[:3, :2], WIDE[:2, :3]):
        t = rushlight.from_numpy(x.copy()).requires_grad_()
        assert rushlight.autograd.gradgradcheck(lambda t: rushlight.linalg.lu(t)[1:], (t,))


@pytest.mark.parametrize("x", SQUARES)
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_lu_solve(x: np.ndarray, left: bool, adjoint: bool) -> None:
    b = R.randn(*x.shape[:-1], 2).astype(x.dtype)
    b = b if left else np.swapaxes(b, -1, -2).copy()
    both(lambda m, x, b: m.linalg.lu_solve(*m.linalg.lu_factor(x), b, left=left, adjoint=adjoint), x, b)
    found = rushlight.linalg.lu_solve(
        *rushlight.linalg.lu_factor(rushlight.from_numpy(x)), rushlight.from_numpy(b), left=left
    )
    np.testing.assert_allclose((x @ found.numpy()) if left else (found.numpy() @ x), b, atol=1e-12)


def symmetric(x: np.ndarray, hermitian: bool) -> np.ndarray:
    turned = np.swapaxes(x, -1, -2)
    return x + (turned.conj() if hermitian else turned)


LDL = [
    (symmetric(SQUARE, False), False), (symmetric(BATCH, False), False), (symmetric(COMPLEX, False), False),
    (symmetric(COMPLEX, True), True), (symmetric(R.randn(9, 9), False) * (1 - np.eye(9)), False),
    (symmetric(R.randn(4, 7, 7) + 1j * R.randn(4, 7, 7), True) * (1 - np.eye(7)), True),
]  # fmt: skip


@pytest.mark.parametrize("x, hermitian", LDL)
def test_ldl_factor_and_solve(x: np.ndarray, hermitian: bool) -> None:
    b = R.randn(*x.shape[:-1], 2).astype(x.dtype)
    both(lambda m, x: m.linalg.ldl_factor_ex(x.detach(), hermitian=hermitian), x)
    packed, pivots = rushlight.linalg.ldl_factor(rushlight.from_numpy(x), hermitian=hermitian)
    found = rushlight.linalg.ldl_solve(packed, pivots, rushlight.from_numpy(b), hermitian=hermitian)
    np.testing.assert_allclose(x @ found.numpy(), b, atol=1e-9)


def test_ldl_takes_blocks_of_two_rows() -> None:
    assert (rushlight.linalg.ldl_factor(rushlight.from_numpy(LDL[4][0])).pivots < 0).any()


@pytest.mark.parametrize("x", [TALL, SQUARE, COMPLEX_TALL, BATCH])
def test_householders_reflections(x: np.ndarray) -> None:
    both(lambda m, x: m.geqrf(x.detach()), x)
    packed, tau = (t.numpy() for t in torch.geqrf(torch.from_numpy(x)))
    both(lambda m, a, t: [m.linalg.householder_product(a, t), m.orgqr(a, t[..., :1])], packed, tau)
    other = R.randn(*x.shape[:-2], x.shape[-2], 3).astype(x.dtype)
    for transpose in (True, False):
        both(lambda m, a, t, c, h=transpose: m.ormqr(a, t, c, transpose=h), packed, tau, other)
        turned = np.swapaxes(other, -1, -2).copy()
        both(lambda m, a, t, c, h=transpose: m.ormqr(a, t, c, left=False, transpose=h), packed, tau, turned)
    ours = rushlight.orgqr(*rushlight.geqrf(rushlight.from_numpy(x)))
    np.testing.assert_allclose(ours.numpy(), np.linalg.qr(x)[0], atol=1e-12)


def test_the_functions_in_ex_say_where_and_do_not_raise() -> None:
    singular = np.stack([np.eye(3), np.diag([1.0, 0.0, 1.0])])
    for m in (rushlight, torch):
        x = m.from_numpy(singular.copy())
        found, info = m.linalg.solve_ex(x, m.ones(2, 3, 1, dtype=m.float64))
        assert info.tolist() == [0, 2] and found[0].tolist() == [[1.0]] * 3
        inverse, info = m.linalg.inv_ex(x)
        assert info.tolist() == [0, 2] and inverse[0].tolist() == np.eye(3).tolist()
        factor, info = m.linalg.cholesky_ex(x)
        assert info.tolist() == [0, 2] and factor[0].tolist() == np.eye(3).tolist()
        assert m.linalg.lu_factor_ex(x).info.tolist() == [0, 2]
    both(lambda m, x: m.linalg.solve_ex(x, x * 2 + 1), SQUARE)
    both(lambda m, x: m.linalg.solve_ex(x, x[..., :1, :], left=False), BATCH)
    both(lambda m, x: m.linalg.inv_ex(x), COMPLEX)
    both(lambda m, x: m.linalg.cholesky_ex(x @ x.mH, upper=True), COMPLEX)


CHECKED = [
    lambda m, x: m.linalg.lu_factor(x), lambda m, x: m.linalg.lu_factor_ex(x, check_errors=True),
    lambda m, x: m.linalg.solve_ex(x, x, check_errors=True), lambda m, x: m.linalg.inv_ex(x, check_errors=True),
    lambda m, x: m.linalg.ldl_factor_ex(x, check_errors=True), lambda m, x: m.linalg.cholesky_ex(x, check_errors=True),
]  # fmt: skip


@pytest.mark.parametrize("call", CHECKED)
def test_singular_matrices_raise_where_errors_are_checked(call) -> None:
    x = np.stack([np.eye(2), np.zeros((2, 2))])
    with pytest.raises(RuntimeError):
        call(torch, torch.from_numpy(x))
    with pytest.raises(rushlight.linalg.LinAlgError, match="Batch element 1"):
        leaves(call(rushlight, rushlight.from_numpy(x)))[0].tolist()


BAD = [
    lambda m: m.linalg.lu_factor(m.eye(2), pivot=False), lambda m: m.linalg.lu_solve(m.eye(2), m.ones(2), m.ones(2, 1)),
    lambda m: m.linalg.lu_solve(m.eye(2), m.ones(3).int(), m.ones(2, 1)), lambda m: m.lu_unpack(m.eye(2), m.ones(2)),
    lambda m: m.linalg.lu_solve(m.eye(2), m.ones(2).int(), m.ones(3, 1)), lambda m: m.lu_unpack(m.eye(2), m.zeros(2).int())[0].tolist(),
    lambda m: m.linalg.ldl_factor(m.ones(2, 3)), lambda m: m.linalg.ldl_solve(m.eye(2), m.ones(2), m.ones(2, 1)),
    lambda m: m.geqrf(m.ones(2)), lambda m: m.orgqr(m.ones(2, 3), m.ones(2)), lambda m: m.orgqr(m.ones(3, 2), m.ones(3)),
    lambda m: m.orgqr(m.ones(3, 2), m.ones(2).double()), lambda m: m.ormqr(m.ones(3, 2), m.ones(2), m.ones(4, 4)),
    lambda m: m.linalg.solve_ex(m.eye(2), m.ones(3)), lambda m: m.linalg.matrix_rank(m.ones(2, 3), hermitian=True),
    lambda m: m.linalg.pinv(m.ones(4, 2, 2), atol=m.ones(3)), lambda m: m.linalg.qr(m.ones(3, 2, requires_grad=True), "complete")[0].sum().backward(),
]  # fmt: skip


@pytest.mark.parametrize("call", BAD)
def test_bad_input_is_refused_as_by_torch(call) -> None:
    with pytest.raises(RuntimeError):
        call(torch)
    with pytest.raises(RuntimeError):
        call(rushlight)


def test_tolerances_that_are_tensors() -> None:
    x = np.stack([np.diag([4.0, 1.0, 0.1]), np.diag([4.0, 3.0, 2.0])])
    for given in (
        {"atol": np.array([0.5, 2.5])},
        {"rtol": np.array([[0.5], [0.01]])},
        {"atol": np.array(0.5), "rtol": np.array([0.1, 0.9])},
    ):
        for name in ("matrix_rank", "pinv"):
            for hermitian in (True, False):
                call = lambda m, x, n=name, h=hermitian, g=given: getattr(m.linalg, n)(  # noqa: E731
                    x.detach(), hermitian=h, **{k: m.from_numpy(v) for k, v in g.items()}
                )
                both(call, x)
    both(
        lambda m, x: [
            m.linalg.matrix_rank(x, 0.5),
            m.linalg.matrix_rank(x, atol=0.5),
            m.linalg.matrix_rank(x, rtol=0.5),
        ],
        x,
    )
    both(lambda m, x: m.linalg.pinv(x, 0.3), x)


def test_pinv_of_a_hermitian_matrix_looks_at_its_lower_triangle() -> None:
    for x in (SQUARE, COMPLEX):
        both(lambda m, x: m.linalg.pinv(x.detach(), hermitian=True), x)
        both(lambda m, x: m.linalg.pinv(x + x.mH, hermitian=True), x)
    low = SQUARE[:, :2] @ SQUARE[:, :2].T
    both(lambda m, x: m.linalg.pinv((x + x.mH) / 2, hermitian=True, rtol=1e-9), low, tolerance=1e-7)


GRADIENTS = [
    (lambda m, x: m.linalg.qr(x), WIDE), (lambda m, x: m.linalg.qr(x, "complete"), WIDE), (lambda m, x: m.linalg.qr(x), COMPLEX_TALL.T.copy()),
    (lambda m, x: m.linalg.eigvals(x), SQUARE), (lambda m, x: m.linalg.eigvals(x), COMPLEX),
    (lambda m, x: [p.abs() for p in m.linalg.eig(x)], SQUARE), (lambda m, x: [p.abs() for p in m.linalg.eig(x)], COMPLEX),
    (lambda m, x: m.linalg.eigvals(x), np.eye(3)), (lambda m, x: [p.abs() for p in m.linalg.svd(x, False)], COMPLEX_TALL),
    (lambda m, x: (lambda u, s, vh: u @ (s**2)[..., None] .to(u.dtype) * vh[..., :1, :])(*m.linalg.svd(x[:, :1] @ x[:1], False)), COMPLEX_TALL),
    (lambda m, x: m.linalg.matrix_power(x, 0), SQUARE), (lambda m, x: m.logdet(x), COMPLEX),
    (lambda m, x, b: m.linalg.lstsq(x, b, driver="gels")[:2], TALL, TALL[:, :2] + 1), (lambda m, x, b: m.linalg.lstsq(x, b)[:2], WIDE, SQUARE[:3]),
    (lambda m, x, b: m.linalg.lstsq(x, b, driver="gelsd")[:2], COMPLEX_TALL, COMPLEX_TALL + 1),
    (lambda m, c, a, b: m.addmm(c, a, b, beta=2 + 1j, alpha=1 - 3j), *COMPLEX, COMPLEX[0]), (lambda m, x: x * (2 + 3j), COMPLEX),
    (lambda m, c, a, b: m.baddbmm(c, a, b, beta=2 + 1j, alpha=1 - 3j), COMPLEX, COMPLEX + 1, COMPLEX * 2),
    (lambda m, x: m.lerp(x, x * x, 0.5 + 2j), COMPLEX), (lambda m, x, y: m.lerp(x, y, x * y), *COMPLEX),
    (lambda m, x: [x.prod(0), x.prod()], COMPLEX), (lambda m, x: x.cumprod(1), COMPLEX), (lambda m, x: m.sinc(x), COMPLEX),
    (lambda m, x: [m.logsumexp(x * 3, 1), m.logsumexp(x[0, 0, 0] * 9, 0)], COMPLEX), (lambda m, x: m.logcumsumexp(x * 3, 1), COMPLEX),
    (lambda m, x, y: m.logaddexp(x * 3, y * 3), *COMPLEX),
]  # fmt: skip


@pytest.mark.parametrize("call, arrays", [(call, arrays) for call, *arrays in GRADIENTS])
def test_values_and_gradients(call, arrays: list) -> None:
    both(call, *arrays, tolerance=1e-8)


def test_eig_has_a_second_gradient() -> None:
    x = rushlight.from_numpy(SQUARE[:3, :3] + np.diag([0.0, 3, 7])).requires_grad_()
    assert rushlight.autograd.gradgradcheck(lambda x: rushlight.linalg.eigvals(x).abs(), (x,))


def test_gradient_of_logcumsumexp_over_a_large_range() -> None:
    """exp(-out) alone would vanish, and exp(x) overflow."""
    both(lambda m, x: m.logcumsumexp(x, 0), np.array([0.0, -3, 400, 1, 10000, 9999, 10001]))
    x = rushlight.tensor([0.5, -1.0, 2.0, 0.3], dtype=rushlight.float64, requires_grad=True)
    assert rushlight.autograd.gradgradcheck(lambda x: rushlight.logcumsumexp(x, 0), (x,))


def test_matrix_exp_in_single_precision_is_accurate() -> None:
    x = (R.randn(5, 5) * 3).astype(np.float32)
    found = rushlight.matrix_exp(rushlight.from_numpy(x)).numpy()
    exact = torch.linalg.matrix_exp(torch.from_numpy(x).double()).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-6 * np.abs(exact).max())


def test_zeta_has_no_gradient_to_its_exponent() -> None:
    for m in (torch, rushlight):
        s, q = m.tensor([2.5], requires_grad=True), m.tensor([1.5], requires_grad=True)
        m.special.zeta(s.detach(), q).sum().backward()
        assert abs(q.grad.item() + 2.5 * m.special.zeta(m.tensor(3.5), m.tensor(1.5)).item()) < 1e-5
        with pytest.raises(NotImplementedError):
            m.special.zeta(s, q).sum().backward()


def test_no_rows_at_all() -> None:
    empty = np.zeros((2, 0, 0))
    both(lambda m, x: m.linalg.lu(x), empty)
    both(lambda m, x: m.linalg.ldl_factor_ex(x.detach()), empty)
    both(lambda m, x: m.linalg.lu_solve(*m.linalg.lu_factor(x), x), empty)
    both(lambda m, x: m.linalg.lu_factor_ex(x), np.zeros((0, 3, 3)))


def test_vmap_goes_through_the_packed_forms() -> None:
    x, b = rushlight.from_numpy(symmetric(BATCH, False)), rushlight.from_numpy(BATCH)

    def solve(x, b):
        packed = rushlight.linalg.ldl_factor_ex(x)
        return rushlight.linalg.ldl_solve(packed.LD, packed.pivots, b), rushlight.linalg.lu_solve(
            *rushlight.linalg.lu_factor(x), b
        )

    for found in rushlight.func.vmap(solve)(x, b):
        np.testing.assert_allclose((x @ found).numpy(), BATCH, atol=1e-10)
    ranks = rushlight.func.vmap(lambda x, t: rushlight.linalg.matrix_rank(x, atol=t))(x, rushlight.tensor([0.0, 100.0]))
    assert ranks.tolist() == [3, 0]
