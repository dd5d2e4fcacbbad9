"""Plans of Programs on disk: a graph that was compiled before needs none of the passes again.

A plan says which kernels run on what, in which order. It is kept under a hash of everything that decided it: the graph, what may be
written in place, the processor, the settings, and Rushlight's own source files. What cannot be described faithfully (an op outside the
table, an object as static argument) has no key and is compiled in every process.

    plan_key(graph, replaceable) -> str | None
    store(key, graph, plan)
    load(key, graph) -> (plan, kernels) | None      None too when the machine code of a kernel is gone
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight import config
from rushlight.backend.llvm import diskcache, jit, target
from rushlight.backend.llvm.instruction import Instruction, Plan, Step, Word
from rushlight.device import device
from rushlight.dtype import dtype
from rushlight.ir.graph import Graph
from rushlight.ir.meta import Meta
from rushlight.ir.op import TABLE, Op

_ADDRESSES = range(
    1 << 32, 1 << 48
)  # what could be an address in this process; no size comes near, bits of a float64 lie above
_PLAIN = (type(None), bool, int, float, complex, str, dtype, device)


class _Unknown(Exception):
    """Something that has no description, or belongs to this process alone."""


def plan_key(graph: Graph, replaceable: dict[int, int]) -> str | None:
    """What a graph is known by; None if it cannot be told from every other."""
    values = range(len(graph.metas))
    try:
        facts = [
            target.current().name, config.threads,
            [_described(graph.metas[v]) for v in values],
            [(_named(node.op), node.inputs, _described(node.static), node.outputs) for node in graph.nodes],
            graph.leaves, graph.numbers, _described(graph.constants), list(graph.outputs.items()), sorted(replaceable.items()),
        ]  # fmt: skip
    except _Unknown:
        return None
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _named(op: Op) -> str:
    known = TABLE.get(op.name)
    if (
        known is None or op.reference is not known.reference
    ):  # an op under another name for its gradient is the same here
        raise _Unknown(op)
    return op.name


def _described(value: Any) -> Any:
    """Plain data whose `repr` differs wherever the value does."""
    kind = value.__class__
    if kind is Meta:
        return tuple(value.shape), value.dtype.name, str(value.device), value.stride, value.offset, value.weak
    if kind in _PLAIN:
        return kind.__name__, repr(value)
    if isinstance(value, np.generic):
        return value.dtype.str, repr(value.item())
    if isinstance(value, (tuple, list)):
        return kind.__name__, [_described(v) for v in value]
    if kind is dict:
        return [(_described(k), _described(v)) for k, v in value.items()]
    if kind is slice:
        return "slice", _described((value.start, value.stop, value.step))
    raise _Unknown(value)


@functools.cache
def _source() -> str:
    """A hash of the state of all source files: another version compiles otherwise."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    found, todo = [], [root]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    todo.append(entry.path)
                elif entry.name.endswith(".py"):
                    status = entry.stat()
                    found.append((entry.path, status.st_size, status.st_mtime_ns))
    return hashlib.sha256(repr(sorted(found)).encode()).hexdigest()


def _fingerprint() -> str:
    return f"plan|{jit.fingerprint()}|{_source()}"


def store(key: str, graph: Graph, plan: Plan) -> None:
    """Keep a plan, if all of it can be kept."""
    entries = {id(node.entry): index for index, node in reversed(list(enumerate(graph.nodes)))}
    try:
        steps = [[_packed(i, entries) for i in step.instructions] for step in plan.steps]
        data = pickle.dumps((plan.facts(), steps), pickle.HIGHEST_PROTOCOL)
    except (_Unknown, pickle.PicklingError, TypeError, AttributeError):
        return
    diskcache.store(key, _fingerprint(), data)


def load(key: str, graph: Graph) -> tuple[Plan, dict[str, int]] | None:
    """A plan kept earlier, and the addresses of its kernels by name."""
    data = diskcache.load(key, _fingerprint())
    if data is None:
        return None
    facts, steps = pickle.loads(data)  # as trustworthy as the machine code that lies beside it
    kernels = jit.known([i["kernel"] for step in steps for i in step if not i["call"]])
    if kernels is None:
        return None
    entries = [node.entry for node in graph.nodes]
    return Plan(steps=[Step([_unpacked(i, entries) for i in step]) for step in steps], **facts), kernels


_KEPT = ("label", "units", "grain", "scratch", "cost", "flops", "traffic", "call", "keep")


def _packed(instruction: Instruction, entries: dict[int, int]) -> dict[str, Any]:
    """An instruction as plain data: its kernel by name, its entries by the node that they came from, no addresses."""
    tables = {array.ctypes.data: index for index, array in enumerate(instruction.keep)}
    facts = {name: getattr(instruction, name) for name in _KEPT}
    facts["kernel"] = instruction.kernel
    facts["words"] = [_portable(word, tables) for word in instruction.words]
    facts["entries"] = [entries[id(e)] for e in instruction.entries if id(e) in entries]
    if instruction.call is not None:
        facts["call"] = instruction.call.portable(entries.get(id(instruction.call.node.entry)))
    return facts


def _portable(word: Word, tables: dict[int, int]) -> Any:
    if not isinstance(word, int):
        return word
    if word in tables:
        return "table", tables[word]
    if word in _ADDRESSES:
        raise _Unknown(word)
    return word


def _unpacked(facts: dict[str, Any], entries: Sequence[Any]) -> Instruction:
    facts["entries"] = [entries[index] for index in facts["entries"]]
    facts["words"] = [
        facts["keep"][word[1]].ctypes.data if word.__class__ is tuple and word[0] == "table" else word
        for word in facts["words"]
    ]
    if facts["call"] is not None:
        facts["call"] = facts["call"].placed(entries)
    return Instruction(**facts)
