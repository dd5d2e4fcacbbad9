"""Where values live: storages, and places in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rushlight.backend.numpy.half import to_storage
from rushlight.ir.graph import Graph, Node
from rushlight.ir.meta import Meta


@dataclass(eq=False)
class Storage:
    """A piece of memory of a Program.

    kind     leaf, output (both by `index`), number, constant, or arena (a place in the arena, planned by liveness)
    size     bytes
    first, last   the first and the last instruction that touch it (arena)
    """

    kind: str
    size: int
    index: int = -1
    offset: int = -1
    first: int = -1
    last: int = -1


STATUS = Storage("status", 8)  # the word that kernels set when a requirement does not hold


@dataclass(frozen=True, eq=False)
class Place:
    """A value in a storage: byte offset, strides in elements."""

    storage: Storage
    offset: int
    meta: Meta

    @property
    def stride(self) -> tuple[int, ...]:
        return self.meta.stride

    def along(self, shape: Sequence[int]) -> list[int]:
        """The strides when broadcast to a shape; 0 along dimensions that it does not have."""
        lead = len(shape) - len(self.meta.shape)
        return [0] * lead + [0 if n == 1 else s for n, s in zip(self.meta.shape, self.meta.stride, strict=True)]


def span(meta: Meta) -> int:
    """Bytes from the first to the last element."""
    if not meta.numel:
        return 0
    return (1 + sum((n - 1) * s for n, s in zip(meta.shape, meta.stride, strict=True))) * meta.dtype.itemsize


@dataclass
class Layout:
    """The places of all values of a graph that are in memory. Views are places in the storage of their source."""

    graph: Graph
    places: dict[int, Place] = field(default_factory=dict)
    sources: dict[int, Node] = field(default_factory=dict)  # view -> its node
    constants: list[np.ndarray] = field(default_factory=list)  # by the index of their storages
    temporaries: list[Storage] = field(default_factory=list)

    def __post_init__(self) -> None:
        graph = self.graph
        for index, value in enumerate(graph.leaves):
            self.put(value, Storage("leaf", span(graph.metas[value]), index))
        for index, value in enumerate(graph.numbers):
            self.put(value, Storage("number", 8, index))
        for node in graph.nodes:
            if node.op.view:
                self.sources[node.outputs[0]] = node

    def put(self, value: int, storage: Storage, offset: int = 0) -> Place:
        """Say where a value lives."""
        self.places[value] = place = Place(storage, offset, self.graph.metas[value])
        return place

    def temporary(self, size: int) -> Storage:
        """Memory in the arena."""
        storage = Storage("arena", max(size, 1))
        self.temporaries.append(storage)
        return storage

    def constant(self, number: Any, meta: Meta) -> Place:
        """A place of its own for a number that fills a value."""
        storage = Storage("constant", meta.dtype.itemsize, len(self.constants))
        with np.errstate(all="ignore"):
            self.constants.append(to_storage(np.asarray(number), meta.dtype))
        return Place(storage, 0, meta)

    def root(self, value: int) -> int:
        """The value that owns the memory of a view."""
        while value in self.sources:
            value = self.sources[value].inputs[0]
        return value

    def place(self, value: int) -> Place:
        """Where a value is; for views derived from their source."""
        found = self.places.get(value)
        if found is None and value in self.graph.constants:
            meta = self.graph.metas[value]
            found = self.places[value] = self.constant(
                self.graph.constants[value], meta.variant(stride=(0,) * meta.ndim)
            )
        if found is None:
            node = self.sources[value]
            source, meta = self.place(node.inputs[0]), self.graph.metas[value]
            before = self.graph.metas[node.inputs[0]]
            moved = meta.offset * meta.dtype.itemsize - before.offset * before.dtype.itemsize
            found = self.places[value] = Place(source.storage, source.offset + moved, meta)
        return found
