"""A graph's native code, made when it is worth it: a small step seen for the first time runs on the NumPy reference, if that gives
the same bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from rushlight import config
from rushlight.backend import load
from rushlight.compile.exact import exact
from rushlight.compile.passes import NATIVE_PASSES, run_passes
from rushlight.errors import Fault, OutOfMemoryError, explain_error
from rushlight.ir.graph import Graph

# What graphs became, by their keys: the same step at another place of the trie has the same code.
_codes: WeakValueDictionary[str | None, Any] = WeakValueDictionary()


class Native:
    """What runs a graph. Which code does is decided by the graph and by how often it has run, by nothing else."""

    def __init__(self, graph: Graph, replaceable: dict[int, int], stages: dict[str, Any]):
        self.graph, self.replaceable, self.stages = graph, replaceable, stages
        self.code: Any = None
        self._reference: Any = None
        self._left: float = config.reference_runs if work(graph) < config.reference_work and exact(graph) else 0
        self._random = any(node.op.random for node in graph.nodes)
        if any(graph.metas[v].dtype.is_complex for v in graph.numbers):
            self._left = math.inf  # the launch table holds no complex numbers

    def reference(self, *given: Any) -> list[np.ndarray]:
        """Run the NumPy reference."""
        if self._reference is None:
            self._reference = load("numpy").compile_graph(self.graph)
        return self._reference(*given)

    def compile(self, anew: bool = False) -> None:
        """Make the machine code, or find what an earlier process made; `anew` if every stage is to be seen."""
        stages, backend = self.stages, load()
        key = backend.plan_key(self.graph, self.replaceable)  # before the passes, which add values
        self.code = None if anew else _codes.get(key) or backend.remembered(key, self.graph)
        if self.code is None:
            from rushlight.compile.fuse import fuse

            graph = run_passes(self.graph, NATIVE_PASSES, stages)
            fused = stages["fuse"] = fuse(graph, backend.LEADERS, backend.has_code, backend.may_fail)
            self.code = backend.compile_fused(fused, self.replaceable)
            backend.remember(key, self.graph, self.code)
        if key is not None:
            _codes[key] = self.code
        stages["plan"] = self.code

    def summary(self) -> str:
        """How the graph runs, in a line."""
        if self.code is None:
            return "small and new, so it ran on the NumPy reference"
        return self.code.summary()

    def __call__(
        self, leaves: Sequence, numbers: Sequence, generators: Sequence, targets: Sequence[np.ndarray | None]
    ) -> list[np.ndarray]:
        if self.code is None:
            if self._left > 0:
                self._left -= 1
                return self.reference(leaves, numbers, generators, targets)
            try:
                self.compile()
            except OverflowError:  # a number that no launch table holds: the reference says what is wrong with it
                self._left = math.inf
                return self.reference(leaves, numbers, generators, targets)
        states = [g.get_state_raw() for g in generators] if self._random else []
        try:
            return self.code.run(leaves, numbers, generators, targets)
        except OutOfMemoryError:
            raise
        except MemoryError as error:
            got = f"no memory: {error}"
            raise OutOfMemoryError(explain_error("step", got=got, fix="use smaller tensors")) from None
        except (Fault, OverflowError, IndexError, RuntimeError, ValueError):
            # The reference names the op and the value that is wrong; a number too large for the table it wraps, as a cast does.
            for generator, state in zip(generators, states, strict=False):
                generator.set_state_raw(state)
            return self.reference(leaves, numbers, generators, targets)


def work(graph: Graph) -> int:
    """About how many scalar operations the graph takes."""
    total = 0
    for node in graph.nodes:
        out = max((graph.metas[v].numel for v in node.outputs), default=0)
        if node.op.name in ("matmul", "linear"):
            out *= graph.metas[node.inputs[0]].shape[-1] if graph.metas[node.inputs[0]].ndim else 1
        elif node.op.name == "convolution":
            weight = graph.metas[node.inputs[1]]
            out *= weight.numel // max(weight.shape[0], 1)
        total += out
    return total
