"""Pass `fuse`: which nodes become one kernel.

Nodes are taken in order, and each joins the latest group that makes one of its inputs, or begins a new one. It never joins an earlier
group, so the numbers of the groups are an order in which they can run. What groups are: `ir/groups.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

from rushlight.ir.graph import Graph, Node
from rushlight.ir.groups import POSITIONAL, REDUCTIONS, Fused, Group, looks_up, reduced_dims
from rushlight.ir.loop import MEMORY_KIND

_MOST_NODES = 160  # of a nest: beyond, one kernel only compiles more slowly
_MOST_WAITING = 32  # nodes that one node brings along
_MOST_BUFFERS = 48
_LOOK_BACK = 6  # groups back from the last that a node may join; and the first that it may join at all
TOTAL = 1 << 15  # elements: above, a reduction to a single value is done in blocks


def supported(graph: Graph, node: Node) -> bool:
    """Whether every value of the node has a kind in the loop IR."""
    return all(graph.metas[v].dtype.name in MEMORY_KIND for v in (*node.operands(), *node.outputs))


Asks = Callable[[Graph, Node], bool]


class _Fuser:
    def __init__(self, graph: Graph, leaders: Collection[str], lowers: Asks, may_fail: Asks):
        self.graph, self.leaders, self.lowers, self.may_fail = graph, leaders, lowers, may_fail
        self.groups: list[Group] = []
        self.after: dict[int, int] = {}  # value -> the first group that may hold a reader of it
        self.home: dict[int, int] = {}  # value -> the group that makes it
        self.inline: dict[int, Node] = {}
        self.waiting: dict[
            int, Node
        ] = {}  # made of what was there from the start, for one reader: placed where that goes
        self.waited: dict[int, int] = {}  # value -> nodes that go where it goes

    def run(self) -> Fused:
        graph = self.graph
        outputs = set(graph.outputs.values())
        readers = Counter(v for node in graph.nodes for v in node.operands())
        # What look-ups read must be in memory; `full_op` only repeats a number.
        looked = {v for node in graph.nodes if looks_up(node) and node.op.name != "full_op" for v in node.operands()}
        for node in graph.nodes:
            if node.op.view:
                self._alias(node)
                continue
            pointwise = node.op.pointwise or node.op.name in POSITIONAL
            native = supported(graph, node) and self.lowers(graph, node)
            if native and pointwise and node.outputs[0] not in looked and self._from_numbers(node):
                self.inline[node.outputs[0]] = node
                if node.outputs[0] not in outputs:
                    continue
            if native and (pointwise or node.op.name in REDUCTIONS):
                out = node.outputs[0]
                if readers[out] == 1 and out not in outputs and node.op.pointwise and self._may_wait(node):
                    self.waiting[out] = node
                else:
                    self._place(node, pointwise)
            else:
                for v in node.operands():
                    self._settle(v)
                self._begin(node, node.op.name if native and node.op.name in self.leaders else "call")
        return Fused(graph, self.groups, self.inline)

    def _may_wait(self, node: Node) -> bool:
        """Whether everything that the node reads was there before the first group, or waits too."""
        for v in node.operands():
            if v in self.waiting and self.graph.metas[v].shape != self.graph.metas[node.outputs[0]].shape:
                self._settle(v)
        self.waited[node.outputs[0]] = 1 + sum(self.waited[v] for v in node.operands() if v in self.waiting)
        if self.waited[node.outputs[0]] > _MOST_WAITING or self.may_fail(self.graph, node):
            return False
        return all(v in self.waiting or v not in self.home and not self.after.get(v) for v in node.operands())

    def _settle(self, v: int) -> None:
        """Have a value in memory that has no group yet: one that waits, or one that readers compute anew."""
        node = self.waiting.pop(v, None)
        if node is None and v not in self.home:
            node = self.inline.get(v)
        if node is not None:
            self._place(node, True)

    def _alias(self, node: Node) -> None:
        source, out = node.inputs[0], node.outputs[0]
        self._settle(source)
        if source in self.home:
            self.after[out] = max(self.after[source], self.home[source] + 1)
        else:
            self.after[out] = self.after.get(source, 0)

    def _from_numbers(self, node: Node) -> bool:
        """Whether the value is a single one, made of Python numbers and constants alone."""
        graph = self.graph
        if graph.metas[node.outputs[0]].numel != 1 or not node.op.pointwise:
            return False
        numbers = set(graph.numbers)
        return all(v in numbers or v in graph.constants or v in self.inline for v in node.operands())

    def _first(self, node: Node) -> int:
        """The first group that the node may join."""
        return max((self.after.get(v, 0) for v in node.operands() if v not in self.inline), default=0)

    def _place(self, node: Node, pointwise: bool) -> None:
        """Put a pointwise node or a reduction into the latest group that takes it, or into a new one; what waits for it goes along."""
        graph = self.graph
        shape = graph.metas[(node.outputs if pointwise else node.inputs)[0]].shape
        for v in node.operands():
            if v in self.waiting and (graph.metas[v].shape != shape or not pointwise or looks_up(node)):
                self._settle(v)
        first, last = self._first(node), len(self.groups) - 1
        for index in [*range(last, max(first, last - _LOOK_BACK), -1), first]:
            if index > last:
                continue
            group = self.groups[index]
            if self._related(group, index, node) and self._fits(group, node, pointwise):
                self._join(index, node, pointwise)
                return
        self._begin(node, "nest", pointwise)

    def _related(self, group: Group, index: int, node: Node) -> bool:
        """Whether the node gains from being in the group: it reads what the group makes or reads, or both are tiny.

        A single number that both read is no gain: the updates of all parameters read one learning rate, and a kernel that
        walks through the memory of many at once outruns the processor's prefetchers and the ways of its cache.
        """
        operands, metas = node.operands(), self.graph.metas
        if any(self.home.get(v) == index for v in operands):
            return True
        if not group.is_nest:
            return False
        out = metas[node.outputs[0]]
        least = 1 if out.numel == 1 else 2
        return any(v in group.reads and metas[v].numel >= least for v in operands) or group.shape == out.shape == ()

    def _fits(self, group: Group, node: Node, pointwise: bool) -> bool:
        graph = self.graph
        if len(group.nodes) >= _MOST_NODES or len(group.reads | set(node.operands())) > _MOST_BUFFERS:
            return False
        inside = [v for v in node.operands() if v in group.full]
        shape = tuple(graph.metas[node.outputs[0]].shape)
        if not group.is_nest:
            return (
                len(group.nodes[0].outputs) == 1
                and node.op.pointwise
                and shape == group.shape
                and bool(inside)
                and not self.may_fail(graph, node)
            )
        if inside and looks_up(node):
            return False  # a look-up needs its table in memory
        if pointwise:
            if shape == group.shape:
                return not (group.total and any(not group.full[v] for v in inside))
            if node.op.name in POSITIONAL and node.op.name not in ("clone", "full_op", "position_part"):
                return False  # positions are those of the whole grid
            return bool(group.reduced) and not group.total and shape == group.kept_shape and not any(
                group.full[v] for v in inside
            )  # fmt: skip
        source = graph.metas[node.inputs[0]]
        if tuple(source.shape) != group.shape or any(not group.full[v] for v in inside):
            return False
        dims = reduced_dims(node, source.ndim)
        return group.reduced == dims or not group.reduced and self._may_reduce(group, dims)

    def _may_reduce(self, group: Group, dims: tuple[int, ...]) -> bool:
        """Whether a pointwise nest can take a first reduction without losing its parallelism."""
        kept = 1
        for d, n in enumerate(group.shape):
            kept *= 1 if d in dims else n
        return bool(dims) and kept != 0

    def _begin(self, node: Node, leader: str, pointwise: bool = True) -> None:
        graph = self.graph
        shape = graph.metas[(node.outputs if pointwise or leader != "nest" else node.inputs)[0]].shape
        self.groups.append(Group(leader, [], tuple(shape)))
        self._join(len(self.groups) - 1, node, pointwise)

    def _join(self, index: int, node: Node, pointwise: bool) -> None:
        group, graph = self.groups[index], self.graph
        for v in node.operands():
            if v in self.waiting:
                self._join(index, self.waiting.pop(v), True)
        operands = node.operands()
        level = max((group.levels.get(v, 0) for v in operands), default=0)
        group.nodes.append(node)
        group.reads.update(v for v in operands if v not in group.full)
        for out in node.outputs:
            self.home[out] = index
            self.after[out] = index if group.leader != "call" else index + 1
        if group.leader == "call":
            return
        full = True
        if group.is_nest:
            if pointwise:
                full = tuple(graph.metas[node.outputs[0]].shape) == group.shape
            else:
                source = graph.metas[node.inputs[0]]
                group.reduced = reduced_dims(node, source.ndim)
                full, level = False, level + 1
                kept = 1
                for d, n in enumerate(group.shape):
                    kept *= 1 if d in group.reduced else n
                group.total = kept == 1 and source.numel > TOTAL
                if group.total:
                    self.after[node.outputs[0]] = index + 1
        for out in node.outputs:
            group.full[out], group.levels[out] = full, level


def fuse(graph: Graph, leaders: Collection[str], lowers: Asks, may_fail: Asks) -> Fused:
    """The groups of a graph. `leaders` are the ops with epilogues; `lowers` says which nodes the backend has code for, `may_fail`
    which of them check values: these are no part of an epilogue."""
    return _Fuser(graph, leaders, lowers, may_fail).run()
