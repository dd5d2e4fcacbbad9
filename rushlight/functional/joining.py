"""Tensors put together and taken apart: cat, stack, split, chunk, unbind, and friends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.checks import check_apart, check_ndim
from rushlight.functional.registry import as_ints, public, write_out
from rushlight.functional.shaping import reshape
from rushlight.ir.op import TABLE, renamed
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record
from rushlight.lazy.views import record_view
from rushlight.ops.rules import wrap_dim


@public("cat", "concat", "concatenate")
def cat(tensors: Sequence[Any], dim: int = 0, *, out: Any = None, axis: int | None = None) -> Any:
    """Tensors joined along an existing dimension.

    Shapes: equal but along dim, where the sizes add up; the dtype is the common one. RuntimeError for other shapes or
    an empty list.

    >>> import rushlight as torch
    >>> torch.cat([torch.zeros(1, 2), torch.ones(1, 2)], dim=0)
    tensor([[0., 0.],
            [1., 1.]])
    """
    if isinstance(tensors, Handle):
        raise TypeError("cat(): argument 'tensors' must be tuple of Tensors, not Tensor. Fix: torch.cat([a, b]).")
    items = list(tensors)
    if not items:
        raise ValueError("cat: expected a non-empty list of Tensors")
    result = record(TABLE["cat"], (items,), (as_ints(dim if axis is None else axis),))
    if out is None:
        return result
    check_apart("cat", out, result, *items)
    return write_out(out, result)


def _some(op: str, tensors: Sequence[Any]) -> None:
    if not len(tensors):
        raise RuntimeError(explain_error(op, got="no tensors", expected="at least one"))


@public()
def hstack(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """Joined side by side.

    >>> import rushlight as torch
    >>> torch.hstack([torch.tensor([1]), torch.tensor([2, 3])])
    tensor([1, 2, 3])
    """
    _some("hstack", tensors)
    items = [atleast_1d(item) for item in tensors]
    return cat(items, 0 if items[0].ndim == 1 else 1, out=out)


@public("vstack", "row_stack")
def vstack(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """Joined on top of each other.

    >>> import rushlight as torch
    >>> torch.vstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    _some("vstack", tensors)
    return cat([atleast_2d(item) for item in tensors], 0, out=out)


@public()
def dstack(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """Joined along the third dimension."""
    _some("dstack", tensors)
    return cat([atleast_3d(item) for item in tensors], 2, out=out)


@public()
def column_stack(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """Vectors as columns, matrices side by side."""
    return hstack([item.reshape(item.numel(), 1) if item.ndim <= 1 else item for item in tensors], out=out)


def _atleast(ndim: int) -> Any:
    def one(item: Any) -> Any:
        if item.ndim >= ndim:
            return item
        if ndim == 3:
            return {0: lambda: reshape(item, 1, 1, 1), 1: lambda: item[None, :, None], 2: lambda: item[:, :, None]}[
                item.ndim
            ]()
        return reshape(item, (1,) * (ndim - item.ndim) + tuple(item.shape))

    def atleast(*tensors: Any) -> Any:
        if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
            tensors = tuple(tensors[0])
        found = tuple(one(item) for item in tensors)
        return found[0] if len(found) == 1 else found

    return public(f"atleast_{ndim}d")(atleast)


atleast_1d, atleast_2d, atleast_3d = _atleast(1), _atleast(2), _atleast(3)


@public(method=True)
def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """`length` positions of a dimension from start.

    A view of `length` elements from `start`. RuntimeError where there are not so many.

    >>> import rushlight as torch
    >>> torch.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3])
    """
    if not input.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if isinstance(start, Handle) and (start.ndim or start.dtype.category != dtypes.INTEGER):  # type: ignore[attr-defined]
        raise RuntimeError(
            explain_error("narrow", got=f"start of {start.dtype} and shape {list(start.shape)}", expected="one integer")  # type: ignore[attr-defined]
        )
    begin = as_ints(start)
    d = wrap_dim(dim, input.ndim, "narrow")
    n = input.shape[d]
    if not -n <= begin <= n:
        raise IndexError(explain_error("narrow", got=f"start={begin}", expected=f"a start from {-n} to {n}"))
    begin = begin + n if begin < 0 else begin
    if length < 0 or begin + length > n:
        raise RuntimeError(f"narrow: start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return record_view(TABLE["slice"], input, (d, begin, begin + length, 1))


@public("split", "split_with_sizes", "unsafe_split", method=True)
def split(tensor: Any, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None) -> tuple:
    """Pieces of a dimension, of one size (the last may be smaller) or of the sizes given.

    Views, as a tuple. RuntimeError where sizes do not add up to the dimension's, or are negative.

    >>> import rushlight as torch
    >>> torch.arange(5).split(2), torch.arange(5).split([1, 4])
    ((tensor([0, 1]), tensor([2, 3]), tensor([4])), (tensor([0]), tensor([1, 2, 3, 4])))
    """
    wanted = split_size if split_size_or_sections is None else split_size_or_sections
    d = wrap_dim(dim, tensor.ndim, "split")
    n = tensor.shape[d]
    if isinstance(wanted, (list, tuple)):
        sizes, node = as_ints(tuple(wanted)), "SplitWithSizesBackward0"
        if sum(sizes) != n:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension {d}), but got split_sizes={list(sizes)}"
            )
    else:
        step, node = as_ints(wanted), "SplitBackward0"
        if step < 0 or (step == 0 and n):
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={step}")
        sizes = tuple(min(step, n - at) for at in range(0, n, step)) if n else (0,)
    found, at = [], 0
    for length in sizes:
        found.append(record_view(renamed("slice", node), tensor, (d, at, at + length, 1)))
        at += length
    return tuple(found)


@public("chunk", "unsafe_chunk", method=True)
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple:
    """At most `chunks` equal pieces of a dimension.

    Views, as a tuple: of equal size but for the last, and fewer than asked for where the size does not divide so.
    RuntimeError for fewer than one chunk.

    >>> import rushlight as torch
    >>> torch.arange(5).chunk(2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = input.shape[wrap_dim(dim, input.ndim, "chunk")]
    if not n and chunks > _MOST_PARTS:
        raise RuntimeError(explain_error("chunk", got=f"{chunks} chunks of nothing", expected="fewer"))
    return split(input, max(1, -(-n // chunks)), dim) if n else (input,) * chunks


_MOST_PARTS = 1 << 24  # more are a mistake, and would fill the memory with views


@public(method=True)
def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple:
    """Pieces of a dimension: nearly equal ones, or cut at the given positions.

    >>> import rushlight as torch
    >>> torch.arange(5).tensor_split(3)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    d = wrap_dim(dim, input.ndim, "tensor_split")
    check_ndim("tensor_split", input, 1)
    n = input.shape[d]
    if isinstance(indices_or_sections, Handle):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        if not 0 < indices_or_sections <= _MOST_PARTS:
            raise RuntimeError(
                explain_error(
                    "tensor_split", got=f"{indices_or_sections} sections", expected="1 or more, and not that many"
                )
            )
        base, extra = divmod(n, indices_or_sections)
        cuts, at = [], 0
        for i in range(indices_or_sections - 1):
            at += base + (i < extra)
            cuts.append(at)
    else:
        cuts = list(as_ints(tuple(indices_or_sections)))
    edges = [None, *cuts], [*cuts, None]
    return tuple(record_view(TABLE["slice"], input, (d, a, b, 1)) for a, b in zip(*edges, strict=True))


def _check_parts(op: str, input: Any, sections: Any, ndim: int, dim: int) -> None:
    """A number of sections must divide the dimension."""
    check_ndim(op, input, ndim)
    if isinstance(sections, int) and (sections <= 0 or input.shape[dim] % sections):
        raise RuntimeError(
            explain_error(
                op, got=f"{sections} sections of dimension {dim}, whose size is {input.shape[dim]}",
                expected="a number that divides the size", fix="torch.tensor_split makes unequal sections",
            )
        )  # fmt: skip


@public(method=True)
def hsplit(input: Any, indices_or_sections: Any) -> tuple:
    """Split by columns."""
    _check_parts("hsplit", input, indices_or_sections, 1, 0 if input.ndim == 1 else 1)
    return tensor_split(input, indices_or_sections, 0 if input.ndim == 1 else 1)


@public(method=True)
def vsplit(input: Any, indices_or_sections: Any) -> tuple:
    """Split by rows."""
    _check_parts("vsplit", input, indices_or_sections, 2, 0)
    return tensor_split(input, indices_or_sections, 0)


@public(method=True)
def unbind(input: Any, dim: int = 0) -> tuple:
    """The slices of a dimension.

    Views without the dimension, as a tuple. IndexError for a dimension that is not there.

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).unbind(1)
    (tensor([1, 3]), tensor([2, 4]))
    """
    d = wrap_dim(dim, input.ndim, "unbind")
    piece = renamed("select", "UnbindBackward0")
    return tuple(record_view(piece, input, (d, i)) for i in range(input.shape[d]))
