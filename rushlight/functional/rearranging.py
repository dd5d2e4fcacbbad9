"""Copies with the elements in other places: flip, roll, repeat, diagonals, a part replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.checks import check_ndim
from rushlight.functional.creation import size_of, tensor
from rushlight.functional.registry import FUNCTIONS, as_ints, public, write_out
from rushlight.functional.shaping import flatten, movedim, reshape, transpose
from rushlight.ir.layout import format_name
from rushlight.ir.op import TABLE
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record
from rushlight.lazy.views import record_inplace
from rushlight.ops.rules import wrap_dim


@public(method=True)
def clone(input: Any, *, memory_format: Any = None) -> Any:
    """A copy, through which gradients flow.

    >>> import rushlight as torch
    >>> x = torch.ones(2)
    >>> y = x.clone()
    >>> y.add_(1)
    tensor([2., 2.])
    >>> x
    tensor([1., 1.])
    """
    text = None if memory_format is None else format_name("clone", memory_format).removesuffix("_format")
    return record(TABLE["clone"], (input,), (text,))


@public(method=True, function=False)
def copy_(input: Any, src: Any, non_blocking: bool = False) -> Any:
    """Write src (broadcast, converted) to this tensor."""
    return record_inplace(TABLE["copy_"], (input, src), ())


@public(method=True)
def flip(input: Any, *reversed_dims: Any, dims: Any = None) -> Any:
    """Dimensions reversed (a copy).

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).flip(1)
    tensor([[2, 1],
            [4, 3]])
    """
    return record(TABLE["flip"], (input,), (size_of(reversed_dims if dims is None else (dims,)),))


@public(method=True)
def fliplr(input: Any) -> Any:
    """Columns reversed."""
    check_ndim("fliplr", input, 2)
    return flip(input, 1)


@public(method=True)
def flipud(input: Any) -> Any:
    """Rows reversed."""
    check_ndim("flipud", input, 1)
    return flip(input, 0)


@public(method=True)
def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Positions shifted, those that fall out coming in at the other end.

    >>> import rushlight as torch
    >>> torch.arange(4).roll(1)
    tensor([3, 0, 1, 2])
    """
    shifts = (shifts,) if isinstance(shifts, int) else as_ints(tuple(shifts))
    dims = () if dims is None else (dims,) if isinstance(dims, int) else as_ints(tuple(dims))
    if not shifts or dims and len(dims) != len(shifts):
        raise RuntimeError(
            explain_error(
                "roll", got=f"shifts={list(shifts)} and dims={list(dims)}", expected="a shift for each of dims"
            )
        )
    if dims and not input.ndim:
        raise IndexError(
            explain_error("roll", got=f"dims={list(dims)} for a tensor of no dimensions", expected="no dims")
        )
    return record(TABLE["roll"], (input,), (shifts, tuple(wrap_dim(d, input.ndim) for d in dims)))


@public(method=True)
def rot90(input: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """Rotated by k quarter turns in the plane of two dimensions.

    >>> import rushlight as torch
    >>> torch.rot90(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    if len(dims) != 2 or input.ndim < 2 or wrap_dim(dims[0], input.ndim) == wrap_dim(dims[1], input.ndim):
        raise RuntimeError(
            explain_error(
                "rot90", got=f"dims={list(dims)} of shape {list(input.shape)}", expected="two different dimensions"
            )
        )
    k, (a, b) = k % 4, dims
    if k == 0:
        return clone(input)
    if k == 2:
        return flip(input, a, b)
    return transpose(flip(input, b), a, b) if k == 1 else flip(transpose(input, a, b), b)


@public(method=True, function=False)
def repeat(input: Any, *sizes: Any, repeats: Any = None) -> Any:
    """The tensor tiled `sizes` times along its dimensions.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    return record(TABLE["repeat"], (input,), (size_of(sizes if repeats is None else (repeats,)),))


@public(method=True)
def tile(input: Any, *times: Any, dims: Any = None) -> Any:
    """`repeat`, with missing leading counts taken as 1.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2]).tile(2)
    tensor([1, 2, 1, 2])
    """
    counts = size_of(times if dims is None else dims)
    return repeat(input, (1,) * (input.ndim - len(counts)) + counts)


@public(method=True)
def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Each element (of a dimension) repeated.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2]).repeat_interleave(2)
    tensor([1, 1, 2, 2])
    """
    if repeats is None:
        counts = [int(c) for c in input.tolist()]
        return tensor([i for i, c in enumerate(counts) for _ in range(c)], dtype=dtypes.int64)
    if dim is None:
        input, dim = flatten(input), 0
    n = input.shape[dim]
    counts = [int(c) for c in repeats.reshape(-1).tolist()] if isinstance(repeats, Handle) else [int(repeats)]
    counts = counts * n if len(counts) == 1 else counts
    if len(counts) != n:
        raise RuntimeError(
            f"repeat_interleave: repeats must have the same size as input along dim, but got {len(counts)} and {n}"
        )
    return FUNCTIONS["index_select"](
        input, dim, tensor([i for i, c in enumerate(counts) for _ in range(c)], dtype=dtypes.int64)
    )


@public(method=True)
def diag(input: Any, diagonal: int = 0, *, out: Any = None) -> Any:
    """The diagonal of a matrix, or a matrix with this diagonal.

    >>> import rushlight as torch
    >>> torch.diag(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag: expected a vector or a matrix, got shape {list(input.shape)}.")
    found = clone(input.diagonal(diagonal)) if input.ndim == 2 else diag_embed(input, diagonal)
    return found if out is None else write_out(out, found)


@public(method=True)
def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices with the last dimension on their diagonal.

    >>> import rushlight as torch
    >>> torch.diag_embed(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    ndim = input.ndim + 1
    first, second = wrap_dim(dim1, ndim, "diag_embed"), wrap_dim(dim2, ndim, "diag_embed")
    if first == second or not input.ndim:
        raise RuntimeError(
            explain_error(
                "diag_embed",
                got=f"dim1={dim1} and dim2={dim2} for a result of {ndim} dimensions",
                expected="two different ones",
            )
        )
    n = input.shape[-1] + abs(offset)
    zeros = FUNCTIONS["zeros"]((*input.shape[:-1], n, n), dtype=input.dtype)
    made = record(TABLE["diagonal_write"], (zeros, input), (offset, -2, -1))
    return movedim(made, (-2, -1), (dim1, dim2)) if (dim1, dim2) != (-2, -1) else made


@public(method=True)
def diagflat(input: Any, offset: int = 0) -> Any:
    """A matrix with the flattened input on its diagonal."""
    return diag_embed(reshape(input, -1), offset)


@public(method=True)
def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """A copy of input with one position of a dimension replaced."""
    return record(TABLE["select_write"], (input, src), (dim, index))


@public(method=True)
def slice_scatter(input: Any, src: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    """A copy of input with a slice replaced."""
    return record(TABLE["slice_write"], (input, src), (dim, start, end, step))


@public(method=True)
def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A copy of input with a diagonal replaced."""
    return record(TABLE["diagonal_write"], (input, src), (offset, dim1, dim2))
