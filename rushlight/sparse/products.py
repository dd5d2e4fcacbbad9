"""Products with sparse matrices. Rows are looked up, scaled and added up, so gradients and compiled code come by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.dtype import float32, float64
from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record
from rushlight.sparse import structure
from rushlight.sparse.coo import CooTensor, added_up, coo
from rushlight.sparse.dispatch import handles, is_sparse
from rushlight.sparse.elementwise import add
from rushlight.sparse.shapes import transpose


def _check(name: str, a: Any, b: Any, dims: tuple[int, int]) -> None:
    if (a.ndim, b.ndim) != dims or any(is_sparse(x) and x.dense_dim() for x in (a, b)):
        raise RuntimeError(explain_error(name, got=f"{a.ndim}-D and {b.ndim}-D operands{' (hybrid)' * any(is_sparse(x) and x.dense_dim() > 0 for x in (a, b))}", expected=f"{dims[0]}-D and {dims[1]}-D, without dense dimensions in a sparse one"))  # fmt: skip
    if a.shape[-1] != b.shape[max(b.ndim - 2, 0)]:
        raise RuntimeError(explain_error(name, got=f"{list(a.shape)} and {list(b.shape)}, mat1 and mat2 shapes that cannot be multiplied", expected="as many columns as rows"))  # fmt: skip
    if a.dtype is not b.dtype:
        raise RuntimeError(
            explain_error(
                name, got=f"{a.dtype} and {b.dtype}", expected="the same dtype", fix="convert one with .to(dtype)"
            )
        )


def _times(a: CooTensor, dense: Any) -> Any:
    """A sparse matrix and a dense one: row i is the sum of value · dense[column] over the values of row i."""
    if not a._nnz() or not dense.shape[1]:
        return FUNCTIONS["zeros"](a.shape[0], dense.shape[1], dtype=a.dtype) + a._values_part.sum() * 0
    if not a.requires_grad and a.dtype in (float32, float64):  # its structure is found once, for all products
        return record(TABLE["sparse_rows_part"], (a._values_part, dense, *a.by_row()))
    rows, columns = a.rows()
    return added_up(dense.index_select(0, columns) * a._values_part.unsqueeze(1), rows, a.shape[0])


@handles("mm", "spmm", "dsmm")
def mm(input: Any, mat2: Any, *, out: Any = None) -> Any:
    """A matrix product: dense if one of the two is dense, sparse if both are sparse."""
    _check("mm", input, mat2, (2, 2))
    if is_sparse(input):
        return _both_sparse(input, mat2) if is_sparse(mat2) else _times(input, mat2)
    return _times(transpose(mat2, 0, 1), input.t()).t()


def _both_sparse(a: CooTensor, b: CooTensor) -> CooTensor:
    """Every value of a meets the values of one row of b; products of equal places are added up."""
    a, b = a.coalesce(), b.coalesce()
    left, right = structure.host(a._indices_part), structure.host(b._indices_part)
    structure.keys("mm", left, a.shape), structure.keys("mm", right, b.shape)
    pointers = structure.compress(right[0], b.shape[0])
    here, there = structure.expanded(pointers[left[1]], pointers[left[1] + 1] - pointers[left[1]])
    sizes = (a.shape[0], b.shape[1])
    unique, group = np.unique(left[0][here] * max(sizes[1], 1) + right[1][there], return_inverse=True)
    parts = a._values_part[structure.tensor_of(here)] * b._values_part[structure.tensor_of(there)]
    total = added_up(parts, structure.tensor_of(group.ravel()), len(unique))
    return coo(structure.tensor_of(structure.places(unique, sizes)), total, sizes, True, "SparseSparseMatmulBackward0")


@handles("mv")
def mv(input: Any, vec: Any, *, out: Any = None) -> Any:
    """A sparse matrix and a dense vector."""
    _check("mv", input, vec, (2, 1))
    if is_sparse(vec):
        raise RuntimeError(explain_error("mv", got="a sparse vector", expected="a dense one", fix="vec.to_dense()"))
    return _times(input, vec.unsqueeze(1)).squeeze(1)


@handles("bmm")
def bmm(input: Any, mat2: Any, *, out: Any = None) -> Any:
    """A batch of sparse matrices and one of dense matrices."""
    if not is_sparse(input) or is_sparse(mat2):
        raise RuntimeError(
            explain_error("bmm", got="a sparse second operand", expected="sparse and then dense", fix=".to_dense()")
        )
    _check("bmm", input, mat2, (3, 3))
    batch, rows, inner = input.shape
    if batch != mat2.shape[0]:
        raise RuntimeError(
            explain_error("bmm", got=f"batches of {batch} and {mat2.shape[0]}", expected="the same size")
        )
    number, row, column = input.rows()  # one matrix with the batch's blocks on its diagonal
    places = FUNCTIONS["stack"]([number * rows + row, number * inner + column])
    whole = coo(places, input._values_part, (batch * rows, batch * inner), input._coalesced)
    return _times(whole, mat2.reshape(batch * inner, -1)).reshape(batch, rows, mat2.shape[2])


@handles("matmul")
def matmul(input: Any, other: Any, *, out: Any = None) -> Any:
    """`mm`, `mv` or `bmm`, by the number of dimensions; a dense operand of more dimensions is a stack of rows."""
    if not (hasattr(input, "_meta") and hasattr(other, "_meta")):
        raise TypeError(
            explain_error("matmul", got=f"{type(input).__name__} and {type(other).__name__}", expected="tensors")
        )
    dims = input.ndim, other.ndim
    if dims == (2, 2):
        return mm(input, other)
    if dims == (2, 1):
        return mv(input, other)
    if dims == (3, 3):
        return bmm(input, other)
    if dims[1] == 2 and is_sparse(other) and not is_sparse(input):
        flat = mm(input.reshape(-1, input.shape[-1]), other)
        return flat.reshape(*input.shape[:-1], other.shape[1])
    raise RuntimeError(explain_error("matmul", got=f"a {dims[0]}-D and a {dims[1]}-D operand, one of them sparse", expected="2-D and 2-D or 1-D, or 3-D and 3-D", fix=".to_dense()"))  # fmt: skip


@handles("addmm", "saddmm")
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> Any:
    """beta * input + alpha * (mat1 @ mat2)."""
    product = mm(mat1, mat2)
    if is_sparse(input) != is_sparse(product):
        raise RuntimeError(explain_error("addmm", got="a sparse input and a dense product, or the other way round", expected="one layout", fix=".to_dense()"))  # fmt: skip
    return (
        add(input if beta == 1 else input * beta, product, alpha=alpha)
        if is_sparse(input)
        else beta * input + alpha * product
    )


def sparse_rows(mat1: Any, mat2: Any) -> CooTensor:
    """`torch.hspmm`: sparse @ dense as a hybrid tensor that holds the rows of mat1 that are not empty."""
    _check("hspmm", mat1, mat2, (2, 2))
    found = np.unique(structure.host(mat1.rows()[0]))
    rows = structure.tensor_of(found)
    return coo(
        rows.unsqueeze(0),
        _times(mat1, mat2).index_select(0, rows),
        (mat1.shape[0], mat2.shape[1]),
        False,
        "HspmmBackward0",
    )


@handles("smm")
def smm(input: Any, mat: Any) -> CooTensor:
    """sparse @ dense as a sparse matrix: the elements of the rows that are not empty."""
    hybrid = sparse_rows(input, mat)
    rows, width = structure.host(hybrid._indices_part)[0], mat.shape[1]
    places = np.stack([np.repeat(rows, width), np.tile(np.arange(width), len(rows))])
    return coo(structure.tensor_of(places), hybrid._values_part.reshape(-1), hybrid.shape, False, "SmmBackward0")


@handles("sspaddmm")
def sspaddmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> CooTensor:
    """beta * input + alpha * (mat1 @ mat2) of a sparse input and a sparse mat1, as a sparse matrix."""
    return add(input * beta, smm(mat1, mat2), alpha=alpha)


def sampled_addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1.0, alpha: Any = 1.0, out: Any = None) -> Any:
    """beta * input + alpha * (mat1 @ mat2), computed at the places of the sparse CSR `input` alone."""
    if input.layout.name != "sparse_csr":
        raise RuntimeError(explain_error("sampled_addmm", got=f"an input of layout {input.layout}", expected="torch.sparse_csr", fix="input.to_sparse_csr()"))  # fmt: skip
    _check("sampled_addmm", mat1, mat2, (2, 2))
    rows, columns = input.as_coo().rows()
    products = (mat1.index_select(0, rows) * mat2.t().index_select(0, columns)).sum(1)
    return input._with_values(beta * input._values_part + alpha * products, "SparseSampledAddmmBackward0")


@handles("linear")
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input @ weight.T + bias, with a sparse weight or a sparse input."""
    found = matmul(input, transpose(weight, 0, 1) if is_sparse(weight) else weight.t())
    return found if bias is None else found + bias
