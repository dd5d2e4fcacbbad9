"""Rows in order: a radix sort for whole rows, an insertion into a short list for the first few of long ones.

Both work on *keys*, unsigned integers in the order that is wanted: equal values have equal keys, NaN has the largest (the smallest when
the order falls), and equal keys keep their order. The values themselves are copied from where they were, bit by bit.

    radix    digits of 8 bits, or 11 for long rows, from the lowest; a digit that is the same in all keys of a row is passed over
    list     every element is compared with the last of the list, and moves up from there
"""

from __future__ import annotations

from collections.abc import Callable

from rushlight.backend.llvm import emit, grids, target
from rushlight.backend.llvm.grids import kind_of
from rushlight.backend.llvm.instruction import Instruction, Word, grain_for
from rushlight.backend.llvm.layout import Layout, Place, span
from rushlight.backend.llvm.text import Writer, kernel, module, remembered
from rushlight.ir.graph import Graph, Node
from rushlight.ir.loop import ITEMSIZE, register_kind
from rushlight.ir.meta import Meta

LEADERS = ("sort_op", "topk_op")
WORDS = ("x", "values", "index", "n", "k")  # a unit is a row of n elements; the first k of the order are wanted


def supported(graph: Graph, node: Node) -> bool:
    """Whether there are rows, with elements."""
    meta = graph.metas[node.inputs[0]]
    return meta.ndim > 0 and meta.numel > 0 and graph.metas[node.outputs[0]].numel > 0 and not meta.dtype.is_complex


def layer(graph: Graph, node: Node, layout: Layout, contiguous: Callable[[int], Place]) -> list[Instruction]:
    """One kernel, on rows that lie in order: copies before and after it where they do not."""
    source = layout.place(node.inputs[0])
    dim = node.static["dim"] % source.meta.ndim
    falling = node.static["descending" if node.op.name == "sort_op" else "largest"]
    found, rows = [], _last(source, dim)
    if not rows.meta.contiguous:
        ordered = Place(layout.temporary(span(_dense(rows.meta))), 0, _dense(rows.meta))
        found += grids.copy(rows, ordered)
        rows = ordered
    results, after = [], []
    for v in node.outputs:
        meta = graph.metas[v]
        place = layout.places.get(v) or Place(layout.temporary(span(meta)), 0, meta)
        turned = _last(place, dim)
        if not turned.meta.contiguous:
            dense = Place(layout.temporary(span(meta)), 0, _dense(turned.meta))
            after += grids.copy(dense, turned)
            turned = dense
        results.append(turned)
    kind, n, k = kind_of(source.meta), rows.meta.shape[-1], results[0].meta.shape[-1]
    short = n <= 64 or 4 * k * k <= 15 * n  # about where the list's moves take as long as the radix sort's passes
    digit = 8 if n <= 2048 else 11
    family = target.current().name
    if short:
        text = remembered(("list", kind, falling, family), lambda: _list_text(kind, falling))
    else:
        text = remembered(("radix", kind, falling, digit, family), lambda: _radix_text(kind, falling, digit))
    words: list[Word] = [(p.storage, p.offset) for p in (rows, *results)]
    units = rows.meta.numel // n
    passes = _passes(kind, digit)
    cost = units * (n * 1.5 + k * k if short else n * 4.0 * passes)
    found.append(
        Instruction(
            label=node.op.name.removesuffix("_op"), text=text, words=[*words, n, k], units=units, grain=grain_for(units, cost),
            scratch=k * 16 if short else passes * (4 << digit) + 32 * n, reads=[rows.storage],
            writes=[p.storage for p in results], cost=cost, traffic=span(rows.meta) + sum(span(p.meta) for p in results),
            entries=[node.entry],
        )
    )  # fmt: skip
    return found + after


def _last(place: Place, dim: int) -> Place:
    """The place with one dimension moved to the end."""
    m = place.meta

    def moved(values: tuple[int, ...]) -> tuple[int, ...]:
        return (*values[:dim], *values[dim + 1 :], values[dim])

    return Place(place.storage, place.offset, m.variant(shape=moved(tuple(m.shape)), stride=moved(m.stride)))


def _dense(m: Meta) -> Meta:
    return m.variant(stride=None, offset=0)


def _passes(kind: str, digit: int) -> int:
    return -(-8 * ITEMSIZE["f32" if kind in ("f16", "bf16") else kind] // digit)


class _Rows:
    """What both kernels begin with: the arguments, and the keys of elements."""

    def __init__(self, kind: str, falling: bool):
        self.kind, self.falling, self.w = kind, falling, kernel()
        for number, name in enumerate(WORDS):
            setattr(self, name, self.w.argument(number, "ptr" if number < 3 else "i64"))
        self.memory = emit.memory_type(kind)

    x: str
    values: str
    index: str
    n: str
    k: str

    def key(self, row: str, i: str) -> str:
        """The key of a row's i-th element, as an i64; keys of up to 32 bits are not negative."""
        w, kind = self.w, register_kind(self.kind)
        value = emit.read(w, self.kind, 1, w.at(row, i, self.memory), None)
        if kind == "b1":
            key, bits = w.let(f"zext i1 {value} to i64"), 1
        elif kind[0] == "f":
            bits = 32 if kind == "f32" else 64
            real, whole = ("float", "i32") if bits == 32 else ("double", "i64")
            plain = w.let(f"fadd {real} {value}, 0.0")  # -0 becomes 0
            raw = w.let(f"bitcast {real} {plain} to {whole}")
            sign = w.let(f"ashr {whole} {raw}, {bits - 1}")  # negative numbers: all bits turned round, others: the sign
            turned = w.let(f"xor {whole} {raw}, {w.let(f'or {whole} {sign}, {-(1 << (bits - 1))}')}")
            nan = w.let(f"fcmp uno {real} {value}, 0.0")
            key = w.let(f"select i1 {nan}, {whole} -1, {whole} {turned}")
            key = w.let(f"zext i32 {key} to i64") if bits == 32 else key
        else:
            bits, whole = 8 * ITEMSIZE[self.kind], self.memory
            key = value if kind[0] == "u" else w.let(f"xor {whole} {value}, {-(1 << (bits - 1))}")
            key = w.let(f"zext {whole} {key} to i64") if bits < 64 else key
        return w.let(f"xor i64 {key}, {(1 << bits) - 1 if bits < 64 else -1}") if self.falling else key

    def put(self, row: str, source: str, to: str) -> None:
        """Write the element that comes from `source` as the `to`-th, counted over all rows."""
        w = self.w
        w.do(f"store i64 {source}, ptr {w.at(self.index, to, 'i64')}, align 8")
        value = w.let(f"load {self.memory}, ptr {w.at(row, source, self.memory)}")
        w.do(f"store {self.memory} {value}, ptr {w.at(self.values, to, self.memory)}")

    def text(self) -> str:
        return module([self.w.text()], target.current().function_attributes(target.host_cpu()))


def _list_text(kind: str, falling: bool) -> str:
    rows = _Rows(kind, falling)
    w = rows.w
    places = w.once(f"getelementptr i64, ptr %scratch, i64 {rows.k}")  # keys, then places
    with w.loop("%begin", "%end") as unit:
        row = w.at(rows.x, w.mul(unit.index, rows.n), rows.memory)
        with w.loop("0", rows.n, 1, [("i64", "-1"), ("i64", "0")]) as step:
            worst, held = step.values
            key = rows.key(row, step.index)
            free = w.let(f"icmp slt i64 {held}, {rows.k}")
            better = w.let(f"icmp ult i64 {key}, {worst}")
            with w.when(w.let(f"or i1 {free}, {better}")):
                _insert(w, places, key, step.index, w.let(f"select i1 {free}, i64 {held}, i64 {w.sub(rows.k, 1)}"))
            held = w.let(f"select i1 {free}, i64 {w.add(held, 1)}, i64 {held}")
            last = w.let(f"load i64, ptr {w.at('%scratch', w.sub(held, 1), 'i64')}, align 8")
            step.next = [last, held]
        first = w.mul(unit.index, rows.k)
        with w.loop("0", rows.k) as step:
            source = w.let(f"load i64, ptr {w.at(places, step.index, 'i64')}, align 8")
            rows.put(row, source, w.add(first, step.index))
    return rows.text()


def _insert(w: Writer, places: str, key: str, place: str, last: str) -> None:
    """Move what is greater up by one, from the list's last place on, and put the key where it belongs."""
    tag, before = w.fresh("S"), w.block
    w.do(f"br label %look.{tag}")
    w.label(f"look.{tag}")
    w.do(f"%at.{tag} = phi i64 [ {last}, %{before} ], [ %down.{tag}, %move.{tag} ]")
    w.do(f"%down.{tag} = sub nsw i64 %at.{tag}, 1")
    inside = w.let(f"icmp sgt i64 %at.{tag}, 0")
    w.do(f"br i1 {inside}, label %compare.{tag}, label %found.{tag}")
    w.label(f"compare.{tag}")
    other = w.let(f"load i64, ptr {w.at('%scratch', f'%down.{tag}', 'i64')}, align 8")
    greater = w.let(f"icmp ugt i64 {other}, {key}")
    w.do(f"br i1 {greater}, label %move.{tag}, label %found.{tag}")
    w.label(f"move.{tag}")
    w.do(f"store i64 {other}, ptr {w.at('%scratch', f'%at.{tag}', 'i64')}, align 8")
    moved = w.let(f"load i64, ptr {w.at(places, f'%down.{tag}', 'i64')}, align 8")
    w.do(f"store i64 {moved}, ptr {w.at(places, f'%at.{tag}', 'i64')}, align 8")
    w.do(f"br label %look.{tag}")
    w.label(f"found.{tag}")
    w.do(f"store i64 {key}, ptr {w.at('%scratch', f'%at.{tag}', 'i64')}, align 8")
    w.do(f"store i64 {place}, ptr {w.at(places, f'%at.{tag}', 'i64')}, align 8")


def _radix_text(kind: str, falling: bool, bits: int) -> str:
    """Scratch: the counts of each digit, then two arrays of pairs {key, place}."""
    rows = _Rows(kind, falling)
    w, passes, bins = rows.w, _passes(kind, bits), 1 << bits
    one = w.once(f"getelementptr i8, ptr %scratch, i64 {passes * bins * 4}")
    two = w.once(f"getelementptr {{ i64, i64 }}, ptr {one}, i64 {rows.n}")
    here, there = w.once("alloca ptr"), w.once("alloca ptr")  # which array holds the pairs, and which is free

    def counter(digit: int, key: str) -> str:
        shifted = w.let(f"lshr i64 {key}, {digit * bits}") if digit else key
        return w.at("%scratch", w.add(w.let(f"and i64 {shifted}, {bins - 1}"), digit * bins), "i32")

    def counted(cell: str) -> str:
        """Count one more; how many there were."""
        before = w.let(f"load i32, ptr {cell}")
        after = w.let(f"add i32 {before}, 1")
        w.do(f"store i32 {after}, ptr {cell}")
        return before

    def key_at(pair: str) -> str:
        return w.let(f"load i64, ptr {pair}, align 8")

    def place_at(pair: str) -> str:
        return w.let(f"load i64, ptr {w.at(pair, '1', 'i64')}, align 8")

    with w.loop("%begin", "%end") as unit:
        row = w.at(rows.x, w.mul(unit.index, rows.n), rows.memory)
        with w.loop("0", str(passes * bins), 16) as step:
            w.do(f"store <16 x i32> zeroinitializer, ptr {w.at('%scratch', step.index, 'i32')}, align 64")
        w.do(f"store ptr {one}, ptr {here}")
        w.do(f"store ptr {two}, ptr {there}")
        with w.loop("0", rows.n) as step:
            key, pair = rows.key(row, step.index), w.at(one, step.index, "{ i64, i64 }")
            w.do(f"store i64 {key}, ptr {pair}, align 8")
            w.do(f"store i64 {step.index}, ptr {w.at(pair, '1', 'i64')}, align 8")
            for digit in range(passes):
                counted(counter(digit, key))
        short = w.let(f"trunc i64 {rows.n} to i32")
        for digit in range(passes):
            source, to = (w.let(f"load ptr, ptr {cell}") for cell in (here, there))
            same = w.let(f"load i32, ptr {counter(digit, key_at(source))}")
            with w.when(w.let(f"icmp ne i32 {same}, {short}")):
                with w.loop("0", str(bins), 1, [("i32", "0")]) as step:
                    place = w.at("%scratch", w.add(step.index, digit * bins), "i32")
                    count = w.let(f"load i32, ptr {place}")
                    w.do(f"store i32 {step.values[0]}, ptr {place}")
                    step.next = [w.let(f"add i32 {step.values[0]}, {count}")]
                with w.loop("0", rows.n) as step:
                    pair = w.at(source, step.index, "{ i64, i64 }")
                    key, place = key_at(pair), place_at(pair)
                    position = counted(counter(digit, key))
                    goal = w.at(to, w.let(f"zext i32 {position} to i64"), "{ i64, i64 }")
                    w.do(f"store i64 {key}, ptr {goal}, align 8")
                    w.do(f"store i64 {place}, ptr {w.at(goal, '1', 'i64')}, align 8")
                w.do(f"store ptr {to}, ptr {here}")
                w.do(f"store ptr {source}, ptr {there}")
        ordered, first = w.let(f"load ptr, ptr {here}"), w.mul(unit.index, rows.k)
        with w.loop("0", rows.k) as step:
            rows.put(row, place_at(w.at(ordered, step.index, "{ i64, i64 }")), w.add(first, step.index))
    return rows.text()
