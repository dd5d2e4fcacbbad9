"""Elements that are moved about: where in the table each element of the result comes from, as index arithmetic."""

from __future__ import annotations

from typing import Any

from rushlight.backend.llvm.layout import Layout, Place
from rushlight.ir import scalar as L
from rushlight.ir.graph import Graph, Node
from rushlight.ir.loop import MEMORY_KIND, load, position, take
from rushlight.ir.scalar import Expr
from rushlight.ops.pad import margins

MOVES = ("flip", "roll", "mode_pad_op", "index", "position_part")


def supported(graph: Graph, node: Node) -> bool:
    """Whether the result's elements follow from their positions."""
    if node.op.name == "position_part":
        return True
    x = graph.metas[node.inputs[0]]
    if node.op.name == "mode_pad_op" and node.static["mode"] == "circular":
        # positions wrap around once
        return all(
            max(a, b) <= n + min(a, 0) + min(b, 0)
            for n, (a, b) in zip(x.shape, margins(node.static["pad"], x.ndim), strict=True)
        )
    return x.ndim > 0 and (node.op.name != "roll" or bool(node.static["dims"]))


def checks(name: str) -> bool:
    """Whether an op looks at indices that may be out of range: one of MOVES, or one that writes at them."""
    return name in ("index", "index_put", "scatter_op")


def bounded(index: Expr, rows: Expr) -> Expr:
    """The index, which must lie below `rows`; one that does not is a fault, and reads the first row instead."""
    inside = (index >= 0) & (index < rows)
    return L.require(inside, L.select(inside, index, 0))


def wrapped(index: Expr, rows: Expr) -> Expr:
    """Indices below 0 count from the end."""
    return bounded(L.select(index < 0, index + rows, index), rows)


def element(grid: Any, layout: Layout, node: Node) -> Expr:
    """One element of the result of an op of MOVES."""
    if node.op.name == "position_part":
        dim = node.static["dim"]
        return position(dim) if layout.graph.metas[node.outputs[0]].shape[dim] != 1 else L.const(0, "i64")
    table = layout.place(node.inputs[0])
    if node.op.name == "flip":
        return _flip(grid, table, node)
    if node.op.name == "index":
        return _index(grid, layout, table, node)
    return _shifted(grid, table, node)


def _kind(place: Place) -> str:
    return MEMORY_KIND[place.meta.dtype.name]


def _flip(grid: Any, table: Place, node: Node) -> Expr:
    """The table from its far end, with strides below 0."""
    shape, ndim = table.meta.shape, table.meta.ndim
    dims = node.static["dims"]
    turned = {d % ndim for d in ((dims,) if isinstance(dims, int) else dims)}
    last = sum((shape[d] - 1) * table.stride[d] for d in turned)
    place = Place(table.storage, table.offset + last * table.meta.dtype.itemsize, table.meta)
    strides = [
        0 if n == 1 else -s if d in turned else s for d, (n, s) in enumerate(zip(shape, table.stride, strict=True))
    ]
    return load(grid.buffer(place, False, strides), _kind(table))


def _index(grid: Any, layout: Layout, table: Place, node: Node) -> Expr:
    """table[..., i, j, ...] for index tensors i, j of one joint shape; it stands first where they are not adjacent."""
    dims, indices = node.static["dims"], [layout.place(v) for v in node.inputs[1]]
    rank = layout.graph.metas[node.outputs[0]].ndim
    rest = [s for d, s in enumerate(table.stride) if d not in dims]
    joint = rank - len(rest)
    first = dims[0] if list(dims) == list(range(dims[0], dims[0] + len(dims))) else 0
    at: Any = None
    for d, index in zip(dims, indices, strict=True):
        steps = [0] * first + index.along((1,) * joint) + [0] * (rank - first - joint)
        here = L.cast(load(grid.buffer(index, False, steps), _kind(index)), "i64")
        here = wrapped(here, grid.word(table.meta.shape[d])) * grid.word(table.stride[d])
        at = here if at is None else at + here
    along = [*rest[:first], *[0] * joint, *rest[first:]]
    return take(grid.buffer(table, False, along), _kind(table), at)


def _shifted(grid: Any, table: Place, node: Node) -> Expr:
    """Positions moved along some dimensions, each by itself."""
    shape, along = table.meta.shape, list(table.stride)
    moved = (_rolled if node.op.name == "roll" else _padded)(grid, shape, node)
    if not moved:
        return load(grid.buffer(table, False, table.along(shape)), _kind(table))
    at: Any = None
    for d, here in moved.items():
        here = here * grid.word(along[d])
        at = here if at is None else at + here
        along[d] = 0
    return take(grid.buffer(table, False, along), _kind(table), at)


def _rolled(grid: Any, shape: Any, node: Node) -> dict[int, Expr]:
    """position − shift, around the end."""
    shifts, dims = ((v,) if isinstance(v, int) else v for v in (node.static["shifts"], node.static["dims"]))
    total: dict[int, int] = {}
    for k in range(max(len(shifts), len(dims))):
        d = dims[k % len(dims)] % len(shape)
        total[d] = total.get(d, 0) + shifts[k % len(shifts)]
    found = {}
    for d, shift in total.items():
        if shift % max(shape[d], 1):
            at = position(d) - grid.word(shift % shape[d])
            found[d] = L.select(at < 0, at + grid.word(shape[d]), at)
    return found


def _padded(grid: Any, shape: Any, node: Node) -> dict[int, Expr]:
    """The element that each position of a padded dimension shows: see `ops.pad.source_index`."""
    found, mode = {}, node.static["mode"]
    for d, (n, (before, after)) in enumerate(zip(shape, margins(node.static["pad"], len(shape)), strict=True)):
        if not before and not after:
            continue
        at = position(d) - grid.word(before)
        if mode == "replicate":
            found[d] = L.minimum(L.maximum(at, 0), grid.word(n - 1))
        elif mode == "reflect":
            at = L.absolute(at)
            found[d] = L.select(at < grid.word(n), at, grid.word(2 * (n - 1)) - at)
        else:  # what is left after cutting repeats
            first, last = max(-before, 0), n + min(after, 0)
            at = L.select(at < grid.word(first), at + grid.word(last - first), at)
            found[d] = L.select(at < grid.word(last), at, at - grid.word(last - first))
    return found


__all__ = ["MOVES", "bounded", "checks", "element", "supported"]
