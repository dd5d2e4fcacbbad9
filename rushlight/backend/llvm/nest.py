"""Code for a Nest: a kernel that visits a grid once for each level, whole vectors at a time.

The argument block: the size of every loop dimension, the size of a block, then for every buffer its address and its stride along every
dimension (only the address of a scalar), then the Nest's extra words, then the address of the status word.

    rows      a unit is one point of the kept dimensions; vectors run along the innermost reduced one
    columns   a unit is a block of the innermost kept dimension (and one point of the others); each lane is a result of its own
    split     a unit is a block of the only reduced dimension, and gives one partial result
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rushlight.backend.llvm import emit
from rushlight.backend.llvm.emit import Emitter
from rushlight.backend.llvm.text import Writer, constant, kernel, vector
from rushlight.backend.llvm.tile import broadcast
from rushlight.ir.loop import Let, Nest, Reduce, Store, register_kind
from rushlight.ir.scalar import Expr

_CASCADE = 64  # vectors summed before the total is added to an outer one: long sums lose little
_ROWS = 256  # the same for sums over rows

Pointers = dict[int, str]


def kernel_text(nest: Nest) -> str:
    """The function of a Nest."""
    return _Kernel(nest).write()


def leaves(expr: Expr) -> list[Expr]:
    """Every leaf of an expression."""
    found, todo, seen = [], [expr], set()
    while todo:
        e = todo.pop()
        if id(e) in seen:  # a series shares its terms: walked as a tree, it would never end
            continue
        seen.add(id(e))
        if e.args:
            todo.extend(e.args)
        if not e.args or e.op == "take":
            found.append(e)
    return found


class _Kernel:
    def __init__(self, nest: Nest):
        self.nest, self.lanes = nest, nest.lanes
        self.w = w = kernel()
        self.sizes = [w.argument(d) for d in range(nest.dims)]
        self.block = w.argument(nest.dims)
        self.base: list[str] = []
        self.strides: list[list[str]] = []
        word = nest.sizes_words()
        for buffer in nest.buffers:
            self.base.append(w.argument(word, "ptr"))
            more = 0 if buffer.along == "scalar" else nest.dims
            self.strides.append([w.argument(word + 1 + d) for d in range(more)])
            word += nest.words_of(buffer)
        self.word = word
        self.lets = {s.name: s for s in nest.statements if isinstance(s, Let)}
        self.kept = [s for s in self.lets.values() if s.kept]
        self.levels = 1 + max((s.level for s in nest.statements), default=0)
        self.scalars: dict[int, str] = {}
        self.ramp = "<" + ", ".join(f"i64 {i}" for i in range(self.lanes)) + ">" if self.lanes > 1 else "0"

    # -- the function ------------------------------------------------------------------------------------------------

    def write(self) -> str:
        w, nest = self.w, self.nest
        for number_, buffer in enumerate(nest.buffers):
            if buffer.along == "scalar" and not self._written(number_):
                self.scalars[number_] = emit.read(w, buffer.kind, 1, self.base[number_], None)
        self.splats: dict[int, str] = {
            n: broadcast(w, register_kind(nest.buffers[n].kind), self.lanes, v) for n, v in self.scalars.items()
        }
        with w.loop("%begin", "%end") as unit:
            (self._rows if nest.rows else self._columns)(unit.index)
        return w.text()

    def _written(self, buffer: int) -> bool:
        return any(isinstance(s, Store) and s.buffer == buffer for s in self.nest.statements)

    def _decode(self, unit: str, dims: Sequence[int]) -> list[str]:
        """The index along each dimension of the unit-th point."""
        w, found, rest = self.w, [], unit
        for d in reversed(dims[1:]):
            outer = w.let(f"udiv i64 {rest}, {self.sizes[d]}")
            found.append(w.sub(rest, w.mul(outer, self.sizes[d])))
            rest = outer
        return [rest, *reversed(found)] if dims else []

    def _moved(self, pointers: Pointers, dim: int, index: str) -> Pointers:
        """Every buffer, `index` steps further along a dimension."""
        w = self.w
        return {
            b: w.at(p, w.mul(index, self.strides[b][dim]), emit.memory_type(self.nest.buffers[b].kind))
            for b, p in pointers.items()
        }

    def _start(self) -> Pointers:
        return {b: self.base[b] for b, buffer in enumerate(self.nest.buffers) if buffer.along != "scalar"}

    def _rows(self, unit: str) -> None:
        w, nest = self.w, self.nest
        self.positions: dict[int, str] = {}
        pointers = self._start()
        self.first = "0"
        self.length = self.sizes[-1]
        if nest.split:
            self.first = w.mul(unit, self.block)
            self.length = w.least(self.block, w.sub(self.sizes[-1], self.first))
            moved = self._moved(pointers, 0, self.first)
            # results of a block lie side by side, whatever the stride of what it reads
            results = {s.buffer for s in nest.statements if isinstance(s, Store) and not s.full}
            pointers = {
                b: w.at(p, unit, emit.memory_type(nest.buffers[b].kind)) if b in results else moved[b]
                for b, p in pointers.items()
            }
        else:
            for dim, index in enumerate(self._decode(unit, range(nest.kept))):
                self.positions[dim] = index
                pointers = self._moved(pointers, dim, index)
        self._levels(pointers, 1, None)

    def _columns(self, unit: str) -> None:
        w, nest = self.w, self.nest
        last = nest.kept - 1
        self.positions = {}
        self.first, self.length = "0", self.sizes[-1]
        pointers = self._start()
        part = unit
        if nest.kept > 1:
            more = w.add(self.sizes[last], w.sub(self.block, "1"))
            parts = w.let(f"udiv i64 {more}, {self.block}")
            outer = w.let(f"udiv i64 {unit}, {parts}")
            part = w.sub(unit, w.mul(outer, parts))
            for dim, index in enumerate(self._decode(outer, range(last))):
                self.positions[dim] = index
                pointers = self._moved(pointers, dim, index)
        begin = w.mul(part, self.block)
        end = w.least(w.add(begin, self.block), self.sizes[last])
        whole = w.sub(end, w.let(f"urem i64 {w.sub(end, begin)}, {self.lanes}"))
        with w.loop(begin, whole, self.lanes) as column:
            self.positions[last] = column.index
            self._levels(self._moved(pointers, last, column.index), self.lanes, None)
        if self.lanes > 1:
            with w.loop(whole, end, self.lanes) as column:
                self.positions[last] = column.index
                self._levels(self._moved(pointers, last, column.index), self.lanes, self._mask(column.index, end))

    def _mask(self, index: str, end: str) -> str:
        """Which lanes lie before the end."""
        left = broadcast(self.w, "i64", self.lanes, self.w.sub(end, index))
        return self.w.let(f"icmp slt <{self.lanes} x i64> {self.ramp}, {left}")

    # -- one unit ------------------------------------------------------------------------------------------------------

    def _levels(self, pointers: Pointers, lanes: int, mask: str | None) -> None:
        """Everything for one point (or one vector of points) of the kept dimensions."""
        nest, w = self.nest, self.w
        self.results: dict[int, str] = {}
        point = Emitter(
            w, lanes, lambda e: self._point_leaf(e, point, pointers, lanes, mask), self._fault(lanes, mask),
            lambda e, index: self._take(e, index, pointers, lanes, mask),
        )  # fmt: skip
        for level in range(self.levels):
            work = [s for s in nest.statements if s.level == level]
            for s in work:
                if isinstance(s, Let) and not s.full:
                    point(s.expr)
                elif isinstance(s, Store) and not s.full:
                    self._store(s, point(s.expr), pointers, lanes, mask)
            full = [
                s for s in work
                if isinstance(s, Reduce) or isinstance(s, Store) and s.full or isinstance(s, Let) and s.kept
            ]  # fmt: skip
            if full:
                self._pass(full, level, pointers, point, mask)

    def _pass(
        self, work: list[Let | Reduce | Store], level: int, pointers: Pointers, point: Emitter, mask: str | None
    ) -> None:
        """One walk over the reduced dimensions: what a level computes for full points."""
        nest, w = self.nest, self.w
        anew = self._anew([s.expr for s in work], level)
        read = [e for s in (*work, *anew) for e in leaves(s.expr)]
        used = {e.value for e in read if e.op in ("load", "take")} | {s.buffer for s in work if isinstance(s, Store)}
        spread = self._spread(read, point)
        reduces = [s for s in work if isinstance(s, Reduce)]
        carried = [constant(identity(s.op, s.expr.kind), s.expr.kind, self.lanes) for s in reduces]
        types = [vector(s.expr.kind, self.lanes) for s in reduces]

        def body(at: Pointers, flat: str, inner: str | None, sums: Sequence[str]) -> list[str]:
            def leaf(e: Expr) -> str:
                return self._full_leaf(e, full, at, flat, level, spread, inner)

            def take(e: Expr, index: str) -> str:
                return self._take(e, index, at, self.lanes, inner)

            full = Emitter(w, self.lanes, leaf, self._fault(self.lanes, inner), take)
            for let in anew:  # in order: a long chain asked for by its end would recurse as deep
                full(let.expr)
            for s in work:
                if isinstance(s, Let):
                    emit.write(w, scratch_kind(s.expr.kind), self.lanes, full(s.expr), self._kept_at(s, flat), inner)
                elif isinstance(s, Store):
                    self._store(s, full(s.expr), at, self.lanes, inner)
            totals = []
            for s, total in zip(reduces, sums, strict=True):
                item = full(s.expr)
                if inner is not None:
                    neutral = constant(identity(s.op, s.expr.kind), s.expr.kind, self.lanes)
                    wide = vector(s.expr.kind, self.lanes)
                    item = w.let(f"select {vector('b1', self.lanes)} {inner}, {wide} {item}, {wide} {neutral}")
                totals.append(combine(w, s.op, s.expr.kind, self.lanes, total, item))
            return totals

        start = {b: p for b, p in pointers.items() if b in used}
        dims = list(range(nest.kept, nest.dims))
        if nest.rows:
            totals = self._over(dims[:-1], start, "0", carried, types, lambda at, flat, sums: self._along(
                at, flat, sums, types, reduces, body))  # fmt: skip
            for s, total in zip(reduces, totals, strict=True):
                self.results[s.name] = fold(w, s.op, s.expr.kind, self.lanes, total)
        else:
            totals = self._over(dims[:-1], start, "0", carried, types, lambda at, flat, sums: self._down(
                dims[-1:], at, flat, sums, types, reduces, lambda at, flat, sums: body(at, flat, mask, sums)))  # fmt: skip
            self.results.update({s.name: total for s, total in zip(reduces, totals, strict=True)})

    def _over(
        self, dims: list[int], at: Pointers, flat: str, sums: Sequence[str], types: list[str],
        body: Callable[[Pointers, str, Sequence[str]], list[str]],
    ) -> list[str]:  # fmt: skip
        """Loops over dimensions, one value at a time, around the body."""
        if not dims:
            return body(at, flat, sums)
        w, dim = self.w, dims[0]
        with w.loop("0", self.sizes[dim], 1, list(zip(types, sums, strict=True))) as loop:
            self.positions[dim] = loop.index
            further = w.add(w.mul(flat, self.sizes[dim]), loop.index) if flat != "0" else loop.index
            loop.next = self._over(dims[1:], self._moved(at, dim, loop.index), further, loop.values, types, body)
        return loop.values

    def _along(
        self, at: Pointers, flat: str, sums: Sequence[str], types: list[str], reduces: list[Reduce],
        body: Callable[[Pointers, str, str | None, Sequence[str]], list[str]],
    ) -> list[str]:  # fmt: skip
        """Whole vectors along the innermost reduced dimension, then what is left under a mask."""
        w, lanes, last = self.w, self.lanes, self.nest.dims - 1
        row = w.mul(flat, self.length) if flat != "0" else "0"
        whole = w.sub(self.length, w.let(f"urem i64 {self.length}, {lanes}"))

        def run(start: str, stop: str, masked: bool, given: Sequence[str]) -> list[str]:
            with w.loop(start, stop, lanes, list(zip(types, given, strict=True))) as loop:
                self.positions[last] = w.add(loop.index, self.first) if self.first != "0" else loop.index
                mask = self._mask(loop.index, stop) if masked else None
                loop.next = body(self._moved(at, last, loop.index), w.add(row, loop.index), mask, loop.values)
            return loop.values

        sums = self._cascade(
            whole, lanes * _CASCADE, sums, types, reduces, lambda start, stop, sums: run(start, stop, False, sums)
        )
        return run(whole, self.length, True, sums) if lanes > 1 else list(sums)

    def _down(
        self, dims: list[int], at: Pointers, flat: str, sums: Sequence[str], types: list[str], reduces: list[Reduce],
        body: Callable[[Pointers, str, Sequence[str]], list[str]],
    ) -> list[str]:  # fmt: skip
        """Along the innermost reduced dimension of columns, if there is one, a value at a time."""
        if not dims:
            return body(at, flat, sums)
        w, dim = self.w, dims[0]

        def run(start: str, stop: str, given: Sequence[str]) -> list[str]:
            with w.loop(start, stop, 1, list(zip(types, given, strict=True))) as loop:
                self.positions[dim] = loop.index
                further = w.add(w.mul(flat, self.sizes[dim]), loop.index) if flat != "0" else loop.index
                loop.next = body(self._moved(at, dim, loop.index), further, loop.values)
            return loop.values

        return self._cascade(self.sizes[dim], _ROWS, sums, types, reduces, run)

    def _cascade(
        self, size: str, step: int, sums: Sequence[str], types: list[str], reduces: list[Reduce],
        run: Callable[[str, str, Sequence[str]], list[str]],
    ) -> list[str]:  # fmt: skip
        """`run(start, stop, sums)` over [0, size), in blocks where there are sums of floats: each block's is added to the total."""
        w = self.w
        cascaded = [s.op == "sum" and s.expr.floating for s in reduces]
        if not any(cascaded):
            return run("0", size, sums)
        with w.loop("0", size, step, list(zip(types, sums, strict=True))) as blocks:
            stop = w.least(w.add(blocks.index, step), size)
            fresh = [
                constant(0.0, s.expr.kind, self.lanes) if c else total
                for s, c, total in zip(reduces, cascaded, blocks.values, strict=True)
            ]
            found = run(blocks.index, stop, fresh)
            blocks.next = [
                w.let(f"fadd {kind} {total}, {part}") if c else part
                for kind, c, total, part in zip(types, cascaded, blocks.values, found, strict=True)
            ]
        return blocks.values

    # -- leaves ----------------------------------------------------------------------------------------------------------

    def _anew(self, exprs: list[Expr], level: int) -> list[Let]:
        """The full values that a walk at a level computes, in their order, for expressions that read them."""
        found: set[int] = set()
        todo = list(exprs)
        while todo:
            for e in leaves(todo.pop()):
                let = self.lets.get(e.value) if e.op == "value" else None
                if let is None or let.name in found or not let.full or let.kept and let.level < level:
                    continue
                found.add(let.name)
                todo.append(let.expr)
        return [let for let in self.lets.values() if let.name in found]

    def _spread(self, read: list[Expr], point: Emitter) -> dict[int, str]:
        """Values of the kept dimensions that a walk reads, in every lane; made before its loops."""
        found: dict[int, str] = {}
        for e in read:
            if e.op == "value" and e.value not in found and not (e.value in self.lets and self.lets[e.value].full):
                single = point(e)
                found[e.value] = broadcast(self.w, e.kind, self.lanes, single) if self.nest.rows else single
        return found

    def _point_leaf(self, e: Expr, point: Emitter, pointers: Pointers, lanes: int, mask: str | None) -> str:
        """A leaf of an expression over kept dimensions."""
        if e.op == "value":
            if e.value in self.results:
                return self.results[e.value]
            return point(self.lets[e.value].expr)
        return self._leaf(e, pointers, lanes, mask)

    def _full_leaf(
        self, e: Expr, full: Emitter, at: Pointers, flat: str, level: int, spread: dict[int, str], mask: str | None
    ) -> str:
        """A leaf of an expression over all dimensions."""
        if e.op != "value":
            return self._leaf(e, at, self.lanes, mask)
        if e.value in spread:
            return spread[e.value]
        let = self.lets[e.value]
        if let.kept and let.level < level:
            return emit.read(self.w, scratch_kind(let.expr.kind), self.lanes, self._kept_at(let, flat), mask)
        return full(let.expr)

    def _leaf(self, e: Expr, pointers: Pointers, lanes: int, mask: str | None) -> str:
        w, nest = self.w, self.nest
        if e.op == "position":
            return self._position(nest.axes[e.value], lanes)
        if e.op == "word":
            return broadcast(w, "i64", lanes, w.argument(self.word + e.value))
        buffer = nest.buffers[e.value]
        if buffer.along == "scalar":
            return self.splats[e.value] if lanes == self.lanes else self.scalars[e.value]
        place = pointers[e.value]
        if lanes == 1 or buffer.along == "0":
            return broadcast(w, register_kind(buffer.kind), lanes, emit.read(w, buffer.kind, 1, place, None))
        if buffer.along == "1":
            return emit.read(w, buffer.kind, lanes, place, mask)
        if buffer.along == "-1":
            return emit.read_backwards(w, buffer.kind, lanes, place, mask)
        return emit.gather(w, buffer.kind, lanes, self._apart(e.value, place), mask)

    def _take(self, e: Expr, index: str, pointers: Pointers, lanes: int, mask: str | None) -> str:
        """An element `index` places after the present one of a buffer."""
        w, buffer = self.w, self.nest.buffers[e.value]
        place = self.base[e.value] if buffer.along == "scalar" else pointers[e.value]
        element = emit.memory_type(buffer.kind)
        if lanes == 1:
            return emit.read(w, buffer.kind, 1, w.at(place, index, element), None)
        if self._same_in_all_lanes(e.args[0]):
            first = w.let(f"extractelement <{lanes} x i64> {index}, i64 0")
            moved = w.at(place, first, element)
            if buffer.along == "1":
                return emit.read(w, buffer.kind, lanes, moved, mask)
            if buffer.along in ("0", "scalar"):
                return broadcast(w, register_kind(buffer.kind), lanes, emit.read(w, buffer.kind, 1, moved, None))
        if buffer.along not in ("0", "scalar"):
            stride = broadcast(w, "i64", lanes, self.strides[e.value][self.nest.vector_dim])
            step = w.let(f"mul <{lanes} x i64> {self.ramp}, {stride}")
            index = w.let(f"add <{lanes} x i64> {index}, {step}")
        places = w.let(f"getelementptr {element}, ptr {place}, <{lanes} x i64> {index}")
        return emit.gather(w, buffer.kind, lanes, places, mask)

    def _same_in_all_lanes(self, expr: Expr) -> bool:
        """Whether an expression reads nothing that moves with the vector."""
        for e in leaves(expr):
            if e.op in ("value", "take") or e.op == "position" and self.nest.axes[e.value] == self.nest.vector_dim:
                return False
            if e.op == "load" and self.nest.buffers[e.value].along not in ("0", "scalar"):
                return False
        return True

    def _apart(self, buffer: int, place: str) -> str:
        """The addresses of a vector's elements, a stride apart."""
        w = self.w
        stride = broadcast(w, "i64", self.lanes, self.strides[buffer][self.nest.vector_dim])
        offsets = w.let(f"mul <{self.lanes} x i64> {self.ramp}, {stride}")
        element = emit.memory_type(self.nest.buffers[buffer].kind)
        return w.let(f"getelementptr {element}, ptr {place}, <{self.lanes} x i64> {offsets}")

    def _position(self, dim: int, lanes: int) -> str:
        w = self.w
        index = broadcast(w, "i64", lanes, self.positions[dim])
        if lanes == 1 or dim != self.nest.vector_dim:
            return index
        return w.let(f"add <{lanes} x i64> {index}, {self.ramp}")

    def _kept_at(self, let: Let, flat: str) -> str:
        """Where a kept value of a full point lies in scratch memory."""
        w = self.w
        points = self.length
        for d in range(self.nest.kept, self.nest.dims - 1):
            points = w.mul(points, self.sizes[d])
        if not self.nest.rows:
            points, flat = w.mul(points, self.lanes), w.mul(flat, self.lanes)
        region = w.mul(points, 8 * self.kept.index(let))
        return w.at(w.at("%scratch", region), flat, emit.memory_type(scratch_kind(let.expr.kind)))

    def _store(self, s: Store, value: str, pointers: Pointers, lanes: int, mask: str | None) -> None:
        w = self.w
        buffer = self.nest.buffers[s.buffer]
        place = self.base[s.buffer] if buffer.along == "scalar" else pointers[s.buffer]
        if lanes > 1 and buffer.along == "s":
            emit.scatter(w, buffer.kind, lanes, value, self._apart(s.buffer, place), mask)
        elif lanes > 1 and buffer.along in ("0", "scalar"):  # elements that share one place are equal
            first = w.let(f"extractelement {vector(register_kind(buffer.kind), lanes)} {value}, i64 0")
            emit.write(w, buffer.kind, 1, first, place, None)
        else:
            emit.write(w, buffer.kind, lanes, value, place, mask)

    def _fault(self, lanes: int, mask: str | None) -> Callable[[str], None]:
        def fault(bad: str) -> None:
            w = self.w
            if mask is not None:
                bad = w.let(f"and {vector('b1', lanes)} {bad}, {mask}")
            if lanes > 1:
                bad = w.let(f"call i1 @llvm.vector.reduce.or({vector('b1', lanes)} {bad})")
            with w.when(bad):
                status = w.let(f"getelementptr i64, ptr %args, i64 {self.word + self.nest.words}")
                w.do(f"store i64 1, ptr {w.let(f'load ptr, ptr {status}, align 8')}, align 8")

        return fault


def scratch_kind(kind: str) -> str:
    """How a register kind is kept in scratch memory."""
    return "bool" if kind == "b1" else kind


_LIMITS = {
    "i8": (-(2**7), 2**7 - 1), "i16": (-(2**15), 2**15 - 1), "i32": (-(2**31), 2**31 - 1), "i64": (-(2**63), 2**63 - 1),
    "u8": (0, 2**8 - 1), "u16": (0, 2**16 - 1), "u32": (0, 2**32 - 1), "u64": (0, 2**64 - 1),
}  # fmt: skip


def identity(op: str, kind: str) -> float | int | bool:
    """The value that changes nothing."""
    if op in ("sum", "any"):
        return 0 if kind[0] != "f" else 0.0
    if op in ("prod", "all"):
        return 1
    if kind[0] == "f":
        return float("-inf" if op == "max" else "inf")
    return _LIMITS[kind][0 if op == "max" else 1]


def combine(w: Writer, op: str, kind: str, lanes: int, a: str, b: str) -> str:
    """One step of a reduction."""
    wide, mask = vector(kind, lanes), vector("b1", lanes)
    if op in ("any", "all"):
        return w.let(f"{'or' if op == 'any' else 'and'} {wide} {a}, {b}")
    if op in ("sum", "prod"):
        name = {"sum": "add", "prod": "mul"}[op]
        return w.let(f"{'f' if kind[0] == 'f' else ''}{name} {wide} {a}, {b}")
    if kind[0] != "f":
        return w.let(f"call {wide} @llvm.{'s' if kind[0] == 'i' else 'u'}{op}({wide} {a}, {wide} {b})")
    # NaN wins. Whether the new value is one is known before the total is, so each step waits for the total only once.
    better = w.let(f"fcmp {'ogt' if op == 'max' else 'olt'} {wide} {b}, {a}")
    chosen = w.let(f"select {mask} {better}, {wide} {b}, {wide} {a}")
    nan = w.let(f"fcmp uno {wide} {b}, {b}")
    return w.let(f"select {mask} {nan}, {wide} {b}, {wide} {chosen}")


def fold(w: Writer, op: str, kind: str, lanes: int, total: str) -> str:
    """The lanes of a vector reduced to one value, halves onto halves: the order never changes."""
    while lanes > 1:
        half = lanes // 2
        wide = vector(kind, lanes)

        if half == 1:
            low, high = (w.let(f"extractelement {wide} {total}, i64 {i}") for i in (0, 1))
        else:
            picks = [", ".join(f"i32 {first + i}" for i in range(half)) for first in (0, half)]
            low, high = (w.let(f"shufflevector {wide} {total}, {wide} poison, <{half} x i32> <{p}>") for p in picks)
        total = combine(w, op, kind, half, low, high)
        lanes = half
    return total
