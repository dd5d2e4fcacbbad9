"""Solutions and factorisations: what `torch.linalg` and its older names in `torch` share."""

from __future__ import annotations

import math
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.norms import matrix_norm
from rushlight.functional.products import _matmul
from rushlight.functional.registry import FUNCTIONS, as_int, public, write_out
from rushlight.functional.results import RESULTS
from rushlight.ir.op import TABLE
from rushlight.lazy.record import Handle, record


def _done(result: Any, out: Any) -> Any:
    return result if out is None else write_out(out, result)


def _h(x: Any) -> Any:
    return x.transpose(-2, -1).conj()


@public("det", method=True)
def det(A: Any, *, out: Any = None) -> Any:
    """The determinant."""
    return _done(record(TABLE["det_op"], (A,)), out)


def linalg_slogdet(A: Any, *, out: Any = None) -> Any:
    """(sign, log of the size) of the determinant."""
    return RESULTS["linalg_slogdet"](*_done(record(TABLE["slogdet_op"], (A,)), out))


public("slogdet", method=True)(lambda input: RESULTS["slogdet"](*record(TABLE["slogdet_op"], (input,))))


@public(method=True)
def logdet(input: Any) -> Any:
    """The log of the determinant; NaN where that is negative."""
    sign, size = record(TABLE["slogdet_op"], (input,))
    return FUNCTIONS["where"](sign == -1.0, math.nan, size)


@public("inverse", method=True)
def inv(A: Any, *, out: Any = None) -> Any:
    """The inverse of a square matrix, or of each of a batch."""
    return _done(record(TABLE["inverse_op"], (A,)), out)


def inv_ex(A: Any, *, check_errors: bool = False, out: Any = None) -> Any:
    """(inverse, info); a matrix without an inverse raises here."""
    found = inv(A)
    return RESULTS["linalg_inv_ex"](found, FUNCTIONS["zeros"](A.shape[:-2], dtype=dtypes.int32))


def solve(A: Any, B: Any, *, left: bool = True, out: Any = None) -> Any:
    """X with A X = B; X A = B with left=False. B may be a (batch of) vectors."""
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))
    if vector:
        if not left:
            raise RuntimeError(
                "linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. Fix: "
                "B.unsqueeze(-2)."
            )
        return _done(record(TABLE["solve_op"], (A, B.unsqueeze(-1))).squeeze(-1), out)
    if left:
        return _done(record(TABLE["solve_op"], (A, B)), out)
    return _done(record(TABLE["solve_op"], (A.transpose(-2, -1), B.transpose(-2, -1))).transpose(-2, -1), out)


def solve_triangular(
    A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False, out: Any = None
) -> Any:
    """`solve` for a triangular A, of which only that triangle is looked at."""
    op = TABLE["triangular_op"]
    if left:
        return _done(record(op, (A, B), (bool(upper), bool(unitriangular))), out)
    found = record(op, (A.transpose(-2, -1), B.transpose(-2, -1)), (not upper, bool(unitriangular)))
    return _done(found.transpose(-2, -1), out)


@public(method=True)
def triangular_solve(
    input: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False, *, out: Any = None
) -> Any:
    """(X with A X = input, a copy of A) for a triangular A."""
    from collections import namedtuple

    result = namedtuple("triangular_solve", "solution cloned_coefficient")
    matrix = A.transpose(-2, -1) if transpose else A
    return result(solve_triangular(matrix, input, upper=upper is not transpose, unitriangular=unitriangular), A.clone())


def lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """(solution, residuals, rank, singular_values) of the least squares problem A X = B."""
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            f"torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss); got {driver!r}"
        )
    vector = A.ndim - 1 == B.ndim
    wide = B.unsqueeze(-1) if vector else B
    if A.shape[-2] != wide.shape[-2]:
        raise RuntimeError(
            explain_error(
                "torch.linalg.lstsq",
                got=f"shapes {list(A.shape)} and {list(B.shape)}",
                expected="input.size(-2) to match other.size(-2)",
            )
        )
    solution = _matmul(record(TABLE["pinv_op"], (A,), (None, rcond)), wide)
    m, n = A.shape[-2:]
    rank = record(TABLE["matrix_rank_op"], (A.detach(),), (None, rcond, False))
    residuals = FUNCTIONS["empty"](0, dtype=A.dtype)
    if m > n and driver not in (None, "gelsy") and bool((rank == n).all()):  # gelsy, the default, computes none
        residuals = (_matmul(A, solution) - wide).abs().square().sum(-2)
    values = (
        record(TABLE["svdvals_op"], (A.detach(),))
        if driver in ("gelsd", "gelss")
        else FUNCTIONS["empty"](0, dtype=A.dtype.to_real())
    )
    rank = FUNCTIONS["empty"](0, dtype=dtypes.int64) if driver == "gels" else rank
    return RESULTS["linalg_lstsq"](solution.squeeze(-1) if vector else solution, residuals, rank, values)


def _tolerance(name: str, value: Any) -> Any:
    if isinstance(value, Handle):
        if value._meta.numel != 1:
            raise NotImplementedError(
                explain_error(
                    name,
                    got=f"a tolerance of shape {list(value._meta.shape)}",
                    expected="one number",
                    fix="call it for each matrix",
                )
            )
        return float(value)  # type: ignore[arg-type]
    return value


def pinv(A: Any, *, atol: Any = None, rtol: Any = None, hermitian: bool = False, out: Any = None) -> Any:
    """The Moore-Penrose inverse: singular values up to max(atol, rtol * largest) count as zero."""
    static = (_tolerance("linalg.pinv", atol), _tolerance("linalg.pinv", rtol))
    return _done(record(TABLE["pinv_op"], (A,), static), out)


public("pinverse", method=True)(lambda input, rcond=1e-15: pinv(input, rtol=rcond))


def matrix_rank(A: Any, *, atol: Any = None, rtol: Any = None, hermitian: bool = False, out: Any = None) -> Any:
    """How many singular values exceed max(atol, rtol * largest)."""
    static = (_tolerance("linalg.matrix_rank", atol), _tolerance("linalg.matrix_rank", rtol), bool(hermitian))
    return _done(record(TABLE["matrix_rank_op"], (A,), static), out)


def cond(A: Any, p: Any = None, *, out: Any = None) -> Any:
    """The condition number: the norm of A times the norm of its inverse; by default the ratio of singular values."""
    if p in (None, 2, -2):
        values = record(TABLE["svdvals_op"], (A,))
        ratio = values[..., 0] / values[..., -1] if p != -2 else values[..., -1] / values[..., 0]
        return _done(ratio, out)
    return _done(matrix_norm(A, p) * matrix_norm(inv(A), p), out)


# --- factorisations -----------------------------------------------------------------------------------------------


def linalg_cholesky(A: Any, *, upper: bool = False, out: Any = None) -> Any:
    """The lower triangular L with A = L L^H; its conjugate transpose with upper=True."""
    return _done(record(TABLE["cholesky_op"], (A,), (bool(upper),)), out)


public("cholesky", method=True)(lambda input, upper=False, *, out=None: linalg_cholesky(input, upper=upper, out=out))


def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """(L, info); a matrix that is not positive-definite raises here."""
    return RESULTS["linalg_cholesky_ex"](
        linalg_cholesky(A, upper=upper), FUNCTIONS["zeros"](A.shape[:-2], dtype=dtypes.int32)
    )


@public(method=True)
def cholesky_solve(B: Any, L: Any, upper: bool = False, *, out: Any = None) -> Any:
    """X with A X = B, given the Cholesky factor of A."""
    lower = _h(L) if upper else L
    half = solve_triangular(lower, B, upper=False)
    return _done(solve_triangular(_h(lower), half, upper=True), out)


@public(method=True)
def cholesky_inverse(L: Any, upper: bool = False, *, out: Any = None) -> Any:
    """The inverse of A, given its Cholesky factor."""
    eye = FUNCTIONS["eye"](L.shape[-1], dtype=L.dtype).expand(L.shape)
    return cholesky_solve(eye, L, upper, out=out)


def linalg_qr(A: Any, mode: str = "reduced", *, out: Any = None) -> Any:
    """(Q, R): orthonormal columns times an upper triangle."""
    return RESULTS["linalg_qr"](*_done(record(TABLE["qr_op"], (A,), (mode,)), out))


@public("qr", method=True)
def qr(input: Any, some: bool = True, *, out: Any = None) -> Any:
    """(Q, R); all columns of Q with some=False."""
    return RESULTS["qr"](*_done(record(TABLE["qr_op"], (input,), ("reduced" if some else "complete",)), out))


def linalg_svd(A: Any, full_matrices: bool = True, *, driver: str | None = None, out: Any = None) -> Any:
    """(U, S, Vh) with A = U diag(S) Vh."""
    return RESULTS["linalg_svd"](*_done(record(TABLE["svd_op"], (A,), (bool(full_matrices),)), out))


@public("svd", method=True)
def svd(input: Any, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """(U, S, V) with input = U diag(S) V^H."""
    u, s, vh = record(TABLE["svd_op"], (input,), (not some,))
    if not compute_uv:
        u, vh = FUNCTIONS["zeros_like"](u), FUNCTIONS["zeros_like"](vh)
    return RESULTS["svd"](*_done((u, s, _h(vh)), out))


def svdvals(A: Any, *, driver: str | None = None, out: Any = None) -> Any:
    """The singular values, largest first."""
    return _done(record(TABLE["svdvals_op"], (A,)), out)


def eigh(A: Any, UPLO: str = "L", *, out: Any = None) -> Any:
    """(eigenvalues in rising order, eigenvectors) of a Hermitian matrix, of which one triangle is looked at."""
    return RESULTS["linalg_eigh"](*_done(record(TABLE["eigh_op"], (A,), (UPLO,)), out))


def eigvalsh(A: Any, UPLO: str = "L", *, out: Any = None) -> Any:
    """The eigenvalues of a Hermitian matrix."""
    return _done(record(TABLE["eigvalsh_op"], (A,), (UPLO,)), out)


def eig(A: Any, *, out: Any = None) -> Any:
    """(eigenvalues, eigenvectors) of a square matrix, complex. Not differentiable."""
    return RESULTS["linalg_eig"](*_done(record(TABLE["eig_op"], (A,)), out))


def eigvals(A: Any, *, out: Any = None) -> Any:
    """The eigenvalues of a square matrix, complex. Not differentiable."""
    return _done(record(TABLE["eig_op"], (A,))[0], out)


def lu_factor(A: Any, *, pivot: bool = True, out: Any = None) -> Any:
    """(L and U in one matrix, the row exchanged with each row, counted from 1). Not differentiable."""
    if not pivot:
        raise NotImplementedError(
            explain_error("linalg.lu_factor", got="pivot=False", expected="pivot=True: row exchanges are always made")
        )
    return RESULTS["linalg_lu_factor"](*_done(record(TABLE["lu_factor_op"], (A,)), out))


def lu(A: Any, *, pivot: bool = True, out: Any = None) -> Any:
    """(P, L, U) with A = P L U. Not differentiable."""
    packed, pivots = lu_factor(A, pivot=pivot)
    m, n = A.shape[-2:]
    k = min(m, n)
    lower = packed[..., :k].tril(-1) + FUNCTIONS["eye"](m, k, dtype=A.dtype)
    return RESULTS["linalg_lu"](*_done((_permutation(pivots, m, A), lower, packed[..., :k, :].triu()), out))


def _permutation(pivots: Any, m: int, A: Any) -> Any:
    """The matrix P of the row exchanges."""
    import numpy as np

    from rushlight.functional.creation import wrap

    steps = pivots._compute_array()
    flat = steps.reshape(-1, steps.shape[-1])
    orders = np.tile(np.arange(m), (len(flat), 1))
    for row, exchanges in zip(orders, flat, strict=True):
        for i, j in enumerate(exchanges - 1):
            row[[i, j]] = row[[j, i]]
    matrix = np.zeros((len(flat), m, m), A.dtype.storage)
    for one, order in zip(matrix, orders, strict=True):
        one[order, np.arange(m)] = 1
    return wrap(matrix.reshape(*steps.shape[:-1], m, m), A.dtype)


def lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False, out: Any = None) -> Any:
    """X with A X = B, given `lu_factor` of A."""
    if not left or adjoint:
        raise NotImplementedError(
            explain_error("linalg.lu_solve", got=f"left={left}, adjoint={adjoint}", expected="left=True, adjoint=False")
        )
    order = _permutation(pivots, LU.shape[-1], LU)
    half = solve_triangular(LU, _matmul(order.transpose(-2, -1), B), upper=False, unitriangular=True)
    return _done(solve_triangular(LU, half, upper=True), out)


# --- functions of matrices ----------------------------------------------------------------------------------------


@public("matrix_exp", method=True)
def matrix_exp(A: Any) -> Any:
    """The matrix exponential."""
    return record(TABLE["matrix_exp_op"], (A,))


@public("matrix_power", method=True)
def matrix_power(A: Any, n: int, *, out: Any = None) -> Any:
    """A @ A @ …, n factors; of the inverse when n is negative."""
    n = as_int(n)
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise RuntimeError(f"linalg.matrix_power: A must be batches of square matrices; got shape {list(A.shape)}.")
    if n < 0:
        A, n = inv(A), -n
    result = None
    while n:
        if n & 1:
            result = A if result is None else _matmul(result, A)
        n >>= 1
        if n:
            A = _matmul(A, A)
    if result is None:
        result = FUNCTIONS["eye"](A.shape[-1], dtype=A.dtype).expand(A.shape).clone()
    return _done(result, out)


@public(method=True)
def trace(input: Any) -> Any:
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise RuntimeError(
            f"trace: expected a matrix, but got tensor with dim {input.ndim}. Fix: x.diagonal(0, -2, -1).sum(-1) "
            f"for a batch."
        )
    return input.diagonal().sum()


def vecdot(x: Any, y: Any, *, dim: int = -1, out: Any = None) -> Any:
    """Sums of products of x, conjugated, and y along dim."""
    return _done((x.conj() * y).sum(dim), out)


def tensorinv(A: Any, ind: int = 2, *, out: Any = None) -> Any:
    """The inverse of the linear map between the last dimensions and the first `ind`."""
    rows = math.prod(A.shape[:ind])
    return _done(inv(A.reshape(rows, -1)).reshape(A.shape[ind:] + A.shape[:ind]), out)


def tensorsolve(A: Any, B: Any, dims: Any = None, *, out: Any = None) -> Any:
    """X with tensordot(A, X, X.ndim) = B."""
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    shape = A.shape[B.ndim :]
    return _done(solve(A.reshape(B.numel(), -1), B.reshape(-1)).reshape(shape), out)
