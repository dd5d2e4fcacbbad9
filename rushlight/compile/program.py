"""A Program: what a recorded step became, ready to run on new buffers and numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.ir.graph import Graph

# run(leaves, numbers, generators, targets) -> buffers, in the order of the graph's outputs. `targets` are, in that order, buffers that
# the caller will copy results to, or None, or nothing at all; a backend may write there itself, when it is a leaf that the
# Program may replace, and then returns that very buffer.
Run = Callable[[Sequence, Sequence, Sequence, Sequence[np.ndarray | None]], list[np.ndarray]]


class Program:
    """Leaf buffers, numbers and generators in; the values of the graph's outputs out.

    `residuals` are the slots whose values a later backward uses; those that are not leaves are among the outputs.
    """

    def __init__(self, graph: Graph, residuals: tuple[int, ...], stages: dict[str, Any], code: Run):
        self.graph, self.residuals, self.stages = graph, residuals, stages
        self.run = code
        self.used = 0  # when it ran last, in runs

    def show(self, stage: str | None = None) -> str:
        """The program as text, finished or after one named pass."""
        if stage is None:
            how = getattr(self.run, "summary", lambda: "every op runs on the NumPy reference")()
            return f"program: {len(self.graph.nodes)} ops; {how}\n{self.graph}"
        compile_now = getattr(self.run, "compile", None)
        if stage not in self.stages and compile_now is not None:
            compile_now(anew=True)
        if stage not in self.stages:
            raise ValueError(f"explain: got stage {stage!r}; expected one of {', '.join(self.stages)}.")
        return str(self.stages[stage])

    def __repr__(self) -> str:
        return f"<Program of {len(self.graph.nodes)} ops>"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("a Program belongs to this process and cannot be pickled")
