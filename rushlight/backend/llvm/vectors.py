"""Vectors of values being computed: the operators of Python write LLVM IR, so that mathematics reads as mathematics.

    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))
    return select(x < 0, -r, r)

A Python number beside a vector is a constant of the vector's kind, the same in every lane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from rushlight.backend.llvm.target import current
from rushlight.backend.llvm.text import Writer, constant, vector

INFINITY, NAN = float("inf"), float("nan")
INTEGER = {"f32": "i32", "f64": "i64"}  # the integers as wide as a float
FLOATING = {"i32": "f32", "i64": "f64"}
MANTISSA = {"f32": 23, "f64": 52}  # bits of a float's mantissa that are stored
BIAS = {"f32": 127, "f64": 1023}  # what is added to its exponent


class Vector:
    """A value of a kind in each of `lanes` lanes: `name` is its name in the text that `w` writes."""

    __slots__ = ("w", "kind", "lanes", "name")

    def __init__(self, w: Writer, kind: str, lanes: int, name: str):
        self.w, self.kind, self.lanes, self.name = w, kind, lanes, name

    @property
    def type(self) -> str:
        """Its LLVM type."""
        return vector(self.kind, self.lanes)

    def made(self, text: str, kind: str | None = None) -> Vector:
        """The vector that an instruction yields; of this kind, if no other is given."""
        return Vector(self.w, kind or self.kind, self.lanes, self.w.let(text))

    def like(self, value: Operand) -> Vector:
        """A number as a vector of this kind; vectors as they are."""
        if isinstance(value, Vector):
            return value
        return Vector(self.w, self.kind, self.lanes, constant(value, self.kind, self.lanes))

    def _binary(self, floating: str, integer: str, other: Operand, swap: bool = False) -> Vector:
        a, b = self, self.like(other)
        if swap:
            a, b = b, a
        return self.made(f"{floating if self.kind[0] == 'f' else integer} {self.type} {a.name}, {b.name}")

    def __add__(self, other: Operand) -> Vector:
        return self._binary("fadd", "add", other)

    __radd__ = __add__

    def __sub__(self, other: Operand) -> Vector:
        return self._binary("fsub", "sub", other)

    def __rsub__(self, other: Operand) -> Vector:
        return self._binary("fsub", "sub", other, swap=True)

    def __mul__(self, other: Operand) -> Vector:
        return self._binary("fmul", "mul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Operand) -> Vector:
        return self._binary("fdiv", "udiv", other)

    def __rtruediv__(self, other: Operand) -> Vector:
        return self._binary("fdiv", "udiv", other, swap=True)

    def __neg__(self) -> Vector:
        return self.made(f"fneg {self.type} {self.name}") if self.kind[0] == "f" else 0 - self

    # Of integers and of b1.
    def __and__(self, other: Operand) -> Vector:
        return self._binary("and", "and", other)

    def __or__(self, other: Operand) -> Vector:
        return self._binary("or", "or", other)

    def __xor__(self, other: Operand) -> Vector:
        return self._binary("xor", "xor", other)

    def __invert__(self) -> Vector:
        return self ^ (True if self.kind == "b1" else -1)

    def __lshift__(self, other: Operand) -> Vector:
        return self._binary("shl", "shl", other)

    def __rshift__(self, other: Operand) -> Vector:
        """Zeros come in from the left."""
        return self._binary("lshr", "lshr", other)

    def shift_signed(self, other: Operand) -> Vector:
        """`>>` with copies of the sign coming in from the left."""
        return self._binary("ashr", "ashr", other)

    # Comparisons: false where an operand is NaN, but for `differs`. Integers compare as signed.
    def _compare(self, floating: str, integer: str, other: Operand) -> Vector:
        order = f"fcmp {floating}" if self.kind[0] == "f" else f"icmp {integer}"
        return self.made(f"{order} {self.type} {self.name}, {self.like(other).name}", "b1")

    def __lt__(self, other: Operand) -> Vector:
        return self._compare("olt", "slt", other)

    def __le__(self, other: Operand) -> Vector:
        return self._compare("ole", "sle", other)

    def __gt__(self, other: Operand) -> Vector:
        return self._compare("ogt", "sgt", other)

    def __ge__(self, other: Operand) -> Vector:
        return self._compare("oge", "sge", other)

    def equals(self, other: Operand) -> Vector:
        return self._compare("oeq", "eq", other)

    def differs(self, other: Operand) -> Vector:
        return self._compare("une", "ne", other)

    # Other views of the same values, and other kinds.
    def bits(self) -> Vector:
        """A float's bits as an integer."""
        kind = INTEGER[self.kind]
        return self.made(f"bitcast {self.type} {self.name} to {vector(kind, self.lanes)}", kind)

    def float_of_bits(self) -> Vector:
        """The float whose bits this integer holds."""
        kind = FLOATING[self.kind]
        return self.made(f"bitcast {self.type} {self.name} to {vector(kind, self.lanes)}", kind)

    def converted(self, kind: str) -> Vector:
        """To another kind of float or of signed integer, as C does."""
        if kind == self.kind:
            return self
        if self.kind[0] == kind[0]:
            narrower = int(kind[1:]) < int(self.kind[1:])
            step = ("fptrunc" if narrower else "fpext") if kind[0] == "f" else ("trunc" if narrower else "sext")
        else:
            step = "sitofp" if kind[0] == "f" else "fptosi"
        return self.made(f"{step} {self.type} {self.name} to {vector(kind, self.lanes)}", kind)

    # One lane of them.
    def lane(self, index: str) -> Vector:
        """The value in a lane, which an i64 of the text names."""
        if self.lanes == 1:
            return self
        found = self.w.let(f"extractelement {self.type} {self.name}, i64 {index}")
        return Vector(self.w, self.kind, 1, found)

    def with_lane(self, index: str, value: Vector) -> Vector:
        """The same but for one lane."""
        if self.lanes == 1:
            return value
        return self.made(f"insertelement {self.type} {self.name}, {value.type} {value.name}, i64 {index}")


Operand: TypeAlias = "Vector | float"


def _intrinsic(name: str, x: Vector, *others: Operand) -> Vector:
    values = ", ".join(f"{x.type} {x.like(v).name}" for v in (x, *others))
    return x.made(f"call {x.type} @llvm.{name}({values})")


def fma(a: Vector, b: Operand, c: Operand) -> Vector:
    """a * b + c: one rounding where the target has the instruction, two where not."""
    return _intrinsic("fmuladd", a, b, c)


def select(condition: Vector, a: Operand, b: Operand) -> Vector:
    """a where the condition holds, else b; one of them is a vector."""
    shape = a if isinstance(a, Vector) else b
    assert isinstance(shape, Vector)
    a, b = shape.like(a), shape.like(b)
    return shape.made(f"select {condition.type} {condition.name}, {a.type} {a.name}, {b.type} {b.name}")


def at_least(x: Vector, low: float) -> Vector:
    """x, but not less than `low`; NaN stays."""
    return select(x.like(low) > x, low, x)


def at_most(x: Vector, high: float) -> Vector:
    """x, but not more than `high`; NaN stays."""
    return select(x.like(high) < x, high, x)


def absolute(x: Vector) -> Vector:
    """|x|."""
    return _intrinsic("fabs", x)


def copysign(x: Vector, sign: Operand) -> Vector:
    """|x| with another's sign."""
    return _intrinsic("copysign", x, sign)


def sqrt(x: Vector) -> Vector:
    """The square root, exactly rounded."""
    return _intrinsic("sqrt", x)


def polynomial(x: Vector, coefficients: Sequence[float]) -> Vector:
    """c[0] + c[1] x + c[2] x² + ... by Horner's rule."""
    value: Operand = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        value = fma(x, value, c)
    return x.like(value)


def fused() -> bool:
    """Whether `fma` rounds once on the target."""
    return "+fma" in current().features or current().arch == "aarch64"


def rounds() -> bool:
    """Whether the target has instructions that round to an integer."""
    return current().name != "sse"


def rint(x: Vector) -> Vector:
    """The nearest integer, the even one of two."""
    if rounds():
        return _intrinsic("rint", x)
    # Above 2^mantissa every float is an integer; adding that to a smaller one leaves its fraction no place.
    big = 2.0 ** MANTISSA[x.kind]
    size = absolute(x)
    return select(size < big, copysign((size + big) - big, x), x)


def floor(x: Vector) -> Vector:
    """The largest integer not above x."""
    if rounds():
        return _intrinsic("floor", x)
    near = rint(x)
    return copysign(select(near > x, near - 1, near), x)


def ceil(x: Vector) -> Vector:
    """The smallest integer not below x."""
    if rounds():
        return _intrinsic("ceil", x)
    near = rint(x)
    return copysign(select(near < x, near + 1, near), x)


def trunc(x: Vector) -> Vector:
    """The integer part."""
    if rounds():
        return _intrinsic("trunc", x)
    return copysign(floor(absolute(x)), x)


def in_double(function: Callable[..., Vector]) -> Callable[..., Vector]:
    """The same function, with float32 arguments computed in float64 and rounded once at the end."""

    def wide(*values: Vector) -> Vector:
        found = function(*[value.converted("f64") for value in values])
        return found.converted(values[0].kind)

    wide.__name__, wide.__doc__ = function.__name__, function.__doc__
    return wide
