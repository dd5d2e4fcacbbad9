"""Packed factorisations and what is done with them: `lu_*`, `ldl_*`, and Householder's reflections."""

from __future__ import annotations

from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.products import _matmul
from rushlight.functional.registry import FUNCTIONS, public, write_out
from rushlight.functional.results import RESULTS
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record
from rushlight.ops.lu import permutation
from rushlight.ops.solve import pair


def _done(result: Any, out: Any) -> Any:
    return result if out is None else write_out(out, result)


def _h(x: Any) -> Any:
    return x.transpose(-2, -1).conj()


# --- L U ----------------------------------------------------------------------------------------------------------


def _lu(name: str, A: Any, pivot: bool, check: bool) -> Any:
    if not pivot:
        raise NotImplementedError(
            explain_error(
                name, got="pivot=False", expected="pivot=True: LU without pivoting is not implemented on the CPU",
                fix="leave pivot away",
            )
        )  # fmt: skip
    return record(TABLE["lu_factor_op"], (A,), (name if check else "",))


def lu_factor(A: Any, *, pivot: bool = True, out: Any = None) -> Any:
    """(L and U in one matrix, the row exchanged with each row, counted from 1); a singular matrix raises."""
    return RESULTS["linalg_lu_factor"](*_done(_lu("torch.linalg.lu_factor", A, pivot, True)[:2], out))


def lu_factor_ex(A: Any, *, pivot: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """`lu_factor`, and `info`: the first row of U whose diagonal is zero, or 0."""
    return RESULTS["linalg_lu_factor_ex"](*_done(_lu("torch.linalg.lu_factor_ex", A, pivot, check_errors), out))


@public("lu", method=True)
def torch_lu(A: Any, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """The packed LU and its pivots, and with get_infos the row of the first zero on the diagonal of U.

    >>> import rushlight as torch
    >>> packed, pivots = torch.lu(torch.tensor([[1.0, 2.0], [4.0, 2.0]]))
    >>> packed, pivots
    (tensor([[4.0000, 2.0000],
            [0.2500, 1.5000]]), tensor([2, 2], dtype=torch.int32))
    """
    found = _lu("torch.lu", A, pivot, False)
    return RESULTS["_lu_with_info"](*_done(found, out)) if get_infos else _done(tuple(found[:2]), out)


def lu(A: Any, *, pivot: bool = True, out: Any = None) -> Any:
    """(P, L, U) with A = P L U."""
    packed, pivots, _ = _lu("torch.linalg.lu", A, pivot, False)
    return RESULTS["linalg_lu"](*_done(_unpacked(packed, pivots), out))


def _unpacked(packed: Any, pivots: Any) -> tuple[Any, Any, Any]:
    m, n = packed.shape[-2:]
    k = min(m, n)
    lower = packed[..., :k].tril(-1) + FUNCTIONS["eye"](m, k, dtype=packed.dtype)
    return _permutation(pivots, m, packed.dtype), lower, packed[..., :k, :].triu()


def _permutation(pivots: Any, rows: int, kind: Any) -> Any:
    return permutation(record(TABLE["lu_order_op"], (pivots,), (rows,)), kind)


@public()
def lu_unpack(
    LU_data: Any, LU_pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True, *, out: Any = None
) -> Any:
    """(P, L, U) from what `lu_factor` gives; what is not asked for is empty.

    >>> import rushlight as torch
    >>> P, L, U = torch.lu_unpack(*torch.linalg.lu_factor(torch.tensor([[1.0, 2.0], [4.0, 2.0]])))
    >>> P @ L @ U
    tensor([[1., 2.],
            [4., 2.]])
    """
    _check_pivots("lu_unpack", LU_data, LU_pivots)
    P, L, U = _unpacked(LU_data, LU_pivots)
    nothing = FUNCTIONS["empty"](0, dtype=LU_data.dtype)
    if not unpack_data:
        L, U = nothing, nothing
    return RESULTS["lu_unpack"](*_done((P if unpack_pivots else nothing, L, U), out))


def _check_pivots(name: str, packed: Any, pivots: Any) -> None:
    if pivots.dtype is not dtypes.int32:
        raise RuntimeError(
            explain_error(name, got=f"pivots of {pivots.dtype}", expected="torch.int32", fix="pivots.to(torch.int32)")
        )
    if packed.ndim < 2:
        raise RuntimeError(explain_error(name, got=f"LU of shape {list(packed.shape)}", expected="a batch of matrices"))
    expected = (*packed.shape[:-2], min(packed.shape[-2:]))
    if tuple(pivots.shape) != expected:
        raise RuntimeError(
            explain_error(
                name, got=f"pivots of shape {list(pivots.shape)}", expected=f"{list(expected)}: a pivot for each row"
            )
        )


def lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False, out: Any = None) -> Any:
    """X with A X = B, given `lu_factor` of A; X A = B with left=False; A^H in the place of A with adjoint=True."""
    _check_pivots("linalg.lu_solve", LU, pivots)
    pair("linalg.lu_solve", LU._meta, B._meta if left else B.mT._meta)
    order = _permutation(pivots, LU.shape[-1], LU.dtype)
    if not left:
        B, adjoint = _h(B), not adjoint
    if adjoint:
        half = _triangular(_h(LU), B, False, False)
        found = _matmul(order, _triangular(_h(LU), half, True, True))
    else:
        half = _triangular(LU, _matmul(order.transpose(-2, -1), B), False, True)
        found = _triangular(LU, half, True, False)
    return _done(found if left else _h(found), out)


def _triangular(a: Any, b: Any, upper: bool, unitriangular: bool) -> Any:
    return record(TABLE["triangular_op"], (a, b), (upper, unitriangular))


@public("lu_solve", method=True)
def torch_lu_solve(b: Any, LU_data: Any, LU_pivots: Any, *, out: Any = None) -> Any:
    """X with A X = b, given `lu_factor` of A.

    >>> import rushlight as torch
    >>> torch.lu_solve(torch.ones(2, 1), *torch.linalg.lu_factor(2 * torch.eye(2)))
    tensor([[0.5000],
            [0.5000]])
    """
    return lu_solve(LU_data, LU_pivots, b, out=out)


# --- L D L^T ------------------------------------------------------------------------------------------------------


def ldl_factor(A: Any, *, hermitian: bool = False, out: Any = None) -> Any:
    """(L and D in one matrix, LAPACK's pivots) of a symmetric or Hermitian matrix; its lower triangle is looked at."""
    found = record(TABLE["ldl_factor_op"], (A,), (bool(hermitian), "torch.linalg.ldl_factor"))
    return RESULTS["linalg_ldl_factor"](*_done(found[:2], out))


def ldl_factor_ex(A: Any, *, hermitian: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """`ldl_factor`, and `info`: the first row where D is zero, or 0."""
    found = record(
        TABLE["ldl_factor_op"], (A,), (bool(hermitian), "torch.linalg.ldl_factor_ex" if check_errors else "")
    )
    return RESULTS["linalg_ldl_factor_ex"](*_done(found, out))


def ldl_solve(LD: Any, pivots: Any, B: Any, *, hermitian: bool = False, out: Any = None) -> Any:
    """X with A X = B, given `ldl_factor` of A."""
    return _done(record(TABLE["ldl_solve_op"], (LD, pivots, B), (bool(hermitian),)), out)


# --- Householder's reflections ------------------------------------------------------------------------------------


@public(method=True)
def geqrf(input: Any, *, out: Any = None) -> Any:
    """(a, tau): R in the upper triangle of a, below it the vectors of the reflections I - tau v v^H that make Q.

    >>> import rushlight as torch
    >>> a, tau = torch.geqrf(torch.tensor([[3.0], [4.0]]))
    >>> a, tau
    (tensor([[-5.0000],
            [ 0.5000]]), tensor([1.6000]))
    """
    return RESULTS["geqrf"](*_done(record(TABLE["geqrf_op"], (input,)), out))


def _check_reflections(name: str, A: Any, tau: Any) -> None:
    if A.ndim < 2:
        raise RuntimeError(explain_error(name, got=f"shape {list(A.shape)}", expected="a matrix, or a batch of them"))
    most = min(A.shape[-2:])
    if not tau.ndim or tuple(tau.shape[:-1]) != tuple(A.shape[:-2]) or tau.shape[-1] > most:
        raise RuntimeError(
            explain_error(
                name, got=f"tau of shape {list(tau.shape)} for {list(A.shape)}",
                expected=f"a shape of {list(A.shape[:-2])} and at most {most}: a factor for each column",
            )
        )  # fmt: skip
    if tau.dtype is not A.dtype:
        raise RuntimeError(
            explain_error(
                name, got=f"tau of {tau.dtype} and input of {A.dtype}", expected="one dtype", fix=f"tau.to({A.dtype})"
            )
        )


def _reflections(A: Any, tau: Any) -> tuple[Any, Any]:
    """V and T with H_1 H_2 … H_k = I - V T V^H: T^-1 is diag(1 / tau) and, above it, V^H V."""
    m, k = A.shape[-2], tau.shape[-1]
    V = A[..., :k].tril(-1) + FUNCTIONS["eye"](m, k, dtype=A.dtype)
    above = tau.unsqueeze(-1) * _matmul(_h(V), V).triu(1)
    return V, _triangular(above, tau.diag_embed(), True, True)


def householder_product(input: Any, tau: Any, *, out: Any = None) -> Any:
    """The first columns of the product of the reflections that `geqrf` gives: Q."""
    _check_reflections("torch.linalg.householder_product", input, tau)
    m, n = input.shape[-2:]
    if m < n:
        raise RuntimeError(
            explain_error(
                "torch.linalg.householder_product", got=f"shape {list(input.shape)}",
                expected="input.shape[-2] of at least input.shape[-1]",
            )
        )  # fmt: skip
    V, T = _reflections(input, tau)
    found = FUNCTIONS["eye"](m, n, dtype=input.dtype) - _matmul(V, _matmul(T, _h(V[..., :n, :])))
    return _done(found, out)


@public("orgqr", method=True)
def orgqr(input: Any, tau: Any, *, out: Any = None) -> Any:
    """`linalg.householder_product`.

    >>> import rushlight as torch
    >>> torch.orgqr(*torch.geqrf(torch.tensor([[3.0], [4.0]])))
    tensor([[-0.6000],
            [-0.8000]])
    """
    return householder_product(input, tau, out=out)


@public(method=True)
def ormqr(input: Any, tau: Any, other: Any, left: bool = True, transpose: bool = False, *, out: Any = None) -> Any:
    """Q @ other for the square Q of `geqrf`'s reflections; other @ Q with left=False; Q^H for Q with transpose=True.

    >>> import rushlight as torch
    >>> torch.ormqr(*torch.geqrf(torch.tensor([[3.0], [4.0]])), torch.eye(2), transpose=True)
    tensor([[-0.6000, -0.8000],
            [-0.8000,  0.6000]])
    """
    _check_reflections("torch.ormqr", input, tau)
    side = -2 if left else -1
    if other.ndim != input.ndim or other.shape[:-2] != input.shape[:-2] or other.shape[side] != input.shape[-2]:
        raise RuntimeError(
            explain_error(
                "torch.ormqr", got=f"other of shape {list(other.shape)} and input of {list(input.shape)}",
                expected=f"as many batches, and other.shape[{side}] of {input.shape[-2]}: the rows of input",
            )
        )  # fmt: skip
    if other.dtype is not input.dtype:
        raise RuntimeError(
            explain_error("torch.ormqr", got=f"other of {other.dtype}", expected=f"input's {input.dtype}")
        )
    V, T = _reflections(input, tau)
    T = _h(T) if transpose else T
    if left:
        found = other - _matmul(V, _matmul(T, _matmul(_h(V), other)))
    else:
        found = other - _matmul(_matmul(_matmul(other, V), T), _h(V))
    return _done(found, out)
