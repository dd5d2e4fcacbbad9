"""The same elements in another shape or order of dimensions: reshape, flatten, permute, squeeze, and their in-place forms."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any
from weakref import ref

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.creation import size_of
from rushlight.functional.fitting import check_flatten
from rushlight.functional.registry import FUNCTIONS, METHODS, as_int, as_ints, public
from rushlight.ir.layout import channels_stride, format_name, lies_in
from rushlight.ir.meta import Meta
from rushlight.ir.op import TABLE, renamed
from rushlight.lazy.handle import base_of, is_shared
from rushlight.lazy.record import local, record
from rushlight.lazy.views import leaf_of, record_view, turn_into_view
from rushlight.ops.rules import wrap_dim
from rushlight.ops.views import resolve_shape, view_stride


@public(method=True, function=False)
def view(input: Any, *shape: Any, size: Any = None, dtype: Any = None) -> Any:
    """The same elements in another shape (or read as another dtype); never copies.

    One size may be -1: what is left. RuntimeError where the number of elements differs, or where the memory's order
    has no such view: reshape copies there.

    >>> import rushlight as torch
    >>> x = torch.arange(6)
    >>> x.view(2, 3)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    >>> x.view(-1, 2).shape
    torch.Size([3, 2])
    """
    if not shape:
        shape = tuple(given for given in (size, dtype) if given is not None)
    if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        if shape[0] is input.dtype:
            return record_view(TABLE["alias"], input, ())
        return record_view(TABLE["view_dtype"], input, (shape[0],))
    if not shape:
        raise TypeError("view() received an invalid combination of arguments: no shape was given. Fix: x.view(-1).")
    shape = size_of(shape)
    if len(shape) == 2 and shape[0] == -1 and input.ndim == 4:
        check_flatten(input, shape[1])
    return record_view(TABLE["view"], input, (shape,))


@public(method=True, function=False)
def view_as(input: Any, other: Any) -> Any:
    """`view` with another tensor's shape."""
    return record_view(TABLE["view"], input, (tuple(other.shape),))


@functools.lru_cache(4096)
def _reshaping(meta: Meta, size: tuple[int, ...]) -> tuple[tuple[int, ...], bool]:
    """The full shape that `size` asks for, and whether a view can have it."""
    shape = resolve_shape("reshape", size, meta.numel)
    return shape, view_stride(meta, shape) is not None


@public(method=True)
def reshape(input: Any, *size: Any, shape: Any = None) -> Any:
    """The same elements in another shape: a view where possible, else a copy.

    One size may be -1: what is left. RuntimeError where the number of elements differs.

    >>> import rushlight as torch
    >>> torch.arange(6).reshape(2, 3)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    size, viewable = _reshaping(input._meta, size_of(size if shape is None else (shape,)))
    if viewable:
        return record_view(TABLE["view"], input, (size,))
    return record_view(TABLE["view"], record(TABLE["clone"], (input,), ("contiguous",)), (size,))


@public(method=True, function=False)
def reshape_as(input: Any, other: Any) -> Any:
    """`reshape` with another tensor's shape."""
    return reshape(input, tuple(other.shape))


@public(method=True)
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dimensions start_dim … end_dim made one.

    Shapes: (a, b, c, d) with start_dim=1, end_dim=2 → (a, b·c, d). IndexError for a dimension that is not there.

    >>> import rushlight as torch
    >>> torch.ones(2, 3, 4).flatten(start_dim=1).shape
    torch.Size([2, 12])
    """
    ndim = input.ndim
    if ndim == 0:
        return reshape(input, 1)
    first, last = wrap_dim(start_dim, ndim, "flatten"), wrap_dim(end_dim, ndim, "flatten")
    if first > last:
        raise RuntimeError(
            f"flatten() has invalid args: start_dim cannot come after end_dim; got {start_dim} and {end_dim}."
        )
    if first == last:
        return input
    shape = tuple(input.shape)
    return reshape(input, shape[:first] + (math.prod(shape[first : last + 1]),) + shape[last + 1 :])


@public(method=True)
def ravel(input: Any) -> Any:
    """One dimension, in row order.

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).ravel()
    tensor([1, 2, 3, 4])
    """
    return reshape(contiguous(input), -1)


@public(method=True)
def unflatten(input: Any, dim: int, sizes: Sequence[int]) -> Any:
    """One dimension split into several.

    >>> import rushlight as torch
    >>> torch.ones(2, 12).unflatten(1, (3, 4)).shape
    torch.Size([2, 3, 4])
    """
    d = wrap_dim(dim, input.ndim, "unflatten")
    try:
        parts = resolve_shape("unflatten", as_ints(tuple(sizes)), input.shape[d])
    except RuntimeError:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({input.shape[d]}) in the input tensor"
        ) from None
    shape = tuple(input.shape)
    return reshape(input, shape[:d] + parts + shape[d + 1 :])


@public(method=True, function=False)
def contiguous(input: Any, memory_format: Any = None) -> Any:
    """The tensor itself when its elements lie in rows (or as `memory_format` says), else a copy that does.

    >>> import rushlight as torch
    >>> x = torch.ones(2, 3).t()
    >>> x.is_contiguous(), x.contiguous().is_contiguous()
    (False, True)
    """
    if memory_format is not None:
        name = format_name("contiguous", memory_format)
        if name == "preserve_format" or lies_in(name, input._meta):
            return input
        return record(TABLE["clone"], (input,), (name.removesuffix("_format"),))
    return input if input._meta.contiguous else record(TABLE["clone"], (input,), ("contiguous",))


@public(method=True)
def permute(input: Any, *order: Any, dims: Any = None) -> Any:
    """Dimensions in another order.

    Shapes: (a, b, c) with dims (2, 0, 1) → (c, a, b). RuntimeError unless every dimension is named once.

    >>> import rushlight as torch
    >>> torch.ones(2, 3, 4).permute(2, 0, 1).shape
    torch.Size([4, 2, 3])
    """
    return record_view(TABLE["permute"], input, (size_of(order if dims is None else dims),))


@public("transpose", "swapaxes", "swapdims", method=True)
def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Two dimensions exchanged.

    Shapes: (…, a, …, b, …) → (…, b, …, a, …): a view. IndexError for a dimension that is not there.

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).transpose(0, 1)
    tensor([[1, 3],
            [2, 4]])
    """
    return record_view(TABLE["transpose"], input, (as_ints(dim0), as_ints(dim1)))


@public(method=True)
def t(input: Any) -> Any:
    """The transpose of a matrix; vectors as they are.

    >>> import rushlight as torch
    >>> torch.ones(2, 3).t().shape
    torch.Size([3, 2])
    """
    if input.ndim > 2:
        raise RuntimeError(
            f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D. Fix: use .mT or .transpose(a, b)."
        )
    name, static = ("transpose", (0, 1)) if input.ndim == 2 else ("alias", ())
    return record_view(renamed(name, "TBackward0"), input, static)


@public(method=True)
def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Dimensions moved to other places; the rest keeps its order.

    >>> import rushlight as torch
    >>> torch.ones(2, 3, 4).movedim(0, -1).shape
    torch.Size([3, 4, 2])
    """
    sources = [wrap_dim(d, input.ndim, "movedim") for d in ((source,) if isinstance(source, int) else source)]
    targets = [
        wrap_dim(d, input.ndim, "movedim") for d in ((destination,) if isinstance(destination, int) else destination)
    ]
    if len(sources) != len(targets) or len({*sources}) != len(sources) or len({*targets}) != len(targets):
        raise RuntimeError(
            explain_error(
                "movedim",
                got=f"source={source} and destination={destination} for {input.ndim} dimensions",
                expected="as many different dimensions in one as in the other",
            )
        )
    order: list[Any] = [None] * input.ndim
    for s, d in zip(sources, targets, strict=True):
        order[d] = s
    rest = iter(d for d in range(input.ndim) if d not in sources)
    return permute(input, [next(rest) if d is None else d for d in order])


@public("moveaxis", method=True)
def moveaxis(input: Any, source: Any, destination: Any) -> Any:
    """`movedim`."""
    return movedim(input, source, destination)


@public(method=True)
def squeeze(input: Any, dim: Any = None) -> Any:
    """Dimensions of size 1 left out: all, or those given.

    A view; dimensions of another size stay. IndexError for a dimension that is not there.

    >>> import rushlight as torch
    >>> torch.ones(1, 3, 1).squeeze().shape, torch.ones(1, 3, 1).squeeze(0).shape
    (torch.Size([3]), torch.Size([3, 1]))
    """
    return record_view(TABLE["squeeze"], input, (as_ints(dim),))


@public(method=True)
def as_strided(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """Any sizes and strides over the tensor's storage.

    >>> import rushlight as torch
    >>> torch.arange(5).as_strided((3, 3), (1, 1))
    tensor([[0, 1, 2],
            [1, 2, 3],
            [2, 3, 4]])
    """
    base = leaf_of(input)[0]
    if base.requires_grad and not input.requires_grad:
        base = base.detach()
    offset = input._meta.offset if storage_offset is None else storage_offset
    if input.requires_grad and not base.requires_grad and local.grad_mode:
        base = _filled_in(base, input)
    if base._meta.dtype is not input._meta.dtype:
        base = input
    if not base._meta.contiguous:  # dense in another order of its dimensions
        base = permute(base, sorted(range(base.ndim), key=lambda d: -base.stride(d)))
    return record_view(
        TABLE["as_strided"], base, (size_of((size,)), size_of((stride,)), as_ints(offset - base._meta.offset))
    )


def _filled_in(base: Any, part: Any) -> Any:
    """The elements of `base`, those of its view `part` being read from `part`, which is what is differentiated."""
    whole = record(TABLE["clone"], (base,), (None,))
    window = (tuple(part.shape), tuple(part._meta.stride), part._meta.offset - base._meta.offset)
    return record(TABLE["as_strided_write"], (whole, part), window)


def _become(input: Any, value: Any) -> Any:
    """Let a tensor stand for a value of another shape, which is nobody else's."""
    if input._base is not None or any(v() is not None for v in input._views or ()):
        raise NotImplementedError(
            "resize_ of a tensor that shares memory with others is not supported. Fix: make a new tensor of the wanted size."
        )
    input._array, input._history = None, None
    input._trace, input._slot, input._meta = value._trace, value._slot, value._meta
    input._version = input._version + 1
    value._trace.handles[value._slot] = ref(input)
    return input


@public(method=True, function=False)
def t_(input: Any) -> Any:
    """In-place `t`."""
    if input.ndim > 2:
        raise RuntimeError(
            f"t_() expects a tensor with <= 2 dimensions, but self is {input.ndim}D. Fix: use .transpose_(a, b)."
        )
    return (
        turn_into_view(input, TABLE["transpose"], (0, 1))
        if input.ndim == 2
        else turn_into_view(input, TABLE["alias"], ())
    )


@public("transpose_", "swapaxes_", "swapdims_", method=True, function=False)
def transpose_(input: Any, dim0: int, dim1: int) -> Any:
    """In-place `transpose`."""
    return turn_into_view(input, TABLE["transpose"], (as_ints(dim0), as_ints(dim1)))


@public(method=True, function=False)
def unsqueeze_(input: Any, dim: int) -> Any:
    """In-place `unsqueeze`."""
    return turn_into_view(input, TABLE["unsqueeze"], (as_int(dim),))


@public(method=True, function=False)
def squeeze_(input: Any, dim: Any = None) -> Any:
    """In-place `squeeze`."""
    return turn_into_view(input, TABLE["squeeze"], (as_ints(dim),))


@public(method=True, function=False)
def resize_(input: Any, *size: Any, memory_format: Any = None) -> Any:
    """Change the shape in place; new elements are zero."""
    shape = size_of(size)
    name = format_name("resize_", memory_format)
    if tuple(input.shape) == shape and (memory_format is None or lies_in(name, input._meta)):
        return input
    if math.prod(shape) > base_of(input)._meta.numel and is_shared(base_of(input)):
        raise RuntimeError(
            explain_error(
                "resize_", got=f"{list(shape)} for memory of {base_of(input)._meta.numel} elements that NumPy holds too",
                expected="no more elements than there are", fix="resize a clone()",
            )
        )  # fmt: skip
    return _become(input, _resized(input, shape, name))


def _resized(input: Any, shape: tuple[int, ...], name: str) -> Any:
    """A copy of the tensor's elements, in the order of rows, in another shape."""
    flat, count = input.detach().reshape(-1), math.prod(shape)
    if count > flat.numel():
        flat = FUNCTIONS["cat"]([flat, FUNCTIONS["zeros"](count - flat.numel(), dtype=input.dtype)])
    resized = flat[:count].reshape(shape)
    if name in ("channels_last", "channels_last_3d"):  # what lay in memory stays where it is
        resized = flat[:count].as_strided(shape, channels_stride(name, shape))
    return record(TABLE["clone"], (resized,), (None,))


def _put_property(name: str, make: Any, doc: str) -> None:
    METHODS[name] = property(make, doc=doc)


_put_property("T", lambda x: permute(x, tuple(range(x.ndim))[::-1]), "The dimensions in the opposite order.")


def _matrix_transpose(x: Any) -> Any:
    """The last two dimensions exchanged; 0-d tensors as they are."""
    if x.ndim == 1:
        raise RuntimeError(
            "tensor.mT is only supported on matrices or batches of matrices; got a 1-d tensor. Fix: unsqueeze(0) first."
        )
    return transpose(x, -2, -1) if x.ndim else x


_put_property("mT", _matrix_transpose, "Matrices transposed: the last two dimensions exchanged.")
_put_property("H", lambda x: transpose(x, 0, 1).conj() if x.ndim else x, "A matrix transposed and conjugated.")
_put_property("mH", lambda x: transpose(x, -2, -1).conj(), "Matrices transposed and conjugated.")
_put_property(
    "real", lambda x: record_view(TABLE["real_part"], x, ()) if x.is_complex() else x, "The real part: a view."
)
_put_property("imag", lambda x: record_view(TABLE["imag_part"], x, ()), "The imaginary part: a view.")
