"""Low-rank approximations of matrices by random projections: svd_lowrank and pca_lowrank (Halko, Martinsson and Tropp, 2011)."""

from __future__ import annotations

from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.linalg import linalg_qr, linalg_svd
from rushlight.functional.registry import FUNCTIONS, public


def _basis(A: Any, q: int, niter: int) -> Any:
    """Orthonormal columns that span most of A's range: powers of A applied to random vectors."""
    vectors = FUNCTIONS["randn"]((A.shape[-1], q), dtype=A.dtype)  # the same for each of a batch
    Q = linalg_qr(A @ vectors)[0]
    for _ in range(niter):
        Q = linalg_qr(A.mH @ Q)[0]
        Q = linalg_qr(A @ Q)[0]
    return Q


@public()
def svd_lowrank(A: Any, q: int | None = 6, niter: int | None = 2, M: Any = None) -> tuple:
    """(U, S, V) with A - M ≈ U diag(S) V^H, of rank q: A (*, m, n), U (*, m, q), S (*, q), V (*, n, q).

    niter: how many times the random projection is refined. The result is random where A's rank is above q.

    >>> import rushlight as torch
    >>> U, S, V = torch.svd_lowrank(torch.ones(4, 3), q=1)
    >>> (U * S @ V.mH).round(decimals=3)[0]
    tensor([1., 1., 1.])
    """
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    if A.ndim < 2 or not 0 <= q <= min(A.shape[-2:]):
        raise ValueError(
            explain_error(
                "svd_lowrank",
                got=f"q={q} for shape {list(A.shape)}",
                expected="matrices, and q at most their smaller side",
            )
        )
    if M is not None:
        A = A - M.expand(A.shape)
    wide = A.shape[-2] < A.shape[-1]
    tall = A.mH if wide else A
    Q = _basis(tall, q, niter)
    U, S, Vh = linalg_svd(Q.mH @ tall, full_matrices=False)
    U, V = Q @ U, Vh.mH
    return (V, S, U) if wide else (U, S, V)


@public()
def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> tuple:
    """(U, S, V) of A with its columns' means taken off: V holds the principal directions, S² / (m - 1) their variances.

    >>> import rushlight as torch
    >>> U, S, V = torch.pca_lowrank(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [3.0, 0.0]]), q=1)
    >>> V.abs().round(decimals=3)
    tensor([[1.],
            [0.]])
    """
    m, n = A.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ValueError(
            explain_error(
                "pca_lowrank", got=f"q={q}", expected=f"0 to {min(m, n)}: the smaller side of {list(A.shape)}"
            )
        )
    if niter < 0:
        raise ValueError(explain_error("pca_lowrank", got=f"niter={niter}", expected="niter >= 0"))
    return svd_lowrank(A - A.mean(-2, True) if center else A, q, niter)
