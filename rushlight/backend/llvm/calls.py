"""Ops that Python starts between kernels, on the same memory: samplers, and NumPy references of ops without code."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rushlight.backend.llvm.layout import Layout, Place
from rushlight.backend.llvm.random import fill_for, read_by
from rushlight.backend.numpy.half import to_compute, to_storage
from rushlight.backend.numpy.interpreter import number_as, placed
from rushlight.ir.graph import Graph, Node
from rushlight.ir.meta import Meta


class Run:
    """What a Python call between kernels sees of one run of a Program."""

    __slots__ = ("leaves", "numbers", "generators", "outputs", "arena")

    def __init__(self, leaves: Sequence, numbers: Sequence, generators: Sequence, outputs: Sequence, arena: np.ndarray):
        self.leaves, self.numbers, self.generators, self.outputs, self.arena = (
            leaves,
            numbers,
            generators,
            outputs,
            arena,
        )


Getter = Callable[[Run], Any]


def array_of(meta: Meta, memory: np.ndarray, offset: int) -> np.ndarray:
    """A value's array in a piece of memory."""
    size = meta.dtype.itemsize
    return np.ndarray(meta.shape, meta.dtype.storage, memory, offset, tuple(s * size for s in meta.stride))


def stored(graph: Graph, layout: Layout, value: int) -> Getter:
    """The buffer of a value that is in memory, as an array of its storage dtype."""
    meta = graph.metas[value]
    if value in layout.sources:
        node = layout.sources[value]
        source = stored(graph, layout, node.inputs[0])
        assert node.op.reference is not None
        view = functools.partial(node.op.reference, **node.static)
        return lambda run: view(source(run))
    place = layout.places[value]
    storage, offset = place.storage, place.offset
    if storage.kind == "leaf":
        return lambda run: run.leaves[storage.index]
    if storage.kind == "output":
        shape = tuple(meta.shape)  # the output may be this value in another shape

        def output(run: Run) -> np.ndarray:
            array = run.outputs[storage.index]
            return array if array.shape == shape else array.reshape(shape)

        return output
    if storage.kind == "number":
        kind = meta.dtype.storage
        return lambda run: number_as(run.numbers[storage.index], kind)
    return lambda run: array_of(meta, run.arena, storage.offset + offset)


class Call:
    """Runs a node's reference on what is in memory and puts the results there."""

    def __init__(self, graph: Graph, layout: Layout, node: Node):
        self.graph, self.layout, self.node = graph, layout, node
        self._run = _runner(graph, layout, node)

    def __call__(self, run: Run) -> None:
        self._run(run)

    def portable(self, entry: int | None) -> Portable:
        """The same for another process; `entry` says there which recorded entry it belongs to."""
        values, todo = set(), [*self.node.operands(), *self.node.outputs]
        while todo:
            v = todo.pop()
            values.add(v)
            if v in self.layout.sources:
                todo += self.layout.sources[v].inputs[:1]
        sources = {v: replace(self.layout.sources[v], entry=None) for v in values if v in self.layout.sources}
        return Portable(
            {v: self.graph.metas[v] for v in values},
            {v: self.graph.constants[v] for v in values if v in self.graph.constants},
            sources,
            {v: self.layout.places[v] for v in values if v in self.layout.places and v not in self.graph.constants},
            replace(self.node, entry=entry),
        )


@dataclass
class Portable:
    """A call as plain data: what the graph and the layout say of the values that it touches, and its node."""

    metas: dict[int, Meta]
    constants: dict[int, Any]
    sources: dict[int, Node]
    places: dict[int, Place]
    node: Node

    def placed(self, entries: Sequence[Any]) -> Call:
        """The call, in this process."""
        if self.node.entry is not None:
            self.node.entry = entries[self.node.entry]
        graph = Graph(metas=self.metas, constants=self.constants)  # type: ignore[arg-type]  # looked up by value, like a list
        layout = Layout(graph, places=self.places, sources=self.sources)
        return Call(graph, layout, self.node)


def _runner(graph: Graph, layout: Layout, node: Node) -> Callable[[Run], None]:
    if node.op.reference is None:
        raise NotImplementedError(f"{node.op.name} has no NumPy reference")
    static = {k: v for k, v in node.static.items() if not (node.op.random and k == "generator")}
    function: Any = functools.partial(node.op.reference, **static)
    fetch = [_fetch(graph, layout, item) for item in node.inputs]
    targets = [(stored(graph, layout, v), graph.metas[v].dtype) for v in node.outputs if v in layout.places]
    wanted = [v in layout.places for v in node.outputs]
    generator = node.static.get("generator", 0)

    def run_reference(run: Run) -> None:
        first = (run.generators[generator].engine,) if node.op.random else ()
        try:
            with np.errstate(all="ignore"):
                results = function(*first, *[f(run) for f in fetch])
                if len(wanted) == 1:
                    results = (results,)
                results = [r for r, keep in zip(results, wanted, strict=True) if keep]
                for result, (target, kind) in zip(results, targets, strict=True):
                    target(run)[...] = to_storage(np.asarray(result), kind)
        except Exception as error:
            raise placed(error, node) from None

    fill = fill_for(graph, node)
    if fill is None or not targets:
        return run_reference
    operands = [_fetch(graph, layout, item) for item in read_by(node)]
    out = targets[0][0]

    def run_native(run: Run) -> None:
        try:
            with np.errstate(all="ignore"):
                done = fill(run.generators[generator].engine, [f(run) for f in operands], out(run))
        except Exception as error:
            raise placed(error, node) from None
        if not done:
            run_reference(run)

    return run_native


def _fetch(graph: Graph, layout: Layout, item: Any) -> Getter:
    if item is None:
        return lambda run: None
    if item.__class__ is tuple:
        parts = [_fetch(graph, layout, v) for v in item]
        return lambda run: [part(run) for part in parts]
    meta = graph.metas[item]
    if item in graph.constants:
        filled = to_compute(to_storage(np.full(meta.shape, graph.constants[item]), meta.dtype), meta.dtype)
        return lambda run: filled
    get = stored(graph, layout, item)
    if meta.dtype.storage == meta.dtype.compute:
        return get
    return lambda run: to_compute(get(run), meta.dtype)
