"""A graph as a list of NumPy calls. Dead values are dropped as soon as their last reader has run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.backend.numpy.half import convert, to_compute, to_storage
from rushlight.dtype import dtype
from rushlight.errors import OutOfMemoryError, explain_error, show_line
from rushlight.ir.graph import Graph, Node
from rushlight.ir.meta import Meta


def compile_graph(graph: Graph) -> Callable[[Sequence, Sequence, Sequence], dict[int, np.ndarray]]:
    """`run(leaves, numbers, generators) -> {slot: buffer}` for the graph."""
    steps = [_step(graph, node) for node in graph.nodes]
    last_use = {v: i for i, node in enumerate(graph.nodes) for v in (*node.operands(), *node.outputs)}
    kept = set(graph.outputs.values())
    drops: list[tuple[int, ...]] = [() for _ in steps]
    for value, index in last_use.items():
        if value not in kept:
            drops[index] += (value,)
    program = list(zip(steps, drops, graph.nodes, strict=True))
    constants = {v: np.array(n, graph.metas[v].dtype.storage) for v, n in graph.constants.items()}
    number_types = [(v, graph.metas[v].dtype.storage) for v in graph.numbers]
    outputs = [(slot, value, graph.metas[value]) for slot, value in graph.outputs.items()]
    leaf_values = list(graph.leaves)

    def run(leaves: Sequence, numbers: Sequence, generators: Sequence) -> dict[int, np.ndarray]:
        env: dict[int, Any] = dict(constants)
        env.update(zip(leaf_values, leaves, strict=False))
        for (value, kind), number in zip(number_types, numbers, strict=False):
            env[value] = np.array(number, kind)
        old = np.seterr(all="ignore")
        try:
            for step, dropped, node in program:
                try:
                    step(env, generators)
                except Exception as error:
                    raise _placed(error, node) from None
                for value in dropped:
                    del env[value]
        finally:
            np.seterr(**old)
        results: dict[int, np.ndarray] = {}
        owned: set[int] = {id(a) for a in leaves}
        for slot, value, meta in outputs:
            array = env[value]
            if array.base is not None or id(array) in owned or not _has_layout(array, meta):
                array = _own(array, meta)
            owned.add(id(array))
            results[slot] = array
        return results

    return run


def _has_layout(array: np.ndarray, meta: Meta) -> bool:
    if meta.contiguous:
        return array.flags.c_contiguous
    size = array.itemsize
    return all(n == 1 or s == d * size for n, s, d in zip(meta.shape, array.strides, meta.stride, strict=True))


def _own(array: np.ndarray, meta: Meta) -> np.ndarray:
    """A copy with memory of its own and the strides that the meta says."""
    if meta.contiguous or 0 in meta.stride:
        return np.array(array, order="C", copy=True)
    order = sorted(range(array.ndim), key=lambda d: -meta.stride[d])
    back = np.argsort(order)
    return np.ascontiguousarray(array.transpose(order)).transpose(back)


def _step(graph: Graph, node: Node) -> Callable[[dict, Sequence], None]:
    """One call: inputs from the environment in their compute dtype, outputs back in their storage dtype."""
    function: Any = node.op.reference
    if function is None:
        raise NotImplementedError(f"{node.op.name} has no NumPy reference")
    static = {k: v for k, v in node.static.items() if not (node.op.random and k == "generator")}
    fetch = [_fetch(graph, item) for item in node.inputs]
    kinds = [graph.metas[v].dtype for v in node.outputs]
    random = node.op.random
    generator = node.static.get("generator", 0)
    if len(kinds) == 1:
        out, kind = node.outputs[0], kinds[0]
        storage = kind.storage
        plain = kind.storage == kind.compute

        def one(env: dict, generators: Sequence) -> None:
            arguments = [f(env) for f in fetch]
            if random:
                arguments.insert(0, generators[generator].engine)
            result = function(*arguments, **static)
            if result.__class__ is not np.ndarray:
                result = np.asarray(result)
            if not plain or result.dtype != storage:
                result = to_storage(result, kind)
            env[out] = result

        return one

    def several(env: dict, generators: Sequence) -> None:
        results = function(*[f(env) for f in fetch], **static)
        for value, result, kind in zip(node.outputs, results, kinds, strict=True):
            env[value] = to_storage(np.asarray(result), kind)

    return several


def _fetch(graph: Graph, item: Any) -> Callable[[dict], Any]:
    if item is None:
        return lambda env: None
    if item.__class__ is tuple:
        parts = [_fetch(graph, v) for v in item]
        return lambda env: [part(env) for part in parts]
    kind: dtype = graph.metas[item].dtype
    if kind.storage == kind.compute:
        return lambda env: env[item]
    return lambda env: to_compute(env[item], kind)


def _placed(error: Exception, node: Node) -> Exception:
    """The same error, naming the user's line that recorded the op."""
    if isinstance(error, MemoryError):
        error = OutOfMemoryError(explain_error(node.op.name, got=f"no memory: {error}", fix="use smaller tensors"))
    if node.entry is not None and node.entry.line[1]:
        error.add_note(f"recorded at {show_line(node.entry.line)}")
    error.rushlight_entry = node.entry  # type: ignore[attr-defined]
    return error


__all__ = ["compile_graph", "convert"]
