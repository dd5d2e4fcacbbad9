"""Distances and similarities of vectors."""

from __future__ import annotations

import math
from typing import Any

from rushlight import dtype as dtypes
from rushlight.functional.registry import FUNCTIONS, as_int, public


def length(x: Any, p: float, dim: int, keepdim: bool = False) -> Any:
    """The p-norm along dim. Where it is 0 its gradient is 0, not NaN."""
    size = x.abs()
    if p == math.inf:
        return size.amax(dim, keepdim)
    if p == -math.inf:
        return size.amin(dim, keepdim)
    if p == 0:
        return (size != 0).to(size.dtype).sum(dim, keepdim) + size.sum(
            dim, keepdim
        ) * 0  # differentiable, with gradient 0
    if p == 1:
        return size.sum(dim, keepdim)
    total = (size * size if p == 2 else size**p).sum(dim, keepdim)
    zero = total == 0
    safe = total.masked_fill(zero, 1)
    return (safe.sqrt() if p == 2 else safe ** (1.0 / p)).masked_fill(zero, 0)


@public()
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-06, keepdim: bool = False) -> Any:
    """The p-norm of x1 - x2 + eps along the last dimension."""
    return length(x1 - x2 + eps, p, -1, keepdim)


@public()
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-08) -> Any:
    """x1 . x2 / (max(|x1|, eps) * max(|x2|, eps)) along dim.

    >>> import rushlight as torch
    >>> torch.cosine_similarity(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]]))
    tensor([0.9600])
    """
    kind = dtypes.promote_types(x1.dtype, x2.dtype)
    if kind.category < dtypes.FLOATING:
        raise RuntimeError(
            f"cosine_similarity: expected common dtype to be floating point, yet common dtype is {kind}. Fix: convert with .float()."
        )
    dim = as_int(dim)
    first, second = FUNCTIONS["broadcast_tensors"](x1.to(kind), x2.to(kind))
    unit1 = first / length(first, 2, dim, True).clamp(min=eps)
    unit2 = second / length(second, 2, dim, True).clamp(min=eps)
    return (unit1 * unit2).sum(dim)


@public()
def pdist(input: Any, p: float = 2.0) -> Any:
    """The p-norm distances of all pairs of rows, as the upper triangle of the distance matrix read by rows."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D.")
    if p < 0:
        raise RuntimeError(f"pdist only supports non-negative p values; got {p}.")
    import numpy as np

    rows, columns = np.triu_indices(input.shape[0], 1)
    first, second = FUNCTIONS["tensor"](rows), FUNCTIONS["tensor"](columns)
    return length(input.index_select(0, first) - input.index_select(0, second), p, -1)


__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]
