"""Factorisations and functions of (batches of) matrices; LAPACK by way of numpy.linalg."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.dtype import COMPLEX
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.rules import like
from rushlight.ops.samples import values
from rushlight.ops.solve import (
    LinAlgError,
    adjoint,
    check_matrix,
    conj_transposed,
    first_bad,
    square_rule,
    symmetric_samples,
)
from rushlight.ops.tensor_code import T


def _cholesky(x: np.ndarray, upper: bool) -> np.ndarray:
    lower = conj_transposed(np.triu(x)) if upper else x
    try:
        factor = np.linalg.cholesky(lower)
    except np.linalg.LinAlgError:

        def works(one: np.ndarray) -> bool:
            return bool((np.linalg.eigvalsh(one) > 0).all())

        raise LinAlgError(
            f"linalg.cholesky: {first_bad(lower, works)}The factorization could not be completed because the input "
            f"is not "
            "positive-definite. Fix: symmetrise it, or add a small multiple of torch.eye(n)."
        ) from None
    return conj_transposed(factor) if upper else factor


def _cholesky_rule(g: Any, out: Any, x: Any, upper: bool) -> Any:
    factor, g = (adjoint(out), adjoint(g)) if upper else (out, g)
    inner = T.matmul(adjoint(factor), g).tril()
    inner = inner + adjoint(inner.tril(-1))
    solved = T.apply("triangular_op", (adjoint(factor), inner), {"upper": True, "unitriangular": False})
    return (
        adjoint(T.apply("triangular_op", (adjoint(factor), adjoint(solved)), {"upper": True, "unitriangular": False}))
        / 2
    )


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
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
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
            explain_error(
                "linalg.qr",
                got=f"a backward through mode={mode!r} of a {m} by {n} matrix",
                expected="mode='reduced' and at least as many rows as columns",
            )
        )
    q, r = out
    skew = T.matmul(r, adjoint(g[1])) - T.matmul(adjoint(g[0]), q)
    folded = skew.tril(-1)
    folded = (
        folded
        + adjoint(folded)
        + T.diag_embed(T.diagonal(skew, 0, -2, -1).real if x.is_complex() else T.diagonal(skew, 0, -2, -1))
    )
    left = g[0] + T.matmul(q, folded)
    return adjoint(T.apply("triangular_op", (r, adjoint(left)), {"upper": True, "unitriangular": False}))


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
    return (
        like(x, shape=(*batch, m, m if full_matrices else k)),
        s,
        like(x, shape=(*batch, n if full_matrices else k, n)),
    )


def _converged(name: str, compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except np.linalg.LinAlgError:
        raise LinAlgError(
            f"{name}: The algorithm failed to converge: the input matrix holds NaN or infinity, or is ill-conditioned."
        ) from None


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
        raise NotImplementedError(
            explain_error(
                "linalg.svd",
                got="a backward through a complex matrix",
                expected="a real one",
                fix="use torch.linalg.svdvals",
            )
        )
    gaps = _differences(s, True)
    left, right = T.matmul(adjoint(u), gu), T.matmul(gvh, adjoint(vh))  # right is (V^H gV)^H
    left, right = (left - adjoint(left)) / gaps, (adjoint(right) - right) / gaps
    inner = left * s.unsqueeze(-2) + s.unsqueeze(-1) * right + T.diag_embed(gs)
    result = T.matmul(u, T.matmul(inner, vh))
    if m > k:
        rest = gu / s.unsqueeze(-2)
        result = result + T.matmul(rest - T.matmul(u, T.matmul(adjoint(u), rest)), vh)
    if n > k:
        rest = gvh / s.unsqueeze(-1)
        result = result + T.matmul(u, rest - T.matmul(T.matmul(rest, adjoint(vh)), vh))
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
    inner = T.matmul(adjoint(v), g[1])
    inner = (inner - adjoint(inner)) / 2 / _differences(w, False) + T.diag_embed(g[0])
    return T.matmul(v, T.matmul(inner, adjoint(v)))


eigh = declare(
    "eigh_op(Tensor input, str uplo)", infer=_eigh_infer, vjp=(_eigh_rule,), grad_name="LinalgEighBackward0",
    reference=lambda x, uplo: tuple(_converged("linalg.eigh", lambda: np.linalg.eigh(x, uplo))),
    doc="eigenvalues in rising order and eigenvectors of a Hermitian matrix",
)  # fmt: skip


def _eigvalsh_rule(g: Any, out: Any, x: Any, uplo: str) -> Any:
    _, v = T.apply("eigh_op", (x,), {"uplo": uplo})
    return T.matmul(v * g.unsqueeze(-2), adjoint(v))


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
    raise NotImplementedError(
        explain_error(
            "linalg.eig", got="a backward", expected="no gradient", fix="use torch.linalg.eigh for symmetric matrices"
        )
    )


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
    return (conj_transposed(vh) * inverse[..., None, :]) @ conj_transposed(u)


def _pinv_rule(g: Any, out: Any, x: Any, atol: float | None, rtol: float | None) -> Any:
    p, gh, ph = out, adjoint(g), adjoint(out)
    first = T.matmul(T.matmul(gh, p), ph)
    second = T.matmul(T.matmul(ph, p), gh)
    return (
        -T.matmul(ph, T.matmul(g, ph)) + first - T.matmul(x, T.matmul(p, first))
        + second - T.matmul(T.matmul(second, p), x)
    )  # fmt: skip


pinv = declare(
    "pinv_op(Tensor input, any atol, any rtol)", infer=_pinv_infer, reference=_pinv, vjp=(_pinv_rule,),
    grad_name="LinalgPinvBackward0",
    samples=lambda: [((values(3, 2) + np.eye(3, 2), None, None), {}), ((values(2, 2, 3), None, None), {})],
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
    raise NotImplementedError(
        explain_error(
            "linalg.lu_factor",
            got="a backward",
            expected="no gradient",
            fix="use solve, inv, det or qr, which have one",
        )
    )


lu_factor = declare(
    "lu_factor_op(Tensor input)", infer=_lu_infer, reference=_lu_factor, vjp=(_lu_rule,),
    grad_name="LinalgLuFactorExBackward0",
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
    n, a = x.shape[-1], adjoint(x)
    top = T.cat([a, g], -1)
    bottom = T.cat([T.zeros_like(a), a], -1)
    return T.apply("matrix_exp_op", (T.cat([top, bottom], -2),), {})[..., :n, n:]


matrix_exp = declare(
    "matrix_exp_op(Tensor input)", infer=square_rule("linalg.matrix_exp"), reference=_matrix_exp,
    vjp=(_matrix_exp_rule,),
    grad_name="LinalgMatrixExpBackward0", samples=lambda: [((values(3, 3),), {}), ((values(2, 2, 2) * 3,), {})],
    doc="the matrix exponential",
)  # fmt: skip
