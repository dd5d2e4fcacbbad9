"""Products and extremes written at index tensors: what `scatter_reduce` and `index_reduce` are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops import rearrange
from rushlight.ops.indexing import _grid, _nonnegative, _scatter_infer
from rushlight.ops.rules import forbid
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T

_UFUNCS = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def _infer(x: Meta, index: Meta, src: Meta, dim: int, reduce: str) -> Meta:
    if reduce != "prod":
        forbid("scatter_reduce", x, dtypes.COMPLEX)
    return _scatter_infer(x, index, src, dim, "")


def _reference(x: np.ndarray, index: np.ndarray, src: np.ndarray, dim: int, reduce: str) -> np.ndarray:
    result = x.copy()
    if index.size:
        dim %= x.ndim
        places = _grid(index, dim, _nonnegative(index, x.shape[dim], dim, "scatter_reduce"))
        _UFUNCS[reduce].at(result, places, src)
    return result


def _of_product(g: Any, out: Any, x: Any, index: Any, src: Any, dim: int) -> tuple:
    """Each factor's gradient is g times the product of the others, found by leaving zeros out and counting them."""
    zero, zeros_here = src == 0, x == 0
    counts = zeros_here.to(g.dtype).scatter_add(dim, index, zero.to(g.dtype))
    one = T.ones((), dtype=src.dtype)
    rest = T.apply(
        "scatter_reduce_op", (T.where(zeros_here, one, x), index, T.where(zero, one, src)), _static(dim, "prod")
    )
    # among no zeros the others' product is rest / own; the only zero's is rest; with another zero it is 0
    to_x = g * T.where(
        zeros_here, T.where(counts == 1, rest, 0.0), T.where(counts == 0, rest, 0.0) / T.where(zeros_here, one, x)
    )
    there, number, weight = rest.gather(dim, index), counts.gather(dim, index), g.gather(dim, index)
    others = T.where(zero, T.where(number == 1, there, 0.0), T.where(number == 0, there, 0.0) / T.where(zero, one, src))
    return to_x, weight * others


def _of_extreme(g: Any, out: Any, x: Any, index: Any, src: Any, dim: int) -> tuple:
    """Those that equal the result share its gradient."""
    mine, theirs = (x == out).to(g.dtype), (src == out.gather(dim, index)).to(g.dtype)
    share = g / mine.scatter_add(dim, index, theirs)
    return mine * share, theirs * share.gather(dim, index)


def _rule(g: Any, out: Any, x: Any, index: Any, src: Any, dim: int, reduce: str, needs: Any) -> tuple:
    to_x, to_src = (_of_product if reduce == "prod" else _of_extreme)(g, out, x, index, src, dim)
    return to_x, None, to_src


def _static(dim: int, reduce: str) -> dict[str, Any]:
    return {"dim": dim, "reduce": reduce}


scatter_reduce = declare(
    "scatter_reduce_op(Tensor input, Tensor index, Tensor src, int dim, str reduce)", infer=_infer, reference=_reference, vjp=_rule,
    samples=lambda: [((values(3, 4), np.array([[0, 2], [1, 1]]), values(2, 2, seed=1), 1, how), {}) for how in _UFUNCS],
    expand=rearrange.scatter_reduce, moves=True, grad_name="ScatterReduceBackward0", doc="input with src multiplied to it, or the larger or smaller kept, at index along `dim`",
)  # fmt: skip
