"""Where extremes are and whether elements are among others, in plain tensor code of reductions: see `compositions`."""

from __future__ import annotations

from typing import Any

from rushlight.dtype import bool_, uint8
from rushlight.ops.tensor_code import T

FEW = 64  # elements of a set that are all compared


def _first(x: Any, top: Any, dim: int) -> Any:
    """The first position along `dim` whose element is `top`; of a NaN, where there is one."""
    hit = x == top
    if x.is_floating_point():
        hit = hit | x.isnan()
    position = T.apply("position_part", (x,), {"dim": dim})
    return T.where(hit, position, x.shape[dim]).amin(dim, True)


def _extreme(x: Any, name: str, dim: int) -> tuple[Any, Any]:
    """The extreme along `dim`, and where it is."""
    seen = x.to(uint8) if x.dtype is bool_ else x
    top = getattr(seen, name)(dim, True)
    where = _first(seen, top, dim)
    return top.to(x.dtype), where


def extreme_dim(name: str) -> Any:
    """max_dim and min_dim."""

    def expand(x: Any, dim: int, keepdim: bool) -> Any:
        if not x.ndim or not x.numel():
            return None
        dim %= x.ndim
        shape = [n for d, n in enumerate(x.shape) if d != dim]
        top, where = _extreme(x, name, dim)
        return (top, where) if keepdim else (top.reshape(shape), where.reshape(shape))

    return expand


def arg_extreme(name: str) -> Any:
    """argmax and argmin; without a dimension of all elements in one row."""

    def expand(x: Any, dim: int | None, keepdim: bool) -> Any:
        if not x.ndim or not x.numel():
            return None
        if dim is None:
            return _extreme(x.reshape(-1), name, 0)[1].reshape([1] * x.ndim if keepdim else [])
        dim %= x.ndim
        where = _extreme(x, name, dim)[1]
        return where if keepdim else where.reshape([n for d, n in enumerate(x.shape) if d != dim])

    return expand


def isin(elements: Any, test: Any, invert: bool) -> Any:
    """Every element beside every one of a small set."""
    if test.numel() > FEW or not test.numel() or not elements.numel():
        return None
    found = (elements.unsqueeze(-1) == test.reshape(-1)).any(-1)
    return found.logical_not() if invert else found


def vector_norm(x: Any, ord: Any, dim: Any, keepdim: bool) -> Any:
    """(Σ |x|^ord)^(1 / ord), and its limits."""
    if not x.ndim or not x.numel():
        return None
    if x.dtype.itemsize == 2:  # a sum of squares soon leaves the range of half precision
        return T.apply("vector_norm_op", (x.float(),), {"ord": ord, "dim": dim, "keepdim": keepdim}).to(x.dtype)
    size = x.abs()
    if ord in (float("inf"), float("-inf")):
        return size.amax(dim or (), keepdim) if ord > 0 else size.amin(dim or (), keepdim)
    if ord == 0:
        return (size != 0).to(x.dtype).sum(dim, keepdim)
    if ord == 1:
        return size.sum(dim, keepdim)
    if ord == 2:
        return (size * size).sum(dim, keepdim).sqrt()
    return (size**ord).sum(dim, keepdim) ** (1.0 / ord)


def glu(x: Any, dim: int) -> Any:
    """The first half times the sigmoid of the second."""
    half = x.shape[dim] // 2
    return x.narrow(dim, 0, half) * x.narrow(dim, half, half).sigmoid()
