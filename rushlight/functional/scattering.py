"""Values gathered into the places that an index names: scatter_reduce, index_reduce, put, and reductions of segments."""

from __future__ import annotations

from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS, as_int, public, write_out
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record
from rushlight.ops.rules import wrap_dim


def _neutral(kind: Any, reduce: str) -> Any:
    """What a reduction begins with when the tensor's own values are left out."""
    if reduce in ("sum", "mean", "prod"):
        return int(reduce == "prod")
    if kind.category >= dtypes.FLOATING:
        return float("-inf" if reduce == "amax" else "inf")
    if kind is dtypes.bool_:
        return reduce == "amin"
    limits = dtypes.iinfo(kind)
    return limits.min if reduce == "amax" else limits.max


def _reduced(input: Any, dim: int, index: Any, src: Any, reduce: str, include_self: bool) -> Any:
    base = input if include_self else input.scatter(dim, index, _neutral(input.dtype, reduce))
    if reduce not in ("sum", "mean"):
        return record(TABLE["scatter_reduce_op"], (base, index, src), (dim, reduce))
    total = base.scatter_add(dim, index, src)
    if reduce == "sum":
        return total
    count = FUNCTIONS["full"](input.shape, int(include_self), dtype=dtypes.int64)
    count = count.scatter_add(dim, index, FUNCTIONS["ones"](index.shape, dtype=dtypes.int64)).clamp(min=1)
    if input.dtype.category >= dtypes.FLOATING:
        return total / count.to(input.dtype)
    return FUNCTIONS["div"](total, count.to(input.dtype), rounding_mode="floor")


def _check_reduction(op: str, reduce: str, allowed: tuple[str, ...]) -> None:
    if reduce not in allowed:
        raise RuntimeError(
            explain_error(op, got=f"reduce={reduce!r}", expected=f"reduce argument must be one of {', '.join(allowed)}")
        )


def _kept(input: Any) -> Any:
    """What an in-place form computes with: gradients look at the values that it overwrites."""
    return input.clone() if input.requires_grad else input


@public(method=True)
def scatter_reduce(
    input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True, out: Any = None
) -> Any:
    """A copy of input in which, for dim = 0, out[index[i][j]][j] is the sum, prod, mean, amax or amin of all src[i][j]
    sent there, and of input's own value with include_self.

    index must be no larger than src, and than input apart from `dim`. RuntimeError for indices out of range, other
    dtypes of src and input, or another reduction.

    >>> import rushlight as torch
    >>> x, index, src = torch.tensor([1.0, 2.0]), torch.tensor([0, 0, 1]), torch.tensor([5.0, 3.0, 4.0])
    >>> x.scatter_reduce(0, index, src, "amax"), x.scatter_reduce(0, index, src, "mean", include_self=False)
    (tensor([5., 4.]), tensor([4., 4.]))
    """
    _check_reduction("scatter_reduce", reduce, ("sum", "prod", "mean", "amax", "amin"))
    dim = wrap_dim(as_int(dim), input.ndim, "scatter_reduce")
    if src.ndim == index.ndim and all(n <= m for n, m in zip(index.shape, src.shape, strict=True)):
        for d, n in enumerate(index.shape):
            src = src.narrow(d, 0, n) if src.shape[d] != n else src
    if not input.ndim:
        found = _reduced(input.reshape(1), 0, index.reshape(-1), src.reshape(-1), reduce, include_self).reshape(())
    else:
        wide = (index.reshape(1), src.reshape(1)) if not index.ndim else (index, src)
        found = _reduced(input, dim, *wide, reduce, include_self)
    return found if out is None else write_out(out, found)


@public(method=True, function=False)
def scatter_reduce_(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """In-place `scatter_reduce`."""
    return input.copy_(scatter_reduce(_kept(input), dim, index, src, reduce, include_self=include_self))


@public(method=True)
def index_reduce(
    input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True, out: Any = None
) -> Any:
    """A copy of input in which each row of `source` (along dim) is reduced into the row that `index` names: prod, mean,
    amax or amin, with input's own row among them unless include_self is False.

    >>> import rushlight as torch
    >>> torch.ones(2).index_reduce(0, torch.tensor([0, 0]), torch.tensor([2.0, 3.0]), "prod")
    tensor([6., 1.])
    """
    _check_reduction("index_reduce", reduce, ("prod", "mean", "amax", "amin"))
    d = wrap_dim(as_int(dim), input.ndim, "index_reduce")
    if index.ndim > 1:
        raise IndexError(f"index_reduce(): Index is supposed to be a vector; got shape {list(index.shape)}.")
    want = [*input.shape[:d], index.numel(), *input.shape[d + 1 :]] if input.ndim else list(source.shape)
    if list(source.shape) != want or source.numel() != index.numel() and not input.ndim:
        raise IndexError(
            explain_error(
                "index_reduce()", got=f"source of shape {list(source.shape)}",
                expected=f"{want}: input's shape with dimension {d} as long as index",
            )
        )  # fmt: skip
    if not input.ndim:
        rows = index.reshape(-1)
        found = _reduced(input.reshape(1), 0, rows, source.reshape(-1), reduce, include_self).reshape(())
    else:
        rows = index.reshape([-1 if k == d else 1 for k in range(input.ndim)]).expand(want)
        found = _reduced(input, d, rows, source, reduce, include_self)
    return found if out is None else write_out(out, found)


@public(method=True, function=False)
def index_reduce_(input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Any:
    """In-place `index_reduce`."""
    return input.copy_(index_reduce(_kept(input), dim, index, source, reduce, include_self=include_self))


@public(method=True)
def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """A copy of input with source written (or added) at positions counted as if input were one row.

    >>> import rushlight as torch
    >>> torch.zeros(2, 2).put(torch.tensor([1, 3]), torch.tensor([5.0, 6.0]))
    tensor([[0., 5.],
            [0., 6.]])
    """
    if index.dtype is not dtypes.int64:
        raise RuntimeError(
            f"put_(): Expected a long tensor for index, but got {index.dtype}. Fix: convert with .long()."
        )
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got {input.dtype} and {source.dtype}. Fix: "
            f"convert source with .to({input.dtype})."
        )
    if index.numel() != source.numel():
        raise IndexError(
            f"put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.numel()}, index.numel() = {index.numel()}."
        )
    if not index.numel():
        return input.clone()
    written = input.reshape(-1).index_put((index.reshape(-1),), source.reshape(-1), accumulate)
    return written.reshape(input.shape)


@public(method=True, function=False)
def put_(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """In-place `put`."""
    return input.copy_(put(input, index, source, accumulate))


_OF_SEGMENTS = {"sum": "sum", "mean": "mean", "prod": "prod", "max": "amax", "min": "amin"}


@public("segment_reduce", "_segment_reduce")
def segment_reduce(
    data: Any, reduce: str, *, lengths: Any = None, indices: Any = None, offsets: Any = None, axis: int = 0,
    unsafe: bool = False, initial: Any = None,
) -> Any:  # fmt: skip
    """Consecutive pieces of `axis`, each reduced to one element: sum, mean, max, min or prod.

    The pieces are given by their lengths, or by offsets (where each begins, and the end), of shape
    data.shape[:axis] + (pieces,). An empty piece gives `initial`, by default the reduction's neutral element (nan for mean).

    >>> import rushlight as torch
    >>> torch.segment_reduce(torch.tensor([1.0, 2.0, 3.0]), "max", lengths=torch.tensor([1, 2]))
    tensor([1., 3.])
    """
    _check_reduction("segment_reduce", reduce, tuple(_OF_SEGMENTS))
    if indices is not None:
        raise NotImplementedError(explain_error("segment_reduce", got="indices", expected="lengths or offsets"))
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce: expected lengths or offsets; got neither.")
    axis = wrap_dim(axis, data.ndim, "segment_reduce")
    given = lengths if lengths is not None else offsets
    if given.ndim != axis + 1:
        raise RuntimeError(
            explain_error(
                "segment_reduce", got=f"{'lengths' if lengths is not None else 'offsets'} of shape {list(given.shape)}",
                expected=f"{axis + 1} dimensions: those of data up to axis {axis}",
            )
        )  # fmt: skip
    n = data.shape[axis]
    if lengths is None:
        lengths = offsets.diff(dim=axis)
    elif not unsafe and not (bool((lengths >= 0).all()) and bool((lengths.sum(-1) == n).all())):
        raise RuntimeError(
            f"segment_reduce: Expected all rows of lengths along axis to be non-negative and to sum to "
            f"data.shape[{axis}] = {n}. Fix: pass unsafe=True if the rest of data is to be left out."
        )
    ends = lengths.cumsum(-1)
    if offsets is not None:
        ends = ends + offsets.narrow(-1, 0, 1)
    places = FUNCTIONS["arange"](n).expand((*data.shape[:axis], n)).contiguous()
    # elements behind the last piece go to an extra one, which is cut off
    piece = FUNCTIONS["searchsorted"](ends.contiguous(), places, right=True)
    piece = piece.reshape(list(piece.shape) + [1] * (data.ndim - axis - 1)).expand(data.shape)
    how = _OF_SEGMENTS[reduce]
    count = lengths.shape[axis]
    shape = [count + 1 if d == axis else size for d, size in enumerate(data.shape)]
    if how != "mean":
        begin = _neutral(data.dtype, how) if initial is None else initial
        base = FUNCTIONS["full"](shape, begin, dtype=data.dtype)
        return _reduced(base, axis, piece, data, how, True).narrow(axis, 0, count)
    found = FUNCTIONS["zeros"](shape, dtype=data.dtype).scatter_add(axis, piece, data).narrow(axis, 0, count)
    sizes = lengths.reshape(list(lengths.shape) + [1] * (data.ndim - axis - 1)).to(data.dtype)
    if initial is None:
        return found / sizes
    return FUNCTIONS["where"](sizes == 0, float(initial), (found + initial) / sizes.clamp(min=1))
