"""The passes in order; `pipeline.py` says what each is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight.compile.expand import expand
from rushlight.compile.fold import aliases, fold
from rushlight.compile.normalize import casts, cse, dce
from rushlight.compile.pieces import pieces
from rushlight.compile.rows import rows
from rushlight.ir.graph import Graph


def simplify(graph: Graph) -> Graph:
    """What the passes before have made equal or useless goes."""
    return dce(cse(graph))


PASSES: tuple[Callable[[Graph], Graph], ...] = (casts, cse, dce)
NATIVE_PASSES: tuple[Callable[[Graph], Graph], ...] = (expand, fold, pieces, aliases, rows, simplify)


def run_passes(graph: Graph, passes: tuple[Callable[[Graph], Graph], ...], stages: dict[str, Any]) -> Graph:
    """The graph after the passes; each state is kept in `stages`."""
    for step in passes:
        graph = stages[step.__name__] = step(graph.copy())
    return graph
