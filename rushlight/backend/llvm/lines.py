"""Kernels that walk along some dimensions in order, one line beside the other: running sums, writes at indices.

The argument block: the size of every *free* dimension (lines differ along them; vectors run along the last), of every
*walked* one, the size of a block; then every buffer's address and its strides along all of these; then other integers;
then the status word's address. A unit is one point of the free dimensions, or, with vectors, a block of the last of
them at one point of the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rushlight.backend.llvm import emit, target
from rushlight.backend.llvm.instruction import Instruction, Word, grain_for
from rushlight.backend.llvm.layout import STATUS, Place, Storage
from rushlight.backend.llvm.text import kernel, module
from rushlight.backend.llvm.tile import broadcast
from rushlight.ir.graph import Node
from rushlight.ir.loop import ITEMSIZE, MEMORY_KIND, register_kind

_BLOCK = 64  # lines side by side in one unit
_FEW = 8  # lines that are not worth a vector unless they lie side by side


@dataclass(frozen=True)
class Spec:
    """What of a kernel is in its text: the buffers' kinds, how each moves with the vector ("0", "1", "s")."""

    kinds: tuple[str, ...]
    along: tuple[str, ...]
    free: int
    walked: int
    lanes: int
    words: int = 0


@dataclass
class Operand:
    """A buffer: its strides along the free and the walked dimensions."""

    place: Place
    free: list[int]
    walked: list[int]
    written: bool = False

    @property
    def kind(self) -> str:
        """The memory kind."""
        return MEMORY_KIND[self.place.meta.dtype.name]


@dataclass
class Lines:
    """A kernel's dimensions and buffers, from which its Spec and its words follow.

    dear     an element costs so much that lines become vectors even where their elements do not lie side by side
    checks   the kernel looks at values, and may say that one is wrong
    """

    free: list[int]
    walked: list[int]
    operands: list[Operand]
    words: list[int] = field(default_factory=list)
    dear: bool = False
    checks: bool = True

    def __post_init__(self) -> None:
        kept = [d for d in range(len(self.free)) if self.free[d] != 1]
        kept.sort(key=lambda d: -abs(self.operands[0].free[d]))
        self.free, self.walked, self.operands = self._merged(kept)
        self.lanes = 1
        if self.free and (self.operands[0].free[-1] == 1 or self.dear and self.free[-1] >= _FEW):
            wide = any(ITEMSIZE[o.kind] == 8 for o in self.operands)
            most = max(target.current().lanes // (2 if wide else 1), 1)
            self.lanes = min(most, 1 << (self.free[-1] - 1).bit_length())

    def _merged(self, kept: list[int]) -> tuple[list[int], list[int], list[Operand]]:
        """Neighbouring dimensions that every buffer walks through without a break become one; sizes of 1 are gone."""

        def merge(dims: list[int], sizes: list[int], strides: list[list[int]]) -> tuple[list[int], list[list[int]]]:
            found: list[int] = []
            steps: list[list[int]] = [[] for _ in strides]
            for d in dims:
                if found and all(s[-1] == given[d] * sizes[d] for s, given in zip(steps, strides, strict=True)):
                    found[-1] *= sizes[d]
                    for s, given in zip(steps, strides, strict=True):
                        s[-1] = given[d]
                else:
                    found.append(sizes[d])
                    for s, given in zip(steps, strides, strict=True):
                        s.append(given[d])
            return found, steps

        free, steps = merge(kept, self.free, [o.free for o in self.operands])
        path = [d for d in range(len(self.walked)) if self.walked[d] != 1]
        walked, along = merge(path, self.walked, [o.walked for o in self.operands])
        made = [Operand(o.place, s, a, o.written) for o, s, a in zip(self.operands, steps, along, strict=True)]
        return free, walked, made

    def spec(self) -> Spec:
        """What the text depends on."""
        names = {0: "0", 1: "1"}
        along = tuple(names.get(o.free[-1], "s") if o.free else "0" for o in self.operands)
        return Spec(
            tuple(o.kind for o in self.operands), along, len(self.free), len(self.walked), self.lanes, len(self.words)
        )

    def instruction(self, node: Node, text: str, rate: float) -> list[Instruction]:
        """The kernel's call, which takes about `rate` ns an element; none where there is no element."""
        if not math.prod(self.free) or not math.prod(self.walked):
            return []
        words: list[Word] = [*self.free, *self.walked, _BLOCK]
        for o in self.operands:
            words += [(o.place.storage, o.place.offset), *o.free, *o.walked]
        words += [*self.words, (STATUS, 0)] if self.checks else self.words
        units = math.prod(self.free)
        if self.lanes > 1:
            units = math.prod(self.free[:-1]) * -(-self.free[-1] // _BLOCK)
        elements = math.prod(self.free) * math.prod(self.walked)
        cost = elements * rate / max(self.lanes // 2, 1) + units * 20
        reads: list[Storage] = [o.place.storage for o in self.operands if not o.written]
        writes: list[Storage] = [o.place.storage for o in self.operands if o.written]
        traffic = sum(elements * o.place.meta.dtype.itemsize for o in self.operands)
        return [
            Instruction(
                label=node.op.name.removesuffix("_op"), text=text, words=words, units=units,
                grain=grain_for(units, cost), reads=reads, writes=writes, cost=cost, flops=elements, traffic=traffic,
                entries=[node.entry],
            )
        ]  # fmt: skip


class Kernel:
    """Writes a kernel of lines. `body(pointers)` is called once for every line, or for `lanes` lines side by side."""

    def __init__(self, spec: Spec):
        self.spec, self.lanes = spec, spec.lanes
        self.w = w = kernel()
        dims = spec.free + spec.walked
        self.sizes = [w.argument(d) for d in range(dims)]
        self.block = w.argument(dims)
        self.base, self.strides = [], []
        for b in range(len(spec.kinds)):
            at = dims + 1 + b * (dims + 1)
            self.base.append(w.argument(at, "ptr"))
            self.strides.append([w.argument(at + 1 + d) for d in range(dims)])
        after = dims + 1 + len(spec.kinds) * (dims + 1)
        self.words = [w.argument(after + k) for k in range(spec.words)]
        self.status = after + spec.words
        self.mask: str | None = None
        self.end = "%end"  # where the units end

    def text(self, body: Callable[[list[str]], None]) -> str:
        """The whole module."""
        w = self.w
        with w.loop("%begin", self.end) as unit:
            if self.lanes == 1:
                body(self._at(unit.index, self.spec.free))
            else:
                self._blocks(unit.index, body)
        return module([w.text()], target.current().function_attributes(target.host_cpu()))

    def _blocks(self, unit: str, body: Callable[[list[str]], None]) -> None:
        """Whole vectors of a block of the last free dimension, then what is left under a mask."""
        w, last, lanes = self.w, self.spec.free - 1, self.lanes
        parts = w.let(f"udiv i64 {w.add(self.sizes[last], w.sub(self.block, '1'))}, {self.block}")
        outer = w.let(f"udiv i64 {unit}, {parts}")
        begin = w.mul(w.sub(unit, w.mul(outer, parts)), self.block)
        end = w.least(w.add(begin, self.block), self.sizes[last])
        whole = w.sub(end, w.let(f"urem i64 {w.sub(end, begin)}, {lanes}"))
        pointers = self._at(outer, last)
        with w.loop(begin, whole, lanes) as line:
            body(self.moved(pointers, last, line.index))
        with w.loop(whole, end, lanes) as line:
            ramp = "<" + ", ".join(f"i64 {i}" for i in range(lanes)) + ">"
            left = broadcast(w, "i64", lanes, w.sub(end, line.index))
            self.mask = w.let(f"icmp slt <{lanes} x i64> {ramp}, {left}")
            body(self.moved(pointers, last, line.index))
            self.mask = None

    def _at(self, unit: str, dims: int) -> list[str]:
        """The pointers at the unit-th point of the first `dims` free dimensions."""
        w, pointers, rest = self.w, self.base, unit
        for d in range(dims - 1, -1, -1):
            outer = w.let(f"udiv i64 {rest}, {self.sizes[d]}") if d else "0"
            pointers = self.moved(pointers, d, w.sub(rest, w.mul(outer, self.sizes[d])) if d else rest)
            rest = outer
        return pointers

    def moved(self, pointers: Sequence[str], dim: int, index: str) -> list[str]:
        """Every pointer, `index` steps along a dimension."""
        w = self.w
        return [
            w.at(p, w.mul(index, self.strides[b][dim]), emit.memory_type(self.spec.kinds[b]))
            for b, p in enumerate(pointers)
        ]

    def walk(self, pointers: list[str], body: Callable[[list[str]], None], dim: int = 0) -> None:
        """Every point of the walked dimensions in order."""
        if dim == self.spec.walked:
            body(pointers)
            return
        at = self.spec.free + dim
        with self.w.loop("0", self.sizes[at]) as step:
            self.walk(self.moved(pointers, at, step.index), body, dim + 1)

    def _apart(self, buffer: int, place: str, offsets: str | None = None) -> str:
        """The address of each lane's element; `offsets` more elements away."""
        w, lanes = self.w, self.lanes
        ramp = "<" + ", ".join(f"i64 {i}" for i in range(lanes)) + ">"
        stride = broadcast(w, "i64", lanes, self.strides[buffer][self.spec.free - 1])
        away = w.let(f"mul <{lanes} x i64> {ramp}, {stride}")
        if offsets is not None:
            away = w.let(f"add <{lanes} x i64> {away}, {offsets}")
        return w.let(f"getelementptr {emit.memory_type(self.spec.kinds[buffer])}, ptr {place}, <{lanes} x i64> {away}")

    def read(self, buffer: int, place: str) -> str:
        """The element of every lane, in its register kind."""
        w, kind, along = self.w, self.spec.kinds[buffer], self.spec.along[buffer]
        if self.lanes == 1 or along == "0":
            return broadcast(w, register_kind(kind), self.lanes, emit.read(w, kind, 1, place, None))
        if along == "1":
            return emit.read(w, kind, self.lanes, place, self.mask)
        return emit.gather(w, kind, self.lanes, self._apart(buffer, place), self.mask)

    def write(self, buffer: int, place: str, value: str) -> None:
        """A value for the element of every lane."""
        w, kind = self.w, self.spec.kinds[buffer]
        if self.lanes == 1 or self.spec.along[buffer] == "1":
            emit.write(w, kind, self.lanes, value, place, self.mask)
        else:
            emit.scatter(w, kind, self.lanes, value, self._apart(buffer, place), self.mask)

    def read_at(self, buffer: int, place: str, offsets: str, mask: str | None) -> str:
        """As `read`, `offsets` elements away in each lane."""
        return emit.gather(self.w, self.spec.kinds[buffer], self.lanes, self._apart(buffer, place, offsets), mask)

    def write_at(self, buffer: int, place: str, offsets: str, value: str, mask: str | None) -> None:
        """As `write`, `offsets` elements away in each lane."""
        emit.scatter(self.w, self.spec.kinds[buffer], self.lanes, value, self._apart(buffer, place, offsets), mask)

    def fault(self, bad: str) -> None:
        """Set the status word where the condition (i1) holds."""
        w = self.w
        with w.when(bad):
            address = w.let(f"load ptr, ptr {w.let(f'getelementptr i64, ptr %args, i64 {self.status}')}, align 8")
            w.do(f"store i64 1, ptr {address}, align 8")


__all__ = ["Kernel", "Lines", "Operand", "Spec"]
