"""Scalar expressions to LLVM IR, a whole vector at a time, and values to and from memory."""

from __future__ import annotations

from collections.abc import Callable

from rushlight.backend.llvm.text import REGISTER, Writer, constant, vector
from rushlight.backend.llvm.vectormath import FUNCTIONS
from rushlight.ir.loop import ITEMSIZE, register_kind
from rushlight.ir.scalar import Expr

_ARITHMETIC = {"add": ("fadd", "add"), "sub": ("fsub", "sub"), "mul": ("fmul", "mul")}
_BITWISE = {"and": "and", "or": "or", "xor": "xor", "shl": "shl"}
_ORDERED = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}
_INTEGER = {"f": None, "i": "s", "u": "u", "b": "u"}
_MEMORY = {"bool": "i8", "f16": "half", "bf16": "i16"}


def memory_type(kind: str) -> str:
    """The LLVM type of an element in memory."""
    return _MEMORY.get(kind) or REGISTER[kind]


class Emitter:
    """Writes expressions for one place of a kernel. Equal nodes (the same objects) are written once.

    leaf(expr)   the value of a leaf the scalar IR does not know: loads, named values, positions
    take(expr, index)   an element looked up at an index
    fault(bad)   what to do about a `b1` vector that says where a requirement does not hold
    whole(expr)  the value of an expression that is computed elsewhere as a whole, or None
    """

    def __init__(
        self, w: Writer, lanes: int, leaf: Callable[[Expr], str], fault: Callable[[str], None],
        take: Callable[[Expr, str], str] | None = None, whole: Callable[[Expr], str | None] | None = None,
    ):  # fmt: skip
        self.w, self.lanes, self.leaf, self.fault, self.take, self.whole = w, lanes, leaf, fault, take, whole
        self.done: dict[int, str] = {}
        self._alive: list[Expr] = []  # keeps the ids in `done` from being used again

    def __call__(self, expr: Expr) -> str:
        found = self.done.get(id(expr))
        if found is None:
            elsewhere = self.whole(expr) if self.whole else None
            found = self.done[id(expr)] = elsewhere or self._write(expr)
            self._alive.append(expr)
        return found

    def _write(self, e: Expr) -> str:
        w, lanes = self.w, self.lanes
        if e.op == "const":
            return constant(e.value, e.kind, lanes)
        if not e.args:
            return self.leaf(e)
        if e.op == "require":
            holds = self(e.args[0])
            self.fault(w.let(f"xor {vector('b1', lanes)} {holds}, {constant(True, 'b1', lanes)}"))
            return self(e.args[1])
        values = [self(a) for a in e.args]
        if e.op == "take":
            assert self.take is not None
            return self.take(e, values[0])
        kind = e.args[0].kind
        wide = vector(kind, lanes)
        a, b = (*values, "")[:2]
        if e.op in _ARITHMETIC:
            if kind == "b1":
                raise TypeError(f"{e.op}: b1 has no arithmetic; use and, or, xor")
            return w.let(f"{_ARITHMETIC[e.op][0 if kind[0] == 'f' else 1]} {wide} {a}, {b}")
        if e.op in _ORDERED:
            if kind[0] == "f":
                return w.let(f"fcmp {_ORDERED[e.op]} {wide} {a}, {b}")
            sign = "" if e.op in ("eq", "ne") else _INTEGER[kind[0]]
            return w.let(f"icmp {sign}{e.op} {wide} {a}, {b}")
        if e.op in _BITWISE:
            return w.let(f"{_BITWISE[e.op]} {wide} {a}, {b}")
        if e.op == "select":
            then, other = values[1:]
            return w.let(
                f"select {vector('b1', lanes)} {values[0]}, {vector(e.kind, lanes)} {then}, {vector(e.kind, lanes)} {other}"
            )
        if e.op == "cast":
            return convert(w, lanes, a, kind, e.kind)
        if e.op == "stored":  # what is left of a value that has been in memory
            return from_memory(w, e.value, lanes, to_memory(w, e.value, lanes, a))
        if e.op == "bits":
            return w.let(f"bitcast {wide} {a} to {vector(e.kind, lanes)}")
        if e.op == "neg":
            return w.let(f"fneg {wide} {a}" if kind[0] == "f" else f"sub {wide} {constant(0, kind, lanes)}, {a}")
        if e.op == "not":
            return w.let(f"xor {wide} {a}, {constant(True if kind == 'b1' else -1, kind, lanes)}")
        if e.op == "shr":
            return w.let(f"{'ashr' if kind[0] == 'i' else 'lshr'} {wide} {a}, {b}")
        if e.op in ("div", "rem"):
            return self._divide(e.op, kind, a, b)
        if e.op == "abs" and kind[0] != "f":
            return a if kind[0] in "ub" else w.let(f"call {wide} @llvm.abs({wide} {a}, i1 false)")
        return FUNCTIONS[e.op](w, kind, lanes, *values)

    def _divide(self, op: str, kind: str, a: str, b: str) -> str:
        w, lanes = self.w, self.lanes
        wide, mask = vector(kind, lanes), vector("b1", lanes)
        if kind[0] == "f":
            return w.let(f"fdiv {wide} {a}, {b}") if op == "div" else FUNCTIONS["fmod"](w, kind, lanes, a, b)
        sign = "s" if kind[0] == "i" else "u"
        one = constant(1, kind, lanes)
        # The processor traps on a zero divisor and on the one quotient that overflows: neither may reach it.
        odd = w.let(f"icmp eq {wide} {b}, {constant(0, kind, lanes)}")
        if sign == "s":
            minus = w.let(f"icmp eq {wide} {b}, {constant(-1, kind, lanes)}")
            odd = w.let(f"or {mask} {odd}, {minus}")
        safe = w.let(f"select {mask} {odd}, {wide} {one}, {wide} {b}")
        found = w.let(f"{sign}{op} {wide} {a}, {safe}")
        if sign == "u":
            return found
        other = constant(0, kind, lanes) if op == "rem" else w.let(f"sub {wide} {constant(0, kind, lanes)}, {a}")
        return w.let(f"select {mask} {minus}, {wide} {other}, {wide} {found}")


def convert(w: Writer, lanes: int, value: str, source: str, target: str) -> str:
    """C's conversion between register kinds."""
    if source == target:
        return value
    a, b = vector(source, lanes), vector(target, lanes)
    if target == "b1":
        zero = constant(0, source, lanes)
        return w.let(f"fcmp une {a} {value}, {zero}" if source[0] == "f" else f"icmp ne {a} {value}, {zero}")
    if source[0] == "f" and target[0] == "f":
        return w.let(f"{'fpext' if source == 'f32' else 'fptrunc'} {a} {value} to {b}")
    if source[0] == "f":
        # Narrow and unsigned integers wrap, as a C cast does on this hardware.
        middle = target if target in ("i32", "i64") else "i64" if target[0] == "u" else "i32"
        return convert(w, lanes, w.let(f"fptosi {a} {value} to {vector(middle, lanes)}"), middle, target)
    if target[0] == "f":
        return w.let(f"{'sitofp' if source[0] == 'i' else 'uitofp'} {a} {value} to {b}")
    if ITEMSIZE.get(source, 0) == ITEMSIZE[target]:
        return value
    if source == "b1" or ITEMSIZE[source] < ITEMSIZE[target]:
        return w.let(f"{'sext' if source[0] == 'i' else 'zext'} {a} {value} to {b}")
    return w.let(f"trunc {a} {value} to {b}")


def read(w: Writer, kind: str, lanes: int, place: str, mask: str | None) -> str:
    """`lanes` neighbours from memory, in their register kind; 0 where the mask says no."""
    element = memory_type(kind)
    if lanes == 1:
        return from_memory(w, kind, 1, w.let(f"load {element}, ptr {place}, align {ITEMSIZE[kind]}"))
    wide = f"<{lanes} x {element}>"
    if mask is None:
        return from_memory(w, kind, lanes, w.let(f"load {wide}, ptr {place}, align {ITEMSIZE[kind]}"))
    raw = w.let(
        f"call {wide} @llvm.masked.load(ptr align {ITEMSIZE[kind]} {place}, <{lanes} x i1> {mask}, {wide} zeroinitializer)"
    )
    return from_memory(w, kind, lanes, raw)


def read_backwards(w: Writer, kind: str, lanes: int, place: str, mask: str | None) -> str:
    """As `read`, each lane's element before the one of the lane before it."""
    back = "<" + ", ".join(f"i32 {lanes - 1 - i}" for i in range(lanes)) + ">"

    def turned(wide: str, value: str) -> str:
        return w.let(f"shufflevector {wide} {value}, {wide} poison, <{lanes} x i32> {back}")

    first = w.at(place, str(1 - lanes), memory_type(kind))
    mask = None if mask is None else turned(f"<{lanes} x i1>", mask)
    return turned(vector(register_kind(kind), lanes), read(w, kind, lanes, first, mask))


def gather(w: Writer, kind: str, lanes: int, places: str, mask: str | None) -> str:
    """One element from each of `lanes` addresses."""
    wide = f"<{lanes} x {memory_type(kind)}>"
    mask = mask or constant(True, "b1", lanes)
    if mask.startswith("splat"):
        mask = f"{mask}"
    raw = w.let(
        f"call {wide} @llvm.masked.gather(<{lanes} x ptr> align {ITEMSIZE[kind]} {places}, <{lanes} x i1> {mask}, {wide} zeroinitializer)"
    )
    return from_memory(w, kind, lanes, raw)


def write(w: Writer, kind: str, lanes: int, value: str, place: str, mask: str | None) -> None:
    """A vector of the register kind to `lanes` neighbours in memory."""
    raw = to_memory(w, kind, lanes, value)
    element = memory_type(kind)
    wide = element if lanes == 1 else f"<{lanes} x {element}>"
    if mask is None:
        w.do(f"store {wide} {raw}, ptr {place}, align {ITEMSIZE[kind]}")
    else:
        w.do(f"call void @llvm.masked.store({wide} {raw}, ptr align {ITEMSIZE[kind]} {place}, <{lanes} x i1> {mask})")


def scatter(w: Writer, kind: str, lanes: int, value: str, places: str, mask: str | None) -> None:
    """One element to each of `lanes` addresses."""
    raw = to_memory(w, kind, lanes, value)
    mask = mask or constant(True, "b1", lanes)
    w.do(
        f"call void @llvm.masked.scatter(<{lanes} x {memory_type(kind)}> {raw}, <{lanes} x ptr> align {ITEMSIZE[kind]} {places}, <{lanes} x i1> {mask})"
    )


def from_memory(w: Writer, kind: str, lanes: int, raw: str) -> str:
    """What memory holds, as a register holds it."""
    if kind == "bool":
        return w.let(f"icmp ne {vector('u8', lanes)} {raw}, {constant(0, 'u8', lanes)}")
    if kind == "f16":
        half = "half" if lanes == 1 else f"<{lanes} x half>"
        return w.let(f"fpext {half} {raw} to {vector('f32', lanes)}")
    if kind == "bf16":
        wide = w.let(f"zext {vector('u16', lanes)} {raw} to {vector('u32', lanes)}")
        high = w.let(f"shl {vector('u32', lanes)} {wide}, {constant(16, 'u32', lanes)}")
        return w.let(f"bitcast {vector('u32', lanes)} {high} to {vector('f32', lanes)}")
    return raw


def to_memory(w: Writer, kind: str, lanes: int, value: str) -> str:
    """What a register holds, as memory holds it."""
    if kind == "bool":
        return w.let(f"zext {vector('b1', lanes)} {value} to {vector('u8', lanes)}")
    if kind == "f16":
        half = "half" if lanes == 1 else f"<{lanes} x half>"
        # The fence keeps a conversion from double in two roundings: one from double to half would be a call.
        fenced = w.let(f"call {vector('f32', lanes)} @llvm.arithmetic.fence({vector('f32', lanes)} {value})")
        return w.let(f"fptrunc {vector('f32', lanes)} {fenced} to {half}")
    if kind == "bf16":
        # Round to nearest, ties to even: add half of what is cut off, less one where the kept part is even.
        words = vector("u32", lanes)
        bits = w.let(f"bitcast {vector('f32', lanes)} {value} to {words}")
        high = w.let(f"lshr {words} {bits}, {constant(16, 'u32', lanes)}")
        odd = w.let(f"and {words} {high}, {constant(1, 'u32', lanes)}")
        most = w.let(f"add {words} {bits}, {constant(0x7FFF, 'u32', lanes)}")
        total = w.let(f"add {words} {most}, {odd}")
        rounded = w.let(f"lshr {words} {total}, {constant(16, 'u32', lanes)}")
        nan = w.let(f"fcmp uno {vector('f32', lanes)} {value}, {value}")
        chosen = w.let(
            f"select {vector('b1', lanes)} {nan}, {words} {constant(0x7FC0, 'u32', lanes)}, {words} {rounded}"
        )
        return w.let(f"trunc {words} {chosen} to {vector('u16', lanes)}")
    return value
