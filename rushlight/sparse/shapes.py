"""Other shapes of sparse tensors: dimensions exchanged, added, picked from, and tensors joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS
from rushlight.ops.rules import wrap_dim
from rushlight.sparse import structure
from rushlight.sparse.coo import CooTensor, coo
from rushlight.sparse.dispatch import handles
from rushlight.sparse.tensor import refusal


@handles("permute")
def permute(input: Any, *dims: Any, made_by: str = "PermuteBackward0") -> CooTensor:
    """The dimensions in another order; sparse ones stay before dense ones."""
    order = dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims
    order = [wrap_dim(d, input.ndim, "permute") for d in order]
    sparse = input.sparse_dim()
    if sorted(order) != list(range(input.ndim)):
        raise RuntimeError(
            explain_error("permute", got=f"dims={tuple(order)}", expected=f"each of {input.ndim} dimensions once")
        )
    if sorted(order[:sparse]) != list(range(sparse)):
        raise RuntimeError(explain_error("transpose", got="sparse and dense dimensions exchanged with each other", expected="sparse dimensions to stay before dense ones", fix=".to_dense()"))  # fmt: skip
    shape = [input.shape[d] for d in order]
    values = input._values_part
    if order[sparse:] != list(range(sparse, input.ndim)):
        values = values.permute(0, *[d - sparse + 1 for d in order[sparse:]])
    if order[:sparse] == list(range(sparse)):
        return coo(input._indices_part, values, shape, input._coalesced, made_by)
    indices = FUNCTIONS["stack"]([input.rows()[d] for d in order[:sparse]])
    made = coo(indices, values, shape, False, made_by)
    made._rows = [input.rows()[d] for d in order[:sparse]]
    made._transposed = input if order == [1, 0] else None
    return made


@handles("transpose", "swapaxes", "swapdims")
def transpose(input: Any, dim0: int, dim1: int, made_by: str = "TransposeBackward0") -> CooTensor:
    """Two dimensions exchanged."""
    a, b = (wrap_dim(d, input.ndim, "transpose") for d in (dim0, dim1))
    order = list(range(input.ndim))
    order[a], order[b] = b, a
    return permute(input, order, made_by=made_by)


@handles("t")
def t(input: Any) -> CooTensor:
    """The transposed matrix."""
    if input.ndim > 2:
        raise RuntimeError(
            explain_error("t", got=f"{input.ndim} dimensions", expected="at most 2", fix=".transpose(0, 1)")
        )
    return transpose(input, 0, 1, "TBackward0") if input.ndim == 2 else input


@handles("unsqueeze")
def unsqueeze(input: Any, dim: int, made_by: str = "UnsqueezeBackward0") -> CooTensor:
    """A dimension of size 1 put in: a sparse one before the last sparse dimension, else a dense one."""
    d = wrap_dim(dim, input.ndim + 1, "unsqueeze")
    shape = [*input.shape[:d], 1, *input.shape[d:]]
    if d > input.sparse_dim():
        return coo(input._indices_part, input._values_part.unsqueeze(d - input.sparse_dim() + 1), shape, False, made_by)
    rows = input.rows()
    zeros = FUNCTIONS["zeros"](input._nnz(), dtype=input._indices_part.dtype)
    return coo(FUNCTIONS["stack"]([*rows[:d], zeros, *rows[d:]]), input._values_part, shape, False, made_by)


@handles("select")
def select(input: Any, dim: int, index: int) -> Any:
    """One position of a dimension, which goes: dense where no sparse dimension is left."""
    d = wrap_dim(dim, input.ndim, "select")
    size = input.shape[d]
    if not -size <= index < size:
        raise IndexError(
            explain_error(
                "select", got=f"index {index} in dimension {d} of size {size}", expected=f"{-size} to {size - 1}"
            )
        )
    shape = [*input.shape[:d], *input.shape[d + 1 :]]
    sparse = input.sparse_dim()
    if d >= sparse:
        return coo(
            input._indices_part,
            input._values_part.select(d - sparse + 1, index),
            shape,
            input._coalesced,
            "SelectBackward0",
        )
    indices = structure.host(input._indices_part)
    chosen = np.flatnonzero(indices[d] == index % size)
    values = input._values_part.index_select(0, structure.tensor_of(chosen))
    if sparse == 1:
        return values.sum(0)
    left = np.delete(indices, d, 0)[:, chosen]
    return coo(structure.tensor_of(left), values, shape, input._coalesced, "SelectBackward0")


@handles("index_select")
def index_select(input: Any, dim: int, index: Any, *, out: Any = None) -> CooTensor:
    """Positions of one dimension, in the order of `index`."""
    d = wrap_dim(dim, input.ndim, "index_select")
    shape = [*input.shape[:d], index.numel(), *input.shape[d + 1 :]]
    sparse = input.sparse_dim()
    if d >= sparse:
        return coo(
            input._indices_part,
            input._values_part.index_select(d - sparse + 1, index),
            shape,
            input._coalesced,
            "IndexSelectBackward0",
        )
    wanted, indices = structure.host(index), structure.host(input._indices_part)
    if wanted.size and (int(wanted.min()) < 0 or int(wanted.max()) >= input.shape[d]):
        raise IndexError(
            explain_error(
                "index_select",
                got=f"an index from {wanted.min()} to {wanted.max()}",
                expected=f"0 to {input.shape[d] - 1}",
            )
        )
    order = np.argsort(indices[d], kind="stable")
    pointers = structure.compress(indices[d], input.shape[d])
    run, found = structure.expanded(pointers[wanted], pointers[wanted + 1] - pointers[wanted])
    places = indices[:, order[found]]
    places[d] = run
    return coo(
        structure.tensor_of(places),
        input._values_part.index_select(0, structure.tensor_of(order[found])),
        shape,
        False,
        "IndexSelectBackward0",
    )


@handles("narrow_copy")
def narrow_copy(input: Any, dim: int, start: int, length: int) -> CooTensor:
    """Positions start, ..., start + length - 1 of one dimension."""
    d = wrap_dim(dim, input.ndim, "narrow_copy")
    if not 0 <= start <= start + length <= input.shape[d]:
        raise RuntimeError(explain_error("narrow_copy", got=f"start {start} and length {length} in dimension {d} of size {input.shape[d]}", expected="a part of the dimension"))  # fmt: skip
    return index_select(input, d, FUNCTIONS["arange"](start, start + length))


@handles("unbind")
def unbind(input: Any, dim: int = 0) -> tuple:
    """The positions of one dimension, each as a tensor."""
    return tuple(select(input, dim, i) for i in range(input.shape[wrap_dim(dim, input.ndim, "unbind")]))


def get_item(input: Any, index: Any) -> Any:
    """`input[i]`, `input[i, j]`, `input[:, i]`: whole numbers and full slices."""
    items, d, found = index if isinstance(index, tuple) else (index,), 0, input
    for item in items:
        if isinstance(item, slice) and item == slice(None):
            d += 1
        elif isinstance(item, (int, np.integer)) and not isinstance(item, bool):
            found = select(found, d, int(item)) if isinstance(found, CooTensor) else found.select(d, int(item))
        else:
            raise refusal("indexing", input, "index with whole numbers, use index_select, or .to_dense()")
    return found


def _joined_shape(name: str, tensors: Sequence[Any], dim: int) -> list[int]:
    first = tensors[0]
    for other in tensors:
        if not isinstance(other, CooTensor):
            raise RuntimeError(explain_error(name, got="sparse and dense tensors in one list", expected="sparse COO tensors only", fix=".to_sparse() or .to_dense()"))  # fmt: skip
        agree = all(n == m for d, (n, m) in enumerate(zip(first.shape, other.shape)) if d != dim)
        if not agree or (first.ndim, first.sparse_dim()) != (other.ndim, other.sparse_dim()):
            raise RuntimeError(explain_error(name, got=f"sizes {list(first.shape)} and {list(other.shape)}", expected=f"equal sizes but for dimension {dim}, and as many sparse dimensions"))  # fmt: skip
    shape = list(first.shape)
    shape[dim] = sum(x.shape[dim] for x in tensors)
    return shape


@handles("cat", "concat", "concatenate")
def cat(tensors: Sequence[Any], dim: int = 0, *, out: Any = None) -> CooTensor:
    """Sparse tensors one after the other along a dimension."""
    d = wrap_dim(dim, tensors[0].ndim, "cat")
    shape, sparse = _joined_shape("cat", tensors, d), tensors[0].sparse_dim()
    join = FUNCTIONS["cat"]
    if d >= sparse:
        shape_of = [list(x.shape) for x in tensors]
        before = np.cumsum([0] + [n[d] for n in shape_of])
        parts = [FUNCTIONS["zeros"](x._nnz(), *shape[sparse:], dtype=x.dtype) for x in tensors]
        axis = d - sparse + 1
        values = join(
            [
                p.slice_scatter(x._values_part, axis, int(b), int(b) + n[d])
                for p, x, b, n in zip(parts, tensors, before, shape_of, strict=False)
            ]
        )
        return coo(join([x._indices_part for x in tensors], 1), values, shape, False, "CatBackward0")
    start, parts = 0, []
    for x in tensors:
        rows = x.rows()
        parts.append(FUNCTIONS["stack"]([r + start if n == d else r for n, r in enumerate(rows)]))
        start += x.shape[d]
    return coo(join(parts, 1), join([x._values_part for x in tensors]), shape, False, "CatBackward0")


@handles("stack")
def stack(tensors: Sequence[Any], dim: int = 0, *, out: Any = None) -> CooTensor:
    """Sparse tensors along a new dimension."""
    made = cat([unsqueeze(x, dim) for x in tensors], wrap_dim(dim, tensors[0].ndim + 1, "stack"))
    made._made_by = "StackBackward0"
    return made
