"""A few extreme eigenpairs of a large symmetric matrix, by products with it alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight
from rushlight import linalg
from rushlight.errors import explain_error


def lobpcg(
    A: Any, k: int | None = None, B: Any = None, X: Any = None, n: int | None = None, iK: Any = None, niter: int | None = None,
    tol: float | None = None, largest: bool | None = None, method: str | None = None, tracker: Callable | None = None,
    ortho_iparams: Any = None, ortho_fparams: Any = None, ortho_bparams: Any = None,
) -> tuple[Any, Any]:  # fmt: skip
    """The k largest (or smallest) eigenvalues of A x = e B x, and their vectors as columns: (E, X).

    A: (..., m, m) symmetric; B: as A and positive definite, or None; X: (..., m, n) first guess; iK: what residuals are
    multiplied by, an approximate inverse. Steps end when every residual is below tol (|A| + |e| |B|), at most niter (1000).
    Locally optimal block preconditioned conjugate gradients (Knyazev, 2001): the best vectors in the span of the current
    ones, their residuals, and the last step's change. `method`, `tracker` and `ortho_*` change nothing.

    ValueError if m < 3 n: use torch.linalg.eigh. NotImplementedError for a gradient.

    >>> import rushlight as torch
    >>> torch.lobpcg(torch.diag(torch.arange(1.0, 10.0)), k=2)[0].round()
    tensor([9., 8.])
    """
    m = A.shape[-1]
    wanted = k if k is not None else (1 if X is None else X.shape[-1])
    width = n if n is not None else (wanted if X is None else X.shape[-1])
    if A.ndim < 2 or A.shape[-2] != m:
        raise ValueError(explain_error("lobpcg", got=f"A of shape {list(A.shape)}", expected="square matrices"))
    if m < 3 * width:
        got = f"{m} rows for {width} eigenpairs"
        raise ValueError(explain_error("lobpcg", got=got, expected="3 rows a pair or more", fix="torch.linalg.eigh"))
    if any(t is not None and t.requires_grad for t in (A, B)) and rushlight.is_grad_enabled():
        got = "a matrix that requires a gradient"
        raise NotImplementedError(
            explain_error("lobpcg", got=got, expected="none", fix="torch.linalg.eigh has gradients")
        )
    with rushlight.no_grad():
        parts = [None if t is None else t.reshape(-1, *t.shape[-2:]) for t in (A, B, X, iK)]
        pairs = [
            _one(*(None if t is None else t[i] for t in parts), width, niter, tol, largest is not False)
            for i in range(parts[0].shape[0])
        ]
        values, vectors = (rushlight.stack([pair[i][..., :wanted] for pair in pairs]) for i in (0, 1))
        return values.reshape(*A.shape[:-2], wanted), vectors.reshape(*A.shape[:-1], wanted)


def _one(
    A: Any, B: Any, X: Any, iK: Any, width: int, niter: int | None, tol: float | None, largest: bool
) -> tuple[Any, Any]:
    if tol is None:
        tol = {2: 1e-3, 4: 1.2e-7**0.5}.get(A.dtype.itemsize, 2.2e-16**0.5)
    X = rushlight.randn(A.shape[0], width, dtype=A.dtype) if X is None else X[:, :width]
    size = [float(linalg.matrix_norm(M)) if M is not None else 1.0 for M in (A, B)]
    E, X = _best(A, B, X, width, largest)
    change = X[:, :0]
    for _ in range(1000 if niter is None or niter < 0 else niter):
        residual = A @ X - (X if B is None else B @ X) * E
        small = linalg.vector_norm(residual, dim=0) <= tol * (size[0] + E.abs() * size[1])
        if bool(small.all()):
            break
        step = residual if iK is None else iK @ residual
        before = X
        E, X = _best(A, B, rushlight.cat([X, step, change], 1), width, largest)
        change = X - before @ (before.T @ (X if B is None else B @ X))
    return E, X


def _best(A: Any, B: Any, span: Any, width: int, largest: bool) -> tuple[Any, Any]:
    """The extreme eigenpairs of A among the vectors that the columns of `span` make (Rayleigh and Ritz)."""
    basis = linalg.qr(span)[0]
    inner = basis.T @ A @ basis
    if B is not None:  # columns that are orthogonal with respect to B
        root = linalg.cholesky(basis.T @ B @ basis)
        basis = linalg.solve_triangular(root, basis.T, upper=False).T
        inner = basis.T @ A @ basis
    values, vectors = linalg.eigh((inner + inner.T) / 2)
    picked = slice(-width, None) if largest else slice(0, width)
    values, vectors = values[picked], basis @ vectors[:, picked]
    return (values.flip(0), vectors.flip(1)) if largest else (values, vectors)
