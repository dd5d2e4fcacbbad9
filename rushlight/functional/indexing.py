"""`x[...]` and `x[...] = v`: basic indices are views, index tensors go through the index ops."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.errors import explain_error, warn_user
from rushlight.functional.checks import write_apart
from rushlight.functional.registry import public, rule_helper
from rushlight.ir.op import TABLE
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import local, record
from rushlight.lazy.views import record_inplace, record_view
from rushlight.ops.rules import wrap_dim

_ALL = slice(None)
_SEQUENCES = (list, tuple, range, deque, np.ndarray)


def _is_index_data(item: Any) -> bool:
    return isinstance(item, (Handle, np.bool_, *_SEQUENCES)) or item is True or item is False


def _as_index(item: Any) -> Any:
    """A sequence, array or bool used as an index, as a tensor."""
    from rushlight.functional.creation import tensor

    if isinstance(item, Handle):
        return item
    if isinstance(item, (range, deque)):
        item = list(item)
    found = tensor(item)
    if isinstance(item, (list, tuple)) and not item:
        found = found.long()
    return found


def _stands_for_tuple(index: Any) -> bool:
    """A short list of indices is read as a tuple of them when one of them is more than a number, as NumPy once did."""
    if not isinstance(index, list) or len(index) >= 32:
        return False
    if not any(item is None or item is Ellipsis or isinstance(item, (Handle, slice, *_SEQUENCES)) for item in index):
        return False
    warn_user(
        "indexing: a list of indices is read as a tuple of them. Fix: write x[tuple(indices)], or x[torch.tensor(indices)]."
    )
    return True


def _int(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(
            "slice indices must be integers or None or have an __index__ method; got " + type(value).__name__
        ) from None


def _normalise(x: Any, index: Any) -> tuple[Any, list[Any]]:
    """Apply the basic part of an index as views; what is left is a list with None or an index tensor for each dimension."""
    items = index if isinstance(index, tuple) else tuple(index) if _stands_for_tuple(index) else (index,)
    used = 0
    for item in items:
        if item is None or item is Ellipsis or item is True or item is False:
            continue
        if isinstance(item, Handle) and item._meta.dtype in (dtypes.bool_, dtypes.uint8):
            used += max(item._meta.ndim, 0)
        elif isinstance(item, np.ndarray) and item.dtype == bool:
            used += item.ndim
        else:
            used += 1
    if used > x.ndim:
        raise IndexError(f"too many indices for tensor of dimension {x.ndim}: got {used}.")
    if sum(item is Ellipsis for item in items) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    pending: list[Any] = []
    dim = 0
    for item in items:
        if item is Ellipsis:
            skip = x.ndim - dim - _rest(items, item)
            pending.extend([None] * skip)
            dim += skip
        elif item is None:
            x = record_view(TABLE["unsqueeze"], x, (dim,))
            pending.append(None)
            dim += 1
        elif isinstance(item, slice):
            step = 1 if item.step is None else _int(item.step)
            start, stop = _int(item.start), _int(item.stop)
            if (start, stop, step) != (None, None, 1):
                x = record_view(TABLE["slice"], x, (dim, start, stop, step))
            pending.append(None)
            dim += 1
        elif item is True or item is False:
            x = record_view(TABLE["unsqueeze"], x, (dim,))
            pending.append(_as_index([0] if item else []).long())
            dim += 1
        elif _is_index_data(item):
            data = _as_index(item)
            kind = data._meta.dtype
            if kind in (dtypes.bool_, dtypes.uint8):
                if not data._meta.ndim:
                    x = record_view(TABLE["unsqueeze"], x, (dim,))
                    data = data.reshape(1)
                positions = _from_mask(x, data, dim)
                pending.extend(positions)
                dim += len(positions)
            elif (
                kind.category == dtypes.INTEGER and data._meta.ndim == 0 and not isinstance(item, list)
                and local.trace.expandable  # else it may have no value: one sample's index in vmap
            ):  # fmt: skip
                x = record_view(TABLE["select"], x, (dim, int(data)))
            else:
                pending.append(data)
                dim += 1
        else:
            try:
                at = operator.index(item)
            except TypeError:
                raise (TypeError if isinstance(item, str) else IndexError)(
                    f"only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got {type(item).__name__})"
                ) from None
            x = record_view(TABLE["select"], x, (dim, at))
    return x, pending


def _rest(items: Sequence[Any], ellipsis: Any) -> int:
    """Dimensions that the items after the ellipsis use."""
    seen, count = False, 0
    for item in items:
        if item is Ellipsis:
            seen = True
        elif seen and item is not None and item is not True and item is not False:
            is_mask = getattr(getattr(item, "_meta", item), "dtype", None) in (
                dtypes.bool_,
                dtypes.uint8,
                np.dtype(bool),
            )
            count += item.ndim if is_mask else 1
    return count


def _from_mask(x: Any, mask: Any, dim: int) -> list[Any]:
    """The index tensors that a boolean mask stands for."""
    shape = tuple(mask.shape)
    for offset, n in enumerate(shape):
        if x.shape[dim + offset] != n:
            raise IndexError(
                f"The shape of the mask {list(shape)} at index {offset} does not match the shape of the indexed tensor "
                f"{list(x.shape)} at index {dim + offset}"
            )
    found = nonzero(mask, as_tuple=True)
    return list(found)


@public(method=True)
def nonzero(input: Any, *, out: Any = None, as_tuple: bool = False) -> Any:
    """The positions of non-zero elements: a matrix, or a tuple of vectors. Their number depends on the data.

    >>> import rushlight as torch
    >>> torch.tensor([[0, 1], [2, 0]]).nonzero()
    tensor([[0, 1],
            [1, 0]])
    >>> torch.tensor([0, 1, 2]).nonzero(as_tuple=True)
    (tensor([1, 2]),)
    """
    from rushlight.functional.creation import wrap

    if out is not None:
        return write_apart("nonzero", out, nonzero(input), input)

    array = input._compute_array()
    if as_tuple:
        array = np.atleast_1d(array)
    flat = np.flatnonzero(array)  # ten times as quick as np.nonzero, which keeps a counter for each dimension
    found = np.empty((array.ndim, flat.size) if as_tuple else (flat.size, array.ndim), np.int64)
    columns = found if as_tuple else found.T
    for d in range(array.ndim - 1, 0, -1):
        flat, columns[d] = np.divmod(flat, array.shape[d])
    if array.ndim:
        columns[0] = flat
    return tuple(map(wrap, found)) if as_tuple else wrap(found)


def get_item(x: Any, index: Any) -> Any:
    """`x[index]`."""
    if index.__class__ is int:
        return record_view(TABLE["select"], x, (0, index)) if x._meta.shape else _scalar_index()
    x2, pending = _normalise(x, index)
    dims = tuple(d for d, item in enumerate(pending) if item is not None)
    if not dims:
        return x2 if x2 is not x else record_view(TABLE["alias"], x, ())
    return record(TABLE["index"], (x2, [pending[d] for d in dims]), (dims,))


def _scalar_index() -> Any:
    raise IndexError("invalid index of a 0-dim tensor. Fix: use tensor.item() to convert it to a number.")


def set_item(x: Any, index: Any, value: Any) -> None:
    """`x[index] = value`."""
    from rushlight.functional.creation import tensor

    target, pending = _normalise(x, index)
    if not isinstance(value, (Handle, int, float, bool, complex)):
        value = tensor(value)
    dims = tuple(d for d, item in enumerate(pending) if item is not None)
    if not dims:
        if isinstance(value, Handle):
            value = _drop_leading(value, target.ndim)
        record_inplace(TABLE["copy_"], (target, value), ())
        return
    indices = [pending[d] for d in dims]
    if isinstance(value, Handle):
        if value._meta.dtype is not target._meta.dtype:
            raise RuntimeError(
                f"Index put requires the source and destination dtypes match, got {target._meta.dtype} for the destination "
                f"and {value._meta.dtype} for the source. Fix: convert the value with .to({target._meta.dtype})."
            )
    record_inplace(TABLE["index_put_"], (target, value, indices), (dims, False))


def _drop_leading(value: Any, ndim: int) -> Any:
    """Leading dimensions of size 1 that the target does not have are left out."""
    while value.ndim > ndim and value.shape[0] == 1:
        value = value[0]
    return value


def _put(input: Any, indices: Any, values: Any, accumulate: bool, recorder: Any, name: str) -> Any:
    target, pending = _normalise(input, tuple(_ALL if i is None else i for i in indices))
    dims = tuple(d for d, item in enumerate(pending) if item is not None)
    return recorder(TABLE[name], (target, values, [pending[d] for d in dims]), (dims, accumulate))


@public(method=True)
def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """A copy of input with `values` written (or added) at the tuple of index tensors."""
    return _put(input, indices, values, accumulate, record, "index_put")


@public(method=True, function=False)
def index_put_(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """In-place `index_put`."""
    return _put(input, indices, values, accumulate, record_inplace, "index_put_")


@public(method=True)
def index_select(input: Any, dim: int, index: Any, *, out: Any = None) -> Any:
    """Positions of one dimension, in the order of `index`.

    Shapes: dim gets the length of `index`, a vector of ints. IndexError or RuntimeError for an index that is out of
    range.

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).index_select(1, torch.tensor([1]))
    tensor([[2],
            [4]])
    """
    return write_apart("index_select", out, record(TABLE["index_select_op"], (input, index), (int(dim),)), input, index)


@public(method=True)
def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False, out: Any = None) -> Any:
    """out[i][j] = input[i][index[i][j]] for dim = 1.

    Shapes: the result has the index's, which is no larger than the input but along dim. RuntimeError for an index
    that is out of range or no int64.

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).gather(1, torch.tensor([[1], [0]]))
    tensor([[2],
            [3]])
    """
    if not index._meta.numel:  # of any dtype and shape, as nothing is read
        return write_apart("gather", out, input.reshape(-1)[:0].view(index.shape), input, index)
    return write_apart("gather", out, record(TABLE["gather_op"], (input, index), (int(dim),)), input, index)


@public(method=True)
def take(input: Any, index: Any, *, out: Any = None) -> Any:
    """Elements of the flattened input.

    >>> import rushlight as torch
    >>> torch.take(torch.tensor([[1, 2], [3, 4]]), torch.tensor([3, 0]))
    tensor([4, 1])
    """
    return write_apart("take", out, record(TABLE["take"], (input, index)), input, index)


def _source(src: Any, value: Any) -> Any:
    return src if value is None else value


@public(method=True)
def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str = "") -> Any:
    """A copy of input with src (or value) written at index along dim.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3).scatter(1, torch.tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    return record(TABLE["scatter_op"], (input, index, _source(src, value)), (int(dim), reduce or ""))


@public(method=True, function=False)
def scatter_(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str = "") -> Any:
    """In-place `scatter`."""
    return record_inplace(TABLE["scatter_op_"], (input, index, _source(src, value)), (int(dim), reduce or ""))


@public(method=True)
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """A copy of input with src added at index along dim.

    Shapes: index and src are alike; what several write is added up. RuntimeError for an index out of range or another
    dtype.

    >>> import rushlight as torch
    >>> torch.zeros(3).scatter_add(0, torch.tensor([0, 0, 2]), torch.ones(3))
    tensor([2., 0., 1.])
    """
    return record(TABLE["scatter_op"], (input, index, src), (int(dim), "add"))


@public(method=True, function=False)
def scatter_add_(input: Any, dim: int, index: Any, src: Any) -> Any:
    """In-place `scatter_add`."""
    return record_inplace(TABLE["scatter_op_"], (input, index, src), (int(dim), "add"))


@rule_helper
def scatter_gradient(g: Any, out: Any, x: Any, index: Any, dim: int, reduce: str) -> Any:
    """Gradient of scatter with respect to the tensor written to."""
    if reduce == "add":
        return g
    if reduce == "multiply":
        raise NotImplementedError(
            "scatter: reduce='multiply' is not differentiable. Fix: use scatter_reduce(..., 'prod')."
        )
    return g.scatter(dim, index, 0)


@rule_helper
def scatter_source_gradient(g: Any, x: Any, index: Any, src: Any, dim: int, reduce: str) -> Any:
    """Gradient of scatter with respect to what is written."""
    if reduce == "multiply":
        raise NotImplementedError(
            "scatter: reduce='multiply' is not differentiable. Fix: use scatter_reduce(..., 'prod')."
        )
    found = g.gather(dim, index)
    if tuple(found.shape) != tuple(src.shape):
        for d, (n, full) in enumerate(zip(found.shape, src.shape, strict=True)):
            if n != full:
                from rushlight.functional import FUNCTIONS

                shape = list(found.shape)
                shape[d] = full - n
                found = FUNCTIONS["cat"]([found, FUNCTIONS["zeros"](shape, dtype=g.dtype)], d)
    return found


@public(method=True)
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    """A copy of input with rows of source added at index.

    >>> import rushlight as torch
    >>> torch.zeros(3).index_add(0, torch.tensor([0, 2]), torch.tensor([1.0, 5.0]))
    tensor([1., 0., 5.])
    """
    return record(TABLE["index_add_op"], (input, index, source, alpha), (int(dim),))


@public(method=True, function=False)
def index_add_(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    """In-place `index_add`."""
    return record_inplace(TABLE["index_add_op_"], (input, index, source, alpha), (int(dim),))


@public(method=True)
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """A copy of input with positions of one dimension replaced."""
    return record(TABLE["index_copy_op"], (input, index, source), (int(dim), False))


@public(method=True, function=False)
def index_copy_(input: Any, dim: int, index: Any, source: Any) -> Any:
    """In-place `index_copy`."""
    return record_inplace(TABLE["index_copy_op_"], (input, index, source), (int(dim), False))


def _filled(input: Any, dim: int, index: Any, value: Any) -> Any:
    """`index_fill` with a 0-d tensor, whose gradient counts every position once, however often it is named."""
    from rushlight.functional import FUNCTIONS

    if value.ndim:
        raise RuntimeError(
            explain_error(
                "index_fill", got=f"a value of shape {list(value.shape)}", expected="a number or a 0-d tensor"
            )
        )
    if not input.ndim:
        return value.to(input.dtype) if index.numel() else input.clone()
    d = wrap_dim(dim, input.ndim, "index_fill")
    row = FUNCTIONS["zeros"](input.shape[d], dtype=dtypes.bool_).index_fill(0, index, True)
    named = row.reshape([n if k == d else 1 for k, n in enumerate(input.shape)])
    return FUNCTIONS["where"](named, value.to(input.dtype), input)


@public(method=True)
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """A copy of input with positions of one dimension set to a number.

    >>> import rushlight as torch
    >>> torch.zeros(3).index_fill(0, torch.tensor([0, 2]), 7)
    tensor([7., 0., 7.])
    """
    if isinstance(value, Handle):
        return _filled(input, dim, index, value)
    return record(TABLE["index_copy_op"], (input, index, value), (int(dim), True))


@public(method=True, function=False)
def index_fill_(input: Any, dim: int, index: Any, value: Any) -> Any:
    """In-place `index_fill`."""
    if isinstance(value, Handle):
        return record_inplace(TABLE["copy_"], (input, _filled(input, dim, index, value)))
    return record_inplace(TABLE["index_copy_op_"], (input, index, value), (int(dim), True))


@public(method=True)
def masked_select(input: Any, mask: Any, *, out: Any = None) -> Any:
    """The elements where mask holds, as a vector.

    Shapes: the mask is broadcast with the input; the result is a vector. RuntimeError where they cannot be, or for a mask
    that is not bool.

    >>> import rushlight as torch
    >>> x = torch.tensor([1, -2, 3])
    >>> x.masked_select(x > 0)
    tensor([1, 3])
    """
    from rushlight.functional import FUNCTIONS

    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            explain_error(
                "masked_select", got=f"a mask of {mask.dtype}", expected="a mask of torch.bool",
                fix="mask.bool(), or index_select for positions",
            )
        )  # fmt: skip
    wide, mask_wide = FUNCTIONS["broadcast_tensors"](input, mask)
    return write_apart("masked_select", out, wide[mask_wide], input, mask)


@public(method=True)
def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """`gather` with broadcasting and indices modulo the size; over the flattened input without dim.

    >>> import rushlight as torch
    >>> x = torch.tensor([[3, 1, 2]])
    >>> x.take_along_dim(x.argsort(1), 1)
    tensor([[1, 2, 3]])
    """
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    shape, index_shape = list(input.shape), list(indices.shape)
    both = [
        max(a, b) if i != dim % len(shape) else None for i, (a, b) in enumerate(zip(shape, index_shape, strict=True))
    ]
    if indices.numel():
        indices = indices.remainder(shape[dim])  # as PyTorch: counted around in either direction
    wide = [b if b is not None else a for a, b in zip(shape, both, strict=True)]
    narrow = [b if b is not None else a for a, b in zip(index_shape, both, strict=True)]
    return gather(input.expand(wide), dim, indices.expand(narrow))


@public(method=True)
def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """A copy of input whose elements under the mask are taken from source, in order."""
    from rushlight.functional import FUNCTIONS

    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            explain_error("masked_scatter", got=f"a mask of {mask.dtype}", expected="torch.bool", fix="mask != 0")
        )
    wide, mask = FUNCTIONS["broadcast_tensors"](input, mask)
    positions = nonzero(mask.reshape(-1)).reshape(-1)
    flat = wide.reshape(-1).clone()
    return flat.index_put((positions,), source.reshape(-1)[: positions.numel()]).reshape(wide.shape)


@public(method=True, function=False)
def masked_scatter_(input: Any, mask: Any, source: Any) -> Any:
    """In-place `masked_scatter`."""
    return input.copy_(masked_scatter(input, mask, source))
