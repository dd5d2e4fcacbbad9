"""Graphs: a Program's ops in order, over numbered values. Plain data that passes rewrite and print."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rushlight.ir.meta import Meta
from rushlight.ir.op import Op


@dataclass(slots=True)
class Node:
    """One op: inputs are value numbers, None, or tuples of them."""

    op: Op
    inputs: tuple
    static: dict[str, Any]
    outputs: tuple[int, ...]
    entry: Any = None  # the recorded entry it came from, for error messages

    def operands(self) -> list[int]:
        """The value numbers it reads."""
        found: list[int] = []
        for item in self.inputs:
            if item.__class__ is tuple:
                found.extend(item)
            elif item is not None:
                found.append(item)
        return found


@dataclass
class Graph:
    """Values are numbered; `leaves[k]` is the value of the trace's k-th buffer, `numbers[k]` of its k-th number."""

    metas: list[Meta] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    leaves: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    constants: dict[int, Any] = field(default_factory=dict)
    outputs: dict[int, int] = field(default_factory=dict)  # slot of the trace -> value

    def copy(self) -> Graph:
        """A graph that passes may change without changing this one; metas and values are shared."""
        nodes = [Node(n.op, n.inputs, n.static, n.outputs, n.entry) for n in self.nodes]
        return Graph(self.metas, nodes, self.leaves, self.numbers, dict(self.constants), dict(self.outputs))

    def value(self, meta: Meta) -> int:
        """A new value number."""
        self.metas.append(meta)
        return len(self.metas) - 1

    def __str__(self) -> str:
        def name(item: Any) -> str:
            if item.__class__ is tuple:
                return "[" + ", ".join(map(name, item)) + "]"
            if item is None:
                return "None"
            return repr(self.constants[item]) if item in self.constants else f"%{item}"

        lines = [
            "inputs " + ", ".join(f"%{v}: {self.metas[v]!r}" for v in self.leaves),
            "numbers " + ", ".join(f"%{v}: {self.metas[v]!r}" for v in self.numbers),
        ]
        for node in self.nodes:
            out = ", ".join(f"%{v}: {self.metas[v]!r}" for v in node.outputs)
            static = "".join(f", {k}={v!r}" for k, v in node.static.items())
            lines.append(f"{out} = {node.op.name}({', '.join(map(name, node.inputs))}{static})")
        lines.append("return " + ", ".join(f"%{v}" for v in self.outputs.values()))
        return "\n".join(lines)
