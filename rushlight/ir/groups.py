"""Groups: which nodes of a graph become one kernel. Plain data that the pass `fuse` makes and backends turn into code.

A group is

    a nest         pointwise nodes and reductions over one grid: `shape`, of which `reduced` dimensions are reduced
    led by an op   a matrix product, a convolution: the pointwise nodes on its result are its epilogue
    a single op    anything else; views are no kernels at all
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rushlight.ir.graph import Graph, Node

# Ops with one result an element that are not pointwise: what an element is depends on where it is, or it is looked up.
POSITIONAL = (
    "full_op", "arange_op", "position_part", "clone", "tril", "triu", "flip", "roll", "mode_pad_op", "embedding_op", "gather_op",
    "index_select_op", "index",
)  # fmt: skip

# Ops of the table that reduce over `dim`, and the reduction of the loop IR that each is
REDUCTIONS = {"sum": "sum", "amax": "max", "amin": "min", "prod": "prod", "all": "all", "any": "any"}


def looks_up(node: Node) -> bool:
    """Whether the node reads its operands elsewhere than at its own point."""
    return node.op.name in POSITIONAL and node.op.name not in ("clone", "position_part", "tril", "triu")


def reduced_dims(node: Node, ndim: int) -> tuple[int, ...]:
    """The dimensions that a reduction node reduces."""
    dim = node.static["dim"]
    if dim is None or dim == ():
        return tuple(range(ndim))
    dims = (dim,) if isinstance(dim, int) else dim
    return tuple(sorted(d % ndim for d in dims)) if ndim else ()


@dataclass
class Group:
    """Nodes that run as one kernel.

    full      values inside, and whether they are full (else over the kept dimensions only)
    levels    values inside, and how many reductions come before them
    total     the reduction leaves nothing of a large grid: it is done in blocks, and its result exists only after the group
    """

    leader: str
    nodes: list[Node]
    shape: tuple[int, ...]
    reduced: tuple[int, ...] = ()
    total: bool = False
    full: dict[int, bool] = field(default_factory=dict)
    levels: dict[int, int] = field(default_factory=dict)
    reads: set[int] = field(default_factory=set)

    @property
    def is_nest(self) -> bool:
        return self.leader == "nest"

    @property
    def kept_shape(self) -> tuple[int, ...]:
        """The shape of what a reduction of this group gives."""
        return tuple(1 if d in self.reduced else n for d, n in enumerate(self.shape))

    def __str__(self) -> str:
        grid = f"{list(self.shape)}" + (f" over {list(self.reduced)}" if self.reduced else "")
        return f"{self.leader} {grid}: " + " ".join(node.op.name for node in self.nodes)


@dataclass
class Fused:
    """A graph and its groups in order; `inline` are one-element values that every reader computes anew from numbers."""

    graph: Graph
    groups: list[Group]
    inline: dict[int, Node]

    def __str__(self) -> str:
        return "\n".join(f"{i}: {group}" for i, group in enumerate(self.groups))
