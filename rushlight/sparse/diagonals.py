"""Sparse matrices from their diagonals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.errors import explain_error
from rushlight.sparse import structure
from rushlight.sparse.convert import to_sparse
from rushlight.sparse.coo import coo


def spdiags(diagonals: Any, offsets: Any, shape: Sequence[int], layout: Any = None) -> Any:
    """A sparse matrix whose diagonal offsets[i] holds row i of `diagonals`: column j of the matrix takes its element j.

    >>> import rushlight as torch
    >>> torch.sparse.spdiags(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([1]), (3, 3)).to_dense()
    tensor([[0., 2., 0.],
            [0., 0., 3.],
            [0., 0., 0.]])
    """
    rows_of = diagonals if diagonals.ndim == 2 else diagonals.unsqueeze(0)
    shifts = structure.host(offsets).reshape(-1)
    if len(shape) != 2 or len(shifts) != rows_of.shape[0] or len(set(shifts.tolist())) != len(shifts):
        raise RuntimeError(explain_error("spdiags", got=f"diagonals of {list(diagonals.shape)}, offsets {shifts.tolist()}, shape {tuple(shape)}", expected="a distinct offset for each row of diagonals, and two sizes"))  # fmt: skip
    number, column = np.divmod(np.arange(rows_of.shape[0] * rows_of.shape[1]), max(rows_of.shape[1], 1))
    row = column - shifts[number]
    inside = np.flatnonzero((row >= 0) & (row < shape[0]) & (column < shape[1]))
    order = inside[np.lexsort((column[inside], number[inside]))]
    values = rows_of.reshape(-1).index_select(0, structure.tensor_of(order))
    made = coo(
        structure.tensor_of(np.stack([row[order], column[order]])), values, tuple(shape), False, "SpdiagsBackward0"
    )
    return made if layout is None or layout.name == "sparse_coo" else to_sparse(made, layout=layout)
