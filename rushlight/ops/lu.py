"""Gaussian elimination with row exchanges, packed and numbered as LAPACK does it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.rules import like
from rushlight.ops.samples import values
from rushlight.ops.solve import LinAlgError, adjoint, check_matrix, pair, solve_vjp, square_samples
from rushlight.ops.tensor_code import T

_PANEL = 32  # columns that are eliminated before the rest of the matrix follows in one product


def size_of(x: np.ndarray) -> np.ndarray:
    """What pivots are compared by: for complex numbers |re| + |im|, as in LAPACK."""
    return np.abs(x.real) + np.abs(x.imag) if x.dtype.kind == "c" else np.abs(x)


def _eliminate(lu: np.ndarray, pivots: np.ndarray, start: int, stop: int) -> None:
    """The columns start to stop of matrices (batch, m, n), in place; whole rows are exchanged."""
    batch = np.arange(len(lu))
    for i in range(start, stop):
        row = i + np.argmax(size_of(lu[:, i:, i]), 1)
        pivots[:, i] = row + 1
        lu[batch, row], lu[:, i] = lu[:, i].copy(), lu[batch, row].copy()
        pivot = lu[:, i, i, None]
        lu[:, i + 1 :, i] /= np.where(pivot == 0, 1, pivot)
        lu[:, i + 1 :, i + 1 : stop] -= lu[:, i + 1 :, i, None] * lu[:, i, None, i + 1 : stop]


def raise_for(name: str, info: np.ndarray, says: str) -> None:
    """LinAlgError for the first matrix whose `info`, the row of a zero counted from 1, is not 0; "" checks nothing."""
    if name and info.any():
        at = int(np.flatnonzero(info)[0])
        where = f"(Batch element {at}): " if info.ndim else ""
        raise LinAlgError(f"{name}: {where}{says.format(row=info.reshape(-1)[at])}")


_SAYS = (
    "U[{row},{row}] is zero: the matrix is singular, and a solution would divide by it. Fix: torch.linalg.lstsq or "
    "pinv solves it in the least squares' sense; linalg.lu and the functions in _ex do not raise."
)


def _lu_factor(x: np.ndarray, checked: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m, n = x.shape[-2:]
    k = min(m, n)
    lu = x.reshape(math.prod(x.shape[:-2]), m, n).copy()
    pivots = np.zeros((len(lu), k), np.int32)
    if len(lu):
        for start in range(0, k, _PANEL):
            stop = min(start + _PANEL, k)
            _eliminate(lu, pivots, start, stop)
            for i in range(start + 1, stop):  # the rows of U beside the panel
                lu[:, i, stop:] -= np.matmul(lu[:, i, None, start:i], lu[:, start:i, stop:])[:, 0]
            lu[:, stop:, stop:] -= np.matmul(lu[:, stop:, start:stop], lu[:, start:stop, stop:])
    zero = lu.diagonal(0, 1, 2) == 0
    info = np.where(zero.any(1), zero.argmax(1) + 1, 0) if k else np.zeros(len(lu))
    batch = x.shape[:-2]
    info = info.astype(np.int32).reshape(batch)
    raise_for(checked, info, _SAYS)
    return lu.reshape(x.shape), pivots.reshape(*batch, k), info


def _lu_infer(x: Meta, checked: str) -> tuple[Meta, Meta, Meta]:
    check_matrix("linalg.lu_factor", x)
    batch = x.shape[:-2]
    return (
        like(x), like(x, shape=(*batch, min(x.shape[-2:])), dtype=dtypes.int32),
        like(x, shape=batch, dtype=dtypes.int32),
    )  # fmt: skip


def permutation(order: Any, kind: Any) -> Any:
    """The matrix P with A = P L U, where `order` says which row of A is row i of L U."""
    rows = T.arange(order.shape[-1])
    return (order.unsqueeze(-2) == rows.unsqueeze(-1)).to(kind)


def _lu_rule(g: Any, out: Any, x: Any, checked: str) -> Any:
    """From P^T dA = dL U + L dU: L^-1 dL is the strict lower triangle of L^-1 P^T dA U^-1, and dU U^-1 the rest."""
    packed, grad = out[0], g[0]
    m, n = x.shape[-2:]
    k = min(m, n)
    square, corner = packed[..., :k, :k], grad[..., :k, :k]
    one = T.eye(k, dtype=x.dtype)
    below = T.matmul(adjoint(square.tril(-1) + one), corner.tril(-1))
    above = T.matmul(corner.triu(), adjoint(square.triu()))
    if n > k:
        below = below - T.matmul(grad[..., k:], adjoint(packed[..., k:]))
    if m > k:
        above = above - T.matmul(adjoint(packed[..., k:, :]), grad[..., k:, :])
    inner = below.tril(-1) + above.triu()
    if m > k:
        inner = T.cat([_under_lower(square, inner), grad[..., k:, :]], -2)
        found = _over_upper(inner, square)
    else:
        inner = _over_upper(inner, square)
        found = _under_lower(square, T.cat([inner, grad[..., k:]], -1) if n > k else inner)
    order = T.apply("lu_order_op", (out[1],), {"rows": m})
    return T.matmul(permutation(order, x.dtype), found)


def _under_lower(square: Any, b: Any) -> Any:
    """L^-H b."""
    return T.apply("triangular_op", (adjoint(square), b), {"upper": True, "unitriangular": True})


def _over_upper(b: Any, square: Any) -> Any:
    """b U^-H."""
    return adjoint(T.apply("triangular_op", (square, adjoint(b)), {"upper": True, "unitriangular": False}))


lu_factor = declare(
    "lu_factor_op(Tensor input, str checked)", infer=_lu_infer, reference=_lu_factor, vjp=(_lu_rule,),
    grad_name="LinalgLuFactorExBackward0",
    samples=lambda: [
        ((values(3, 3) + 3 * np.eye(3), "linalg.lu_factor"), {}), ((values(2, 2, 2) + 3 * np.eye(2), "linalg.lu_factor"), {}),
        ((values(3, 2) + 3 * np.eye(3, 2), ""), {}), ((values(2, 4) + 3 * np.eye(2, 4), ""), {}),
    ],
    doc="L and U in one matrix, the row exchanged with each row, and where the diagonal of U is zero first",
)  # fmt: skip


def _order(pivots: np.ndarray, rows: int) -> np.ndarray:
    if pivots.size and (pivots.min() < 1 or pivots.max() > rows):
        raise RuntimeError(
            explain_error(
                "lu_unpack", got=f"pivots between {pivots.min()} and {pivots.max()}", expected=f"row numbers from 1 to {rows}",
                fix="pass the pivots as lu_factor returns them",
            )
        )  # fmt: skip
    order = np.broadcast_to(np.arange(rows), (*pivots.shape[:-1], rows)).copy()
    for i in range(pivots.shape[-1]):
        other = pivots[..., i : i + 1].astype(np.int64) - 1
        coming, going = np.take_along_axis(order, other, -1), order[..., i : i + 1].copy()
        np.put_along_axis(order, other, going, -1)
        order[..., i : i + 1] = coming
    return order


lu_order = declare(
    "lu_order_op(Tensor pivots, int rows)", reference=_order,
    infer=lambda p, rows: like(p, shape=(*p.shape[:-1], rows), dtype=dtypes.int64),
    samples=lambda: [((np.array([[2, 3, 3], [1, 2, 3]], np.int32), 4), {})],
    doc="which row each row comes from, after the exchanges that pivots say",
)  # fmt: skip


def _solve_ex(a: np.ndarray, b: np.ndarray, checked: str) -> tuple[np.ndarray, np.ndarray]:
    """LAPACK for the whole batch; matrix by matrix when one of them is singular."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    try:
        return np.linalg.solve(a, b), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        info = _lu_factor(a, checked)[2]
    everywhere = np.broadcast_to(info, batch)
    a, b = np.broadcast_to(a, batch + a.shape[-2:]), np.broadcast_to(b, batch + b.shape[-2:])
    found = np.full(b.shape, np.nan, b.dtype)
    for at in np.ndindex(*batch):
        if not everywhere[at]:
            found[at] = np.linalg.solve(a[at], b[at])
    return found, info


def _solve_ex_infer(a: Meta, b: Meta, checked: str) -> tuple[Meta, Meta]:
    return like(b, shape=pair("linalg.solve_ex", a, b)), like(a, shape=a.shape[:-2], dtype=dtypes.int32)


solve_ex = declare(
    "solve_ex_op(Tensor input, Tensor other, str checked)", infer=_solve_ex_infer, reference=_solve_ex,
    vjp=lambda g, out, a, b, *, needs, checked: solve_vjp(g[0], out[0], a, b, needs=needs),
    grad_name="LinalgSolveExBackward0",
    samples=lambda: [((a, values(3, 2) if a.ndim == 2 else values(2, 2, 1), ""), {}) for (a,), _ in square_samples()],
    doc="X with A X = B, NaN where A is singular, and where the elimination found a zero",
)  # fmt: skip
