"""Where extremes are and whether elements are among others, in plain tensor code of reductions: see `compositions`."""

from __future__ import annotations

from typing import Any

from rushlight.dtype import bool_, int32, int64, uint8
from rushlight.ops.tensor_code import T

FEW = 64  # elements of a set or of a sequence that are all compared


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


def searchsorted(ordered: Any, wanted: Any, right: bool, out_int32: bool) -> Any:
    """How many elements of a short sequence lie before each value; NaN lies after everything."""
    if ordered.shape[-1] > FEW or not ordered.numel() or not wanted.numel():
        return None
    a, b = (ordered, wanted.unsqueeze(-1)) if ordered.ndim == 1 else (ordered.unsqueeze(-2), wanted.unsqueeze(-1))
    low, high = (b, a) if right else (a, b)
    before = low < high
    if ordered.is_floating_point():
        before = before | high.isnan() & low.isnan().logical_not()
    if right:
        before = before.logical_not()
    return before.sum(-1).to(int32 if out_int32 else int64)
