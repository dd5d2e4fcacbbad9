"""From a fused group of pointwise nodes and reductions to the Nest that computes it, and to the words of its arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rushlight.backend.llvm import lookups, target
from rushlight.backend.llvm.instruction import Instruction, Word, grain_for
from rushlight.backend.llvm.layout import STATUS, Layout, Place, Storage
from rushlight.backend.llvm.nest import kernel_text, leaves
from rushlight.backend.llvm.text import module, remembered
from rushlight.ir import scalar as L
from rushlight.ir.graph import Graph, Node
from rushlight.ir.groups import POSITIONAL, REDUCTIONS, Fused, Group
from rushlight.ir.loop import (
    ITEMSIZE,
    MEMORY_KIND,
    Buffer,
    Let,
    Nest,
    Reduce,
    Store,
    load,
    position,
    register_kind,
    take,
    value,
    word,
)  # fmt: skip
from rushlight.ir.meta import Meta, meta
from rushlight.ir.scalar import Expr

_BLOCK = 1 << 14  # elements of a block of a pointwise kernel, or of a reduction to a single value
_HEAVY = frozenset(L.UNARY + L.BINARY) - {"abs", "floor", "ceil", "trunc", "rint", "copysign"} | {"div", "rem"}
# Functions of float32 that are computed in float32: one vector of theirs needs no more registers than other code.
_NARROW = frozenset(("div", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "tanh"))
LOOKUPS = ("embedding_op", "gather_op", "index_select_op")
_SCRATCH = 1 << 22  # bytes of kept values beyond which they are computed anew


def kind_of(meta: Meta) -> str:
    """The memory kind of a value."""
    return MEMORY_KIND[meta.dtype.name]


def lowered(graph: Graph, node: Node) -> bool:
    """Whether the node has scalar code: its `lower` gives an expression for these kinds."""
    name = node.op.name
    if name in lookups.MOVES:
        return lookups.supported(graph, node)
    if name in POSITIONAL:
        return name not in LOOKUPS or name == "embedding_op" or all(graph.metas[v].ndim for v in node.inputs[:2])
    if name in REDUCTIONS:
        out = graph.metas[node.outputs[0]].dtype.name
        return out == "bool" if name in ("any", "all") else out != "bool"
    return node.op.lower is not None and len(node.outputs) == 1 and _expression(graph, node) is not None


def _expression(graph: Graph, node: Node) -> Expr | None:
    """The expression of a node, of operands that stand for any."""
    operands = [None if i is None else load(0, kind_of(graph.metas[i])) for i in node.inputs]
    return node.op.lower(*operands, **node.static)


def may_fail(graph: Graph, node: Node) -> bool:
    """Whether the node's code checks values."""
    if node.op.name in (*LOOKUPS, "pool_scatter_part") or lookups.checks(node.op.name):
        return True
    if node.op.lower is None:
        return False
    found = _expression(graph, node)
    return found is not None and _requires(found)


def rounded(expr: Expr, memory: str) -> Expr:
    """What memory of a kind would keep of a value."""
    return Expr("stored", "f32", (expr,), memory) if memory in ("f16", "bf16") else expr


class Scalars:
    """Builds the expressions of nodes. `external(value)` says what a value is that the kernel does not make, `lookup(node)` what a
    node is that takes elements of a table."""

    def __init__(self, fused: Fused, external: Any, lookup: Any = None):
        self.graph, self.inline, self.external, self.lookup = fused.graph, fused.inline, external, lookup
        self.inside: dict[int, Expr] = {}
        self._inlined: dict[int, Expr] = {}

    def operand(self, v: int) -> Expr:
        """The expression of an input."""
        if v in self.inside:
            return self.inside[v]
        meta = self.graph.metas[v]
        if v in self.graph.constants:
            return self._constant(self.graph.constants[v], register_kind(kind_of(meta)))
        if v in self.inline:
            if v not in self._inlined:
                self._inlined[v] = self.node(self.inline[v])
            return self._inlined[v]
        return self.external(v)

    def _constant(self, number: Any, kind: str) -> Expr:
        if kind[0] == "f" and float(number).is_integer() and 16 < abs(number) < 2**53:
            # such numbers are counts of elements: read from memory, so that one code serves all sizes
            return L.cast(self.external(float(number)), kind)
        return L.const(number, kind)

    def node(self, node: Node) -> Expr:
        """The expression of a pointwise node, in the kind of its result, rounded as its result is stored."""
        memory = kind_of(self.graph.metas[node.outputs[0]])
        found = self._exactly(node)
        return rounded(found, memory)

    def _exactly(self, node: Node) -> Expr:
        out = self.graph.metas[node.outputs[0]]
        kind = register_kind(kind_of(out))
        if node.op.name in ("full_op", "clone"):
            return L.cast(self.operand(node.inputs[0]), kind)
        if node.op.name == "arange_op":
            return L.cast(_counted(node, out), kind)
        if node.op.name in ("tril", "triu"):
            row, column = (position(out.ndim - 2 + d) for d in (0, 1))
            away = column - row
            inside = away <= node.static["diagonal"] if node.op.name == "tril" else away >= node.static["diagonal"]
            return L.select(inside, self.operand(node.inputs[0]), L.const(0, kind))
        if node.op.name in POSITIONAL:
            return self.lookup(node)
        return L.cast(
            node.op.lower(*[None if i is None else self.operand(i) for i in node.inputs], **node.static), kind
        )


def _counted(node: Node, out: Meta) -> Expr:
    start, step = node.static["start"], node.static["step"]
    index = position(0)
    if out.dtype.is_floating_point:
        return L.cast(index, "f64") * float(step) + float(start)
    return index * int(step) + int(start)


@dataclass
class _Operand:
    place: Place
    strides: list[int]  # along the dimensions of the grid
    written: bool


@dataclass
class _Partial:
    """A reduction to a single value that is done in blocks: where the result goes, which reduction, of what."""

    place: Place
    op: str
    expr: Expr
    level: int


@dataclass
class _Dim:
    """A loop dimension: size, stride of every operand, the dimensions of the grid it stands for."""

    size: int
    strides: list[int]
    axes: tuple[int, ...]


class Grid:
    """Statements over a grid, and what they read and write; `instructions` chooses the loops."""

    def __init__(self, label: str, shape: tuple[int, ...], reduced: tuple[int, ...] = (), entries: Sequence[Any] = ()):
        self.label, self.shape, self.reduced, self.entries = label, shape, reduced, entries
        self.operands: list[_Operand] = []
        self.by_key: dict[Any, int] = {}
        self.statements: list[Let | Reduce | Store] = []
        self.words: list[int] = []

    def word(self, number: int) -> Expr:
        """An integer that is not part of the code."""
        self.words.append(number)
        return word(len(self.words) - 1)

    def buffer(self, place: Place, written: bool = False, strides: list[int] | None = None) -> int:
        """The number of an operand, broadcast to the grid unless its strides along it are given."""
        strides = place.along(self.shape) if strides is None else strides
        key = (id(place.storage), place.offset, tuple(strides), place.meta.dtype, written)
        if key not in self.by_key:
            self.by_key[key] = len(self.operands)
            self.operands.append(_Operand(place, strides, written))
        return self.by_key[key]

    # -- the loops -----------------------------------------------------------------------------------------------------

    def instructions(self, layout: Layout | None = None, partials: Sequence[_Partial] = ()) -> list[Instruction]:
        """The kernels: one, and one more for every result that comes in blocks."""
        shape = self.shape
        axes = {e.value for s in self.statements for e in leaves(s.expr) if e.op == "position"}
        sized = [d for d in range(len(shape)) if shape[d] != 1 or d in axes]
        if any(shape[d] == 0 for d in sized if d not in self.reduced):
            return []
        kept = self._merged(self._ordered([d for d in sized if d not in self.reduced]), axes)
        reduced = self._merged(self._ordered([d for d in sized if d in self.reduced]), axes)
        split = bool(partials) and len(reduced) == 1 and not kept
        if partials and not split and reduced:
            kept, reduced = [*kept, reduced[0]], reduced[1:]  # one partial result for each step of the outermost
        rows = bool(reduced) and (not kept or split or self._score(reduced[-1]) >= self._best(kept))
        if not rows and not kept:
            kept = [_Dim(1, [0] * len(self.operands), ())]
        if not rows:
            best = max(range(len(kept)), key=lambda i: (self._score(kept[i]), i))
            kept.append(kept.pop(best))
        return self._instructions(kept, reduced, rows, split, layout, partials)

    def _ordered(self, dims: list[int]) -> list[_Dim]:
        """Dimensions from the outermost to the innermost, by the strides of what is written, then of what is read."""
        shape = self.shape
        order = sorted(self.operands, key=lambda o: (-sum(s != 0 for s in o.strides), not o.written))
        found = [_Dim(shape[d], [o.strides[d] for o in self.operands], (d,)) for d in dims]
        rank = [self.operands.index(o) for o in order]
        return sorted(found, key=lambda d: [-d.strides[i] for i in rank[:1]])

    def _merged(self, dims: list[_Dim], axes: set[int]) -> list[_Dim]:
        """Neighbours that every operand walks through without a break become one."""
        found: list[_Dim] = []
        for dim in dims:
            last = found[-1] if found else None
            if (
                last is not None and axes.isdisjoint(last.axes + dim.axes)
                and all(a == b * dim.size for a, b in zip(last.strides, dim.strides, strict=True))
            ):  # fmt: skip
                found[-1] = _Dim(last.size * dim.size, dim.strides, last.axes + dim.axes)
            else:
                found.append(dim)
        return found

    def _score(self, dim: _Dim) -> int:
        """How much of what is read and written lies side by side along a dimension (what is written counts twice)."""
        if dim.size == 1:
            return -1
        sides = zip(self.operands, dim.strides, strict=True)
        return sum((2 if o.written else 1) * self._elements(o) for o, s in sides if s == 1)

    def _elements(self, operand: _Operand) -> int:
        return math.prod(n for n, s in zip(self.shape, operand.strides, strict=True) if s != 0)

    def _best(self, dims: list[_Dim]) -> int:
        return max(self._score(d) for d in dims)

    def _instructions(
        self, kept: list[_Dim], reduced: list[_Dim], rows: bool, split: bool, layout: Layout | None, partials: Sequence[_Partial]
    ) -> list[Instruction]:  # fmt: skip
        dims = kept + reduced
        inner = (reduced if rows else kept)[-1].size
        nest = Nest(0 if split else len(kept), len(reduced), rows, split, self._lanes(inner))
        nest.axes = {axis: i for i, d in enumerate(dims) for axis in d.axes}
        nest.statements = list(self.statements)
        block, units = self._units(kept, reduced, rows, split, nest.lanes)
        more: list[Instruction] = []
        for partial in partials:
            assert layout is not None
            meta = partial.place.meta
            storage = layout.temporary(units * meta.dtype.itemsize)
            nest.statements.append(Store(len(self.operands), partial.expr, False, partial.level))
            self.operands.append(_Operand(Place(storage, 0, meta), [], True))
            for i, d in enumerate(dims):
                d.strides.append(1 if not split and i == len(kept) - 1 else 0)
            more.append(self._combined(partial, storage, units))
        vector_dim = dims[nest.vector_dim] if dims else None
        words: list[Word] = [*(d.size for d in dims), block]
        for number, o in enumerate(self.operands):
            steps = [d.strides[number] for d in dims]
            single = not any(steps) and not o.written
            along = (
                "scalar"
                if single
                else {0: "0", 1: "1", -1: "-1"}.get(vector_dim.strides[number] if vector_dim else 0, "s")
            )
            nest.buffers.append(Buffer(kind_of(o.place.meta), along))
            words.append((o.place.storage, o.place.offset))
            if not single:
                words += steps
        nest.words = len(self.words)
        words += self.words
        if any(_requires(s.expr) for s in nest.statements):
            words.append((STATUS, 0))
        first = self._instruction(_module(nest), words, units, nest, dims)
        return [first, *more]

    def _lanes(self, inner: int) -> int:
        lanes = min(target.current().lanes, 1 << (inner - 1).bit_length())
        kinds = [kind_of(o.place.meta) for o in self.operands if any(o.strides)]
        if any(ITEMSIZE[k] == 8 for k in kinds):
            lanes = max(lanes // 2, 1)
        return self._widened(lanes, inner)

    def _widened(self, lanes: int, inner: int) -> int:
        """Several vectors at a time, for long loops of little code: what one of them waits for, another makes use of."""
        register = target.current().lanes
        if any(_in_double(s.expr) for s in self.statements):
            return lanes
        most = 2 * register if any(_is_heavy(s.expr) for s in self.statements) else 4 * register
        if sum(_nodes(s.expr) for s in self.statements) <= 40:
            while lanes * 8 <= inner and lanes < most:
                lanes *= 2
        return lanes

    def _units(self, kept: list[_Dim], reduced: list[_Dim], rows: bool, split: bool, lanes: int) -> tuple[int, int]:
        if split:
            return _BLOCK, -(-reduced[0].size // _BLOCK)
        if rows:
            return 0, math.prod(d.size for d in kept)
        n = kept[-1].size
        if reduced:
            block = max(lanes, 64)
        else:
            block = min(_BLOCK, -(-n // lanes) * lanes)
        return block, math.prod(d.size for d in kept[:-1]) * -(-n // block)

    def _instruction(self, text: str, words: list[Word], units: int, nest: Nest, dims: list[_Dim]) -> Instruction:
        elements = math.prod(d.size for d in dims)
        heavy = sum(_count_heavy(s.expr) for s in self.statements)
        size = sum(_nodes(s.expr) for s in self.statements)
        traffic = sum(
            math.prod(d.size for i, d in enumerate(dims) if d.strides[n]) * o.place.meta.dtype.itemsize
            for n, o in enumerate(self.operands)
        )
        cost = elements * (0.02 * size + 0.4 * heavy) + traffic * 0.05 + units * 20
        kept = sum(isinstance(s, Let) and s.kept for s in nest.statements)
        points = math.prod(d.size for d in dims[nest.kept :])
        return Instruction(
            label=self.label, text=text, words=words, units=units,
            grain=grain_for(units, cost), scratch=kept * points * 8 * (1 if nest.rows else nest.lanes) + 64 * 8,
            reads=[o.place.storage for o in self.operands if not o.written],
            writes=[o.place.storage for o in self.operands if o.written], cost=cost, flops=elements * size, traffic=traffic,
            entries=self.entries,
        )  # fmt: skip

    def _combined(self, partial: _Partial, blocks: Storage, count: int) -> Instruction:
        """The results of blocks, reduced in order."""
        place = partial.place
        memory, kind = kind_of(place.meta), partial.expr.kind
        nest = Nest(0, 1, True, False, target.current().lanes)
        nest.buffers = [Buffer(memory, "1"), Buffer(memory, "0")]
        nest.statements = [Reduce(0, partial.op, load(0, memory), 0), Store(1, value(0, kind), False, 1)]
        words: list[Word] = [count, 0, (blocks, 0), 1, (place.storage, place.offset), 0]
        return Instruction(
            label=f"{partial.op} of blocks", text=_module(nest), words=words, units=1, grain=1, scratch=64, reads=[blocks],
            writes=[place.storage], cost=float(count), entries=self.entries,
        )  # fmt: skip


class _Builder:
    """The grid of one fused group."""

    def __init__(self, fused: Fused, group: Group, layout: Layout, stored: Sequence[int], constants: Any):
        self.fused, self.group, self.layout, self.graph = fused, group, layout, fused.graph
        self.stored, self.constants = stored, constants
        label = "+".join(dict.fromkeys(node.op.name for node in group.nodes))
        self.grid = Grid(label, group.shape, group.reduced, [node.entry for node in group.nodes])
        self.scalars = Scalars(fused, self._external, self._lookup)

    def _lookup(self, node: Node) -> Expr:
        """An element of the table that is the first input, at an index that the second says, along one dimension."""
        if node.op.name in lookups.MOVES:
            return lookups.element(self.grid, self.layout, node)
        table, index = (self.layout.place(v) for v in node.inputs[:2])
        shape, rank = self.group.shape, index.meta.ndim
        dim = 0 if node.op.name == "embedding_op" else node.static["dim"] % max(table.meta.ndim, 1)
        if node.op.name == "gather_op":
            along = [0 if d == dim else s for d, s in enumerate(table.stride)]
            steps = index.along(shape)
        else:  # the index stands for the dimension
            along = [*table.stride[:dim], *[0] * rank, *table.stride[dim + 1 :]]
            steps = [0] * dim + index.along(index.meta.shape) + [0] * (len(shape) - dim - rank)
        rows = self.grid.word(table.meta.shape[dim])
        at = L.cast(load(self.grid.buffer(index, False, steps), kind_of(index.meta)), "i64")
        at = lookups.bounded(at, rows)
        return take(self.grid.buffer(table, False, along), kind_of(table.meta), at * self.grid.word(table.stride[dim]))

    def _external(self, v: Any) -> Expr:
        """A load of a value from outside; floats are constants kept in memory."""
        place: Place = self.constants(v) if isinstance(v, float) else self.layout.place(v)
        return load(self.grid.buffer(place), kind_of(place.meta))

    def build(self) -> list[Instruction]:
        """The group's kernels."""
        group, grid = self.group, self.grid
        for name, node in enumerate(group.nodes):
            out = node.outputs[0]
            kind = register_kind(kind_of(self.graph.metas[out]))
            level = group.levels[out]
            if node.op.name in REDUCTIONS and not group.full[out]:
                source = L.cast(self.scalars.operand(node.inputs[0]), kind)
                grid.statements.append(Reduce(name, REDUCTIONS[node.op.name], source, level - 1))
            else:
                grid.statements.append(Let(name, self.scalars.node(node), group.full[out], level))
            self.scalars.inside[out] = value(name, kind)
        grid.statements = kept_where_dear(grid.statements, math.prod(group.shape[d] for d in group.reduced))
        partials = []
        for v in self.stored:
            expr, place = self.scalars.inside[v], self.layout.places[v]
            if group.total and not group.full[v]:
                node = next(n for n in group.nodes if v in n.outputs)
                partials.append(_Partial(place, REDUCTIONS[node.op.name], expr, group.levels[v]))
            else:
                grid.statements.append(Store(grid.buffer(place, True), expr, group.full[v], group.levels[v]))
        return grid.instructions(self.layout, partials)


def kept_where_dear(statements: Sequence[Let | Reduce | Store], points: int) -> list[Let | Reduce | Store]:
    """Mark the full values that later levels read and that cost too much to compute again: a division or a function."""
    lets = {s.name: s for s in statements if isinstance(s, Let) and s.full}
    late: set[int] = set()
    heavy: set[int] = set()
    for s in statements:
        read = [lets[e.value] for e in leaves(s.expr) if e.op == "value" and e.value in lets]
        late.update(let.name for let in read if let.level < s.level)
        if isinstance(s, Let) and s.full and (_is_heavy(s.expr) or any(let.name in heavy for let in read)):
            heavy.add(s.name)
    if points * 8 > _SCRATCH:
        return list(statements)
    return [
        Let(s.name, s.expr, True, s.level, True) if isinstance(s, Let) and s.name in late & heavy else s
        for s in statements
    ]


def _walk(expr: Expr) -> list[Expr]:
    seen: dict[int, Expr] = {}
    todo = [expr]
    while todo:
        e = todo.pop()
        if id(e) not in seen:
            seen[id(e)] = e
            todo.extend(e.args)
    return list(seen.values())


def _nodes(expr: Expr) -> int:
    return sum(bool(e.args) for e in _walk(expr))


def _count_heavy(expr: Expr) -> int:
    return sum(e.op in _HEAVY for e in _walk(expr))


def _is_heavy(expr: Expr) -> bool:
    return any(e.op in _HEAVY for e in _walk(expr))


def _in_double(expr: Expr) -> bool:
    """Whether a function in it takes more registers than a vector has lanes for."""
    return any(e.op in _HEAVY and (e.op not in _NARROW or e.args[0].kind != "f32") for e in _walk(expr))


def _requires(expr: Expr) -> bool:
    return any(e.op == "require" for e in _walk(expr))


def _module(nest: Nest) -> str:
    family = target.current()

    def write() -> str:
        return module([kernel_text(nest)], family.function_attributes(target.host_cpu()))

    # what the text of a Nest leaves out: kinds of constants and casts, and the space of stores
    more = tuple((getattr(s, "full", True), L.kinds(s.expr)) for s in nest.statements)
    return remembered((family.name, str(nest), nest.words, tuple(nest.axes.items()), more), write)


def instructions(
    fused: Fused, group: Group, layout: Layout, stored: Sequence[int], constants: Any
) -> list[Instruction]:
    """The kernels of a nest group. `stored` are the values that must reach memory; `constants(number)` is a place that holds one."""
    return _Builder(fused, group, layout, stored, constants).build()


def copy(source: Place, target: Place) -> list[Instruction]:
    """The kernel that copies one place to another of the same shape; complex numbers, which have no kind, as pairs."""
    if source.meta.dtype.is_complex:
        source, target = _pairs(source), _pairs(target)
    grid = Grid("copy", tuple(target.meta.shape))
    grid.statements = [Store(grid.buffer(target, True), load(grid.buffer(source), kind_of(source.meta)), True, 0)]
    return grid.instructions()


def _pairs(place: Place) -> Place:
    """The same memory as real numbers, two for each complex one."""
    m = place.meta
    shape, stride = (*m.shape, 2), (*(2 * s for s in m.stride), 1)
    return Place(place.storage, place.offset, meta(shape, m.dtype.to_real(), m.device, stride, 2 * m.offset))
