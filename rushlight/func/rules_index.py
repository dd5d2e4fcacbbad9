"""Batching rules of reads and writes at index tensors."""

from __future__ import annotations

from typing import Any

from rushlight.func.batch import Batch, Value, call, one_by_one, rule, run
from rushlight.ir.op import TABLE
from rushlight.ops.tensor_code import T


def _adjacent(dims: tuple[int, ...]) -> bool:
    return list(dims) == list(range(dims[0], dims[0] + len(dims)))


def _own_sample(batch: Batch, joint: int) -> Any:
    """The index of each sample's own place, to be used beside indices of `joint` dimensions."""
    return T.arange(batch.size).reshape(-1, *(1,) * joint)


def _indices(batch: Batch, indices: list[Value]) -> tuple[list[Any], int]:
    """The indices as (B, *joint), and the rank of joint."""
    joint = max(v.ndim for v in indices)
    return [batch.aligned(v, joint) for v in indices], joint


@rule("index")
def _index(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    x, indices = given
    dims = static["dims"]
    parts, joint = _indices(batch, indices)
    before = dims[0] if _adjacent(dims) else 0  # where the sample's result has its joint dimensions
    if not any(v.batched for v in indices):
        found = run(op, (x.handle, parts), {"dims": tuple(d + 1 for d in dims)})
        return found if _adjacent(dims) else found.movedim(joint, 0)
    if not x.batched:
        return run(op, (x.handle, parts), static).movedim(before, 0)
    own = _own_sample(batch, joint)
    found = run(op, (x.handle, [own, *parts]), {"dims": (0, *(d + 1 for d in dims))})  # (B, joint, rest)
    return _joint_to(found, joint, before)


def _joint_to(found: Any, joint: int, before: int) -> Any:
    """(B, joint, rest) -> (B, rest[:before], joint, rest[before:])."""
    if not before:
        return found
    rest = list(range(1 + joint, found.ndim))
    return found.permute(0, *rest[:before], *range(1, 1 + joint), *rest[before:])


@rule("index_put")
def _index_put(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    x, value, indices = given
    dims = static["dims"]
    parts, joint = _indices(batch, indices)
    before = dims[0] if _adjacent(dims) else 0
    rest = [n for d, n in enumerate(x.meta.shape) if d not in dims]
    if isinstance(value, Value):
        ndim = joint + len(rest)
        wide = batch.full(value, ndim)
        if value.ndim > ndim:  # leading dimensions of size 1
            wide = wide.reshape(batch.size, *value.meta.shape[value.ndim - ndim :])
        order = [0, *range(1 + before, 1 + before + joint), *range(1, 1 + before), *range(1 + before + joint, 1 + ndim)]
        value = wide.permute(order)  # type: ignore[assignment]
    own = _own_sample(batch, joint)
    return run(
        op.functional or op, (batch.full(x), value, [own, *parts]), {**static, "dims": (0, *(d + 1 for d in dims))}
    )


@rule("gather_op")
def _gather(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    x, index = given
    dim = static["dim"] % max(x.ndim, 1)
    rank = max(x.ndim, index.ndim, 1)
    wide, at = batch.full(x), batch.full(index)
    wide = wide.unsqueeze(1) if x.ndim < rank else wide
    return run(op, (wide, at.unsqueeze(1) if index.ndim < rank else at), {"dim": dim + 1})


@rule("scatter_op")
def _scatter(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    dim = static["dim"] % max(given[0].ndim, 1)

    def lifted(g: Any) -> Any:
        if not isinstance(g, Value):
            return g
        return batch.full(g).unsqueeze(1) if g.ndim == 0 else batch.full(g)

    parts = [lifted(g) for g in given]
    return run(op.functional or op, tuple(parts), {**static, "dim": dim + 1})


@rule("index_select_op")
def _index_select(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    x, index = given
    dim = static["dim"] % max(x.ndim, 1)
    if not index.batched:
        wide = x.handle.unsqueeze(1) if x.ndim == 0 else x.handle
        return run(op, (wide, index.handle), {"dim": dim + 1})
    if x.ndim == 0:
        return one_by_one(batch, op, given, static, metas)
    at = Value(batch.full(index).reshape(batch.size, -1), True, index.meta.variant(shape=(index.meta.numel,)))
    size = x.meta.shape[dim]
    at.handle = call("bounded_index_part", (at.handle,), size=size)
    return _index(batch, TABLE["index"], [x, [at]], {"dims": (dim,)}, metas)


@rule("index_add_op", "index_copy_op")
def _index_write(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    x, index, source = given[:3]
    if index.batched or x.ndim == 0 or not isinstance(source, Value):
        return one_by_one(batch, op.functional or op, given, static, metas)
    dim = static["dim"] % x.ndim
    moved = (batch.full(x), index.handle, batch.full(source, x.ndim), *given[3:])
    return run(op.functional or op, moved, {**static, "dim": dim + 1})


@rule("take")
def _take(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    x, index = given
    if not x.batched:
        return run(op, (x.handle, index.handle), static)
    flat = Value(x.handle.reshape(batch.size, -1), True, x.meta.variant(shape=(x.meta.numel,)))
    return _index(batch, TABLE["index"], [flat, [index]], {"dims": (0,)}, metas)
