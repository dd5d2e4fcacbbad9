"""The compiler on one page: each pass takes a graph and returns one, and each state can be printed (`rushlight.explain(stage)`).

recorded path ── build ────▶ graph, macros expanded
              ── casts ────▶ every op sees operands of the dtype it computes in
              ── cse ──────▶ equal ops computed once
              ── dce ──────▶ only what reaches an output, and random draws       (the NumPy reference runs this)
              ── expand ───▶ softmax, norms, losses, … are pointwise ops and reductions
              ── fold ─────▶ what is known beforehand is a constant
              ── pieces ───▶ gradients of splits are concatenations
              ── aliases ──▶ views that change nothing are gone; reductions in one form
              ── rows ─────▶ totals of what is computed row by row are taken row by row
              ── simplify ─▶ cse and dce again
              ── fuse ─────▶ groups: which nodes become one kernel
              ── lower ────▶ instructions: kernels with their arguments, or calls of NumPy references
              ── plan ─────▶ steps, and the arena in which temporaries live
              ── backend ──▶ machine code and a launch table
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rushlight.backend import chosen, load
from rushlight.compile.build import build
from rushlight.compile.native import Native
from rushlight.compile.passes import PASSES, run_passes
from rushlight.compile.program import Program
from rushlight.lazy.trie import Entry, path_to

if TYPE_CHECKING:
    from rushlight.lazy.record import Trace


def compile_trace(trace: Trace, node: Entry, wanted: tuple[int, ...], replaceable: dict[int, int]) -> Program:
    """The Program that computes the wanted slots of the path to `node`, and what a later backward will need.

    `replaceable`: slots whose tensor now holds the memory of a leaf (by its number), which the Program may write over.
    """
    from rushlight.autograd.residuals import residuals

    path = path_to(node)
    saved = residuals(trace, path, wanted)
    stages: dict[str, Any] = {}
    leaves = {slot: number for number, slot in enumerate(sorted(trace.leaf_slots))}
    graph = stages["build"] = build(path, wanted + tuple(s for s in saved if s not in wanted and s not in leaves))
    needed = {leaves[slot] for slot in saved if slot in leaves}
    replaceable = {slot: leaf for slot, leaf in replaceable.items() if leaf not in needed}
    graph = run_passes(graph, PASSES, stages)
    if chosen() == "numpy":
        return Program(graph, saved, stages, load().compile_graph(graph))
    return Program(graph, saved, stages, Native(graph, replaceable, stages))
