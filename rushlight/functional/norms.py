"""Norms of vectors and matrices, and the distances they give."""

from __future__ import annotations

import math
from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS, as_ints, public, write_out
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record
from rushlight.ops.rules import wrap_dim

inf = math.inf


def _done(result: Any, out: Any) -> Any:
    return result if out is None else write_out(out, result)


def vector_norm(
    x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Any:
    """(sum of |x|^ord)^(1/ord) over dim, all dimensions by default.

    >>> import rushlight as torch
    >>> torch.linalg.vector_norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if isinstance(ord, str):
        raise TypeError(
            explain_error(
                "linalg.vector_norm", got=f"ord={ord!r}", expected="a number", fix="use torch.linalg.matrix_norm"
            )
        )
    if dtype is not None:
        x = x.to(dtype)
    return _done(record(TABLE["vector_norm_op"], (x,), (ord, as_ints(dim), bool(keepdim))), out)


def matrix_norm(
    A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Any:
    """The norm of the matrices in two dimensions: 'fro', 'nuc', or 1, 2, inf and their negatives.

    >>> import rushlight as torch
    >>> torch.linalg.matrix_norm(torch.tensor([[3.0, 0.0], [4.0, 0.0]]))
    tensor(5.)
    """
    if A.ndim < 2:
        raise RuntimeError(
            f"linalg.matrix_norm: The input tensor A must have at least 2 dimensions; got shape {list(A.shape)}."
        )
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim}")
    rows, columns = (wrap_dim(d, A.ndim, "linalg.matrix_norm") for d in dim)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if dtype is not None:
        A = A.to(dtype)
    if ord == "fro":
        return _done(vector_norm(A, 2, (rows, columns), keepdim), out)
    if ord in ("nuc", 2, -2):
        values = record(TABLE["svdvals_op"], (A.movedim((rows, columns), (-2, -1)),))
        found = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord == 2 else values.amin(-1)
    elif ord in (1, -1, inf, -inf):
        summed, other = (rows, columns) if ord in (1, -1) else (columns, rows)
        sums = A.abs().sum(summed)
        other -= other > summed
        found = sums.amax(other) if ord > 0 else sums.amin(other)
    else:
        raise RuntimeError(
            f"linalg.matrix_norm: Order {ord} not supported. Fix: use 'fro', 'nuc', 1, -1, 2, -2, inf or -inf."
        )
    if keepdim:
        found = found.reshape([1 if d in (rows, columns) else n for d, n in enumerate(A.shape)])
    return _done(found, out)


def linalg_norm(
    A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, out: Any = None, dtype: Any = None
) -> Any:
    """The matrix norm for two dimensions (or a matrix with an order), else the vector norm.

    >>> import rushlight as torch
    >>> torch.linalg.norm(torch.tensor([3.0, 4.0])), torch.linalg.norm(torch.tensor([3.0, 4.0]), 1)
    (tensor(5.), tensor(7.))
    """
    pair = isinstance(dim, (tuple, list)) and len(dim) == 2
    if ord is None:
        if dim is None:
            found = vector_norm(A.reshape(-1), 2, None, False, dtype=dtype)
            return _done(found.reshape([1] * A.ndim) if keepdim else found, out)
        return vector_norm(A, 2, dim, keepdim, dtype=dtype, out=out)
    if pair or (dim is None and A.ndim == 2):
        return matrix_norm(A, ord, dim or (-2, -1), keepdim, dtype=dtype, out=out)
    if dim is None and A.ndim != 1:
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        )
    return vector_norm(A, ord, dim, keepdim, dtype=dtype, out=out)


@public(method=True)
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None) -> Any:
    """The p-norm over dim (all by default); 'fro' is 2, 'nuc' the sum of the singular values.

    >>> import rushlight as torch
    >>> torch.tensor([3.0, 4.0]).norm()
    tensor(5.)
    """
    dim = as_ints(dim)
    if p == "nuc":
        return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim, dtype=dtype, out=out)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(explain_error("norm", got=f"p={p!r}", expected="a number, 'fro' or 'nuc'"))
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype, out=out)


@public(method=True)
def dist(input: Any, other: Any, p: float = 2) -> Any:
    """The p-norm of the difference."""
    return vector_norm(input - other, p)


@public()
def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: Any = None) -> Any:
    """The p-norm distance of each row of x1 to each row of x2.

    >>> import rushlight as torch
    >>> torch.cdist(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        got = f"shapes {list(x1.shape)} and {list(x2.shape)}"
        raise RuntimeError(
            explain_error("cdist", got=got, expected="matrices with X1 and X2 of the same number of columns")
        )
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


@public(method=True)
def renorm(input: Any, p: float, dim: int, maxnorm: float, *, out: Any = None) -> Any:
    """Scale the slices along dim whose p-norm exceeds maxnorm down to it."""
    others = tuple(d for d in range(input.ndim) if d != wrap_dim(dim, input.ndim, "renorm"))
    if not others:
        raise RuntimeError(
            explain_error("renorm", got=f"shape {list(input.shape)}", expected="at least two dimensions")
        )
    size = vector_norm(input, p, others, True)
    scale = FUNCTIONS["where"](size > maxnorm, maxnorm / (size + 1e-7), 1.0)
    return _done(input * scale.to(input.dtype), out)


public("renorm_", method=True, function=False)(
    lambda input, p, dim, maxnorm: input.copy_(renorm(input, p, dim, maxnorm))
)
