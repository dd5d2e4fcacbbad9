"""A sparse matrix times a dense one, by rows, as in a layer of a graph network; and rows read and updated in place.

None of these can fail at a value, so that a step may write over parameters where they lie (backend/llvm/lower.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.embedding import add_rows
from rushlight.ops.rules import like
from rushlight.ops.tensor_code import T


def _reference(
    values: np.ndarray, dense: np.ndarray, pointers: np.ndarray, order: np.ndarray, columns: np.ndarray, *back: np.ndarray
) -> np.ndarray:  # fmt: skip
    rows = np.repeat(np.arange(len(pointers) - 1), np.diff(pointers))
    return add_rows(values[order][:, None] * dense[columns], rows, len(pointers) - 1)


def _back(g: Any, out: Any, values: Any, dense: Any, *parts: Any) -> Any:
    """The transposed matrix times g: the two halves of the structure change places."""
    return T.apply("sparse_rows_part", (values, g, *parts[3:], *parts[:3]), {})


def _infer(values: Meta, dense: Meta, pointers: Meta, *rest: Meta) -> Meta:
    return like(dense, shape=(pointers.shape[0] - 1, dense.shape[1]))


# Row r of the result is the sum of values[order[k]] * dense[columns[k]] for k from pointers[r] to pointers[r + 1]; the last
# three say the same of the transposed matrix. They are made by `rushlight.sparse`, whose indices were checked: nothing is here.
sparse_rows = declare(
    "sparse_rows_part(Tensor values, Tensor dense, Tensor pointers, Tensor order, Tensor columns, Tensor back_pointers, "
    "Tensor back_order, Tensor back_columns)",
    infer=_infer, reference=_reference, vjp=(None, _back, *[None] * 6), wide=True, grad_name="MmBackward0",
    doc="a sparse matrix of constant values times a dense one",
)  # fmt: skip


def _inside(x: np.ndarray, index: np.ndarray) -> np.ndarray:
    return (index >= 0) & (index < len(x))


def _take(x: np.ndarray, index: np.ndarray) -> np.ndarray:
    inside = _inside(x, index)
    found = x[np.where(inside, index, 0)] if len(x) else np.zeros((len(index), *x.shape[1:]), x.dtype)
    return np.where(inside.reshape(-1, *[1] * (x.ndim - 1)), found, x.dtype.type(0))


def _add(x: np.ndarray, index: np.ndarray, values: np.ndarray) -> np.ndarray:
    found, inside = x.copy(), _inside(x, index)
    np.add.at(found, index[inside], values[inside])
    return found


rows_take = declare(
    "rows_take_part(Tensor input, Tensor index)", infer=lambda x, index: like(x, shape=(*index.shape, *x.shape[1:])),
    reference=_take, moves=True, doc="input[index]; zeros where there is no such row",
)  # fmt: skip
rows_add = declare(
    "rows_add_op(Tensor input, Tensor index, Tensor values)", infer=lambda x, index, v: like(x), reference=_add, inplace=True,
    wide=True, doc="input with values[i] added to row index[i]; left out where there is no such row",
)  # fmt: skip
