"""The standard's extension for linear algebra, and the products of the main namespace."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight import linalg as _linalg
from rushlight import matmul
from rushlight.array_api.elementwise import conj
from rushlight.linalg import det, eig, eigh, eigvals, eigvalsh, inv, matrix_power, qr, slogdet, svdvals

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power",
    "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot", "trace", "vecdot",
    "vector_norm",
]  # fmt: skip


def matrix_transpose(x: Any, /) -> Any:
    """Rows as columns, of each matrix."""
    return x.mT


def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """Sums of products over some axes."""
    kind = rushlight.promote_types(x1.dtype, x2.dtype)
    return rushlight.tensordot(x1.to(kind), x2.to(kind), axes)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The sum of conj(x1) * x2 along an axis."""
    products = conj(x1) * x2
    return products.sum(axis, dtype=products.dtype)


def cholesky(x: Any, /, *, upper: bool = False) -> Any:
    """The triangular root of positive definite matrices."""
    return _linalg.cholesky(x, upper=upper)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The vector product."""
    return _linalg.cross(x1, x2, dim=axis)


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """A diagonal of each matrix."""
    return rushlight.diagonal(x, offset, -2, -1)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of each matrix."""
    return _linalg.matrix_norm(x, ord, keepdim=keepdims)


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Any:
    """The number of singular values above `rtol` times the largest."""
    return _linalg.matrix_rank(x, rtol=rtol)


def outer(x1: Any, x2: Any, /) -> Any:
    """All products of elements of two vectors."""
    return rushlight.outer(x1, x2)


def pinv(x: Any, /, *, rtol: Any = None) -> Any:
    """The pseudo-inverse."""
    return _linalg.pinv(x, rtol=rtol)


def solve(x1: Any, x2: Any, /) -> Any:
    """y with x1 @ y = x2; `x2` is a vector if it has one dimension, else matrices."""
    return _linalg.solve(x1, x2[..., None])[..., 0] if x2.ndim == 1 else _linalg.solve(x1, x2)


def svd(x: Any, /, *, full_matrices: bool = True) -> Any:
    """u, singular values, and the conjugate transpose of v."""
    return _linalg.svd(x, full_matrices=full_matrices)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sum of a diagonal of each matrix."""
    return diagonal(x, offset=offset).sum(-1, dtype=dtype)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """(Σ |x|^ord)^(1/ord) along axes."""
    return _linalg.vector_norm(x, ord, axis, keepdims)
