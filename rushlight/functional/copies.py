"""`view_copy` and its siblings: what a view shows, as a tensor with memory of its own; and writes into such a window."""

from __future__ import annotations

from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.creation import size_of
from rushlight.functional.registry import FUNCTIONS, METHODS, as_ints, public, write_out
from rushlight.functional.shaping import permute
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record
from rushlight.lazy.views import record_view, turn_into_view

_OF_FUNCTIONS = (
    "as_strided", "detach", "diagonal", "permute", "select", "split", "split_with_sizes", "squeeze", "t", "transpose", "unbind", "unsqueeze",
    "view_as_complex", "view_as_real",
)  # fmt: skip
_OF_METHODS = ("expand", "unfold", "view")


def _slice(input: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return record_view(TABLE["slice"], input, (dim, as_ints(start), as_ints(end), step))


def _alias(input: Any) -> Any:
    return record_view(TABLE["alias"], input, ())


def _copied(found: Any) -> Any:
    if isinstance(found, tuple):
        return tuple(map(_copied, found))
    return record(TABLE["clone"], (found,), ("contiguous",))


def _copy_of(name: str, look_up: Any) -> None:
    """Publish `NAME_copy`: the view named, cloned."""

    def function(input: Any, *args: Any, out: Any = None, **named: Any) -> Any:
        result = _copied(look_up(name)(input, *args, **named))
        return result if out is None else write_out(out, result)

    function.__name__ = function.__qualname__ = f"{name}_copy"
    function.__doc__ = f"`{name}`, with memory of its own."
    public(f"{name}_copy")(function)


for _name in _OF_FUNCTIONS:
    _copy_of(_name, FUNCTIONS.__getitem__)
for _name in _OF_METHODS:
    _copy_of(_name, METHODS.__getitem__)
_copy_of("slice", lambda _: _slice)
_copy_of("alias", lambda _: _alias)


@public(method=True)
def narrow_copy(input: Any, dim: int, start: int, length: int, *, out: Any = None) -> Any:
    """`narrow`, with memory of its own. RuntimeError when input has no dimension `dim`."""
    if dim >= max(input.ndim, 1):
        raise RuntimeError(
            explain_error(
                "narrow_copy",
                got=f"dim={dim} for shape {list(input.shape)}",
                expected=f"a dimension below {input.ndim}",
            )
        )
    result = _copied(FUNCTIONS["narrow"](input, dim, start, length))
    return result if out is None else write_out(out, result)


@public(method=True)
def as_strided_scatter(input: Any, src: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """A copy of input whose `as_strided` window (size, stride, storage_offset) holds src.

    RuntimeError when src has another shape than `size`, or the window leaves input's storage.

    >>> import rushlight as torch
    >>> torch.as_strided_scatter(torch.zeros(2, 2), torch.ones(2), (2,), (3,))
    tensor([[1., 0.],
            [0., 1.]])
    """
    size, stride = size_of((size,)), size_of((stride,))
    if tuple(src.shape) != size:
        raise RuntimeError(
            f"as_strided_scatter: expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
            f"{list(size)}. Fix: pass src.expand({list(size)}) or another size."
        )
    order = sorted(range(input.ndim), key=lambda d: -input.stride(d))
    rows = permute(input, order)  # the elements in the order of memory
    offset = input._meta.offset if storage_offset is None else as_ints(storage_offset)
    window = (size, stride, offset - input._meta.offset)
    whole = record(TABLE["clone"], (rows,), ("contiguous",))
    TABLE["as_strided"].infer(whole._meta, *window)  # that it lies inside
    done = record(TABLE["as_strided_write"], (whole, src), window)
    return permute(done, sorted(range(input.ndim), key=order.__getitem__))


@public(method=True)
def as_strided_(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """In-place `as_strided`: the tensor becomes another window of its storage.

    >>> import rushlight as torch
    >>> torch.arange(6).as_strided_((2, 2), (2, 1))
    tensor([[0, 1],
            [2, 3]])
    """
    if not input._meta.contiguous or input._meta.offset:
        raise NotImplementedError(
            "as_strided_: got a tensor that is itself a window of other memory; expected one that fills its storage in "
            "rows. Fix: use as_strided, which returns the window."
        )
    return turn_into_view(input, TABLE["as_strided"], (size_of((size,)), size_of((stride,)), storage_offset or 0))
