"""Pass `build`: entries of a recorded path to a graph; macros are replaced by what they recorded.

A value that is no view has memory of its own, from offset 0 on. What was recorded for it may say otherwise: the result of an op in place
has the offset of the window that it was written to. Offsets of its views are counted from there, so `shifts` holds how many bytes each
slot's offset is less in the graph than in the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from rushlight.ir.graph import Graph, Node
from rushlight.ir.meta import WEAK, Meta
from rushlight.lazy.trie import FUNCTION, LEAF, MACRO, MARK_LEAF, STATE, Entry


def build(path: Sequence[Entry], wanted: Sequence[int]) -> Graph:
    """The graph of a path whose outputs are the wanted slots."""
    graph = Graph()
    slots: dict[int, int] = {}
    shifts: dict[int, int] = {}
    numbers: list[int] = []
    for entry in path:
        if entry.op is LEAF:
            slots[entry.slot] = value = graph.value(entry.metas[0])
            graph.leaves.append(value)
            continue
        kinds = [item for item in _key_items(entry) if item in WEAK]
        for kind in kinds:
            numbers.append(graph.value(WEAK[kind]))
        _add(graph, entry, slots, shifts, numbers)
    graph.numbers = numbers
    graph.outputs = {slot: slots[slot] for slot in wanted}
    return graph


def _key_items(entry: Entry) -> tuple:
    """The kinds of the Python numbers that the entry brought in."""
    if entry.op is STATE:
        return ()
    items = entry.key[3] if entry.op is MACRO else entry.key[1:-1]
    return tuple(item for item in items if item.__class__ is type)


def _add(
    graph: Graph,
    entry: Entry,
    slots: dict[int, int],
    shifts: dict[int, int],
    numbers: Sequence[int],
    owner: Entry | None = None,
) -> None:
    """Add one entry's nodes; `slots` and `numbers` say which value each of its inputs is, `owner` which macro it is part of."""

    def value_of(item: Any) -> Any:
        if item.__class__ is tuple:
            return tuple(slots[s] for s in item)
        return None if item is None else slots[item] if item >= 0 else numbers[~item]

    if entry.op is STATE:
        return
    if entry.op is MACRO:
        values = [value_of(item) for item in entry.expansion.inputs]
        for slot, value, meta in zip(
            count(entry.slot), splice(graph, entry.expansion, values, owner or entry), entry.metas
        ):
            slots[slot] = value
            shifts[slot] = _bytes(meta) - _bytes(graph.metas[value])
        return
    if entry.op in (MARK_LEAF, FUNCTION):
        for slot, item in zip(count(entry.slot), entry.inputs[: len(entry.metas)]):
            slots[slot], shifts[slot] = slots[item], shifts.get(item, 0)
        return
    op, metas = entry.op.functional or entry.op, entry.metas
    inputs = tuple(value_of(i) for i in entry.inputs)
    outputs: list[int] = []
    for slot, meta in zip(count(entry.slot), metas):
        shifts[slot] = shift = shifts.get(entry.inputs[0], 0) if op.view else _bytes(meta)
        slots[slot] = value = graph.value(meta.variant(offset=meta.offset - shift // meta.dtype.itemsize))
        outputs.append(value)
    graph.nodes.append(Node(op, inputs, entry.statics(), tuple(outputs), owner or entry))


def _bytes(meta: Meta) -> int:
    return meta.offset * meta.dtype.itemsize


def splice(graph: Graph, expansion: Any, inputs: Sequence[int], owner: Any) -> list[int]:
    """Add what an expansion recorded, its leaves being the given values; the values of its outputs."""
    inner: dict[int, int] = {}
    shifts: dict[int, int] = {}
    constants = []
    for number in expansion.constants:
        value = graph.value(WEAK[number.__class__])
        graph.constants[value] = number
        constants.append(value)
    leaves = iter(inputs)
    for entry in expansion.path:
        if entry.op is LEAF:
            inner[entry.slot] = value = next(leaves)
            shifts[entry.slot] = _bytes(entry.metas[0]) - _bytes(graph.metas[value])
        else:
            _add(graph, entry, inner, shifts, constants, owner)
    return [inner[slot] for slot in expansion.outputs]
