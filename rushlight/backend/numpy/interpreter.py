"""A graph as a list of NumPy calls. Dead values are dropped as soon as their last reader has run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.backend.numpy.half import convert, to_compute, to_storage
from rushlight.dtype import BITS, dtype, float16
from rushlight.errors import NumberRangeError, OutOfMemoryError, explain_error, show_line
from rushlight.ir.graph import Graph, Node
from rushlight.ir.meta import Meta
from rushlight.lessons import say


def compile_graph(graph: Graph) -> Callable[..., list[np.ndarray]]:
    """`run(leaves, numbers, generators, targets) -> buffers of the outputs` for the graph; it writes over nothing."""
    number_of = {v: k for k, v in enumerate(graph.numbers)}
    numbers_in = [(v, k, graph.metas[v].dtype.storage) for v, k in number_of.items()]
    nodes = []
    for node in graph.nodes:
        if node.op.name == "cast" and node.inputs[0] in number_of and graph.metas[node.outputs[0]].dtype not in BITS:
            # a number is made in the dtype that it is used in, without a step of its own
            out = node.outputs[0]
            numbers_in.append((out, number_of[node.inputs[0]], graph.metas[out].dtype.storage))
        else:
            nodes.append(node)
    used = {v for node in nodes for v in node.operands()} | set(graph.outputs.values())
    numbers_in = [entry for entry in numbers_in if entry[0] in used]
    last_use = {v: i for i, node in enumerate(nodes) for v in (*node.operands(), *node.outputs)}
    kept = set(graph.outputs.values())
    drops: list[tuple[int, ...]] = [() for _ in nodes]
    for value, index in last_use.items():
        if value not in kept:
            drops[index] += (value,)
    program = [(_step(graph, node), dropped, node) for node, dropped in zip(nodes, drops, strict=True)]
    constants = {
        v: np.broadcast_to(to_storage(n, graph.metas[v].dtype), graph.metas[v].shape)
        for v, n in graph.constants.items()
        if v in used
    }
    outputs = [(value, graph.metas[value]) for value in graph.outputs.values()]
    leaf_values = list(graph.leaves)

    def run(leaves: Sequence, numbers: Sequence, generators: Sequence, targets: Any = ()) -> list[np.ndarray]:
        env: dict[int, Any] = dict(constants)
        env.update(zip(leaf_values, leaves, strict=False))
        old = np.seterr(all="ignore")
        try:
            for value, number, kind in numbers_in:
                env[value] = number_as(numbers[number], kind)
            for step, dropped, node in program:
                try:
                    step(env, generators)
                except Exception as error:
                    raise placed(error, node) from None
                for value in dropped:
                    del env[value]
        finally:
            np.seterr(**old)
        results: list[np.ndarray] = []
        owned: set[int] = {id(a) for a in leaves}
        for value, meta in outputs:
            array = env[value]
            if array.base is not None or id(array) in owned or not _has_layout(array, meta):
                array = _own(array, meta)
            owned.add(id(array))
            results.append(array)
        return results

    return run


def number_as(value: Any, kind: np.dtype) -> np.ndarray:
    try:
        return np.array(value, kind)
    except (OverflowError, TypeError):
        return convert(np.array(value), kind)  # out of range: wraps, as a cast does


def _has_layout(array: np.ndarray, meta: Meta) -> bool:
    if meta.contiguous:
        return array.flags.c_contiguous
    size = array.itemsize
    return all(n == 1 or s == d * size for n, s, d in zip(meta.shape, array.strides, meta.stride, strict=True))


def _own(array: np.ndarray, meta: Meta) -> np.ndarray:
    """A copy with memory of its own and the strides that the meta says."""
    made = maker(meta)()
    made[...] = array
    return made


def maker(meta: Meta) -> Callable[[], np.ndarray]:
    """A function that makes an array with the shape and the strides of a value, be there gaps; an expanded value gets all its elements."""
    shape, kind = tuple(meta.shape), meta.dtype.storage
    empty = np.empty
    if meta.contiguous or meta.overlaps:
        return lambda: empty(shape, kind)
    strides = tuple(s * kind.itemsize for s in meta.stride)
    span = 1 + sum((n - 1) * s for n, s in zip(shape, meta.stride, strict=True))
    order = sorted(range(meta.ndim), key=lambda d: -meta.stride[d])
    if span == meta.numel:  # a permutation: the array owns its memory
        dense = tuple(shape[d] for d in order)
        back = [order.index(d) for d in range(meta.ndim)]
        return lambda: empty(dense, kind).transpose(back)
    return lambda: np.ndarray(shape, kind, empty(span, kind), 0, strides)


def _step(graph: Graph, node: Node) -> Callable[[dict, Sequence], None]:
    """One call: inputs from the environment in their compute dtype, outputs back in their storage dtype."""
    reference: Any = node.op.reference
    if reference is None:
        raise NotImplementedError(f"{node.op.name} has no NumPy reference")
    static = {k: v for k, v in node.static.items() if not (node.op.random and k == "generator")}
    function = functools.partial(reference, **static) if static else reference
    kinds = [graph.metas[v].dtype for v in node.outputs]
    if node.op.random:
        return _random_step(graph, node, function, kinds)
    fetch = [_fetch(graph, item) for item in node.inputs]
    if len(kinds) > 1:

        def several(env: dict, generators: Sequence) -> None:
            for value, result, kind in zip(node.outputs, function(*[f(env) for f in fetch]), kinds, strict=True):
                env[value] = to_storage(np.asarray(result), kind)

        return several
    out, kind = node.outputs[0], kinds[0]
    storage = kind.storage
    plain = all(graph.metas[v].dtype not in (float16, *BITS) for v in (*node.operands(), out))
    simple = plain and all(item.__class__ is int for item in node.inputs)
    a, b = (*node.inputs, None, None)[:2]

    def unary(env: dict, generators: Sequence) -> None:
        result = function(env[a])
        if result.__class__ is not np.ndarray:  # NumPy hands out scalars for 0-d arrays
            result = np.asarray(result)
        env[out] = result if result.dtype is storage else to_storage(result, kind)

    def binary(env: dict, generators: Sequence) -> None:
        result = function(env[a], env[b])
        if result.__class__ is not np.ndarray:
            result = np.asarray(result)
        env[out] = result if result.dtype is storage else to_storage(result, kind)

    def general(env: dict, generators: Sequence) -> None:
        result = function(*[f(env) for f in fetch])
        if not plain or result.__class__ is not np.ndarray or result.dtype is not storage:
            result = to_storage(result, kind)
        env[out] = result

    return {1: unary, 2: binary}.get(len(node.inputs), general) if simple else general


def _random_step(graph: Graph, node: Node, function: Any, kinds: list[dtype]) -> Callable[[dict, Sequence], None]:
    fetch = [_fetch(graph, item) for item in node.inputs]
    generator = node.static.get("generator", 0)

    def draw(env: dict, generators: Sequence) -> None:
        results = function(generators[generator].engine, *[f(env) for f in fetch])
        for value, result, kind in zip(node.outputs, results if len(kinds) > 1 else (results,), kinds, strict=True):
            env[value] = to_storage(np.asarray(result), kind)

    return draw


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


def placed(error: Exception, node: Node) -> Exception:
    """The same error, naming the user's line that recorded the op."""
    if isinstance(error, MemoryError):
        error = OutOfMemoryError(explain_error(node.op.name, got=f"no memory: {error}", fix="use smaller tensors"))
    elif type(error) in (OverflowError, ZeroDivisionError):
        error = NumberRangeError(
            explain_error(node.op.name, got=str(error), expected="a number that the dtype can hold")
        )
    elif type(error).__module__.startswith("numpy"):  # NumPy's own classes are none of PyTorch's
        plain = (IndexError, TypeError, ValueError, RuntimeError, Exception)
        error = next(c for c in plain if isinstance(error, c))(explain_error(node.op.name, got=str(error)))
    if node.entry is not None and node.entry.line[1]:
        words = "note/recorded-in" if node.entry.module else "note/recorded-at"
        error.add_note(say(words, line=show_line(node.entry.line), module=node.entry.module))
    error.rushlight_entry = node.entry  # type: ignore[attr-defined]
    return error
