"""Sums, norms and softmax of sparse tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS
from rushlight.ops.rules import wrap_dim
from rushlight.sparse import structure
from rushlight.sparse.coo import CooTensor, added_up, coo, spread
from rushlight.sparse.dispatch import handles
from rushlight.sparse.shapes import unsqueeze


def total(input: Any, dim: Any = None, dtype: Any = None, made_by: str = "SparseSumBackward0") -> Any:
    """`torch.sparse.sum`: the sum over the given dimensions; sparse as long as a sparse dimension is left.

    >>> import rushlight as torch
    >>> a = torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3))
    >>> torch.sparse.sum(a), torch.sparse.sum(a, 0).to_dense()
    (tensor(12.), tensor([4., 0., 8.]))
    """
    x = input if dtype is None else input.to(dtype)
    if dim is None:
        return x._values_part.sum()
    dims = sorted({wrap_dim(d, x.ndim, "sum") for d in ((dim,) if isinstance(dim, int) else dim)})
    if not dims:
        return x
    sparse = x.sparse_dim()
    inner = [d - sparse + 1 for d in dims if d >= sparse]
    values = x._values_part.sum(inner) if inner else x._values_part
    kept = [d for d in range(sparse) if d not in dims]
    if not kept:
        return values.sum(0)
    shape = [n for d, n in enumerate(x.shape) if d not in dims]
    if len(kept) == sparse and x._coalesced:
        return coo(x._indices_part, values, shape, x._coalesced, made_by)
    indices = FUNCTIONS["stack"]([x.rows()[d] for d in kept])
    made = coo(indices, values, shape, False).coalesce()
    made._made_by = made_by
    return made


@handles("sum")
def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The sum of all elements, or over dimensions; `keepdim=True` leaves them with size 1."""
    if dtype is None and input.dtype.category < FUNCTIONS["ones"](()).dtype.category:
        dtype = FUNCTIONS["arange"](1).dtype  # sums of whole numbers are int64
    found = total(input, dim, dtype, "SumBackward1")
    if not keepdim:
        return found
    dims = range(input.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    for d in sorted(wrap_dim(d, input.ndim, "sum") for d in dims):
        found = unsqueeze(found, d, "SumBackward1") if isinstance(found, CooTensor) else found.unsqueeze(d)
    return found


@handles("norm")
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None, out: Any = None) -> Any:
    """The 2-norm of all values, added up place by place first."""
    if dim is not None or p not in (None, "fro", 2, 2.0):
        raise NotImplementedError(explain_error("norm", got=f"p={p!r}, dim={dim!r} of a sparse tensor", expected="the 2-norm of all values", fix=".to_dense()"))  # fmt: skip
    return input.coalesce()._values_part.norm(2)


@handles("any")
def any(input: Any, *dim: Any) -> Any:
    """Whether a value is not zero."""
    if dim:
        raise NotImplementedError(
            explain_error("any", got="a dimension of a sparse tensor", expected="none", fix=".to_dense()")
        )
    return input.coalesce()._values_part.any()


def softmax(input: Any, dim: int, *, dtype: Any = None) -> CooTensor:
    """`torch.sparse.softmax`: exp(x) over its sum along a dimension, where places without a value count as -inf."""
    return _normalised("softmax", input, dim, dtype)


def log_softmax(input: Any, dim: int, *, dtype: Any = None) -> CooTensor:
    """`torch.sparse.log_softmax`: the logarithm of `softmax`."""
    return _normalised("log_softmax", input, dim, dtype)


def _normalised(name: str, input: Any, dim: int, dtype: Any) -> CooTensor:
    made_by = "SparseSoftmaxBackward0" if name == "softmax" else "SparseLogSoftmaxBackward0"
    x = (input if dtype is None else input.to(dtype)).coalesce()
    d, sparse, values = wrap_dim(dim, x.ndim, name), x.sparse_dim(), x._values_part
    if d >= sparse:
        return x._with_values(FUNCTIONS[name](values, d - sparse + 1), made_by)
    indices = structure.host(x._indices_part)
    others = [n for n in range(sparse) if n != d]
    numbers = structure.keys(name, indices[others], [x.shape[n] for n in others])
    unique, line = np.unique(numbers, return_inverse=True)
    group, count = structure.tensor_of(line.ravel()), len(unique)
    index = spread(group, x.dense_dim()).expand(values.shape)
    lowest = FUNCTIONS["full"]((count, *values.shape[1:]), -np.inf, dtype=values.dtype)
    highest = lowest.scatter_reduce(0, index, values.detach(), "amax")
    shifted = values - highest.index_select(0, group)
    powers = shifted.exp()
    sums = added_up(powers, group, count).index_select(0, group)
    return x._with_values(powers / sums if name == "softmax" else shifted - sums.log(), made_by)
