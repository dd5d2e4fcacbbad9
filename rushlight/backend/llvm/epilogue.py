"""What follows a product, done on its results while they are in registers: the pointwise nodes of a group led by a product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rushlight.backend.llvm import emit
from rushlight.backend.llvm.grids import Scalars, kind_of, rounded
from rushlight.backend.llvm.instruction import Word
from rushlight.backend.llvm.layout import Layout, Place, Storage
from rushlight.backend.llvm.text import Writer
from rushlight.backend.llvm.tile import broadcast
from rushlight.ir.groups import Fused, Group
from rushlight.ir.loop import load, register_kind, value
from rushlight.ir.scalar import Expr, kinds


@dataclass
class _Operand:
    place: Place
    steps: list[int]  # the stride along every coordinate

    @property
    def along(self) -> str:
        """How it moves along the last coordinate, which vectors run along."""
        return {0: "0", 1: "1"}.get(self.steps[-1], "s")


class Epilogue:
    """Built for a group and its coordinates: each is a list of dimensions of the result that are walked as one, or a single one.

    `fits` is False when an operand cannot be walked so; then the group must be taken apart.
    """

    def __init__(
        self, fused: Fused, group: Group, layout: Layout, stored: Sequence[int], constants: Any, coordinates: Sequence[Sequence[int]]
    ):  # fmt: skip
        self.group, self.layout, self.constants = group, layout, constants
        self.coordinates = coordinates
        self.operands: list[_Operand] = []
        self.keys: dict[Any, int] = {}
        self.fits = True
        self.singles: dict[int, bool] = {}
        self.scalars = Scalars(fused, self._external)
        leader = group.nodes[0]
        self.exprs: list[tuple[int, Expr]] = []
        names = [leader.outputs[0]]
        graph = fused.graph
        kind = kind_of(graph.metas[names[0]])
        self.scalars.inside[names[0]] = rounded(value(0, register_kind(kind)), kind)
        for node in group.nodes[1:]:
            out = node.outputs[0]
            self.exprs.append((len(names), self.scalars.node(node)))
            self.scalars.inside[out] = value(len(names), register_kind(kind_of(graph.metas[out])))
            names.append(out)
        self.stores = [(self._operand(layout.places[v], True), names.index(v), v) for v in stored]
        self.kinds = [register_kind(kind_of(graph.metas[v])) for v in names]

    def _external(self, v: Any) -> Expr:
        place = self.constants(v) if isinstance(v, float) else self.layout.place(v)
        return load(self._operand(place), kind_of(place.meta))

    def _operand(self, place: Place, written: bool = False) -> int:
        strides = place.along(self.group.shape)
        steps = []
        for dims in self.coordinates:
            sized = [(self.group.shape[d], strides[d]) for d in dims if self.group.shape[d] != 1]
            for (_, outer), (n, inner) in zip(sized, sized[1:]):
                self.fits = self.fits and outer == inner * n
            steps.append(sized[-1][1] if sized else 0)
        if written and self.group.shape[-1] == 1:
            steps[-1] = 1  # a vector of one column: only its first lane is stored
        key = (id(place.storage), place.offset, tuple(steps), place.meta.dtype)
        if key not in self.keys:
            self.keys[key] = len(self.operands)
            self.operands.append(_Operand(place, steps))
        return self.keys[key]

    @property
    def signature(self) -> str:
        """All that its code depends on."""
        operands = [(kind_of(o.place.meta), o.along, any(o.steps)) for o in self.operands]
        exprs = [(name, expr, kinds(expr)) for name, expr in self.exprs]
        return repr((len(self.coordinates), operands, exprs, [(o, name) for o, name, _ in self.stores]))

    @property
    def words(self) -> list[Word]:
        """The words that follow the kernel's own."""
        found: list[Word] = []
        for o in self.operands:
            found += [(o.place.storage, o.place.offset), *o.steps]
        return found

    @property
    def reads(self) -> list[Storage]:
        written = {self.operands[o].place.storage for o, _, _ in self.stores}
        return [o.place.storage for o in self.operands if o.place.storage not in written]

    @property
    def writes(self) -> list[Storage]:
        return [self.operands[o].place.storage for o, _, _ in self.stores]

    def code(self, first: int, lanes: int) -> Callable[..., None]:
        """The function that writes it: `epilogue(w, value, *coordinates, mask)`; its words start at `first`."""

        def address(w: Writer, o: int, at: Sequence[str]) -> str:
            """Where an operand's value for a place lies."""
            operand, word = self.operands[o], first + o * (1 + len(self.coordinates))
            *others, last = at
            offset = "0"
            if any(operand.steps):  # else it is a single value, whatever the sizes
                for c, index in enumerate(others):
                    offset = w.add(offset, w.mul(index, w.argument(word + 1 + c)))
            if operand.along == "1":
                offset = w.add(offset, last)
            elif operand.along == "s":
                offset = w.add(offset, w.mul(last, w.argument(word + len(at))))
            return w.at(w.argument(word, "ptr"), offset, emit.memory_type(kind_of(operand.place.meta)))

        once: dict[int, str] = {}

        def lifted(w: Writer, e: Expr) -> str:
            """What does not depend on the place (a learning rate, cast): computed once, at the top of the kernel."""
            if id(e) not in once:
                with w.top():
                    once[id(e)] = emit.Emitter(w, 1, lambda x: _number(w, x), _no_requirements)(e)
            return broadcast(w, e.kind, lanes, once[id(e)])

        def _number(w: Writer, e: Expr) -> str:
            word, kind = first + e.value * (1 + len(self.coordinates)), kind_of(self.operands[e.value].place.meta)
            return emit.read(w, kind, 1, w.argument(word, "ptr"), None)

        def write(w: Writer, result: str, *rest: Any) -> None:
            *at, mask = rest
            done: dict[int, str] = {0: result}
            places: dict[int, str] = {}

            def place(o: int) -> str:
                if o not in places:
                    places[o] = address(w, o, at)
                return places[o]

            def apart(o: int) -> str:
                word = first + o * (1 + len(self.coordinates))
                stride = broadcast(w, "i64", lanes, w.argument(word + len(self.coordinates)))
                ramp = "<" + ", ".join(f"i64 {i}" for i in range(lanes)) + ">"
                offsets = w.let(f"mul <{lanes} x i64> {ramp}, {stride}")
                kind = kind_of(self.operands[o].place.meta)
                return w.let(f"getelementptr {emit.memory_type(kind)}, ptr {place(o)}, <{lanes} x i64> {offsets}")

            def leaf(e: Expr) -> str:
                if e.op == "value":
                    return done[e.value]
                o = self.operands[e.value]
                kind = kind_of(o.place.meta)
                if o.along == "0":
                    return broadcast(w, register_kind(kind), lanes, emit.read(w, kind, 1, place(e.value), None))
                if o.along == "1":
                    return emit.read(w, kind, lanes, place(e.value), mask)
                return emit.gather(w, kind, lanes, apart(e.value), mask)

            emitter = emit.Emitter(
                w, lanes, leaf, _no_requirements, whole=lambda e: lifted(w, e) if self._single(e) else None
            )
            for name, expr in self.exprs:
                done[name] = emitter(expr)
            for o, name, _ in self.stores:
                kind = kind_of(self.operands[o].place.meta)
                if self.operands[o].along == "s":
                    emit.scatter(w, kind, lanes, done[name], apart(o), mask)
                else:
                    emit.write(w, kind, lanes, done[name], place(o), mask)

        return write

    def _single(self, e: Expr) -> bool:
        """Whether an expression is made of single elements and constants alone."""
        found = self.singles.get(id(e))
        if found is None:
            if e.op == "load":
                found = not any(self.operands[e.value].steps)
            else:
                found = bool(e.args) and all(a.op == "const" or self._single(a) for a in e.args)
            self.singles[id(e)] = found
        return found


def _no_requirements(_: str) -> None:
    raise TypeError("an epilogue cannot fail")
