"""A = L D L^T of symmetric or Hermitian matrices that need not be definite, by the pivoting of Bunch and Kaufman.

D has blocks of one or two rows. The packed form and the pivots are LAPACK's (`sytrf` of the lower triangle): pivot p > 0
in row k exchanged row k with row p; the same p < 0 in rows k and k + 1 is a block of two, and exchanged row k + 1 with
row -p.
"""

from __future__ import annotations

import math

import numpy as np

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.lu import raise_for, size_of
from rushlight.ops.rules import like
from rushlight.ops.samples import values
from rushlight.ops.solve import check_matrix, pair

_ALPHA = (1 + math.sqrt(17)) / 8  # keeps the growth of a block of two below that of two single steps


def _block(a: np.ndarray, k: int, hermitian: bool) -> tuple[int, int]:
    """How many rows the next block has, and which row takes the place of its last."""
    here = abs(a[k, k].real) if hermitian else size_of(a[k, k])
    column = size_of(a[k + 1 :, k])
    if not column.size:
        return 1, k
    other = k + 1 + int(column.argmax())
    largest = column.max()
    if here >= _ALPHA * largest:
        return 1, k
    row = max(size_of(a[other, k:other]).max(), size_of(a[other + 1 :, other]).max(initial=0))
    if here >= _ALPHA * largest * (largest / row):
        return 1, k
    there = abs(a[other, other].real) if hermitian else size_of(a[other, other])
    return (1, other) if there >= _ALPHA * row else (2, other)


def _exchange(a: np.ndarray, k: int, last: int, other: int, hermitian: bool) -> None:
    """Rows and columns `last` and `other` of the lower triangle that begins at k."""
    turn = np.conj if hermitian else np.asarray
    a[other + 1 :, [last, other]] = a[other + 1 :, [other, last]]
    between = slice(last + 1, other)
    a[between, last], a[other, between] = turn(a[other, between]).copy(), turn(a[between, last]).copy()
    a[other, last] = turn(a[other, last])
    a[[last, other], [last, other]] = a[[other, last], [other, last]]
    if last > k:
        a[[last, other], k] = a[[other, last], k]


def _factor(a: np.ndarray, pivots: np.ndarray, hermitian: bool) -> int:
    """One matrix, of which the lower triangle is given, in place; the row of the first zero block, counted from 1."""
    turn = np.conj if hermitian else np.asarray
    n, k, info = len(a), 0, 0
    if hermitian:
        a[np.diag_indices(n)] = a.diagonal().real
    while k < n:
        if not size_of(a[k:, k]).any():
            info, pivots[k], k = info or k + 1, k + 1, k + 1
            continue
        rows, other = _block(a, k, hermitian)
        last = k + rows - 1
        if other != last:
            _exchange(a, k, last, other, hermitian)
        rest, block = slice(last + 1, n), slice(k, last + 1)
        columns = a[rest, block].copy()
        d = a[block, block].copy()
        if rows == 2:
            d[0, 1] = turn(d[1, 0])
        factor = np.linalg.solve(d.T, columns.T).T  # columns D^-1
        a[rest, rest] -= np.tril(factor @ turn(columns).T)
        a[rest, block] = factor
        pivots[block] = (other + 1) * (1 if rows == 1 else -1)
        k += rows
    return info


def _ldl_factor(x: np.ndarray, hermitian: bool, checked: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    batch, n = x.shape[:-2], x.shape[-1]
    packed = np.tril(x).reshape(math.prod(batch), n, n)
    pivots, info = np.zeros((len(packed), n), np.int32), np.zeros(len(packed), np.int32)
    for i, a in enumerate(packed):
        info[i] = _factor(a, pivots[i], hermitian and x.dtype.kind == "c")
    zeros = info.reshape(batch)
    raise_for(checked, zeros, _SAYS)
    return packed.reshape(x.shape), pivots.reshape(*batch, n), zeros


_SAYS = "D[{row},{row}] is zero: the matrix is singular, and ldl_solve would divide by it. Fix: use torch.linalg.lstsq."


def _ldl_infer(x: Meta, hermitian: bool, checked: str) -> tuple[Meta, Meta, Meta]:
    check_matrix("linalg.ldl_factor_ex", x, square=True)
    return (
        like(x), like(x, shape=x.shape[:-1], dtype=dtypes.int32),
        like(x, shape=x.shape[:-2], dtype=dtypes.int32),
    )  # fmt: skip


ldl_factor = declare(
    "ldl_factor_op(Tensor input, bool hermitian, str checked)", infer=_ldl_infer, reference=_ldl_factor,
    samples=lambda: [((values(4, 4), False, ""), {}), ((values(2, 3, 3), False, ""), {}), ((values(1, 1), True, "ldl_factor"), {})],
    doc="L and D in one matrix, LAPACK's pivots, and where D is zero first",
)  # fmt: skip


def _substitute(a: np.ndarray, pivots: np.ndarray, b: np.ndarray, hermitian: bool) -> None:
    """One system, in place: exchange and eliminate downwards, divide by D, and come back."""
    turn = np.conj if hermitian else np.asarray
    starts, k = [], 0
    while k < len(a):
        rows = 1 if pivots[k] > 0 else 2
        starts.append((k, rows, k + rows - 1, abs(int(pivots[k])) - 1))
        k += rows
    for k, rows, last, other in starts:
        b[[last, other]] = b[[other, last]]
        block = slice(k, k + rows)
        b[last + 1 :] -= a[last + 1 :, block] @ b[block]
        d = a[block, block].copy()
        if rows == 2:
            d[0, 1] = turn(d[1, 0])
            b[block] = np.linalg.solve(d, b[block])
        else:
            b[block] /= d
    for k, rows, last, other in reversed(starts):
        block = slice(k, k + rows)
        b[block] -= turn(a[last + 1 :, block]).T @ b[last + 1 :]
        b[[last, other]] = b[[other, last]]


def _ldl_solve(packed: np.ndarray, pivots: np.ndarray, b: np.ndarray, hermitian: bool) -> np.ndarray:
    batch = np.broadcast_shapes(packed.shape[:-2], b.shape[:-2])
    found = np.array(np.broadcast_to(b, (*batch, *b.shape[-2:])))
    packed = np.broadcast_to(packed, (*batch, *packed.shape[-2:]))
    pivots = np.broadcast_to(pivots, packed.shape[:-1])
    for at in np.ndindex(*batch):
        _substitute(packed[at], pivots[at], found[at], hermitian and packed.dtype.kind == "c")
    return found


def _ldl_solve_infer(packed: Meta, pivots: Meta, b: Meta, hermitian: bool) -> Meta:
    shape = pair("linalg.ldl_solve", packed, b)
    if pivots.dtype.category != dtypes.INTEGER or pivots.shape != packed.shape[:-1]:
        raise RuntimeError(
            explain_error(
                "linalg.ldl_solve", got=f"pivots of shape {list(pivots.shape)} and {pivots.dtype}",
                expected=f"integers of shape {list(packed.shape[:-1])}: a pivot for each row", fix="pass what ldl_factor returned",
            )
        )  # fmt: skip
    return like(b, shape=shape)


def _solve_samples() -> list:
    found = []
    for (x, hermitian, checked), _ in ldl_factor.samples():  # type: ignore[misc]
        packed, pivots, _ = _ldl_factor(x, hermitian, checked)
        found.append(((packed, pivots, values(*x.shape[:-1], 2), hermitian), {}))
    return found


ldl_solve = declare(
    "ldl_solve_op(Tensor packed, Tensor pivots, Tensor other, bool hermitian)", infer=_ldl_solve_infer,
    reference=_ldl_solve, samples=_solve_samples, doc="X with A X = B, given the packed L D L^T of A",
)  # fmt: skip
