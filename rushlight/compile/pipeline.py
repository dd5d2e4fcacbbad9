"""The compiler on one page: each pass takes a Graph and returns one, and each state can be printed.

recorded path ── build ──▶ graph, macros expanded
              ── casts ──▶ every op sees operands of the dtype it computes in
              ── cse ────▶ equal ops computed once
              ── dce ────▶ only what reaches an output, and random draws
              ── backend ▶ Program
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rushlight.backend import load
from rushlight.compile.build import build
from rushlight.compile.normalize import casts, cse, dce
from rushlight.compile.program import Program
from rushlight.ir.graph import Graph
from rushlight.lazy.trie import Entry, path_to

if TYPE_CHECKING:
    from rushlight.lazy.record import Trace

PASSES: tuple[Callable[[Graph], Graph], ...] = (casts, cse, dce)


def compile_trace(trace: Trace, node: Entry, wanted: tuple[int, ...]) -> Program:
    """The Program that computes the wanted slots of the path to `node`, and what a later backward will need."""
    from rushlight.autograd.residuals import residuals

    path = path_to(node)
    saved = residuals(trace, path, wanted)
    graph = build(path, wanted + tuple(s for s in saved if s not in wanted))
    stages = {"build": graph}
    for step in PASSES:
        graph = stages[step.__name__] = step(graph)
    return Program(graph, saved, stages, load().compile_graph(graph))
