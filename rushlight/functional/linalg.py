"""Solutions and factorisations: what `torch.linalg` and its older names in `torch` share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.norms import matrix_norm
from rushlight.functional.products import _matmul
from rushlight.functional.registry import FUNCTIONS, as_int, public, write_out
from rushlight.functional.results import RESULTS
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record
from rushlight.ops.solve import check_matrix


def _done(result: Any, out: Any) -> Any:
    return result if out is None else write_out(out, result)


def _h(x: Any) -> Any:
    return x.transpose(-2, -1).conj()


@public("det", method=True)
def det(A: Any, *, out: Any = None) -> Any:
    """The determinant.

    Shapes: (*, n, n) → (*). RuntimeError for other shapes.

    >>> import rushlight as torch
    >>> torch.linalg.det(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(-2.)
    """
    return _done(record(TABLE["det_op"], (A,)), out)


def linalg_slogdet(A: Any, *, out: Any = None) -> Any:
    """(sign, log of the size) of the determinant.

    >>> import rushlight as torch
    >>> torch.linalg.slogdet(torch.tensor([[2.0, 0.0], [0.0, -3.0]])).sign
    tensor(-1.)
    """
    return RESULTS["linalg_slogdet"](*_done(record(TABLE["slogdet_op"], (A,)), out))


public("slogdet", method=True)(lambda input: RESULTS["slogdet"](*record(TABLE["slogdet_op"], (input,))))


@public(method=True)
def logdet(input: Any) -> Any:
    """The log of the determinant; NaN where that is negative, and complex for complex matrices."""
    sign, size = record(TABLE["slogdet_op"], (input,))
    if sign.is_complex():
        return sign.log() + size
    return FUNCTIONS["where"](sign == -1.0, math.nan, size)


@public("inverse", method=True)
def inv(A: Any, *, out: Any = None) -> Any:
    """The inverse of a square matrix, or of each of a batch.

    Shapes: (*, n, n) → the same. LinAlgError for a singular matrix; solve is faster and more precise where the
    inverse is only multiplied.

    >>> import rushlight as torch
    >>> torch.linalg.inv(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return _done(record(TABLE["inverse_op"], (A,)), out)


def inv_ex(A: Any, *, check_errors: bool = False, out: Any = None) -> Any:
    """(inverse, info): for a matrix without an inverse NaN, and the row where the elimination found a zero."""
    check_matrix("linalg.inv_ex", A._meta, square=True)
    eye = FUNCTIONS["eye"](A.shape[-1], dtype=A.dtype).expand(A.shape)
    found = record(TABLE["solve_ex_op"], (A, eye), ("torch.linalg.inv_ex" if check_errors else "",))
    return RESULTS["linalg_inv_ex"](*_done(found, out))


def solve(A: Any, B: Any, *, left: bool = True, out: Any = None) -> Any:
    """X with A X = B; X A = B with left=False. B may be a (batch of) vectors.

    Shapes: A (*, n, n); B (*, n) or (*, n, k), and so the result. LinAlgError for a singular A.

    >>> import rushlight as torch
    >>> torch.linalg.solve(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    return _done(_solved("linalg.solve", lambda a, b: record(TABLE["solve_op"], (a, b)), A, B, left), out)


def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """(`solve`, info): NaN for a singular matrix, and the row where the elimination found a zero, or 0."""
    info: Any = None

    def solution(a: Any, b: Any) -> Any:
        nonlocal info
        found, info = record(TABLE["solve_ex_op"], (a, b), ("torch.linalg.solve_ex" if check_errors else "",))
        return found

    result = _solved("linalg.solve_ex", solution, A, B, left)
    return RESULTS["linalg_solve_ex"](*_done((result, info), out))


def _solved(name: str, solution: Callable[[Any, Any], Any], A: Any, B: Any, left: bool) -> Any:
    """`solution(A, B)` for vectors too, and from the left."""
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))
    if vector:
        if not left:
            raise RuntimeError(
                f"{name}: Vector broadcasting of the left hand side is not supported for left=False. Fix: "
                "B.unsqueeze(-2)."
            )
        return solution(A, B.unsqueeze(-1)).squeeze(-1)
    if left:
        return solution(A, B)
    return solution(A.transpose(-2, -1), B.transpose(-2, -1)).transpose(-2, -1)


def solve_triangular(
    A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False, out: Any = None
) -> Any:
    """`solve` for a triangular A, of which only that triangle is looked at.

    >>> import rushlight as torch
    >>> torch.linalg.solve_triangular(torch.tensor([[2.0, 0.0], [1.0, 1.0]]), torch.tensor([[2.0], [3.0]]), upper=False)
    tensor([[1.],
            [2.]])
    """
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
    matrix = A.transpose(-2, -1) if transpose else A
    found = solve_triangular(matrix, input, upper=upper is not transpose, unitriangular=unitriangular)
    return RESULTS["triangular_solve"](*_done((found, A.clone()), out))


def lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """(solution, residuals, rank, singular_values) of the least squares problem A X = B.

    >>> import rushlight as torch
    >>> torch.linalg.lstsq(torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [3.0]])).solution
    tensor([[2.0000]])
    """
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            f"torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss); got {driver!r}"
        )
    if A.ndim < 2 or not B.ndim:
        raise RuntimeError(
            explain_error(
                "torch.linalg.lstsq",
                got=f"shapes {list(A.shape)} and {list(B.shape)}",
                expected="a matrix, and a vector or a matrix",
            )
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
    solution = _matmul(record(TABLE["pinv_op"], (A, None, rcond), (False,)), wide)
    m, n = A.shape[-2:]
    full = driver == "gels"  # which takes full rank for granted, and reports none
    rank = FUNCTIONS["empty"](0, dtype=dtypes.int64)
    if not full:
        rank = record(TABLE["matrix_rank_op"], (A.detach(), None, rcond), (False,))
    residuals = solution.abs().reshape(-1)[:0]  # none, and real, with the solution's gradient
    if (
        m > n and driver not in (None, "gelsy") and (full or bool((rank == n).all()))
    ):  # gelsy, the default, computes none
        residuals = (_matmul(A, solution) - wide).abs().square().sum(-2)
    values = (
        record(TABLE["svdvals_op"], (A.detach(),))
        if driver in ("gelsd", "gelss")
        else FUNCTIONS["empty"](0, dtype=A.dtype.to_real())
    )
    return RESULTS["linalg_lstsq"](solution.squeeze(-1) if vector else solution, residuals, rank, values)


def pinv(
    A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None
) -> Any:
    """The Moore-Penrose inverse: singular values up to max(atol, rtol * largest) count as zero.

    The tolerances are numbers, or tensors with one for each matrix; `rcond` is the older name of rtol.

    >>> import rushlight as torch
    >>> torch.linalg.pinv(torch.tensor([[2.0], [0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    rtol = rcond if rtol is None else rtol
    return _done(record(TABLE["pinv_op"], (A, atol, rtol), (bool(hermitian),)), out)


public("pinverse", method=True)(lambda input, rcond=1e-15: pinv(input, rtol=rcond))


def matrix_rank(
    A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None
) -> Any:
    """How many singular values exceed max(atol, rtol * largest); the tolerances as for `pinv`.

    `tol` is the older name of atol, beside which nothing is relative.

    >>> import rushlight as torch
    >>> torch.linalg.matrix_rank(torch.ones(3, 3))
    tensor(1)
    """
    if tol is not None:
        atol, rtol = tol, 0.0
    return _done(record(TABLE["matrix_rank_op"], (A, atol, rtol), (bool(hermitian),)), out)


def cond(A: Any, p: Any = None, *, out: Any = None) -> Any:
    """The condition number: the norm of A times the norm of its inverse; by default the ratio of singular values.

    >>> import rushlight as torch
    >>> torch.linalg.cond(torch.tensor([[4.0, 0.0], [0.0, 2.0]]))
    tensor(2.)
    """
    if p in (None, 2, -2):
        values = record(TABLE["svdvals_op"], (A,))
        ratio = values[..., 0] / values[..., -1] if p != -2 else values[..., -1] / values[..., 0]
        return _done(ratio, out)
    return _done(matrix_norm(A, p) * matrix_norm(inv(A), p), out)


# --- factorisations -----------------------------------------------------------------------------------------------


def linalg_cholesky(A: Any, *, upper: bool = False, out: Any = None) -> Any:
    """The lower triangular L with A = L L^H; its conjugate transpose with upper=True.

    Shapes: (*, n, n) → the same. LinAlgError unless it is positive definite.

    >>> import rushlight as torch
    >>> torch.linalg.cholesky(torch.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    return _done(record(TABLE["cholesky_op"], (A,), (bool(upper),)), out)


public("cholesky", method=True)(lambda input, upper=False, *, out=None: linalg_cholesky(input, upper=upper, out=out))


def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """(L, info): where a matrix is not positive-definite, NaN and the size of the first leading block that is not."""
    if check_errors:
        found = linalg_cholesky(A, upper=upper), FUNCTIONS["zeros"](A.shape[:-2], dtype=dtypes.int32)
    else:
        found = record(TABLE["cholesky_ex_op"], (A,), (bool(upper),))
    return RESULTS["linalg_cholesky_ex"](*_done(found, out))


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
    """(Q, R): orthonormal columns times an upper triangle.

    >>> import rushlight as torch
    >>> Q, R = torch.linalg.qr(torch.tensor([[3.0, 1.0], [4.0, 2.0]]))
    >>> (Q @ R).round(decimals=4)
    tensor([[3., 1.],
            [4., 2.]])
    """
    return RESULTS["linalg_qr"](*_done(record(TABLE["qr_op"], (A,), (mode,)), out))


@public("qr", method=True)
def qr(input: Any, some: bool = True, *, out: Any = None) -> Any:
    """(Q, R); all columns of Q with some=False."""
    return RESULTS["qr"](*_done(record(TABLE["qr_op"], (input,), ("reduced" if some else "complete",)), out))


def linalg_svd(A: Any, full_matrices: bool = True, *, driver: str | None = None, out: Any = None) -> Any:
    """(U, S, Vh) with A = U diag(S) Vh.

    Shapes: (*, m, n) → U (*, m, m), S (*, min(m, n)) in falling order, Vh (*, n, n); with full_matrices=False, U (*,
    m, k) and Vh (*, k, n).

    >>> import rushlight as torch
    >>> torch.linalg.svd(torch.tensor([[3.0, 0.0], [0.0, 2.0]])).S
    tensor([3., 2.])
    """
    return RESULTS["linalg_svd"](*_done(record(TABLE["svd_op"], (A,), (bool(full_matrices),)), out))


@public("svd", method=True)
def svd(input: Any, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """(U, S, V) with input = U diag(S) V^H."""
    u, s, vh = record(TABLE["svd_op"], (input,), (not some,))
    if not compute_uv:
        u, vh = FUNCTIONS["zeros_like"](u), FUNCTIONS["zeros_like"](vh)
    return RESULTS["svd"](*_done((u, s, _h(vh)), out))


def svdvals(A: Any, *, driver: str | None = None, out: Any = None) -> Any:
    """The singular values, largest first.

    >>> import rushlight as torch
    >>> torch.linalg.svdvals(torch.tensor([[3.0, 0.0], [0.0, 2.0]]))
    tensor([3., 2.])
    """
    return _done(record(TABLE["svdvals_op"], (A,)), out)


def eigh(A: Any, UPLO: str = "L", *, out: Any = None) -> Any:
    """(eigenvalues in rising order, eigenvectors) of a Hermitian matrix, of which one triangle is looked at.

    Shapes: (*, n, n), of which one triangle is read → eigenvalues (*, n) in rising order, eigenvectors (*, n, n) in
    columns. RuntimeError for other shapes.

    >>> import rushlight as torch
    >>> torch.linalg.eigh(torch.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    return RESULTS["linalg_eigh"](*_done(record(TABLE["eigh_op"], (A,), (UPLO,)), out))


def eigvalsh(A: Any, UPLO: str = "L", *, out: Any = None) -> Any:
    """The eigenvalues of a Hermitian matrix.

    >>> import rushlight as torch
    >>> torch.linalg.eigvalsh(torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor([1., 2.])
    """
    return _done(record(TABLE["eigvalsh_op"], (A,), (UPLO,)), out)


def eig(A: Any, *, out: Any = None) -> Any:
    """(eigenvalues, eigenvectors) of a square matrix, complex. The gradient needs eigenvalues that differ."""
    return RESULTS["linalg_eig"](*_done(record(TABLE["eig_op"], (A,)), out))


def eigvals(A: Any, *, out: Any = None) -> Any:
    """The eigenvalues of a square matrix, complex.

    >>> import rushlight as torch
    >>> torch.linalg.eigvals(torch.tensor([[0.0, -1.0], [1.0, 0.0]])).imag.sort().values
    tensor([-1.,  1.])
    """
    return _done(record(TABLE["eig_op"], (A,))[0], out)


# --- functions of matrices ----------------------------------------------------------------------------------------


@public("matrix_exp", method=True)
def matrix_exp(A: Any) -> Any:
    """The matrix exponential.

    >>> import rushlight as torch
    >>> torch.linalg.matrix_exp(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return record(TABLE["matrix_exp_op"], (A,))


@public("matrix_power", method=True)
def matrix_power(A: Any, n: int, *, out: Any = None) -> Any:
    """A @ A @ …, n factors; of the inverse when n is negative.

    >>> import rushlight as torch
    >>> torch.linalg.matrix_power(torch.tensor([[1.0, 1.0], [0.0, 1.0]]), 3)
    tensor([[1., 3.],
            [0., 1.]])
    """
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
        every = FUNCTIONS["ones_like"](A, dtype=dtypes.bool_)
        result = FUNCTIONS["where"](every, FUNCTIONS["eye"](A.shape[-1], dtype=A.dtype), A)  # its gradient is zero
    return _done(result, out)


@public(method=True)
def trace(input: Any) -> Any:
    """The sum of the diagonal of a matrix.

    >>> import rushlight as torch
    >>> torch.trace(torch.tensor([[1, 2], [3, 4]]))
    tensor(5)
    """
    if input.ndim != 2:
        raise RuntimeError(
            f"trace: expected a matrix, but got tensor with dim {input.ndim}. Fix: x.diagonal(0, -2, -1).sum(-1) "
            f"for a batch."
        )
    return input.diagonal().sum()


def vecdot(x: Any, y: Any, *, dim: int = -1, out: Any = None) -> Any:
    """Sums of products of x, conjugated, and y along dim.

    >>> import rushlight as torch
    >>> torch.linalg.vecdot(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([11.])
    """
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
