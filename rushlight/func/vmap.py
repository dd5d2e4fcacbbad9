"""vmap: the function is recorded once, on stand-ins of one sample's shape; what it recorded is replayed for all samples.

So shapes, errors and lines are those of one sample, and what is recorded in the end are ordinary ops on the batch: they are
compiled, differentiated and mapped again like any others. Code that looks at a value cannot be mapped.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rushlight.errors import explain_error
from rushlight.func.batch import Batch, Value
from rushlight.func.replay import Replay
from rushlight.func.transforms import transforms
from rushlight.func.tree import LEAF, flatten, spread, unflatten
from rushlight.functional import FUNCTIONS
from rushlight.ir.meta import Meta
from rushlight.lazy.handle import Handle
from rushlight.lazy.nested import nested
from rushlight.lazy.record import enter

InDims = int | tuple | list | dict | None


def vmap(
    func: Callable, in_dims: InDims = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """A function that applies `func` to each sample along a dimension of its arguments, all at once.

    in_dims: the dimension that is mapped over, for every argument or as a structure like the arguments'; None: the argument is
    the same for each sample. out_dims: where that dimension is in the results. randomness: what random ops do, 'error',
    'different' from sample to sample, or the 'same' for all. chunk_size: how many samples are mapped at a time.

    ValueError for dimensions that do not fit the arguments; RuntimeError where `func` looks at a value (`.item()`, `if x > 0`).

    >>> import rushlight as torch
    >>> dot = torch.vmap(torch.dot)
    >>> dot(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.ones(2, 2))
    tensor([3., 7.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            explain_error("vmap", got=f"randomness={randomness!r}", expected="'error', 'different' or 'same'")
        )
    if chunk_size is not None and (not isinstance(chunk_size, int) or chunk_size <= 0):
        raise ValueError(explain_error("vmap", got=f"chunk_size={chunk_size!r}", expected="None or a positive int"))

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        leaves, dims, spec = _mapped(in_dims, args)
        size = _size(leaves, dims)
        if chunk_size is None or chunk_size >= size:
            results, out_spec = _run(func, leaves, dims, spec, kwargs, size, out_dims, randomness)
            return unflatten(results, out_spec)
        parts = []
        for start in range(0, size, chunk_size):
            count = min(chunk_size, size - start)
            piece = [x if d is None else x.narrow(d, start, count) for x, d in zip(leaves, dims, strict=True)]
            found, out_spec = _run(func, piece, dims, spec, kwargs, count, out_dims, randomness)
            parts.append(found)
        places = _out_dims(out_dims, out_spec)
        joined = [
            columns[0] if d is None else FUNCTIONS["cat"](columns, d)
            for d, columns in zip(places, map(list, zip(*parts, strict=True)), strict=True)
        ]
        return unflatten(joined, out_spec)

    return wrapped


def _mapped(in_dims: InDims, args: tuple) -> tuple[list[Any], list[int | None], Any]:
    """The leaves of the arguments, and for each the dimension that is mapped over."""
    leaves, spec = flatten(args)
    if not leaves:
        raise ValueError(
            explain_error(
                "vmap", got="no inputs", expected="at least one argument to map over", fix="pass it by position"
            )
        )
    dims = spread(in_dims if not isinstance(in_dims, list) else tuple(in_dims), spec)
    if dims is None:
        raise ValueError(
            explain_error(
                "vmap", got=f"in_dims={in_dims!r}, whose structure is not that of the {len(args)} arguments",
                expected="an int or None for each of them, or for all of a tuple, list or dict",
            )
        )  # fmt: skip
    found: list[int | None] = []
    for x, d in zip(leaves, dims, strict=True):
        if d is not None and (not isinstance(d, int) or isinstance(d, bool)):
            raise ValueError(explain_error("vmap", got=f"in_dims={in_dims!r}", expected="ints and None"))
        if d is not None and not isinstance(x, Handle):
            raise ValueError(
                explain_error(
                    "vmap", got=f"in_dim {d} for an argument of type {type(x).__name__}", expected="a tensor",
                    fix="give None in in_dims for arguments that are not mapped over",
                )
            )  # fmt: skip
        if d is not None and not -x.dim() <= d < x.dim():
            raise ValueError(
                explain_error(
                    "vmap", got=f"in_dim {d} for a tensor of {x.dim()} dimensions", expected=f"a dimension from {-x.dim()} to {x.dim() - 1}"
                    if x.dim() else "at least one dimension",
                )
            )  # fmt: skip
        found.append(d if d is None else d % x.dim())
    return leaves, found, spec


def _size(leaves: list[Any], dims: list[int | None]) -> int:
    sizes = {x.shape[d] for x, d in zip(leaves, dims, strict=True) if d is not None}
    if not sizes:
        raise ValueError(
            explain_error(
                "vmap",
                got="in_dims of None alone",
                expected="at least one tensor to map over",
                fix="give a dimension in in_dims",
            )
        )
    if len(sizes) > 1:
        raise ValueError(
            explain_error(
                "vmap",
                got=f"tensors of sizes {sorted(sizes)} along the mapped dimension",
                expected="the same size for all",
            )
        )
    return sizes.pop()


def _out_dims(out_dims: Any, spec: Any) -> list[int | None]:
    """Where the mapped dimension is, for each leaf of the output."""
    if isinstance(out_dims, tuple) and len(out_dims) == 1 and spec is LEAF:
        out_dims = out_dims[0]
    found = spread(out_dims if not isinstance(out_dims, list) else tuple(out_dims), spec)
    if found is None or any(d is not None and not isinstance(d, int) for d in found):
        raise ValueError(
            explain_error(
                "vmap", got=f"out_dims={out_dims!r}, whose structure is not that of the function's output",
                expected="an int or None for each output, or for all",
            )
        )  # fmt: skip
    return found


def _sample(x: Any, dim: int) -> Meta:
    """The meta of one sample."""
    m = x._meta
    keep = [d for d in range(m.ndim) if d != dim]
    stride = tuple(m.stride[d] for d in keep)
    shape = tuple(m.shape[d] for d in keep)
    found = m.variant(shape=shape, stride=None, offset=0, leaf=False)
    if not m.contiguous and sorted(stride, reverse=True) != list(
        stride
    ):  # the order of the dimensions is the sample's too
        found = m.variant(shape=shape, stride=_dense(shape, stride), offset=0, leaf=False)
    return found


def _dense(shape: tuple[int, ...], stride: tuple[int, ...]) -> tuple[int, ...]:
    """Strides without gaps, in the same order."""
    result, step = [0] * len(shape), 1
    for d in sorted(range(len(shape)), key=lambda d: (stride[d], -d)):
        result[d] = step
        step *= max(shape[d], 1)
    return tuple(result)


def _run(
    func: Callable,
    leaves: list[Any],
    dims: list[int | None],
    spec: Any,
    kwargs: dict,
    size: int,
    out_dims: Any,
    randomness: str,
) -> tuple[list[Any], Any]:
    """One call: record on stand-ins, replay on the batch."""
    inside, given = [], {}
    with nested("vmap") as trace, transforms():
        trace.randomness = randomness
        for x, d in zip(leaves, dims, strict=True):
            if d is None:
                inside.append(x)
                continue
            meta = _sample(x, d)
            alone = trace.stand_in(meta, x, "mapped")
            given[alone._slot] = (x, d, alone)
            inside.append(alone)
        try:
            found, out_spec = flatten(func(*unflatten(inside, spec), **kwargs))
            slots = _slots(trace, found)
            changed = [(x, d, alone._slot) for slot, (x, d, alone) in given.items() if alone._slot != slot]
        finally:
            written = trace.give_back()
    places = _out_dims(out_dims, out_spec)
    values = {slot: Value(x.movedim(d, 0) if d else x, True, trace.meta_of(slot)) for slot, (x, d, _) in given.items()}
    batch = Batch(size, randomness)
    replay = Replay(trace, batch, values)
    ends = replay.run([*slots, *(slot for _, slot in written), *(slot for _, _, slot in changed)])
    for (target, _), value in zip(written, ends[len(slots) :], strict=False):
        if value.batched:
            raise RuntimeError(
                explain_error(
                    "vmap", got=f"an in-place write of what differs from sample to sample to a tensor of shape {list(target.shape)} from "
                    "outside, which has no mapped dimension", expected="a write to an argument that is mapped over",
                    fix="use the out-of-place op and return its result",
                )
            )  # fmt: skip
        target.copy_(value.handle)
    for (x, d, _), value in zip(changed, ends[len(slots) + len(written) :], strict=True):
        x.copy_(batch.full(value).movedim(0, d))
    return [_out(batch, v, d) for v, d in zip(ends[: len(slots)], places, strict=True)], out_spec


def _slots(trace: Any, found: list[Any]) -> list[int]:
    """The slots of what the function returned."""
    for y in found:
        if not isinstance(y, Handle):
            raise ValueError(
                explain_error(
                    "vmap",
                    got=f"a {type(y).__name__} returned by the function",
                    expected="tensors, in tuples, lists or dicts",
                )
            )
    return [y._slot if y._trace is trace else enter(trace, y) for y in found]


def _out(batch: Batch, value: Value, dim: int | None) -> Any:
    """A result with the mapped dimension where out_dims asks for it."""
    if dim is None:
        if value.batched:
            raise ValueError(
                explain_error(
                    "vmap",
                    got="out_dims=None for an output that differs from sample to sample",
                    expected="a dimension for it",
                )
            )
        return value.handle
    if not -value.ndim - 1 <= dim <= value.ndim:
        raise IndexError(
            explain_error(
                "vmap",
                got=f"out_dim {dim} for an output of {value.ndim} dimensions a sample",
                expected=f"{-value.ndim - 1} to {value.ndim}",
            )
        )
    result = batch.full(value)
    return result.movedim(0, dim) if dim else result
