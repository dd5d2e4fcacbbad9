"""Determinants, inverses, solutions and factorisations of (batches of) matrices; LAPACK by way of numpy.linalg."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.dtype import COMPLEX, FLOATING
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.reduce import dtype_name
from rushlight.ops.rules import broadcast_shapes, like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T, conj


class LinAlgError(RuntimeError):
    """A matrix does not admit what was asked of it: it is singular, or not positive-definite, or did not converge."""


def check_matrix(name: str, x: Meta, *, square: bool = False) -> None:
    """Raise unless x is a batch of (square) matrices of a dtype that LAPACK knows."""
    if x.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions; got shape {list(x.shape)}. Fix: A.unsqueeze(0).")
    if square and x.shape[-1] != x.shape[-2]:
        raise RuntimeError(f"{name}: A must be batches of square matrices, but they are {x.shape[-2]} by {x.shape[-1]} matrices; got shape {list(x.shape)}.")
    if x.dtype.category < FLOATING:
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {dtype_name(x.dtype)}. Fix: A.float().")
    if x.dtype.itemsize < 4:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {dtype_name(x.dtype)}. Fix: A.float().")


def _t(x: Any) -> Any:
    return conj(x.transpose(-2, -1))


def _h(x: np.ndarray) -> np.ndarray:
    return np.conj(np.swapaxes(x, -1, -2))


def _first_bad(x: np.ndarray, works: Callable[[np.ndarray], bool]) -> str:
    """`(Batch element 2)` when it is not clear which matrix of the batch failed."""
    if x.ndim == 2:
        return ""
    for index, one in enumerate(x.reshape(-1, *x.shape[-2:])):
        if not works(one):
            return f"(Batch element {index}): "
    return ""


def _singular(name: str, x: np.ndarray) -> LinAlgError:
    where = _first_bad(x, lambda one: bool(np.linalg.matrix_rank(one) == one.shape[-1]))
    return LinAlgError(
        f"{name}: {where}The input matrix is singular, so that it could not be completed: got a matrix of shape {list(x.shape)} "
        "without an inverse. Fix: use torch.linalg.pinv or lstsq, or add a small multiple of torch.eye(n)."
    )


def square_samples() -> list:
    """Well conditioned matrices: one, and a batch."""
    return [((values(3, 3) + 3 * np.eye(3),), {}), ((values(2, 2, 2) + 2 * np.eye(2),), {})]


def symmetric_samples() -> list:
    """Positive-definite matrices."""
    return [((a @ np.swapaxes(a, -1, -2),), {}) for (a,), _ in square_samples()]


def _square(name: str) -> Any:
    def infer(x: Meta) -> Meta:
        check_matrix(name, x, square=True)
        return like(x)

    return infer


# --- determinant --------------------------------------------------------------------------------------------------


def _det_infer(x: Meta) -> Meta:
    check_matrix("linalg.det", x, square=True)
    return like(x, shape=x.shape[:-2])


det = declare(
    "det_op(Tensor input)", infer=_det_infer, reference=np.linalg.det, grad_name="LinalgDetBackward0",
    vjp=(lambda g, out, x: g[..., None, None] * conj(T.apply("cofactor_op", (x,), {})),),
    samples=lambda: [*square_samples(), ((np.ones((3, 3)) + np.diag([0, 1.0, 0]),), {})], doc="the determinant",
)  # fmt: skip


def _cofactor(x: np.ndarray) -> np.ndarray:
    """The gradient of the determinant: by the singular values, so that singular matrices have one too."""
    u, s, vh = np.linalg.svd(x)
    n = s.shape[-1]
    others = np.stack([np.prod(np.delete(s, i, -1), -1) for i in range(n)], -1) if n else s
    turn = np.linalg.det(u) * np.linalg.det(vh)
    # transpose of the adjugate of U S Vh, of which conj takes the factors U and V back
    return turn[..., None, None] * np.conj((u * others[..., None, :]) @ vh)


def _cofactor_rule(g: Any, out: Any, x: Any) -> Any:
    inverse = T.apply("inverse_op", (x,), {})
    turned = inverse.transpose(-2, -1)
    inner = (g * conj(turned)).sum((-2, -1), True)
    d = T.apply("det_op", (x,), {})[..., None, None]
    return inner * conj(out) - conj(d) * T.matmul(T.matmul(conj(turned), g.transpose(-2, -1)), conj(turned))


cofactor = declare(
    "cofactor_op(Tensor input)", infer=_square("linalg.det"), reference=_cofactor, vjp=(_cofactor_rule,),
    doc="det(A) * inverse(A)^T",
)  # fmt: skip


def _slogdet_infer(x: Meta) -> tuple[Meta, Meta]:
    check_matrix("linalg.slogdet", x, square=True)
    return like(x, shape=x.shape[:-2]), like(x, shape=x.shape[:-2], dtype=x.dtype.to_real())


def _slogdet_rule(g: Any, out: Any, x: Any) -> Any:
    weight = g[1]
    if x.is_complex():
        weight = T.complex(weight, (conj(out[0]) * g[0]).imag)
    return weight[..., None, None] * _t(T.apply("inverse_op", (x,), {}))


slogdet = declare(
    "slogdet_op(Tensor input)", infer=_slogdet_infer, reference=lambda x: tuple(np.linalg.slogdet(x)), vjp=(_slogdet_rule,),
    grad_name="LinalgSlogdetBackward0", samples=square_samples, doc="the sign of the determinant, and the log of its size",
)  # fmt: skip

# --- inverse and solutions ----------------------------------------------------------------------------------------


def _inverse(x: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        raise _singular("linalg.inv", x) from None


def _inverse_rule(g: Any, out: Any, x: Any) -> Any:
    turned = _t(out)
    return -T.matmul(turned, T.matmul(g, turned))


inverse = declare(
    "inverse_op(Tensor input)", infer=_square("linalg.inv"), reference=_inverse, vjp=(_inverse_rule,),
    grad_name="LinalgInvExBackward0", samples=square_samples, doc="the inverse matrix",
)  # fmt: skip


def _pair(name: str, a: Meta, b: Meta) -> tuple[int, ...]:
    """Check a square A and a matrix B of as many rows; the shape of the solution."""
    check_matrix(name, a, square=True)
    if a.dtype is not b.dtype:
        raise RuntimeError(explain_error(name, got=f"A of {a.dtype} and B of {b.dtype}", expected="A and B to have the same dtype", fix=f"B.to({a.dtype})"))
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation AX = B ({a.shape[-2]}x{a.shape[-1]} and "
            f"{b.shape[-2]}x{b.shape[-1]}). Fix: B needs {a.shape[-1]} rows; for XA = B pass left=False."
        )
    return (*broadcast_shapes(name, a.shape[:-2], b.shape[:-2]), *b.shape[-2:])


def _solve(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        raise _singular("linalg.solve", a) from None


def _solve_vjp(g: Any, out: Any, a: Any, b: Any, *, needs: tuple[bool, ...]) -> tuple:
    back = T.apply("solve_op", (_t(a), g), {})
    return (-T.matmul(back, _t(out)) if needs[0] else None), back


solve = declare(
    "solve_op(Tensor input, Tensor other)", infer=lambda a, b: like(b, shape=_pair("linalg.solve", a, b)), reference=_solve,
    vjp=_solve_vjp, grad_name="LinalgSolveExBackward0",
    samples=lambda: [((a, values(3, 2) if a.ndim == 2 else values(2, 2, 1)), {}) for (a,), _ in square_samples()],
    doc="X with A X = B",
)  # fmt: skip


def _triangular(a: np.ndarray, b: np.ndarray, upper: bool, unitriangular: bool) -> np.ndarray:
    """Substitution, a row at a time for the whole batch; a zero on the diagonal gives infinities."""
    n = a.shape[-1]
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.array(np.broadcast_to(b, (*batch, *b.shape[-2:])))
    for i in reversed(range(n)) if upper else range(n):
        known = slice(i + 1, n) if upper else slice(0, i)
        x[..., i, :] -= np.matmul(a[..., i : i + 1, known], x[..., known, :])[..., 0, :]
        if not unitriangular:
            x[..., i, :] /= a[..., i, i, None]
    return x


def _triangular_vjp(g: Any, out: Any, a: Any, b: Any, *, needs: tuple[bool, ...], upper: bool, unitriangular: bool) -> tuple:
    back = T.apply("triangular_op", (_t(a), g), {"upper": not upper, "unitriangular": unitriangular})
    grad = None
    if needs[0]:
        whole = -T.matmul(back, _t(out))
        grad = whole.triu(int(unitriangular)) if upper else whole.tril(-int(unitriangular))
    return grad, back


triangular = declare(
    "triangular_op(Tensor input, Tensor other, bool upper, bool unitriangular)",
    infer=lambda a, b, upper, unitriangular: like(b, shape=_pair("linalg.solve_triangular", a, b)), reference=_triangular,
    vjp=_triangular_vjp, grad_name="LinalgSolveTriangularBackward0",
    samples=lambda: [((values(3, 3) + 3 * np.eye(3), values(3, 2), True, False), {})], doc="X with A X = B for a triangular A",
)  # fmt: skip

# --- factorisations -----------------------------------------------------------------------------------------------


def _cholesky(x: np.ndarray, upper: bool) -> np.ndarray:
    lower = _h(np.triu(x)) if upper else x
    try:
        factor = np.linalg.cholesky(lower)
    except np.linalg.LinAlgError:

        def works(one: np.ndarray) -> bool:
            return bool((np.linalg.eigvalsh(one) > 0).all())

        raise LinAlgError(
            f"linalg.cholesky: {_first_bad(lower, works)}The factorization could not be completed because the input is not "
            "positive-definite. Fix: symmetrise it, or add a small multiple of torch.eye(n)."
        ) from None
    return _h(factor) if upper else factor


def _cholesky_rule(g: Any, out: Any, x: Any, upper: bool) -> Any:
    factor, g = (_t(out), _t(g)) if upper else (out, g)
    inner = T.matmul(_t(factor), g).tril()
    inner = inner + _t(inner.tril(-1))
    solved = T.apply("triangular_op", (_t(factor), inner), {"upper": True, "unitriangular": False})
    return _t(T.apply("triangular_op", (_t(factor), _t(solved)), {"upper": True, "unitriangular": False})) / 2


def _cholesky_infer(x: Meta, upper: bool) -> Meta:
    check_matrix("linalg.cholesky", x, square=True)
    return like(x)


cholesky = declare(
    "cholesky_op(Tensor input, bool upper)", infer=_cholesky_infer, reference=_cholesky, vjp=(_cholesky_rule,),
    grad_name="LinalgCholeskyExBackward0", samples=lambda: [((a, False), {}) for (a,), _ in symmetric_samples()],
    doc="the lower triangular L with A = L L^H",
)  # fmt: skip


def _qr_infer(x: Meta, mode: str) -> tuple[Meta, Meta]:
    check_matrix("linalg.qr", x)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'")
    m, n = x.shape[-2:]
    inner = m if mode == "complete" else min(m, n)
    q = (0,) if mode == "r" else (*x.shape[:-2], m, inner)
    return like(x, shape=q), like(x, shape=(*x.shape[:-2], inner, n))


def _qr(x: np.ndarray, mode: str) -> tuple[np.ndarray, np.ndarray]:
    if mode == "r":
        return np.zeros(0, x.dtype), np.linalg.qr(x, "r")
    return tuple(np.linalg.qr(x, mode))  # type: ignore[return-value]


def _qr_rule(g: Any, out: Any, x: Any, mode: str) -> Any:
    m, n = x.shape[-2:]
    if mode == "r" or m < n or (mode == "complete" and m > n):
        raise NotImplementedError(
            explain_error("linalg.qr", got=f"a backward through mode={mode!r} of a {m} by {n} matrix", expected="mode='reduced' and at least as many rows as columns")
        )
    q, r = out
    skew = T.matmul(r, _t(g[1])) - T.matmul(_t(g[0]), q)
    folded = skew.tril(-1)
    folded = folded + _t(folded) + T.diag_embed(T.diagonal(skew, 0, -2, -1).real if x.is_complex() else T.diagonal(skew, 0, -2, -1))
    left = g[0] + T.matmul(q, folded)
    return _t(T.apply("triangular_op", (r, _t(left)), {"upper": True, "unitriangular": False}))


qr = declare(
    "qr_op(Tensor input, str mode)", infer=_qr_infer, reference=_qr, vjp=(_qr_rule,), grad_name="LinalgQrBackward0",
    samples=lambda: [((values(4, 3) + np.eye(4, 3), "reduced"), {}), ((values(2, 3, 3) + np.eye(3), "reduced"), {})],
    doc="orthonormal Q and upper triangular R with A = Q R",
)  # fmt: skip


def _svd_infer(x: Meta, full_matrices: bool) -> tuple[Meta, Meta, Meta]:
    check_matrix("linalg.svd", x)
    batch, (m, n) = x.shape[:-2], x.shape[-2:]
    k = min(m, n)
    s = like(x, shape=(*batch, k), dtype=x.dtype.to_real())
    return like(x, shape=(*batch, m, m if full_matrices else k)), s, like(x, shape=(*batch, n if full_matrices else k, n))


def _converged(name: str, compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except np.linalg.LinAlgError:
        raise LinAlgError(f"{name}: The algorithm failed to converge: the input matrix holds NaN or infinity, or is ill-conditioned.") from None


def _differences(s: Any, squared: bool) -> Any:
    """E with E_ij = s_j - s_i (or of the squares), and ones on the diagonal."""
    s = s * s if squared else s
    return s.unsqueeze(-2) - s.unsqueeze(-1) + T.eye(s.shape[-1], dtype=s.dtype)


def _svd_rule(g: Any, out: Any, x: Any, full_matrices: bool) -> Any:
    m, n = x.shape[-2:]
    k = min(m, n)
    u, s, vh = out
    gu, gs, gvh = g
    if full_matrices and m != n:  # the extra vectors are not unique: nothing differentiable depends on them
        u, gu, vh, gvh = u[..., :k], gu[..., :k], vh[..., :k, :], gvh[..., :k, :]
    if x.is_complex():
        raise NotImplementedError(explain_error("linalg.svd", got="a backward through a complex matrix", expected="a real one", fix="use torch.linalg.svdvals"))
    gaps = _differences(s, True)
    left, right = T.matmul(_t(u), gu), T.matmul(gvh, _t(vh))  # right is (V^H gV)^H
    left, right = (left - _t(left)) / gaps, (_t(right) - right) / gaps
    inner = left * s.unsqueeze(-2) + s.unsqueeze(-1) * right + T.diag_embed(gs)
    result = T.matmul(u, T.matmul(inner, vh))
    if m > k:
        rest = gu / s.unsqueeze(-2)
        result = result + T.matmul(rest - T.matmul(u, T.matmul(_t(u), rest)), vh)
    if n > k:
        rest = gvh / s.unsqueeze(-1)
        result = result + T.matmul(u, rest - T.matmul(T.matmul(rest, _t(vh)), vh))
    return result


svd = declare(
    "svd_op(Tensor input, bool full_matrices)", infer=_svd_infer, vjp=(_svd_rule,), grad_name="LinalgSvdBackward0",
    reference=lambda x, full_matrices: tuple(_converged("linalg.svd", lambda: np.linalg.svd(x, full_matrices))),
    doc="U, S, V^H with A = U diag(S) V^H",
)  # fmt: skip


def _svdvals_infer(x: Meta) -> Meta:
    check_matrix("linalg.svdvals", x)
    return like(x, shape=(*x.shape[:-2], min(x.shape[-2:])), dtype=x.dtype.to_real())


def _svdvals_rule(g: Any, out: Any, x: Any) -> Any:
    u, _, vh = T.apply("svd_op", (x,), {"full_matrices": False})
    return T.matmul(u * g.unsqueeze(-2), vh)


svdvals = declare(
    "svdvals_op(Tensor input)", infer=_svdvals_infer, vjp=(_svdvals_rule,), grad_name="LinalgSvdvalsBackward0",
    reference=lambda x: _converged("linalg.svdvals", lambda: np.linalg.svd(x, compute_uv=False)),
    samples=lambda: [((values(3, 4),), {}), ((values(2, 3, 2),), {})], doc="the singular values",
)  # fmt: skip


def _eigh_infer(x: Meta, uplo: str) -> tuple[Meta, Meta]:
    check_matrix("linalg.eigh", x, square=True)
    if uplo.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {uplo}")
    return like(x, shape=x.shape[:-1], dtype=x.dtype.to_real()), like(x)


def _eigh_rule(g: Any, out: Any, x: Any, uplo: str) -> Any:
    w, v = out
    inner = T.matmul(_t(v), g[1])
    inner = (inner - _t(inner)) / 2 / _differences(w, False) + T.diag_embed(g[0])
    return T.matmul(v, T.matmul(inner, _t(v)))


eigh = declare(
    "eigh_op(Tensor input, str uplo)", infer=_eigh_infer, vjp=(_eigh_rule,), grad_name="LinalgEighBackward0",
    reference=lambda x, uplo: tuple(_converged("linalg.eigh", lambda: np.linalg.eigh(x, uplo))),
    doc="eigenvalues in rising order and eigenvectors of a Hermitian matrix",
)  # fmt: skip


def _eigvalsh_rule(g: Any, out: Any, x: Any, uplo: str) -> Any:
    _, v = T.apply("eigh_op", (x,), {"uplo": uplo})
    return T.matmul(v * g.unsqueeze(-2), _t(v))


eigvalsh = declare(
    "eigvalsh_op(Tensor input, str uplo)", infer=lambda x, uplo: _eigh_infer(x, uplo)[0], vjp=(_eigvalsh_rule,),
    reference=lambda x, uplo: _converged("linalg.eigvalsh", lambda: np.linalg.eigvalsh(x, uplo)),
    grad_name="LinalgEigvalshBackward0", doc="the eigenvalues of a Hermitian matrix",
)  # fmt: skip


def _eig_infer(x: Meta) -> tuple[Meta, Meta]:
    check_matrix("linalg.eig", x, square=True)
    kind = x.dtype if x.dtype.category == COMPLEX else x.dtype.to_complex()
    return like(x, shape=x.shape[:-1], dtype=kind), like(x, dtype=kind)


def _eig_rule(g: Any, out: Any, x: Any) -> Any:
    raise NotImplementedError(explain_error("linalg.eig", got="a backward", expected="no gradient", fix="use torch.linalg.eigh for symmetric matrices"))


eig = declare(
    "eig_op(Tensor input)", infer=_eig_infer, vjp=(_eig_rule,), grad_name="LinalgEigBackward0",
    reference=lambda x: tuple(_converged("linalg.eig", lambda: np.linalg.eig(x))), doc="eigenvalues and eigenvectors",
)  # fmt: skip


def _pinv_infer(x: Meta, atol: float | None, rtol: float | None) -> Meta:
    check_matrix("linalg.pinv", x)
    return like(x, shape=(*x.shape[:-2], x.shape[-1], x.shape[-2]))


def cutoff(s: np.ndarray, shape: tuple[int, ...], atol: float | None, rtol: float | None) -> np.ndarray:
    """Singular values up to this size count as zero."""
    if rtol is None:
        rtol = 0.0 if atol is not None and atol > 0 else float(np.finfo(s.dtype).eps) * max(shape[-2:])
    return np.maximum(0.0 if atol is None else atol, rtol * s[..., :1].max(-1, keepdims=True, initial=0.0))


def _pinv(x: np.ndarray, atol: float | None, rtol: float | None) -> np.ndarray:
    u, s, vh = _converged("linalg.pinv", lambda: np.linalg.svd(x, full_matrices=False))
    keep = s > cutoff(s, x.shape, atol, rtol)
    inverse = np.where(keep, 1 / np.where(keep, s, 1), 0)
    return (_h(vh) * inverse[..., None, :]) @ _h(u)


def _pinv_rule(g: Any, out: Any, x: Any, atol: float | None, rtol: float | None) -> Any:
    p, gh, ph = out, _t(g), _t(out)
    first = T.matmul(T.matmul(gh, p), ph)
    second = T.matmul(T.matmul(ph, p), gh)
    return (
        -T.matmul(ph, T.matmul(g, ph)) + first - T.matmul(x, T.matmul(p, first))
        + second - T.matmul(T.matmul(second, p), x)
    )  # fmt: skip


pinv = declare(
    "pinv_op(Tensor input, any atol, any rtol)", infer=_pinv_infer, reference=_pinv, vjp=(_pinv_rule,),
    grad_name="LinalgPinvBackward0", samples=lambda: [((values(3, 2) + np.eye(3, 2), None, None), {}), ((values(2, 2, 3), None, None), {})],
    doc="the Moore-Penrose inverse",
)  # fmt: skip


def _rank(x: np.ndarray, atol: float | None, rtol: float | None, hermitian: bool) -> np.ndarray:
    s = np.sort(np.abs(np.linalg.eigvalsh(x)), -1)[..., ::-1] if hermitian else np.linalg.svd(x, compute_uv=False)
    return (s > cutoff(s, x.shape, atol, rtol)).sum(-1)


def _rank_infer(x: Meta, atol: float | None, rtol: float | None, hermitian: bool) -> Meta:
    check_matrix("linalg.matrix_rank", x, square=hermitian)
    return like(x, shape=x.shape[:-2], dtype=dtypes.int64)


matrix_rank = declare(
    "matrix_rank_op(Tensor input, any atol, any rtol, bool hermitian)", infer=_rank_infer, reference=_rank,
    doc="how many singular values are not zero",
)  # fmt: skip


def _lu_factor(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian elimination with row exchanges, a column at a time for the whole batch."""
    lu = x.reshape(-1, *x.shape[-2:]).copy()
    batch, (m, n) = np.arange(len(lu)), lu.shape[-2:]
    k = min(m, n)
    pivots = np.zeros((len(lu), k), np.int32)
    for i in range(k):
        row = i + np.argmax(np.abs(lu[:, i:, i]), 1)
        pivots[:, i] = row + 1
        lu[batch, row], lu[:, i] = lu[:, i].copy(), lu[batch, row].copy()
        pivot = lu[:, i, i, None]
        lu[:, i + 1 :, i] /= np.where(pivot == 0, 1, pivot)
        lu[:, i + 1 :, i + 1 :] -= lu[:, i + 1 :, i, None] * lu[:, i, None, i + 1 :]
    return lu.reshape(x.shape), pivots.reshape(*x.shape[:-2], k)


def _lu_infer(x: Meta) -> tuple[Meta, Meta]:
    check_matrix("linalg.lu_factor", x)
    return like(x), like(x, shape=(*x.shape[:-2], min(x.shape[-2:])), dtype=dtypes.int32)


def _lu_rule(g: Any, out: Any, x: Any) -> Any:
    raise NotImplementedError(explain_error("linalg.lu_factor", got="a backward", expected="no gradient", fix="use solve, inv, det or qr, which have one"))


lu_factor = declare(
    "lu_factor_op(Tensor input)", infer=_lu_infer, reference=_lu_factor, vjp=(_lu_rule,), grad_name="LinalgLuFactorExBackward0",
    doc="L and U in one matrix, and the row exchanges",
)  # fmt: skip


def _matrix_exp(x: np.ndarray) -> np.ndarray:
    """Halve until the norm is small, sum the Taylor series, square as often."""
    if x.size == 0:
        return x.copy()
    norm = float(np.abs(x).sum(-2).max())
    if not math.isfinite(norm):
        return np.full_like(x, np.nan)
    squarings = max(0, math.ceil(math.log2(norm)) + 3) if norm else 0
    small = x / 2.0**squarings
    total = term = np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape)
    for i in range(1, 16):
        term = term @ small / i
        total = total + term
    for _ in range(squarings):
        total = total @ total
    return total


def _matrix_exp_rule(g: Any, out: Any, x: Any) -> Any:
    """The gradient is the corner of the exponential of [[A^H, g], [0, A^H]]."""
    n, a = x.shape[-1], _t(x)
    top = T.cat([a, g], -1)
    bottom = T.cat([T.zeros_like(a), a], -1)
    return T.apply("matrix_exp_op", (T.cat([top, bottom], -2),), {})[..., :n, n:]


matrix_exp = declare(
    "matrix_exp_op(Tensor input)", infer=_square("linalg.matrix_exp"), reference=_matrix_exp, vjp=(_matrix_exp_rule,),
    grad_name="LinalgMatrixExpBackward0", samples=lambda: [((values(3, 3),), {}), ((values(2, 2, 2) * 3,), {})],
    doc="the matrix exponential",
)  # fmt: skip
