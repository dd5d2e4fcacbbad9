"""Reductions, cumulative ops, softmax. NumPy's pairwise summation defines the values of sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.dtype import BOOL, COMPLEX, FLOATING
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import TABLE, Op, declare
from rushlight.ops import compositions, searching
from rushlight.ops.rules import forbid, like, only, reduced_shape, wrap_dim, wrap_dims
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T, conj

DimSpec = Any


def _axes(dim: DimSpec, ndim: int) -> Any:
    """NumPy's `axis` for PyTorch's `dim`."""
    return None if dim is None or dim == () else dim


def _promoted(x: Meta, dtype: Any, integers_widen: bool = True) -> Any:
    if dtype is not None:
        return dtype
    return dtypes.int64 if integers_widen and x.dtype.category < FLOATING else x.dtype


def expand_reduced(g: Any, x: Any, dim: DimSpec, keepdim: bool) -> Any:
    """A gradient of a reduction's result, spread over what was reduced."""
    if not keepdim and x.ndim:
        for d in sorted(wrap_dims(dim, x.ndim)):
            g = g.unsqueeze(d)
    return g.expand(x.shape)


def _dims_samples(**more: Any) -> list:
    return [
        ((values(2, 3, 4),), {**more}), ((values(2, 3, 4),), {"dim": 1, **more}),
        ((values(2, 3),), {"dim": (0, 1), "keepdim": True, **more}), ((values(),), {"dim": 0, **more}),
    ]  # fmt: skip


def _sum_infer(x: Meta, dim: DimSpec, keepdim: bool, dtype: Any) -> Meta:
    return like(x, shape=reduced_shape(x.shape, wrap_dims(dim, x.ndim, "sum"), keepdim), dtype=_promoted(x, dtype))


def _sum(x: np.ndarray, dim: DimSpec, keepdim: bool, dtype: Any) -> Any:
    kind = dtype.compute if dtype is not None else (np.int64 if x.dtype.kind in "iub" else x.dtype)
    if x.ndim == 0:
        return x.astype(kind)
    return np.sum(x, axis=_axes(dim, x.ndim), dtype=kind, keepdims=keepdim)


sum_ = declare(
    "sum(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)", infer=_sum_infer, reference=_sum,
    vjp=(lambda g, out, x, dim, keepdim, dtype: expand_reduced(g, x, dim, keepdim),), samples=_dims_samples,
    doc="the sum over `dim` (all by default)",
)  # fmt: skip


def _mean_infer(x: Meta, dim: DimSpec, keepdim: bool, dtype: Any) -> Meta:
    kind = dtype or x.dtype
    if kind.category < FLOATING:
        raise RuntimeError(
            f"mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {dtype_name(kind)}. Fix: convert first, `x.float().mean()`, or pass dtype=torch.float32."
        )
    return like(x, shape=reduced_shape(x.shape, wrap_dims(dim, x.ndim, "mean"), keepdim), dtype=kind)


def dtype_name(kind: Any) -> str:
    """`Long`, `Float`, …: PyTorch's scalar-type names."""
    from rushlight.ir.inplace import _NAMES

    return _NAMES[kind.name]


def _mean(x: np.ndarray, dim: DimSpec, keepdim: bool, dtype: Any) -> Any:
    kind = dtype.compute if dtype is not None else x.dtype
    if x.ndim == 0:
        return x.astype(kind)
    axis = _axes(dim, x.ndim)
    total = np.sum(x, axis=axis, dtype=kind, keepdims=keepdim)
    count = x.size // max(total.size, 1) if x.size else _count(x.shape, axis)
    return total / np.asarray(count, dtype=np.float64 if kind == np.float64 else kind)


def _count(shape: Any, axis: Any) -> int:
    dims = wrap_dims(axis, len(shape))
    return int(np.prod([shape[d] for d in dims])) if dims else 1


def count_reduced(x: Any, dim: DimSpec) -> int:
    """How many elements fall into one result."""
    return _count(tuple(x.shape), dim)


mean_ = declare(
    "mean(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)", infer=_mean_infer, reference=_mean,
    vjp=(lambda g, out, x, dim, keepdim, dtype: expand_reduced(g, x, dim, keepdim) / max(count_reduced(x, dim), 1),),
    samples=_dims_samples, expand=compositions.mean, doc="the mean over `dim` (all by default)",
)  # fmt: skip


def _var_infer(x: Meta, dim: DimSpec, keepdim: bool, correction: Any) -> Meta:
    if x.dtype.category < FLOATING:
        raise RuntimeError(
            explain_error(
                "var",
                got=f"a tensor of {x.dtype}",
                expected="a floating-point or complex dtype",
                fix="convert it with .float()",
            )
        )
    return like(x, shape=reduced_shape(x.shape, wrap_dims(dim, x.ndim, "var"), keepdim), dtype=x.dtype.to_real())


def _var(x: np.ndarray, dim: DimSpec, keepdim: bool, correction: float) -> Any:
    axis = _axes(dim, x.ndim) if x.ndim else None
    mean = np.mean(x, axis=axis, keepdims=True)
    squares = np.square(np.abs(x - mean)) if x.dtype.kind == "c" else np.square(x - mean)
    total = np.sum(squares, axis=axis, keepdims=keepdim)
    count = _count(x.shape, dim if x.ndim else None)
    return total / np.asarray(max(count - correction, 0), dtype=total.dtype)


var_ = declare(
    "var(Tensor input, int[]? dim=None, bool keepdim=False, *, any correction=1)", infer=_var_infer, reference=_var,
    vjp=(
        lambda g, out, x, dim, keepdim, correction: expand_reduced(g, x, dim, keepdim)
        * (2.0 / max(count_reduced(x, dim) - correction, 0) if count_reduced(x, dim) > correction else float("inf"))
        * (x - x.mean(dim, True)),
    ),
    samples=lambda: _dims_samples(correction=1)[:3], expand=compositions.var, doc="the variance; `correction` is subtracted from the count",
)  # fmt: skip


def _extreme(name: str, pick: Any, doc: str) -> Op:
    def infer(x: Meta, dim: DimSpec, keepdim: bool) -> Meta:
        forbid(name, x, COMPLEX)
        dims = wrap_dims(dim, x.ndim, name)
        if any(x.shape[d] == 0 for d in dims):
            raise (IndexError if dim or dim == 0 else RuntimeError)(
                f"{name}(): Expected reduction dim to have non-zero size; got shape {list(x.shape)} and dim {dim}. "
                "Fix: reduce over another dimension or check numel() first."
            )
        return like(x, shape=reduced_shape(x.shape, dims, keepdim))

    def rule(g: Any, out: Any, x: Any, dim: DimSpec, keepdim: bool) -> Any:
        hit = x == expand_reduced(out, x, dim, keepdim)
        hit = hit | (x.isnan() if x.is_floating_point() else T.zeros_like(hit))
        share = hit.to(g.dtype)
        count = share.sum(dim, True) if x.ndim else share
        return expand_reduced(g, x, dim, keepdim) * share / count

    return declare(
        f"{name}(Tensor input, int[] dim=(), bool keepdim=False)", infer=infer,
        reference=lambda x, dim, keepdim: x if x.ndim == 0 else pick(x, axis=_axes(dim, x.ndim), keepdims=keepdim),
        vjp=(rule,), samples=_dims_samples, doc=doc,
    )  # fmt: skip


amax = _extreme("amax", np.max, "the largest over `dim`; ties share the gradient")
amin = _extreme("amin", np.min, "the smallest over `dim`; ties share the gradient")


def _check_nonempty(name: str, x: Meta, dim: int) -> int:
    d = wrap_dim(dim, x.ndim, name)
    if x.ndim and x.shape[d] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size; got shape {list(x.shape)}.")
    return d


def _arg_of(name: str, x: np.ndarray, dim: int) -> np.ndarray:
    """First index of the extreme along `dim`, NaN counting as the extreme."""
    return (np.argmax if name == "max" else np.argmin)(x, axis=dim)


def _extreme_dim(name: str) -> Op:
    def infer(x: Meta, dim: int, keepdim: bool) -> tuple[Meta, Meta]:
        forbid(name, x, COMPLEX)
        d = _check_nonempty(name, x, dim)
        shape = reduced_shape(x.shape, (d,) if x.ndim else (), keepdim)
        return like(x, shape=shape), like(x, shape=shape, dtype=dtypes.int64)

    def reference(x: np.ndarray, dim: int, keepdim: bool) -> tuple:
        if x.ndim == 0:
            return x, np.zeros((), np.int64)
        index = np.expand_dims(_arg_of(name, x, dim), dim)
        value = np.take_along_axis(x, index, dim)
        return (value, index) if keepdim else (value.squeeze(dim), index.squeeze(dim))

    return declare(
        f"{name}_dim(Tensor input, int dim, bool keepdim=False)", infer=infer, reference=reference,
        vjp=(lambda g, out, x, dim, keepdim: T.value_selecting_gradient(g[0], out[1], x, dim, keepdim),),
        samples=lambda: [((values(3, 4), 1), {}), ((values(3, 4), 0), {"keepdim": True})],
        expand=searching.extreme_dim("a" + name), moves=True, grad_name=f"{name.capitalize()}Backward0", doc=f"the {name} along `dim` and where it is",
    )  # fmt: skip


max_dim, min_dim = _extreme_dim("max"), _extreme_dim("min")


def _arg(name: str) -> Op:
    def infer(x: Meta, dim: int | None, keepdim: bool) -> Meta:
        forbid(name, x, COMPLEX, BOOL)
        if dim is None:
            if x.numel == 0:
                raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
            return like(x, shape=(1,) * x.ndim if keepdim else (), dtype=dtypes.int64)
        d = _check_nonempty(name, x, dim)
        return like(x, shape=reduced_shape(x.shape, (d,) if x.ndim else (), keepdim), dtype=dtypes.int64)

    def reference(x: np.ndarray, dim: int | None, keepdim: bool) -> Any:
        pick = np.argmax if name == "argmax" else np.argmin
        if x.ndim == 0:
            return np.zeros((), np.int64)
        return pick(x, axis=dim, keepdims=keepdim)

    return declare(
        f"{name}(Tensor input, int? dim=None, bool keepdim=False)", infer=infer, reference=reference,
        samples=lambda: [((values(3, 4),), {}), ((values(3, 4), 1), {"keepdim": True})],
        expand=searching.arg_extreme("a" + name[3:]), moves=True, doc=f"the index of the {'largest' if name == 'argmax' else 'smallest'}",
    )  # fmt: skip


argmax, argmin = _arg("argmax"), _arg("argmin")


def _logical(name: str, function: Any, doc: str) -> Op:
    def infer(x: Meta, dim: DimSpec, keepdim: bool) -> Meta:
        kind = dtypes.uint8 if x.dtype is dtypes.uint8 else dtypes.bool_
        return like(x, shape=reduced_shape(x.shape, wrap_dims(dim, x.ndim, name), keepdim), dtype=kind)

    return declare(
        f"{name}(Tensor input, int[]? dim=None, bool keepdim=False)", infer=infer,
        reference=lambda x, dim, keepdim: x.astype(bool) if x.ndim == 0 else function(x, axis=_axes(dim, x.ndim), keepdims=keepdim),
        samples=lambda: [((values(3, 4) > 0,), {}), ((values(3, 4) > 0,), {"dim": 1})], doc=doc,
    )  # fmt: skip


all_ = _logical("all", np.all, "whether every element is true")
any_ = _logical("any", np.any, "whether some element is true")


def _prod_infer(x: Meta, dim: int | None, keepdim: bool, dtype: Any) -> Meta:
    dims = wrap_dims(dim, x.ndim, "prod") if dim is not None else tuple(range(x.ndim))
    return like(x, shape=reduced_shape(x.shape, dims, keepdim), dtype=_promoted(x, dtype))


prod_ = declare(
    "prod(Tensor input, int? dim=None, bool keepdim=False, *, dtype? dtype=None)", infer=_prod_infer,
    reference=lambda x, dim, keepdim, dtype: np.prod(
        x, axis=dim if x.ndim else None, keepdims=keepdim,
        dtype=dtype.compute if dtype else (np.int64 if x.dtype.kind in "iub" else x.dtype),
    ),
    vjp=(lambda g, out, x, dim, keepdim, dtype: T.prod_gradient(g, out, x, dim, keepdim),),
    samples=lambda: [((values(2, 3),), {}), ((values(2, 3), 1), {"keepdim": True})], doc="the product over `dim`",
)  # fmt: skip

# --- cumulative ---------------------------------------------------------------------------------------------------


def _cumulative_infer(name: str) -> Any:
    def infer(x: Meta, dim: int, dtype: Any) -> Meta:
        wrap_dim(dim, x.ndim, name)
        return like(x, dtype=_promoted(x, dtype))

    return infer


def _cumulative(function: Any) -> Any:
    def reference(x: np.ndarray, dim: int, dtype: Any) -> np.ndarray:
        kind = dtype.compute if dtype else (np.int64 if x.dtype.kind in "iub" else x.dtype)
        return x.astype(kind) if x.ndim == 0 else function(x, axis=dim, dtype=kind)

    return reference


_along = lambda: [((values(3, 4), 1), {}), ((values(3, 4), 0), {}), ((values(), 0), {})]  # noqa: E731

cumsum = declare(
    "cumsum(Tensor input, int dim, *, dtype? dtype=None)", infer=_cumulative_infer("cumsum"), reference=_cumulative(np.cumsum),
    vjp=(lambda g, out, x, dim, dtype: g.flip(dim).cumsum(dim).flip(dim) if g.ndim else g,), inplace=True, samples=_along,
    doc="running sum along `dim`",
)  # fmt: skip
cumprod = declare(
    "cumprod(Tensor input, int dim, *, dtype? dtype=None)", infer=_cumulative_infer("cumprod"),
    reference=_cumulative(np.cumprod), vjp=(lambda g, out, x, dim, dtype: T.cumprod_gradient(g, out, x, dim),), inplace=True,
    samples=_along, doc="running product along `dim`",
)  # fmt: skip


def _running_extreme(name: str, better: Any) -> Op:
    def infer(x: Meta, dim: int) -> tuple[Meta, Meta]:
        forbid(name, x, COMPLEX)
        wrap_dim(dim, x.ndim, name)
        return like(x), like(x, dtype=dtypes.int64)

    def reference(x: np.ndarray, dim: int) -> tuple:
        if x.ndim == 0:
            return x, np.zeros((), np.int64)
        moved = np.moveaxis(x, dim, 0)
        best, where = moved.copy(), np.zeros(moved.shape, np.int64)
        for i in range(1, len(moved)):
            take = better(moved[i], best[i - 1]) | (moved[i] != moved[i])
            best[i] = np.where(take, moved[i], best[i - 1])
            where[i] = np.where(take, i, where[i - 1])
        return np.moveaxis(best, 0, dim), np.moveaxis(where, 0, dim)

    return declare(
        f"{name}(Tensor input, int dim)", infer=infer, reference=reference,
        vjp=(lambda g, out, x, dim: T.zeros_like(x).scatter_add(dim, out[1], g[0]) if x.ndim else g[0],), samples=_along,
        doc=f"running extreme along `dim` and its index ({name})",
    )  # fmt: skip


cummax = _running_extreme("cummax", np.greater_equal)
cummin = _running_extreme("cummin", np.less_equal)


def _logcumsumexp(x: np.ndarray, dim: int) -> np.ndarray:
    if x.ndim == 0:
        return x
    if x.dtype.kind != "c":
        return np.logaddexp.accumulate(x, axis=dim)
    add = TABLE["logaddexp"].reference
    assert add is not None
    found = np.moveaxis(x, dim, 0).copy()
    for i in range(1, len(found)):
        found[i] = add(found[i - 1], found[i])
    return np.moveaxis(found, 0, dim)


def _float_along(name: str) -> Any:
    def infer(x: Meta, dim: int, dtype: Any = None) -> Meta:
        wrap_dim(dim, x.ndim, name)
        kind = dtype or x.dtype
        if kind.category < FLOATING:
            raise RuntimeError(
                f"\"{name}_lastdim_kernel_impl\" not implemented for '{dtype_name(kind)}': got a tensor of {kind}; expected a "
                "floating dtype. Fix: convert it with .float() or pass dtype=torch.float32."
            )
        return like(x, dtype=kind)

    return infer


logcumsumexp = declare(
    "logcumsumexp(Tensor input, int dim)", infer=only("logcumsumexp", _float_along("logcumsumexp"), FLOATING, COMPLEX), reference=_logcumsumexp,
    vjp=(lambda g, out, x, dim: T.logcumsumexp_gradient(g, out, x, dim),), samples=_along, doc="log of the running sum of exp",
)  # fmt: skip


def _logsumexp_infer(x: Meta, dim: DimSpec, keepdim: bool) -> Meta:
    kind = x.dtype if x.dtype.category >= FLOATING else dtypes.get_default_dtype()
    return like(x, shape=reduced_shape(x.shape, wrap_dims(dim, x.ndim, "logsumexp"), keepdim), dtype=kind)


def _logsumexp(x: np.ndarray, dim: DimSpec, keepdim: bool) -> Any:
    x = x if x.dtype.kind in "fc" else x.astype(dtypes.get_default_dtype().compute)
    if x.size == 0:
        return np.log(np.sum(np.exp(x), axis=dim, keepdims=keepdim))
    if x.ndim == 0:
        return x if x.dtype.kind != "c" else x.real + np.log(np.exp(1j * x.imag)).astype(x.dtype)  # the angle within pi
    top = np.max(x.real, axis=dim, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    total = np.log(np.sum(np.exp(x - top), axis=dim, keepdims=keepdim))
    return total + (top if keepdim else top.squeeze(dim))


logsumexp = declare(
    "logsumexp(Tensor input, int[] dim, bool keepdim=False)", infer=_logsumexp_infer, reference=_logsumexp,
    vjp=(lambda g, out, x, dim, keepdim: expand_reduced(g, x, dim, keepdim) * conj(T.exp(x - expand_reduced(out, x, dim, keepdim))),),
    samples=lambda: [((values(3, 4), 1), {}), ((values(3, 4), (0, 1)), {"keepdim": True})],
    expand=compositions.logsumexp, doc="log(sum(exp(input))) without overflow",
)  # fmt: skip

# --- softmax ------------------------------------------------------------------------------------------------------


def _softmax(x: np.ndarray, dim: int, dtype: Any) -> np.ndarray:
    if dtype is not None:
        x = x.astype(dtype.compute)
    if x.ndim == 0 or x.size == 0:
        return np.exp(x - x)
    e = np.exp(x - np.max(x, axis=dim, keepdims=True))
    return e / np.sum(e, axis=dim, keepdims=True)


def _log_softmax(x: np.ndarray, dim: int, dtype: Any) -> np.ndarray:
    if dtype is not None:
        x = x.astype(dtype.compute)
    if x.ndim == 0 or x.size == 0:
        return x - x
    shifted = x - np.max(x, axis=dim, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=dim, keepdims=True))


softmax = declare(
    "softmax(Tensor input, int dim, dtype? dtype=None)", infer=_float_along("softmax"), reference=_softmax,
    vjp=(lambda g, out, x, dim, dtype: out * (g - (g * out).sum(dim, True)) if x.ndim else g * 0,), samples=_along,
    expand=compositions.softmax, doc="exp(input) / sum(exp(input)) along `dim`",
)  # fmt: skip
log_softmax = declare(
    "log_softmax(Tensor input, int dim, dtype? dtype=None)", infer=_float_along("log_softmax"), reference=_log_softmax,
    vjp=(lambda g, out, x, dim, dtype: g - out.exp() * g.sum(dim, True) if x.ndim else g * 0,), samples=_along,
    expand=compositions.log_softmax, doc="log(softmax(input)) along `dim`",
)  # fmt: skip
