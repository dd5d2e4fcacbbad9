"""`torch.linalg`: norms, solutions and factorisations of (batches of) matrices."""

from __future__ import annotations

from typing import Any

from rushlight.functional import FUNCTIONS as _FUNCTIONS
from rushlight.functional.factors import (
    householder_product,
    ldl_factor,
    ldl_factor_ex,
    ldl_solve,
    lu,
    lu_factor,
    lu_factor_ex,
    lu_solve,
)
from rushlight.functional.linalg import (
    cholesky_ex,
    cond,
    det,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    inv,
    inv_ex,
    lstsq,
    matrix_exp,
    matrix_power,
    matrix_rank,
    pinv,
    solve,
    solve_ex,
    solve_triangular,
    svdvals,
    tensorinv,
    tensorsolve,
    vecdot,
)  # fmt: skip
from rushlight.functional.linalg import linalg_cholesky as cholesky
from rushlight.functional.linalg import linalg_qr as qr
from rushlight.functional.linalg import linalg_slogdet as slogdet
from rushlight.functional.linalg import linalg_svd as svd
from rushlight.functional.norms import linalg_norm as norm
from rushlight.functional.norms import matrix_norm, vector_norm
from rushlight.functional.products import multi_dot
from rushlight.functional.statistics import linalg_cross as cross
from rushlight.functional.statistics import linalg_vander as vander
from rushlight.ops.solve import LinAlgError

matmul = _FUNCTIONS["matmul"]


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The diagonals of matrices."""
    return A.diagonal(offset, dim1, dim2)


__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "ldl_factor", "ldl_factor_ex", "ldl_solve", "lstsq", "lu", "lu_factor", "lu_factor_ex",
    "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet",
    "solve", "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip
