"""Linear algebra: what `torch.linalg` and its older names in `torch` share. The products are in `products.py`."""

from __future__ import annotations

import math
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.products import _matmul
from rushlight.functional.registry import FUNCTIONS, as_int, as_ints, public, write_out
from rushlight.functional.results import RESULTS
from rushlight.ir.op import TABLE
from rushlight.lazy.record import Handle, record
from rushlight.ops.rules import wrap_dim

inf = math.inf


def _done(result: Any, out: Any) -> Any:
    return result if out is None else write_out(out, result)


def _h(x: Any) -> Any:
    return x.transpose(-2, -1).conj()


# --- norms --------------------------------------------------------------------------------------------------------


def vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """(sum of |x|^ord)^(1/ord) over dim, all dimensions by default."""
    if isinstance(ord, str):
        raise TypeError(explain_error("linalg.vector_norm", got=f"ord={ord!r}", expected="a number", fix="use torch.linalg.matrix_norm"))
    if dtype is not None:
        x = x.to(dtype)
    return _done(record(TABLE["vector_norm_op"], (x,), (ord, as_ints(dim), bool(keepdim))), out)


def matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The norm of the matrices in two dimensions: 'fro', 'nuc', or 1, 2, inf and their negatives."""
    if A.ndim < 2:
        raise RuntimeError(f"linalg.matrix_norm: The input tensor A must have at least 2 dimensions; got shape {list(A.shape)}.")
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim}")
    rows, columns = (wrap_dim(d, A.ndim, "linalg.matrix_norm") for d in dim)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if dtype is not None:
        A = A.to(dtype)
    if ord == "fro":
        return _done(vector_norm(A, 2, (rows, columns), keepdim), out)
    if ord in ("nuc", 2, -2):
        values = record(TABLE["svdvals_op"], (A.movedim((rows, columns), (-2, -1)),))
        found = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord == 2 else values.amin(-1)
    elif ord in (1, -1, inf, -inf):
        summed, other = (rows, columns) if ord in (1, -1) else (columns, rows)
        sums = A.abs().sum(summed)
        other -= other > summed
        found = sums.amax(other) if ord > 0 else sums.amin(other)
    else:
        raise ValueError(f"linalg.matrix_norm: Order {ord} not supported. Fix: use 'fro', 'nuc', 1, -1, 2, -2, inf or -inf.")
    if keepdim:
        found = found.reshape([1 if d in (rows, columns) else n for d, n in enumerate(A.shape)])
    return _done(found, out)


def linalg_norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, out: Any = None, dtype: Any = None) -> Any:
    """The matrix norm for two dimensions (or a matrix with an order), else the vector norm."""
    pair = isinstance(dim, (tuple, list)) and len(dim) == 2
    if ord is None:
        if dim is None:
            found = vector_norm(A.reshape(-1), 2, None, False, dtype=dtype)
            return _done(found.reshape([1] * A.ndim) if keepdim else found, out)
        return vector_norm(A, 2, dim, keepdim, dtype=dtype, out=out)
    if pair or (dim is None and A.ndim == 2):
        return matrix_norm(A, ord, dim or (-2, -1), keepdim, dtype=dtype, out=out)
    if dim is None and A.ndim != 1:
        raise RuntimeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D.")
    return vector_norm(A, ord, dim, keepdim, dtype=dtype, out=out)


@public(method=True)
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None) -> Any:
    """The p-norm over dim (all by default); 'fro' is 2, 'nuc' the sum of the singular values.

    >>> import rushlight as torch
    >>> torch.tensor([3.0, 4.0]).norm()
    tensor(5.)
    """
    dim = as_ints(dim)
    if p == "nuc":
        return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim, dtype=dtype, out=out)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(explain_error("norm", got=f"p={p!r}", expected="a number, 'fro' or 'nuc'"))
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype, out=out)


@public(method=True)
def dist(input: Any, other: Any, p: float = 2) -> Any:
    """The p-norm of the difference."""
    return vector_norm(input - other, p)


@public()
def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: Any = None) -> Any:
    """The p-norm distance of each row of x1 to each row of x2."""
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        got = f"shapes {list(x1.shape)} and {list(x2.shape)}"
        raise RuntimeError(explain_error("cdist", got=got, expected="matrices with X1 and X2 of the same number of columns"))
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


@public(method=True)
def renorm(input: Any, p: float, dim: int, maxnorm: float, *, out: Any = None) -> Any:
    """Scale the slices along dim whose p-norm exceeds maxnorm down to it."""
    others = tuple(d for d in range(input.ndim) if d != wrap_dim(dim, input.ndim, "renorm"))
    if not others:
        raise RuntimeError(explain_error("renorm", got=f"shape {list(input.shape)}", expected="at least two dimensions"))
    size = vector_norm(input, p, others, True)
    scale = FUNCTIONS["where"](size > maxnorm, maxnorm / (size + 1e-7), 1.0)
    return _done(input * scale.to(input.dtype), out)


public("renorm_", method=True, function=False)(lambda input, p, dim, maxnorm: input.copy_(renorm(input, p, dim, maxnorm)))

# --- determinants, inverses, solutions ----------------------------------------------------------------------------


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
            raise RuntimeError("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. Fix: B.unsqueeze(-2).")
        return _done(record(TABLE["solve_op"], (A, B.unsqueeze(-1))).squeeze(-1), out)
    if left:
        return _done(record(TABLE["solve_op"], (A, B)), out)
    return _done(record(TABLE["solve_op"], (A.transpose(-2, -1), B.transpose(-2, -1))).transpose(-2, -1), out)


def solve_triangular(A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False, out: Any = None) -> Any:
    """`solve` for a triangular A, of which only that triangle is looked at."""
    op = TABLE["triangular_op"]
    if left:
        return _done(record(op, (A, B), (bool(upper), bool(unitriangular))), out)
    found = record(op, (A.transpose(-2, -1), B.transpose(-2, -1)), (not upper, bool(unitriangular)))
    return _done(found.transpose(-2, -1), out)


@public(method=True)
def triangular_solve(input: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False, *, out: Any = None) -> Any:
    """(X with A X = input, a copy of A) for a triangular A."""
    from collections import namedtuple

    result = namedtuple("triangular_solve", "solution cloned_coefficient")
    matrix = A.transpose(-2, -1) if transpose else A
    return result(solve_triangular(matrix, input, upper=upper is not transpose, unitriangular=unitriangular), A.clone())


def lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """(solution, residuals, rank, singular_values) of the least squares problem A X = B."""
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss); got {driver!r}")
    vector = A.ndim - 1 == B.ndim
    wide = B.unsqueeze(-1) if vector else B
    if A.shape[-2] != wide.shape[-2]:
        raise RuntimeError(explain_error("torch.linalg.lstsq", got=f"shapes {list(A.shape)} and {list(B.shape)}", expected="input.size(-2) to match other.size(-2)"))
    solution = _matmul(record(TABLE["pinv_op"], (A,), (None, rcond)), wide)
    m, n = A.shape[-2:]
    rank = record(TABLE["matrix_rank_op"], (A.detach(),), (None, rcond, False))
    residuals = FUNCTIONS["empty"](0, dtype=A.dtype)
    if m > n and bool((rank == n).all()):
        residuals = (_matmul(A, solution) - wide).abs().square().sum(-2)
    values = record(TABLE["svdvals_op"], (A.detach(),)) if driver in ("gelsd", "gelss") else FUNCTIONS["empty"](0, dtype=A.dtype.to_real())
    rank = FUNCTIONS["empty"](0, dtype=dtypes.int64) if driver == "gels" else rank
    return RESULTS["linalg_lstsq"](solution.squeeze(-1) if vector else solution, residuals, rank, values)


def _tolerance(name: str, value: Any) -> Any:
    if isinstance(value, Handle):
        if value._meta.numel != 1:
            raise NotImplementedError(explain_error(name, got=f"a tolerance of shape {list(value._meta.shape)}", expected="one number", fix="call it for each matrix"))
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
    return RESULTS["linalg_cholesky_ex"](linalg_cholesky(A, upper=upper), FUNCTIONS["zeros"](A.shape[:-2], dtype=dtypes.int32))


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
        raise NotImplementedError(explain_error("linalg.lu_factor", got="pivot=False", expected="pivot=True: row exchanges are always made"))
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
        raise NotImplementedError(explain_error("linalg.lu_solve", got=f"left={left}, adjoint={adjoint}", expected="left=True, adjoint=False"))
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
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}. Fix: x.diagonal(0, -2, -1).sum(-1) for a batch.")
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


# --- cross products and statistics --------------------------------------------------------------------------------


def linalg_cross(input: Any, other: Any, *, dim: int = -1, out: Any = None) -> Any:
    """The cross product along a dimension of size 3."""
    if input.ndim != other.ndim:
        raise RuntimeError(explain_error("linalg.cross", got=f"shapes {list(input.shape)} and {list(other.shape)}", expected="inputs of the same number of dimensions"))
    d = wrap_dim(dim, input.ndim, "linalg.cross")
    if input.shape[d] != 3 or other.shape[d] != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[d]} and {other.shape[d]}")
    a, b = input.unbind(d), other.unbind(d)
    parts = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    return _done(FUNCTIONS["stack"](parts, d), out)


@public(method=True)
def cross(input: Any, other: Any, dim: int | None = None, *, out: Any = None) -> Any:
    """The cross product along dim, by default the first dimension of size 3."""
    if dim is None:
        dim = next((d for d, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError(f"cross: no dimension of size 3 in input; got shape {list(input.shape)}.")
    return linalg_cross(input, other, dim=dim, out=out)


@public(method=True)
def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariance matrix of the variables in the rows."""
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions")
    x = input.reshape(1, -1) if input.ndim < 2 else input
    x = x if x.dtype.category >= dtypes.FLOATING else x.to(dtypes.get_default_dtype())
    weights = None
    for given in (fweights, aweights):
        if given is not None:
            weights = given.to(x.dtype) if weights is None else weights * given.to(x.dtype)
    if weights is None:
        count, mean = x.shape[1], x.mean(1, True)
        centred = x - mean
        scaled = centred
        total: Any = max(count - correction, 0)
    else:
        whole = weights.sum()
        centred = x - (x * weights).sum(1, True) / whole
        scaled = centred * weights
        if aweights is None or correction == 0:
            total = (whole - correction).clamp(min=0)
        else:
            total = (whole - correction * (weights * aweights.to(x.dtype)).sum() / whole).clamp(min=0)
    result = _matmul(scaled, _h(centred)) / total
    return result.squeeze() if input.ndim < 2 else result


@public(method=True)
def corrcoef(input: Any) -> Any:
    """The correlation matrix of the variables in the rows."""
    c = cov(input)
    if c.ndim == 0:
        return c / c
    root = c.diagonal().sqrt()
    return (c / root.unsqueeze(1) / root.unsqueeze(0)).clamp(-1, 1)


# --- grids and integrals ------------------------------------------------------------------------------------------


@public()
def block_diag(*tensors: Any) -> Any:
    """A matrix with the given matrices along its diagonal."""
    blocks = [t.reshape(1, -1) if t.ndim < 2 else t for t in tensors]
    if any(b.ndim > 2 for b in blocks):
        raise RuntimeError(explain_error("block_diag", got=f"shapes {[list(t.shape) for t in tensors]}", expected="at most two dimensions"))
    if not blocks:
        return FUNCTIONS["empty"](1, 0)
    columns, rows, at = sum(b.shape[1] for b in blocks), [], 0
    for b in blocks:
        parts = [FUNCTIONS["zeros"](b.shape[0], at, dtype=b.dtype), b, FUNCTIONS["zeros"](b.shape[0], columns - at - b.shape[1], dtype=b.dtype)]
        rows.append(FUNCTIONS["cat"](parts, 1))
        at += b.shape[1]
    return FUNCTIONS["cat"](rows, 0)


@public()
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Powers of a vector's elements as rows, the highest first."""
    n = x.shape[-1] if N is None else N
    if n == 0:
        return FUNCTIONS["empty"](*x.shape, 0, dtype=x.dtype)
    powers = [FUNCTIONS["ones_like"](x)]
    for _ in range(n - 1):
        powers.append(powers[-1] * x)
    return FUNCTIONS["stack"](powers if increasing else powers[::-1], -1)


def linalg_vander(x: Any, N: int | None = None) -> Any:
    """Powers of the elements as rows, the lowest first."""
    return vander(x, N, increasing=True)


def _areas(y: Any, x: Any, dx: Any, dim: int) -> Any:
    n = y.shape[dim]
    mid = (y.narrow(dim, 1, n - 1) + y.narrow(dim, 0, n - 1)) / 2
    if x is None:
        return mid * (1 if dx is None else dx)
    if x.ndim == 1 and y.ndim > 1:
        x = x.reshape([n if d == dim % y.ndim else 1 for d in range(y.ndim)])
    return mid * x.diff(dim=dim)


@public("trapezoid", "trapz")
def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The integral along dim by the trapezoidal rule."""
    return _areas(y, x, dx, dim).sum(dim)


@public()
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The running integral along dim by the trapezoidal rule."""
    return _areas(y, x, dx, dim).cumsum(dim)


@public()
def gradient(input: Any, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> list:
    """Central differences in the given dimensions; one-sided at the edges."""
    if edge_order != 1:
        raise NotImplementedError(explain_error("gradient", got=f"edge_order={edge_order}", expected="edge_order=1"))
    dims = tuple(range(input.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    steps = list(spacing) if isinstance(spacing, (tuple, list)) else [spacing] * len(dims)
    if len(steps) != len(dims):
        raise RuntimeError(f"torch.gradient expected spacing to be unspecified, a scalar or a list of length {len(dims)}, but got a list of length {len(steps)}.")
    return [_slope(input, d, h) for d, h in zip(dims, steps, strict=True)]


def _slope(y: Any, dim: int, spacing: Any) -> Any:
    n = y.shape[dim]
    if n < 2:
        raise RuntimeError(f"torch.gradient expected each dimension size to be at least 2; got {list(y.shape)}")
    step = y.diff(dim=dim)
    if isinstance(spacing, Handle) and spacing._meta.ndim:
        h = spacing.diff().reshape([n - 1 if d == dim % y.ndim else 1 for d in range(y.ndim)])  # type: ignore[attr-defined]
        slope = step / h
        before, after = h.narrow(dim, 0, n - 2), h.narrow(dim, 1, n - 2)
        inner = (slope.narrow(dim, 0, n - 2) * after + slope.narrow(dim, 1, n - 2) * before) / (before + after)
    else:
        slope = step / spacing
        inner = (slope.narrow(dim, 0, n - 2) + slope.narrow(dim, 1, n - 2)) / 2
    return FUNCTIONS["cat"]([slope.narrow(dim, 0, 1), inner, slope.narrow(dim, n - 2, 1)], dim)
