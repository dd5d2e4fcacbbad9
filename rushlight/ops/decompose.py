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
from rushlight.ops.rules import broadcast_shapes, like
from rushlight.ops.samples import values
from rushlight.ops.solve import LinAlgError, adjoint, check_matrix, conj_transposed, square_rule
from rushlight.ops.tensor_code import T, conj, real_like


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
    if mode == "r" or (mode == "complete" and m > n):
        raise NotImplementedError(
            explain_error(
                "linalg.qr",
                got=f"a backward through mode={mode!r} of a {m} by {n} matrix",
                expected="mode='reduced', of which Q and R are unique",
            )
        )
    (q, r), (gq, gr) = out, g
    if m >= n:
        return _square_qr_rule(q, r, gq, gr)
    # the columns beyond the square are Q R2: they give Q a gradient, and take the rest
    first = _square_qr_rule(q, r[..., :m], gq + T.matmul(x[..., m:], adjoint(gr[..., m:])), gr[..., :m])
    return T.cat([first, T.matmul(q, gr[..., m:])], -1)


def _square_qr_rule(q: Any, r: Any, gq: Any, gr: Any) -> Any:
    """The gradient for A = Q R where R is square: (gQ + Q copyltu(R gR^H - gQ^H Q)) R^-H."""
    skew = T.matmul(r, adjoint(gr)) - T.matmul(adjoint(gq), q)
    folded = skew.tril(-1)
    diagonal = T.diagonal(skew, 0, -2, -1)
    folded = folded + adjoint(folded) + T.diag_embed(diagonal.real if skew.is_complex() else diagonal)
    left = gq + T.matmul(q, folded)
    return adjoint(T.apply("triangular_op", (r, adjoint(left)), {"upper": True, "unitriangular": False}))


qr = declare(
    "qr_op(Tensor input, str mode)", infer=_qr_infer, reference=_qr, vjp=(_qr_rule,), grad_name="LinalgQrBackward0",
    samples=lambda: [
        ((values(4, 3) + np.eye(4, 3), "reduced"), {}), ((values(2, 3, 3) + np.eye(3), "reduced"), {}),
        ((values(2, 4), "complete"), {}),
    ],
    doc="orthonormal Q and upper triangular R with A = Q R",
)  # fmt: skip


def _geqrf(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    packed, tau = np.linalg.qr(x, "raw")
    return np.swapaxes(packed, -1, -2), tau


def _geqrf_infer(x: Meta) -> tuple[Meta, Meta]:
    check_matrix("geqrf", x)
    return like(x), like(x, shape=(*x.shape[:-2], min(x.shape[-2:])))


geqrf = declare(
    "geqrf_op(Tensor input)", infer=_geqrf_infer, reference=_geqrf,
    samples=lambda: [((values(4, 3),), {}), ((values(2, 2, 3),), {})],
    doc="R, and below its diagonal the vectors of the reflections that make Q",
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
    apart = s.unsqueeze(-2) - s.unsqueeze(-1)
    if squared:
        apart = apart * (s.unsqueeze(-2) + s.unsqueeze(-1))  # squares would lose what values have in common
    return apart + T.eye(s.shape[-1], dtype=s.dtype)


def _svd_rule(g: Any, out: Any, x: Any, full_matrices: bool) -> Any:
    m, n = x.shape[-2:]
    k = min(m, n)
    u, s, vh = out
    gu, gs, gvh = g
    if full_matrices and m != n:  # the extra vectors are not unique: nothing differentiable depends on them
        u, gu, vh, gvh = u[..., :k], gu[..., :k], vh[..., :k, :], gvh[..., :k, :]
    gaps = _differences(s, True)
    left, right = T.matmul(adjoint(u), gu), T.matmul(gvh, adjoint(vh))  # right is (V^H gV)^H
    left, right = (left - adjoint(left)) / gaps, (adjoint(right) - right) / gaps
    inner = left * s.unsqueeze(-2) + s.unsqueeze(-1) * right
    if x.is_complex():  # u and v may turn together by a phase: for what is unique, their parts of the diagonal cancel
        inner = inner * (1 - T.eye(k, dtype=s.dtype)) + T.diag_embed(T.diagonal(left, 0, -2, -1) / (2 * s))
    inner = inner + T.diag_embed(gs)
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
    """V^-H (gL + (V^H gV - V^H V Re(diag(V^H gV))) / conj(E)) V^H, E_ij = l_j - l_i, for eigenvectors of length 1."""
    (gw, gv), (w, v) = g, out
    turned = adjoint(v)
    inner = None if gw is None else T.diag_embed(gw)
    if gv is not None:
        whole = T.matmul(turned, gv)
        along = T.diagonal(whole, 0, -2, -1).real
        apart = (whole - T.matmul(turned, v) * along.unsqueeze(-2)) / conj(_differences(w, False))
        apart = apart * (1 - T.eye(w.shape[-1], dtype=w.dtype))
        inner = apart if inner is None else inner + apart
    return real_like(T.apply("solve_op", (turned, T.matmul(inner, turned)), {}), x)


eig = declare(
    "eig_op(Tensor input)", infer=_eig_infer, vjp=(_eig_rule,), grad_none=True, grad_name="LinalgEigBackward0",
    reference=lambda x: tuple(_converged("linalg.eig", lambda: np.linalg.eig(x))), doc="eigenvalues and eigenvectors",
)  # fmt: skip


Tolerance = Any  # None, a number, or one for each matrix


def _pinv_infer(x: Meta, atol: Meta | None, rtol: Meta | None, hermitian: bool) -> Meta:
    check_matrix("linalg.pinv", x, square=hermitian)
    batch = _batch("linalg.pinv", x, atol, rtol)
    return like(x, shape=(*batch, x.shape[-1], x.shape[-2]))


def _batch(name: str, x: Meta, *tolerances: Meta | None) -> tuple[int, ...]:
    return broadcast_shapes(name, x.shape[:-2], *[t.shape for t in tolerances if t is not None])


def cutoff(s: np.ndarray, shape: tuple[int, ...], atol: Tolerance, rtol: Tolerance) -> np.ndarray:
    """Singular values up to this size count as zero; s (batch, k), the tolerances (batch)."""
    if rtol is None:
        usual = float(np.finfo(s.dtype).eps) * max(shape[-2:])
        rtol = usual if atol is None else np.where(np.asarray(atol) > 0, 0.0, usual)
    relative = np.asarray(rtol)[..., None] * s.max(-1, keepdims=True, initial=0.0)
    return relative if atol is None else np.maximum(np.asarray(atol)[..., None], relative)


def _pinv(x: np.ndarray, atol: Tolerance, rtol: Tolerance, hermitian: bool) -> np.ndarray:
    if hermitian:
        w, v = _converged("linalg.pinv", lambda: np.linalg.eigh(x))
        s, left, right = np.abs(w), v, conj_transposed(v) * np.where(w < 0, -1, 1).astype(w.dtype)[..., None]
    else:
        u, s, vh = _converged("linalg.pinv", lambda: np.linalg.svd(x, full_matrices=False))
        left, right = conj_transposed(vh), conj_transposed(u)
    keep = s > cutoff(s, x.shape, atol, rtol)
    inverse = np.where(keep, 1 / np.where(keep, s, 1), 0).astype(s.dtype)
    return (left * inverse[..., None, :]) @ right


def _pinv_vjp(g: Any, out: Any, x: Any, atol: Any, rtol: Any, *, needs: tuple[bool, ...], hermitian: bool) -> tuple:
    if hermitian:  # the lower triangle is the matrix
        lower = x.tril(-1)
        x = lower + adjoint(lower) + T.diag_embed(T.diagonal(x, 0, -2, -1))
    p, gh, ph = out, adjoint(g), adjoint(out)
    first = T.matmul(T.matmul(gh, p), ph)
    second = T.matmul(T.matmul(ph, p), gh)
    found = (
        -T.matmul(ph, T.matmul(g, ph)) + first - T.matmul(x, T.matmul(p, first))
        + second - T.matmul(T.matmul(second, p), x)
    )  # fmt: skip
    found = (found + adjoint(found)) / 2 if hermitian else found
    return found.sum_to_size(x.shape), None, None


pinv = declare(
    "pinv_op(Tensor input, Operand? atol, Operand? rtol, bool hermitian)", infer=_pinv_infer, reference=_pinv,
    vjp=_pinv_vjp, grad_name="LinalgPinvBackward0",
    samples=lambda: [
        ((values(3, 2) + np.eye(3, 2), None, None, False), {}), ((values(2, 2, 3), None, None, False), {}),
        ((values(2, 3, 3), np.array([0.01, 0.1]), None, False), {}),
    ],
    doc="the Moore-Penrose inverse",
)  # fmt: skip


def _rank(x: np.ndarray, atol: Tolerance, rtol: Tolerance, hermitian: bool) -> np.ndarray:
    s = np.abs(np.linalg.eigvalsh(x)) if hermitian else np.linalg.svd(x, compute_uv=False)
    return (s > cutoff(s, x.shape, atol, rtol)).sum(-1)


def _rank_infer(x: Meta, atol: Meta | None, rtol: Meta | None, hermitian: bool) -> Meta:
    check_matrix("linalg.matrix_rank", x, square=hermitian)
    return like(x, shape=_batch("linalg.matrix_rank", x, atol, rtol), dtype=dtypes.int64)


matrix_rank = declare(
    "matrix_rank_op(Tensor input, Operand? atol, Operand? rtol, bool hermitian)", infer=_rank_infer, reference=_rank,
    samples=lambda: [
        ((values(3, 2), None, None, False), {}), ((values(2, 3, 3), np.array([0.1, 5.0]), None, False), {}),
    ],
    doc="how many singular values are not zero",
)  # fmt: skip


def _matrix_exp(x: np.ndarray) -> np.ndarray:
    """Halve until the norm is small, sum the Taylor series, square as often; in double, as squaring doubles errors."""
    if x.size == 0:
        return x.copy()
    wide = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64, copy=False)
    norm = float(np.abs(wide).sum(-2).max())
    if not math.isfinite(norm):
        return np.full_like(x, np.nan)
    squarings = max(0, math.ceil(math.log2(norm)) + 3) if norm else 0
    small = wide / 2.0**squarings
    total = term = np.broadcast_to(np.eye(x.shape[-1], dtype=wide.dtype), x.shape)
    for i in range(1, 16):
        term = term @ small / i
        total = total + term
    for _ in range(squarings):
        total = total @ total
    return total.astype(x.dtype, copy=False)


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
