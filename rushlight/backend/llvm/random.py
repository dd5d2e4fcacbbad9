"""Random ops in native code: the samples of the references, from the same engine, straight into the result's memory.

Left to the reference, because they are exactly what the C library's functions give: float64 normal and exponential
samples, and normal samples of fewer than 16 elements or of permuted memory. And complex dtypes, and the distributions
that no kernel makes.
"""

from __future__ import annotations

import ctypes
import functools
import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.backend.llvm import jit, samplers
from rushlight.backend.llvm.vectors import fused
from rushlight.backend.numpy.half import to_storage
from rushlight.backend.numpy.mt19937 import Engine
from rushlight.backend.numpy.sampling import DIGITS, FULL_RANGE, representable, round_to
from rushlight.dtype import dtype
from rushlight.ir.graph import Graph, Node
from rushlight.ir.loop import MEMORY_KIND

# fill(engine, operands, out): fills a C-ordered array. False, with nothing drawn, where the reference has to do it:
# also for numbers that are out of range, since the reference says what is wrong with them.
Fill = Callable[[Engine, Sequence[Any], np.ndarray], bool]

_GROUP = 16  # normal samples come in groups of so many


@functools.cache
def _function(text: str) -> Any:
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)(jit.address(text))


def _bits(value: float) -> int:
    """A float64 as the word of an argument block that holds it."""
    return struct.unpack("q", struct.pack("d", value))[0]


def _draw(engine: Engine, text: str, out: np.ndarray, words: Sequence[int], begin: int, end: int) -> None:
    """Run a sampler for the numbers [begin, end) of `out`."""
    if begin >= end:
        return
    function = _function(text)
    state, lock = engine.lent()
    block = (ctypes.c_int64 * (2 + len(words)))(state, out.ctypes.data, *words)
    with lock:  # other Python threads run meanwhile, and may draw from the same engine
        function(ctypes.addressof(block), begin, end, None)


def _uniform(memory: str, kind: dtype) -> Fill:
    def fill(engine: Engine, operands: Sequence[Any], out: np.ndarray) -> bool:
        low, high = map(float, operands)
        if (low, high) == (0.0, 1.0):
            words = [0, 0, _bits(low), _bits(high)]
            _draw(engine, samplers.uniform_text(memory, False), out, words, 0, out.size)
            return True
        if not low <= high or (memory == "f64" and not fused()):
            return False
        bounds = np.array([low, high], np.float64 if memory == "f64" else np.float32)
        rounded = round_to(bounds, kind)
        words = [_bits(float(value)) for value in (bounds[1] - bounds[0], bounds[0], *rounded)]
        _draw(engine, samplers.uniform_text(memory, True), out, words, 0, out.size)
        return True

    return fill


def _bernoulli(memory: str, kind: dtype) -> Fill:
    def fill(engine: Engine, operands: Sequence[Any], out: np.ndarray) -> bool:
        p = float(operands[0])
        if not 0 <= p <= 1:
            return False
        _draw(engine, samplers.bernoulli_text(memory), out, [math.ceil(p * 2.0**53)], 0, out.size)
        return True

    return fill


def _bernoulli_each(memory: str, kind: dtype, layout: Sequence[int] | None) -> Fill:
    def fill(engine: Engine, operands: Sequence[Any], out: np.ndarray) -> bool:
        p: np.ndarray = operands[0]
        if p.size and not (p.min() >= 0 and p.max() <= 1):
            return False
        single = p.size == 1
        if not single:
            shape = out.shape if layout is None else [out.shape[layout.index(d)] for d in range(out.ndim)]
            p = np.broadcast_to(p, shape)
            p = np.ascontiguousarray(p if layout is None else p.transpose(layout))
        text = samplers.bernoulli_each_text(memory, "f64" if p.dtype == np.float64 else "f32", single)
        _draw(engine, text, out, [p.ctypes.data], 0, out.size)
        return True

    return fill


def _exponential(memory: str, kind: dtype) -> Fill:
    def fill(engine: Engine, operands: Sequence[Any], out: np.ndarray) -> bool:
        rate = float(operands[0])
        if not rate > 0:
            return False
        _draw(engine, samplers.exponential_text(memory), out, [_bits(-1.0 / rate)], 0, out.size)
        return True

    return fill


def _integers(
    engine: Engine, memory: str, out: np.ndarray, low: int, span: int, wide: bool, everything: bool = False
) -> bool:
    """low + (bits modulo span), or all 64 bits."""
    how = "all" if everything else "wide" if wide else "word"
    inverse = (2**64 - 1) // span + 1
    _draw(engine, samplers.integers_text(memory, how), out, [low, span, inverse], 0, out.size)
    return True


def _randint(memory: str, kind: dtype) -> Fill:
    def fill(engine: Engine, operands: Sequence[Any], out: np.ndarray) -> bool:
        low, last = map(int, operands)
        if (low, last) == (-(2**63), 2**63 - 1):
            return _integers(engine, memory, out, 0, 1, True, everything=True)
        if low > last:
            return False
        high = last + 1
        if kind.name in DIGITS:
            low, high = representable(low, high, kind.name)
        return _integers(engine, memory, out, low, high - low, high - low >= 2**28)

    return fill


def _random_full(memory: str, kind: dtype) -> Fill:
    if kind.name == "uint64":
        return lambda engine, operands, out: _integers(engine, memory, out, 0, 1, True, everything=True)
    if kind.name == "uint32":
        return lambda *_: False  # a whole word is no remainder that the kernel can take
    span, wide = FULL_RANGE[kind.name], kind.name in ("int64", "float64")
    return lambda engine, operands, out: _integers(engine, memory, out, 0, span, wide)


def _normal(memory: str, kind: dtype) -> Fill:
    half = memory != "f32"

    def fill(engine: Engine, operands: Sequence[Any], out: np.ndarray) -> bool:
        mean, std = map(float, operands)
        size, rest = out.size, out.size % _GROUP
        if not std >= 0 or size < _GROUP:
            return False
        text = samplers.normal_text(memory, (mean, std) != (0.0, 1.0))
        words = [_bits(std), _bits(mean)]
        _draw(engine, text, out, words, 0, size - rest)
        if rest:  # the last samples are drawn again, with as many before them as make a group
            if not half:
                engine.words(rest)
            _draw(engine, text, out, words, size - _GROUP, size)
        return True

    return fill


def _randperm(memory: str, kind: dtype) -> Fill:
    def fill(engine: Engine, operands: Sequence[Any], out: np.ndarray) -> bool:
        out[...] = to_storage(np.arange(out.size), kind)
        _draw(engine, samplers.permutation_text(memory), out, [out.size], 0, out.size - 1)
        return True

    return fill


_FILLS: dict[str, Callable[[str, dtype], Fill]] = {
    "uniform": _uniform,
    "bernoulli": _bernoulli,
    "randint": _randint,
    "random_full": _random_full,
    "normal": _normal,
    "exponential": _exponential,
}


def _fill_for(node: Node, kind: dtype) -> Fill | None:
    name, layout = node.op.name.rstrip("_"), node.static.get("layout")
    memory = MEMORY_KIND.get(kind.name)
    if memory is None:
        return None
    if name == "bernoulli_each_op":
        return _bernoulli_each(memory, kind, layout)
    if name == "randperm_op":
        return _randperm(memory, kind)
    sampler = name.removesuffix("_op").removesuffix("_fill")
    if (sampler == "normal" and layout is not None) or (sampler in ("normal", "exponential") and memory == "f64"):
        return None
    make = _FILLS.get(sampler)
    return make(memory, kind) if make else None


def read_by(node: Node) -> Sequence[Any]:
    """The operands that a sampler reads: not the tensor that is only written over."""
    return node.inputs[1:] if node.op.slots and node.op.slots[0].name == "input" else node.inputs


def fill_for(graph: Graph, node: Node) -> Fill | None:
    """What fills a random node's result with `read_by(node)`; its array may have gaps. None: only the reference can."""
    if not node.op.random or len(node.outputs) != 1:
        return None
    fill, layout = _fill_for(node, graph.metas[node.outputs[0]].dtype), node.static.get("layout")
    if fill is None:
        return None

    def anywhere(engine: Engine, operands: Sequence[Any], out: np.ndarray) -> bool:
        if layout is not None:
            out = out.transpose(layout)
        if out.flags.c_contiguous:
            return fill(engine, operands, out)
        dense = np.empty(out.shape, out.dtype)
        done = fill(engine, operands, dense)
        if done:
            out[...] = dense
        return done

    return anywhere
