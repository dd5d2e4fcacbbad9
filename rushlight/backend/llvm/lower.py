"""Pass `lower`: every group becomes instructions, kernels with their argument words or calls of NumPy references."""

from __future__ import annotations

from rushlight.backend.llvm import (
    attend,
    calls,
    grids,
    lookups,
    pools,
    products,
    put,
    recurrent,
    rows,
    scan,
    scatter,
    sorting,
    target,
)  # fmt: skip
from rushlight.backend.llvm.grids import may_fail
from rushlight.backend.llvm.instruction import Instruction
from rushlight.backend.llvm.layout import STATUS, Layout, Place, Storage, span
from rushlight.dtype import float16, float64
from rushlight.ir.graph import Graph, Node
from rushlight.ir.groups import Fused, Group, looks_up
from rushlight.ir.meta import meta
from rushlight.ir.op import TABLE

PRODUCTS = ("matmul", "convolution", "convolution_weight_backward")
# Ops that write a value into a window of another, by the view that the window is.
WRITES = {op.write.name: op for op in TABLE.values() if op.write is not None and not op.untracked}
LAYERS = {name: room for room in (attend, pools, put, recurrent, rows, scan, sorting) for name in room.LEADERS}
LEADERS = (*PRODUCTS, *WRITES, *LAYERS, "cat", "stack", "embedding_backward")


def has_code(graph: Graph, node: Node) -> bool:
    """Whether the node can become a kernel, or part of one."""
    name = node.op.name
    if not target.current().half and any(graph.metas[v].dtype is float16 for v in (*node.operands(), *node.outputs)):
        return False
    if (lookups.checks(name) or name in grids.LOOKUPS) and not graph.metas[node.outputs[0]].numel:
        return False  # no element would look at the indices
    if name in PRODUCTS:
        return products.supported(graph, node)
    if name in LAYERS:
        return LAYERS[name].supported(graph, node)
    if name == "embedding_backward":
        return not node.static["scale_grad_by_freq"] and graph.metas[node.inputs[0]].dtype.name in (
            "float32",
            "float64",
        )
    return name in LEADERS or grids.lowered(graph, node)


class Lowering:
    """The instructions of a fused graph, and where its values live.

    donated   output index -> leaf index: the output is written over the leaf, if the caller agrees
    """

    def __init__(self, fused: Fused, may_donate: dict[int, int]):
        self.fused, self.graph = fused, fused.graph
        self.layout = Layout(fused.graph)
        self._constants: dict[float, Place] = {}
        self.instructions: list[Instruction] = []
        self.donated: dict[int, int] = {}
        self.outputs: list[int] = []  # value of each output, in the order of graph.outputs
        self._may_donate = may_donate
        self._makers = {
            "matmul": self._matmul, "convolution": self._convolution, "convolution_weight_backward": self._weight, "cat": self._join,
            "stack": self._join, "embedding_backward": self._add_rows,
        }  # fmt: skip
        self._readers = self._find_readers()
        self._place_outputs()
        for index, group in enumerate(fused.groups):
            self._lower(index, group)
        self._copy_outputs()
        self._mark_donated()

    # -- where values live ---------------------------------------------------------------------------------------------

    def _find_readers(self) -> dict[int, list[int]]:
        """For each value that owns memory: the groups that read it or a view of it."""
        found: dict[int, list[int]] = {}
        for index, group in enumerate(self.fused.groups):
            for v in self._read_by(group):
                found.setdefault(self.layout.root(v), []).append(index)
        return found

    def _read_by(self, group: Group) -> set[int]:
        """What a group reads from memory, also through values that it computes from numbers."""
        leading = [] if group.is_nest else group.nodes[:1]  # reads all it is given from memory
        found = {v for node in leading for v in node.operands()}
        todo = [v for node in group.nodes[len(leading) :] for v in node.operands()]
        while todo:
            v = todo.pop()
            if v in self.fused.inline:
                todo.extend(self.fused.inline[v].operands())
            elif v not in group.full:
                found.add(v)
        return found

    def _place_outputs(self) -> None:
        """Outputs that a group makes are made in the output's own memory; the first of several with one value."""
        graph, layout = self.graph, self.layout
        home = {v: i for i, group in enumerate(self.fused.groups) for node in group.nodes for v in node.outputs}
        last_fault = max((i for i, g in enumerate(self.fused.groups) if self._may_fail(g)), default=-1)
        self.copies: list[tuple[int, int]] = []  # (output, value)
        for index, (slot, v) in enumerate(graph.outputs.items()):
            self.outputs.append(v)
            v = self._owner(v)
            if v in layout.places or v not in home:
                self.copies.append((index, self.outputs[-1]))
                continue
            layout.put(v, Storage("output", span(graph.metas[v]), index))
            leaf = self._may_donate.get(slot)
            if leaf is not None and self._can_donate(v, home[v], leaf, last_fault):
                self.donated[index] = leaf

    def _owner(self, v: int) -> int:
        """The value whose memory an output can be: itself, or what it is another shape of."""
        root = self.layout.root(v)
        a, b = self.graph.metas[root], self.graph.metas[v]
        same = a.contiguous and b.contiguous and a.numel == b.numel and a.dtype is b.dtype and a.offset == b.offset
        return root if same else v

    def _may_fail(self, group: Group) -> bool:
        return group.leader == "call" or any(may_fail(self.graph, node) for node in group.nodes)

    def _can_donate(self, v: int, home: int, leaf: int, last_fault: int) -> bool:
        """Whether a value may be written over a leaf: nobody reads the leaf later, and nothing can fail any more."""
        graph, source = self.graph, self.graph.leaves[leaf]
        a, b = graph.metas[v], graph.metas[source]
        group = self.fused.groups[home]
        if a.shape != b.shape or a.dtype is not b.dtype or a.stride != b.stride or home <= last_fault:
            return False
        if group.leader == "call" or any(index > home for index in self._readers.get(source, ())):
            return False
        if any(self.layout.root(output) == source for output in graph.outputs.values()):
            return False  # it is copied at the end
        if home in self._readers.get(source, ()):
            # read in the same kernel: element by element, before it is written, and as it is
            if any(v in self.layout.sources and self.layout.root(v) == source for v in self._read_by(group)):
                return False
            if any(looks_up(node) and source in node.operands() for node in group.nodes):
                return False
            if group.is_nest and (tuple(a.shape) != group.shape or group.reduced):
                return False
            if not group.is_nest and (tuple(a.shape) != group.shape or source in group.nodes[0].operands()):
                return (
                    group.leader == "rows_add_op" and source not in group.nodes[0].operands()[1:]
                )  # adds to what lies there
        return True

    def _place_temporaries(self, index: int, group: Group) -> list[int]:
        """The values of a group that must reach memory; places for those that have none yet."""
        stored = []
        for node in group.nodes:
            for v in node.outputs:
                readers = self._readers.get(v, ())
                if (
                    v in self.layout.places
                    or any(r != index or group.leader == "call" for r in readers)
                    or v in self._copied
                ):
                    stored.append(v)
                    if v not in self.layout.places:
                        self.layout.put(v, self.layout.temporary(span(self.graph.metas[v])))
        return stored

    @property
    def _copied(self) -> set[int]:
        return {self.layout.root(v) for _, v in self.copies}

    def constant(self, number: float) -> Place:
        """A place that holds a number as a float64."""
        if number not in self._constants:
            self._constants[number] = self.layout.constant(number, meta((), float64))
        return self._constants[number]

    # -- groups --------------------------------------------------------------------------------------------------------

    def _lower(self, index: int, group: Group) -> None:
        stored = self._place_temporaries(index, group)
        if group.is_nest:
            if stored:
                self.instructions += grids.instructions(self.fused, group, self.layout, stored, self.constant)
            return
        if group.leader == "call":
            self._call(group.nodes[0])
            return
        make = self._layer if group.leader in LAYERS else self._makers.get(group.leader, self._write)
        found = make(group, stored) if group.leader in PRODUCTS or len(group.nodes) == 1 else None
        if found is None:  # what follows the product does not fit its epilogue: a kernel of its own
            leader = Group(group.leader, group.nodes[:1], group.shape)
            raw = group.nodes[0].outputs[0]
            leader.full[raw], leader.levels[raw] = True, 0
            if raw not in self.layout.places:
                self.layout.put(raw, self.layout.temporary(span(self.graph.metas[raw])))
            found = make(leader, [raw])
            assert found is not None
            rest = Group("nest", group.nodes[1:], group.shape)
            rest.full = {v: True for v in group.full if v != raw}
            rest.levels = {v: 0 for v in rest.full}
            found += grids.instructions(self.fused, rest, self.layout, [v for v in stored if v != raw], self.constant)
        self.instructions += found

    def _matmul(self, group: Group, stored: list[int]) -> list[Instruction] | None:
        return products.matmul(self.fused, group, self.layout, stored, self.constant)

    def _convolution(self, group: Group, stored: list[int]) -> list[Instruction] | None:
        return products.convolution(self.fused, group, self.layout, stored, self.constant, self.contiguous)

    def _weight(self, group: Group, stored: list[int]) -> list[Instruction] | None:
        return products.weight_gradient(self.fused, group, self.layout, stored, self.constant, self.contiguous)

    def _layer(self, group: Group, stored: list[int]) -> list[Instruction]:
        """Attention, or a recurrent layer over the whole sequence."""
        return LAYERS[group.leader].layer(self.graph, group.nodes[0], self.layout, self.contiguous)

    def _write(self, group: Group, stored: list[int]) -> list[Instruction]:
        """A copy of the first input in which a window holds the second."""
        node = group.nodes[0]
        whole = self.layout.places[node.outputs[0]]
        base, source = (self.layout.place(v) for v in node.inputs[:2])
        window = WRITES[node.op.name].infer(whole.meta, **node.static)
        size = whole.meta.dtype.itemsize
        part = Place(whole.storage, whole.offset + (window.offset - whole.meta.offset) * size, window)
        return grids.copy(base, whole) + grids.copy(source, part)

    def _join(self, group: Group, stored: list[int]) -> list[Instruction]:
        """cat and stack: every input to its part of the result."""
        node = group.nodes[0]
        whole, found, start = self.layout.places[node.outputs[0]], [], 0
        dim = node.static["dim"] % max(len(whole.meta.shape), 1)
        for v in node.inputs[0]:
            source = self.layout.place(v)
            if node.op.name == "cat" and tuple(source.meta.shape) == (0,):
                continue
            shape, stride = list(whole.meta.shape), whole.meta.stride
            shape[dim] = 1 if node.op.name == "stack" else source.meta.shape[dim]
            if node.op.name == "stack":
                seen = source.meta
                source = Place(source.storage, source.offset, seen.variant(
                    shape=(*seen.shape[:dim], 1, *seen.shape[dim:]), stride=(*seen.stride[:dim], 0, *seen.stride[dim:])
                ))  # fmt: skip
            meta_ = whole.meta.variant(shape=tuple(shape), stride=stride)
            found += grids.copy(
                source, Place(whole.storage, whole.offset + start * stride[dim] * meta_.dtype.itemsize, meta_)
            )
            start += shape[dim]
        for instruction in found:
            instruction.whole = node
        return found

    def _add_rows(self, group: Group, stored: list[int]) -> list[Instruction]:
        """The gradient of an embedding."""
        node = group.nodes[0]
        out = self.layout.places[node.outputs[0]]
        grad, index = (self.contiguous(v) for v in node.inputs)
        rows, columns = out.meta.shape
        count = index.meta.numel
        text = scatter.add_rows_text(grids.kind_of(grad.meta), grids.kind_of(index.meta))
        words = [
            (grad.storage, grad.offset), (index.storage, index.offset), (out.storage, out.offset), count, rows, columns, 64, columns, 1,
            node.static["padding_idx"],
        ]  # fmt: skip
        traffic = 2 * grad.meta.numel * grad.meta.dtype.itemsize
        return [
            Instruction(
                label=node.op.name, text=text, words=words, units=-(-columns // 64), grain=1, reads=[grad.storage, index.storage],
                writes=[out.storage], cost=traffic * 0.1, traffic=traffic, entries=[node.entry],
            )
        ]  # fmt: skip

    def contiguous(self, v: int) -> Place:
        """The place of a value, or of a copy whose elements lie in order."""
        place = self.layout.place(v)
        if place.meta.contiguous:
            return place
        dense = place.meta.variant(stride=None, offset=0)
        ordered = Place(self.layout.temporary(span(dense)), 0, dense)
        self.instructions += grids.copy(place, ordered)
        return ordered

    def _call(self, node: Node) -> None:
        """An op of the table without code: its reference, on the memory where its operands are."""
        roots = [self.layout.root(v) for v in node.operands() if v not in self.graph.constants]
        self.instructions.append(
            Instruction(
                label=node.op.name, words=[], units=1, grain=1, entries=[node.entry],
                call=calls.Call(self.graph, self.layout, node), reads=[self.layout.place(v).storage for v in roots],
                writes=[self.layout.places[v].storage for v in node.outputs if v in self.layout.places],
            )
        )  # fmt: skip

    def _mark_donated(self) -> None:
        """Whoever writes an output that replaces a leaf writes the leaf, and not before everything is checked."""
        leaves = {s.index: s for s in (p.storage for p in self.layout.places.values()) if s.kind == "leaf"}
        for i in self.instructions:
            replaced = [
                leaves[self.donated[s.index]] for s in i.writes if s.kind == "output" and s.index in self.donated
            ]
            i.writes += replaced
            if replaced:
                i.reads.append(STATUS)
            if any(word.__class__ is tuple and word[0] is STATUS for word in i.words):
                i.writes.append(STATUS)

    def _copy_outputs(self) -> None:
        """Outputs that are leaves, views or second names of a value get memory of their own."""
        for index, v in self.copies:
            meta_ = self.graph.metas[v]
            if meta_.overlaps:  # an expanded value gets all its elements
                meta_ = meta_.variant(stride=None)
            there = Place(Storage("output", span(meta_), index), 0, meta_)
            self.instructions += grids.copy(self.layout.place(v), there)
