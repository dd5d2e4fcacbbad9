"""Ops that order or count elements. NaN counts as the largest value; equal elements keep their order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.dtype import BOOL, COMPLEX, FLOATING
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import Op, declare
from rushlight.ops import searching
from rushlight.ops.reduce import dtype_name
from rushlight.ops.rules import like, reduced_shape, result_dtype, wrap_dim
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T


def _refuse_complex(name: str, x: Meta) -> None:
    if x.dtype.category == COMPLEX:
        raise RuntimeError(
            f"{name}: Sort does not support complex dtypes: got {x.dtype}. Fix: order by .abs() or .real."
        )


def _order(x: np.ndarray, dim: int, descending: bool) -> np.ndarray:
    """Stable argsort along a dimension."""
    if not descending:
        return np.argsort(x, axis=dim, kind="stable")
    backwards = np.argsort(np.flip(x, dim), axis=dim, kind="stable")
    return x.shape[dim] - 1 - np.flip(backwards, dim)


def _picked(x: np.ndarray, index: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray]:
    return np.take_along_axis(x, index, dim), index


def _scatter_back(g: Any, out: Any, x: Any, dim: int) -> Any:
    return T.value_selecting_gradient(g[0], out[1], x, dim, True)


_ROWS = lambda: [((values(3, 4), 1), {}), ((values(3, 4), 0), {}), ((values(), 0), {})]  # noqa: E731


def _sort_infer(x: Meta, dim: int, descending: bool) -> tuple[Meta, Meta]:
    _refuse_complex("sort", x)
    wrap_dim(dim, x.ndim, "sort")
    return like(x), like(x, dtype=dtypes.int64)


sort = declare(
    "sort_op(Tensor input, int dim=-1, bool descending=False)", infer=_sort_infer,
    reference=lambda x, dim, descending: (
        _picked(x, _order(x, dim, descending), dim) if x.ndim else (x.copy(), np.zeros((), np.int64))
    ),
    vjp=(lambda g, out, x, dim, descending: _scatter_back(g, out, x, dim),), grad_name="SortBackward0",
    samples=lambda: [((a, d, True), {}) for (a, d), _ in _ROWS()], doc="values in order, and where they were",
)  # fmt: skip


def _topk_infer(x: Meta, k: int, dim: int, largest: bool) -> tuple[Meta, Meta]:
    _refuse_complex("topk", x)
    d = wrap_dim(dim, x.ndim, "topk")
    size = x.shape[d] if x.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError(
            f"topk: selected index k out of range: got k={k} for a dimension of {size}. Fix: 0 <= k <= {size}."
        )
    shape = tuple(k if i == d else n for i, n in enumerate(x.shape))
    return like(x, shape=shape), like(x, shape=shape, dtype=dtypes.int64)


def _topk(x: np.ndarray, k: int, dim: int, largest: bool) -> tuple[np.ndarray, np.ndarray]:
    if not x.ndim:
        return x.copy(), np.zeros((), np.int64)
    return _picked(x, np.take(_order(x, dim, largest), np.arange(k), dim), dim)


topk = declare(
    "topk_op(Tensor input, int k, int dim=-1, bool largest=True)", infer=_topk_infer, reference=_topk,
    vjp=(lambda g, out, x, k, dim, largest: _scatter_back(g, out, x, dim),), grad_name="TopkBackward0",
    samples=lambda: [((values(3, 4), 2, 1), {}), ((values(3, 4), 2, 0, False), {})],
    doc="the k largest, and where they are",
)  # fmt: skip


def _rank_infer(name: str) -> Any:
    def infer(x: Meta, dim: int, keepdim: bool, k: int) -> tuple[Meta, Meta]:
        _refuse_complex(name, x)
        d = wrap_dim(dim, x.ndim, name)
        if x.ndim and x.shape[d] == 0:
            raise IndexError(
                f"{name}(): Expected reduction dim {dim} to have non-zero size; got shape {list(x.shape)}."
            )
        size = x.shape[d] if x.ndim else 1
        if name == "kthvalue" and not 1 <= k <= size:
            raise RuntimeError(
                f"kthvalue(): selected number k out of range for dimension {d}: got k={k}; expected 1 to {size}."
            )
        shape = reduced_shape(x.shape, (d,) if x.ndim else (), keepdim)
        return like(x, shape=shape), like(x, shape=shape, dtype=dtypes.int64)

    return infer


def _ranked(rank: Any) -> Any:
    """`rank(x, dim, k)` says the place in ascending order that is wanted, NaN last."""

    def reference(x: np.ndarray, dim: int, keepdim: bool, k: int) -> tuple[np.ndarray, np.ndarray]:
        if not x.ndim:
            return x.copy(), np.zeros((), np.int64)
        value, index = _picked(x, np.take_along_axis(_order(x, dim, False), rank(x, dim, k), dim), dim)
        return (value, index) if keepdim else (value.squeeze(dim), index.squeeze(dim))

    return reference


def _picked_after_sort(rank: Any) -> Any:
    """The same in tensor code: `rank(x, dim, k)` is a number or a tensor."""

    def expand(x: Any, dim: int, keepdim: bool, k: int) -> Any:
        if not x.ndim:
            return None
        ordered, place = T.sort(x, dim)
        at = rank(x, dim, k)
        if at.__class__ is int:
            found = ordered.narrow(dim, at, 1), place.narrow(dim, at, 1)
        else:
            found = ordered.gather(dim, at), place.gather(dim, at)
        return tuple((t if keepdim else t.squeeze(dim)).clone() for t in found)

    return expand


def _median_at(x: Any, dim: int, k: int) -> Any:
    n = x.shape[dim]
    if not x.is_floating_point():
        return (n - 1) // 2
    count = x.isnan().sum(dim, True)
    return T.where(count > 0, n - count, (n - 1) // 2)


def _nanmedian_at(x: Any, dim: int, k: int) -> Any:
    if not x.is_floating_point():
        return (x.shape[dim] - 1) // 2
    return ((~x.isnan()).sum(dim, True) - 1).clamp(min=0) // 2


def _constant_rank(x: np.ndarray, dim: int, rank: int) -> np.ndarray:
    return np.full([1 if d == dim % x.ndim else n for d, n in enumerate(x.shape)], rank)


def _median_rank(x: np.ndarray, dim: int, k: int) -> np.ndarray:
    middle = _constant_rank(x, dim, (x.shape[dim] - 1) // 2)
    if x.dtype.kind != "f":
        return middle
    count = np.isnan(x).sum(dim, keepdims=True)
    return np.where(count > 0, x.shape[dim] - count, middle)  # the first NaN


def _nanmedian_rank(x: np.ndarray, dim: int, k: int) -> np.ndarray:
    if x.dtype.kind != "f":
        return _median_rank(x, dim, k)
    return np.maximum((~np.isnan(x)).sum(dim, keepdims=True) - 1, 0) // 2


def _rank_op(name: str, rank: Any, at: Any, doc: str) -> Op:
    k = 2 if name == "kthvalue" else 0
    return declare(
        f"{name}_dim(Tensor input, int dim, bool keepdim, int k)", infer=_rank_infer(name), reference=_ranked(rank),
        expand=_picked_after_sort(at), moves=True,
        vjp=(lambda g, out, x, dim, keepdim, k: T.value_selecting_gradient(g[0], out[1], x, dim, keepdim),),
        grad_name=f"{name.capitalize()}Backward0",
        samples=lambda: [((values(3, 4), 1, False, k), {}), ((values(3, 4), 0, True, k), {})],
        doc=doc,
    )  # fmt: skip


kthvalue = _rank_op(
    "kthvalue",
    lambda x, dim, k: _constant_rank(x, dim, k - 1),
    lambda x, dim, k: k - 1,
    "the k-th smallest along `dim`",
)
median = _rank_op("median", _median_rank, _median_at, "the lower median along `dim`")
nanmedian = _rank_op("nanmedian", _nanmedian_rank, _nanmedian_at, "the lower median of what is not NaN")


def _mode(x: np.ndarray, dim: int, keepdim: bool, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The smallest of the most frequent values, and its last place: the end of the longest run in sorted order."""
    if not x.ndim:
        return x.copy(), np.zeros((), np.int64)
    n = x.shape[dim]
    order = np.moveaxis(_order(x, dim, False), dim, -1)
    ordered = np.take_along_axis(np.moveaxis(x, dim, -1), order, -1)
    fresh = np.ones(ordered.shape, bool)
    fresh[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    start = np.maximum.accumulate(np.where(fresh, np.arange(n), 0), -1)
    best = np.argmax(np.arange(n) - start, -1)[..., None]
    index = np.moveaxis(np.take_along_axis(order, best, -1), -1, dim)
    value = np.take_along_axis(x, index, dim)
    return (value, index) if keepdim else (value.squeeze(dim), index.squeeze(dim))


def _mode_after_sort(x: Any, dim: int, keepdim: bool, k: int) -> Any:
    if not x.ndim:
        return None
    ordered, place = T.sort(x.movedim(dim, -1), -1)
    number = T.arange(x.shape[dim])
    fresh = T.cat([T.ones_like(ordered[..., :1], dtype=dtypes.bool_), ordered[..., 1:] != ordered[..., :-1]], -1)
    start = T.cummax(T.where(fresh, number, 0), -1)[0]
    best = (number - start).argmax(-1, True)
    found = tuple(t.gather(-1, best).movedim(-1, dim) for t in (ordered, place))
    return tuple((t if keepdim else t.squeeze(dim)).clone() for t in found)


mode = declare(
    "mode_dim(Tensor input, int dim, bool keepdim, int k)", infer=_rank_infer("mode"), reference=_mode,
    expand=_mode_after_sort, moves=True,
    vjp=(lambda g, out, x, dim, keepdim, k: T.value_selecting_gradient(g[0], out[1], x, dim, keepdim),),
    grad_name="ModeBackward0", samples=lambda: [((np.round(values(3, 6)), 1, False, 0), {})],
    doc="the most frequent value along `dim`",
)  # fmt: skip


def _median_all_infer(x: Meta, ignore_nan: bool) -> Meta:
    _refuse_complex("median", x)
    if x.dtype.category == BOOL:
        raise NotImplementedError(
            explain_error("median", got="a bool tensor", expected="a number dtype", fix="x.int()")
        )
    return like(x, shape=())


def _median_all(x: np.ndarray, ignore_nan: bool) -> np.ndarray:
    if not x.size:
        return np.full((), np.nan if x.dtype.kind == "f" else np.iinfo(x.dtype).min).astype(x.dtype)
    flat = x.reshape(-1)
    if x.dtype.kind == "f":
        nan = np.isnan(flat)
        if nan.any():
            if not ignore_nan or nan.all():
                return np.asarray(np.nan, x.dtype)
            flat = flat[~nan]
    middle = (flat.size - 1) // 2
    return np.partition(flat, middle)[middle]


def _median_all_rule(g: Any, out: Any, x: Any, ignore_nan: bool) -> Any:
    hit = (x == out) | (x.isnan() & out.isnan())
    return g * hit / hit.sum()


median_all = declare(
    "median_all_op(Tensor input, bool ignore_nan)", infer=_median_all_infer, reference=_median_all,
    vjp=(_median_all_rule,),
    grad_name="MedianBackward0", samples=lambda: [((values(3, 4), False), {})], doc="the lower median of all elements",
)  # fmt: skip

# --- searching and counting ---------------------------------------------------------------------------------------


def _search_infer(ordered: Meta, wanted: Meta, right: bool, out_int32: bool) -> Meta:
    if ordered.ndim > 1 and tuple(ordered.shape[:-1]) != tuple(wanted.shape[:-1]):
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of "
            "boundaries tensor and "
            f"input value tensor must match: got {list(ordered.shape)} and {list(wanted.shape)}. Fix: expand one "
            f"of them."
        )
    if not ordered.ndim:
        raise RuntimeError(explain_error("searchsorted", got="a 0-d sequence", expected="at least one dimension"))
    return like(wanted, dtype=dtypes.int32 if out_int32 else dtypes.int64)


def _search(ordered: np.ndarray, wanted: np.ndarray, right: bool, out_int32: bool) -> np.ndarray:
    side = "right" if right else "left"
    if ordered.ndim == 1:
        return np.searchsorted(ordered, wanted, side)  # type: ignore[call-overload]
    rows = ordered.reshape(math.prod(ordered.shape[:-1]), ordered.shape[-1])
    each = wanted.reshape(len(rows), wanted.shape[-1])
    found = [np.searchsorted(r, w, side) for r, w in zip(rows, each, strict=True)]  # type: ignore[call-overload]
    return np.array(found, np.int64).reshape(wanted.shape)


searchsorted = declare(
    "searchsorted_op(Tensor sorted_sequence, Tensor input, bool right, bool out_int32)", infer=_search_infer,
    reference=_search,
    promote=lambda *metas, **_: result_dtype(*metas), expand=searching.searchsorted, moves=True, doc="where each value would be inserted to keep the order",
)  # fmt: skip


def _isin_infer(elements: Meta, test: Meta, invert: bool) -> Meta:
    for m in (elements, test):
        if m.dtype.category == COMPLEX:
            raise RuntimeError(explain_error("isin", got="a complex tensor", expected="a real dtype"))
    return like(test if elements.weak else elements, shape=elements.shape, dtype=dtypes.bool_)


isin = declare(
    "isin_op(Operand elements, Operand test_elements, bool invert)", infer=_isin_infer,
    reference=lambda a, b, invert: np.isin(a, b, invert=invert), promote=lambda *metas, **_: result_dtype(*metas),
    expand=searching.isin, moves=True, doc="whether each element is among the test elements",
)  # fmt: skip


def _histc_infer(x: Meta, bins: int, low: float, high: float) -> Meta:
    if x.dtype.category != FLOATING:
        raise NotImplementedError(
            f"\"histogram_cpu\" not implemented for '{dtype_name(x.dtype)}': got a tensor of {x.dtype}. Fix: x.float()."
        )
    if bins <= 0:
        raise RuntimeError(f"torch.histc(): bins must be > 0, but got {bins} for dimension 0")
    if low > high:
        raise RuntimeError(f"torch.histc: max must be larger than min: got min={low}, max={high}. Fix: swap them.")
    return like(x, shape=(bins,))


def _histc(x: np.ndarray, bins: int, low: float, high: float) -> np.ndarray:
    if low == high and x.size:
        low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"torch.histc: range of [{low}, {high}] is not finite. Fix: pass min and max.")
    inside = x[(x >= low) & (x <= high)].astype(np.float64)
    place = ((inside - low) * bins / (high - low)).astype(np.int64)
    return np.bincount(np.minimum(place, bins - 1), minlength=bins).astype(x.dtype)


histc = declare(
    "histc_op(Tensor input, int bins, any low, any high)", infer=_histc_infer, reference=_histc,
    doc="how many elements fall into each of equal bins; equal limits: those of the data",
)  # fmt: skip
