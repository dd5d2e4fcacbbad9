"""Pass `build`: entries of a recorded path to a graph; macros are replaced by what they recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushlight.ir.graph import Graph, Node
from rushlight.ir.meta import WEAK
from rushlight.lazy.trie import FUNCTION, LEAF, MACRO, MARK_LEAF, STATE, Entry


def build(path: Sequence[Entry], wanted: Sequence[int]) -> Graph:
    """The graph of a path whose outputs are the wanted slots."""
    graph = Graph()
    slots: dict[int, int] = {}
    numbers: list[int] = []
    for entry in path:
        if entry.op is LEAF:
            slots[entry.slot] = value = graph.value(entry.metas[0])
            graph.leaves.append(value)
            continue
        kinds = [item for item in _key_items(entry) if item in WEAK]
        for kind in kinds:
            numbers.append(graph.value(WEAK[kind]))
        _add(graph, entry, slots, numbers)
    graph.numbers = numbers
    graph.outputs = {slot: slots[slot] for slot in wanted}
    return graph


def _key_items(entry: Entry) -> tuple:
    """The kinds of the Python numbers that the entry brought in."""
    if entry.op is STATE:
        return ()
    items = entry.key[3] if entry.op is MACRO else entry.key[1:-1]
    return tuple(item for item in items if item.__class__ is type)


def _add(graph: Graph, entry: Entry, slots: dict[int, int], numbers: Sequence[int], owner: Entry | None = None) -> None:
    """Add one entry's nodes; `slots` and `numbers` say which value each of its inputs is, `owner` which macro it is part of."""

    def value_of(item: Any) -> Any:
        if item.__class__ is tuple:
            return tuple(slots[s] for s in item)
        return None if item is None else slots[item] if item >= 0 else numbers[~item]

    if entry.op is STATE:
        return
    if entry.op is MACRO:
        _expand(graph, entry, [value_of(item) for item in entry.expansion.inputs], slots, owner or entry)
        return
    if entry.op in (MARK_LEAF, FUNCTION):
        for offset, item in enumerate(entry.inputs[: len(entry.metas)]):
            slots[entry.slot + offset] = slots[item]
        return
    outputs = tuple(graph.value(meta) for meta in entry.metas)
    op = entry.op.functional or entry.op
    graph.nodes.append(Node(op, tuple(value_of(i) for i in entry.inputs), entry.statics(), outputs, owner or entry))
    for offset, value in enumerate(outputs):
        slots[entry.slot + offset] = value


def _expand(graph: Graph, macro: Entry, inputs: Sequence[int], slots: dict[int, int], owner: Entry) -> None:
    """Put a macro's recorded entries in its place."""
    for offset, value in enumerate(splice(graph, macro.expansion, inputs, owner)):
        slots[macro.slot + offset] = value


def splice(graph: Graph, expansion: Any, inputs: Sequence[int], owner: Any) -> list[int]:
    """Add what an expansion recorded, its leaves being the given values; the values of its outputs."""
    inner: dict[int, int] = {}
    constants = []
    for number in expansion.constants:
        value = graph.value(WEAK[number.__class__])
        graph.constants[value] = number
        constants.append(value)
    leaves = iter(inputs)
    for entry in expansion.path:
        if entry.op is LEAF:
            inner[entry.slot] = next(leaves)
        else:
            _add(graph, entry, inner, constants, owner)
    return [inner[slot] for slot in expansion.outputs]
