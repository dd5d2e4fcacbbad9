"""Rows moved to other places, as sequences of different lengths are laid out on a grid and taken from it again."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.rules import like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T


def _infer(x: Meta, index: Meta, back: Meta) -> Meta:
    if x.ndim != 2 or index.ndim != 1 or tuple(back.shape) != (x.shape[0],) or index.dtype is not dtypes.int64:
        raise RuntimeError(
            explain_error(
                "move_rows",
                got=f"rows {list(x.shape)}, places {list(index.shape)} and {list(back.shape)}",
                expected="rows (K, width), an int64 place for each row of the result, and one for each of the input",
            )
        )
    return like(x, shape=(index.shape[0], x.shape[1]))


def _reference(x: np.ndarray, index: np.ndarray, back: np.ndarray) -> np.ndarray:
    return np.where((index >= 0)[:, None], x[np.maximum(index, 0)], x.dtype.type(0))


def _expand(x: Any, index: Any, back: Any) -> Any:
    if not x.shape[0]:
        return T.zeros((index.shape[0], x.shape[1]), dtype=x.dtype)
    rows = T.index_select(x, 0, index.clamp(min=0))
    return T.where((index >= 0).unsqueeze(1), rows, T.zeros((), dtype=x.dtype))


def _samples() -> list:
    whole, part = (np.array([2, 0, -1, 3, 1]), np.array([1, 4, 0, 3])), (np.array([2, 0]), np.array([1, -1, 0, -1]))
    return [((values(4, 3), *places), {}) for places in (whole, part)]


# Both ways are look-ups, where a gradient of `index_select` would add up rows one after the other.
move_rows = declare(
    "move_rows_op(Tensor input, Tensor index, Tensor back)", infer=_infer, reference=_reference, expand=_expand, moves=True,
    vjp=(lambda g, out, x, index, back: T.apply("move_rows_op", (g, back, index), {}), None, None), grad_name="MoveRowsBackward0",
    samples=_samples, doc="row k is input[index[k]], or zeros where index[k] < 0; back[index[k]] = k, and -1 for rows that go nowhere",
)  # fmt: skip
