"""From one layout to another, and the values of a tensor at the places of another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS
from rushlight.layout import LAYOUTS
from rushlight.layout import layout as Layout
from rushlight.sparse import structure
from rushlight.sparse.coo import CooTensor, coo
from rushlight.sparse.dispatch import handles, is_sparse
from rushlight.sparse.elementwise import at_places
from rushlight.sparse.tensor import refusal


def to_sparse(input: Any, sparse_dim: int | None = None, *, layout: Any = None, blocksize: Any = None, dense_dim: int | None = None) -> Any:  # fmt: skip
    """The tensor in a sparse layout; without one, in `torch.sparse_coo` with `sparse_dim` sparse dimensions (all of them).

    Places whose values are zeros are left out.

    >>> import rushlight as torch
    >>> torch.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse()
    tensor(indices=tensor([[0, 1],
                           [1, 0]]),
           values=tensor([2., 3.]),
           size=(2, 2), nnz=2, layout=torch.sparse_coo)
    """
    if isinstance(sparse_dim, Layout):
        sparse_dim, layout = None, sparse_dim
    wanted = LAYOUTS["sparse_coo"] if layout is None else layout
    if wanted.name not in ("sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"):
        raise RuntimeError(explain_error("to_sparse", got=f"layout={wanted}", expected="one of the sparse layouts"))
    if wanted.name != "sparse_coo":
        from rushlight.sparse.compressed import compressed_from

        return compressed_from(input, wanted.name, blocksize, dense_dim)
    if is_sparse(input):
        if not input.is_sparse:
            return input.as_coo()
        if sparse_dim in (None, input.sparse_dim()):
            return input
        input = input.to_dense()
    return _from_dense(input, input.ndim if sparse_dim is None else sparse_dim)


def _from_dense(x: Any, sparse_dim: int) -> CooTensor:
    if not 0 <= sparse_dim <= x.ndim or (sparse_dim == 0 and x.ndim):
        raise RuntimeError(
            explain_error(
                "to_sparse", got=f"sparse_dim={sparse_dim} for {x.ndim} dimensions", expected=f"1 to {x.ndim}"
            )
        )
    array = x.detach()._compute_array()
    rows = array.reshape(math.prod(array.shape[:sparse_dim]), -1)
    found = np.flatnonzero((rows != 0).any(1))
    indices = structure.tensor_of(structure.places(found, array.shape[:sparse_dim]))
    values = x.reshape(rows.shape[0], *x.shape[sparse_dim:]).index_select(0, structure.tensor_of(found))
    return coo(indices, values, x.shape, True, "ToSparseBackward0")


@handles("sparse_mask")
def sparse_mask(input: Any, mask: Any) -> Any:
    """The values of `input` at the places of a sparse tensor.

    >>> import rushlight as torch
    >>> mask = torch.sparse_coo_tensor([[0, 1], [1, 0]], [1.0, 1.0], (2, 2)).coalesce()
    >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]]).sparse_mask(mask).values()
    tensor([2., 3.])
    """
    if not is_sparse(mask):
        raise RuntimeError(
            explain_error("sparse_mask", got="a dense mask", expected="a sparse one", fix="mask.to_sparse()")
        )
    if tuple(input.shape) != tuple(mask.shape):
        raise RuntimeError(
            explain_error(
                "sparse_mask", got=f"sizes {list(input.shape)} and {list(mask.shape)}", expected="the same size"
            )
        )
    if not mask.is_sparse:
        dense = input.to_dense() if is_sparse(input) else input
        return mask._with_values(at_places(dense, mask.as_coo()), "SparseMaskBackward0")
    if not is_sparse(input):
        return mask._with_values(at_places(input, mask), "SparseMaskBackward0")
    x = input.coalesce()
    if x.sparse_dim() != mask.sparse_dim():
        raise refusal("sparse_mask", input, "give both as many sparse dimensions, or .to_dense()")
    sizes = x.shape[: x.sparse_dim()]
    mine, wanted = (structure.keys("sparse_mask", structure.host(y._indices_part), sizes) for y in (x, mask))
    if not len(mine):
        return mask._with_values(
            FUNCTIONS["zeros"](mask._nnz(), *x.shape[len(sizes) :], dtype=x.dtype), "SparseMaskBackward0"
        )
    at = np.minimum(np.searchsorted(mine, wanted), len(mine) - 1)
    there = structure.tensor_of((mine[at] == wanted).astype(np.int64)).bool()
    values = x._values_part.index_select(0, structure.tensor_of(at))
    there = there.reshape(-1, *[1] * x.dense_dim())
    return mask._with_values(FUNCTIONS["where"](there, values, 0), "SparseMaskBackward0")
