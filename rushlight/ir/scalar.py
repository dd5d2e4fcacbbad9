"""Scalar expressions: what one element of a result is, as data. An op's `lower` builds them; code generators read them.

    lower=lambda x: 1 / (1 + L.exp(-x))

`lower` gets one Expr for each slot of the op (a Python number that the user wrote arrives as an Expr too), and the static arguments by
name; it returns the Expr of the result, in any kind: the compiler casts it to the result's dtype. Kinds are those of registers:
float16 and bfloat16 arrive as f32, bool as b1. Complex numbers have no kind; such ops run on the reference, as do those whose
`lower` returns None for the kinds that it was given.

Integers wrap. `/` and `%` of integers are C's; by 0 they give any number, but stop no process. A shift by less than 0, or by the
width and more, gives any number. b1 has and, or, xor, not and comparisons (false < true), and no arithmetic.
"""

from __future__ import annotations

from typing import Any

KINDS = ("b1", "u8", "i8", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64")
# Functions of one real argument that every backend provides, with at most 2 ulp of error in float32 (1 where it is cheap);
# abs is also one of integers.
UNARY = (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
    "asinh", "acosh", "atanh", "erf", "erfc", "erfinv", "lgamma", "digamma", "floor", "ceil", "trunc", "rint", "abs",
)  # fmt: skip
# ... and of two.
BINARY = ("pow", "atan2", "fmod", "hypot", "copysign")


class Expr:
    """A node: `op` over `args`, of a kind; `value` is a constant's value, a leaf's number or an op's parameter."""

    __slots__ = ("op", "kind", "args", "value")

    def __init__(self, op: str, kind: str, args: tuple[Expr, ...] = (), value: Any = None):
        self.op, self.kind, self.args, self.value = op, kind, args, value

    @property
    def floating(self) -> bool:
        return self.kind[0] == "f"

    @property
    def signed(self) -> bool:
        return self.kind[0] in "if"

    def __repr__(self) -> str:
        """Parts that are used twice are written once: `%0 = exp(x); add(%0, mul(%0, %0))`."""
        uses: dict[int, int] = {}
        order: list[Expr] = []

        def visit(e: Expr) -> None:
            uses[id(e)] = uses.get(id(e), 0) + 1
            if uses[id(e)] == 1:
                for argument in e.args:
                    visit(argument)
                order.append(e)

        visit(self)
        written: dict[int, str] = {}
        shared: list[str] = []
        for e in order:
            if e.op == "const":
                text = str(e.value)
            else:
                parameters = [] if e.value is None else [repr(e.value)]
                inner = ", ".join([*(written[id(argument)] for argument in e.args), *parameters])
                text = f"{e.op}({inner})" if inner else e.op
            if e.args and uses[id(e)] > 1:
                shared.append(f"%{len(shared)} = {text}")
                text = f"%{len(shared) - 1}"
            written[id(e)] = text
        return "; ".join([*shared, written[id(self)]])

    # Both operands of a binary op have one kind; a Python number takes the other's.
    def __add__(self, other: Any) -> Expr:
        return binary("add", self, other)

    def __radd__(self, other: Any) -> Expr:
        return binary("add", other, self)

    def __sub__(self, other: Any) -> Expr:
        return binary("sub", self, other)

    def __rsub__(self, other: Any) -> Expr:
        return binary("sub", other, self)

    def __mul__(self, other: Any) -> Expr:
        return binary("mul", self, other)

    def __rmul__(self, other: Any) -> Expr:
        return binary("mul", other, self)

    def __truediv__(self, other: Any) -> Expr:
        return binary("div", self, other)

    def __rtruediv__(self, other: Any) -> Expr:
        return binary("div", other, self)

    def __mod__(self, other: Any) -> Expr:
        """C's remainder: the sign of the dividend."""
        return binary("rem", self, other)

    def __neg__(self) -> Expr:
        return Expr("neg", self.kind, (self,))

    def __and__(self, other: Any) -> Expr:
        return binary("and", self, other)

    def __or__(self, other: Any) -> Expr:
        return binary("or", self, other)

    def __xor__(self, other: Any) -> Expr:
        return binary("xor", self, other)

    def __invert__(self) -> Expr:
        return Expr("not", self.kind, (self,))

    def __lshift__(self, other: Any) -> Expr:
        return binary("shl", self, other)

    def __rshift__(self, other: Any) -> Expr:
        """Arithmetic for signed kinds."""
        return binary("shr", self, other)

    def __lt__(self, other: Any) -> Expr:
        return compare("lt", self, other)

    def __le__(self, other: Any) -> Expr:
        return compare("le", self, other)

    def __gt__(self, other: Any) -> Expr:
        return compare("gt", self, other)

    def __ge__(self, other: Any) -> Expr:
        return compare("ge", self, other)

    def __bool__(self) -> bool:
        raise TypeError("an Expr has no truth value while code is generated. Fix: use select(condition, a, b).")


def kinds(x: Expr) -> tuple[str, ...]:
    """The kinds of all nodes: with its text, which shows none, they are all that an expression is."""
    seen: dict[int, Expr] = {}
    todo = [x]
    while todo:
        e = todo.pop()
        if id(e) not in seen:
            seen[id(e)] = e
            todo.extend(e.args)
    return tuple(e.kind for e in seen.values())


def const(value: float | int | bool, kind: str) -> Expr:
    """A constant."""
    return Expr("const", kind, (), value)


def as_expr(value: Any, kind: str) -> Expr:
    """Expr as they are, Python numbers as constants of the kind."""
    return value if isinstance(value, Expr) else const(value, kind)


def binary(op: str, a: Any, b: Any) -> Expr:
    """An arithmetic node of two operands of one kind."""
    kind = a.kind if isinstance(a, Expr) else b.kind
    a, b = as_expr(a, kind), as_expr(b, kind)
    if a.kind != b.kind:
        raise TypeError(f"{op}: got kinds {a.kind} and {b.kind}; expected one. Fix: cast one of them.")
    return Expr(op, kind, (a, b))


def compare(op: str, a: Any, b: Any) -> Expr:
    """A comparison; false when an operand is NaN, but for `ne`."""
    found = binary(op, a, b)
    return Expr(op, "b1", found.args)


def eq(a: Any, b: Any) -> Expr:
    return compare("eq", a, b)


def ne(a: Any, b: Any) -> Expr:
    return compare("ne", a, b)


def select(condition: Expr, a: Any, b: Any) -> Expr:
    """a where the condition (b1) holds, else b; the arms may be of two kinds, which `common` makes one."""
    kind = a.kind if isinstance(a, Expr) else b.kind
    a, b = common(as_expr(a, kind), as_expr(b, kind))
    return Expr("select", a.kind, (condition, a, b))


def common(a: Expr, b: Expr) -> tuple[Expr, Expr]:
    """Both in one kind that holds them: the other's for b1, f64 where one is a float, i64 for integers."""
    if a.kind == b.kind:
        return a, b
    if "b1" in (a.kind, b.kind):
        kind = b.kind if a.kind == "b1" else a.kind
    else:
        kind = "f64" if a.floating or b.floating else "i64"
    return cast(a, kind), cast(b, kind)


# How many bits of a number a kind keeps.
_BITS = {
    "b1": 1, "i8": 7, "u8": 8, "i16": 15, "u16": 16, "f32": 24, "i32": 31, "u32": 32, "f64": 53, "i64": 63, "u64": 64,
}  # fmt: skip


def _holds(wide: str, kind: str) -> bool:
    """Whether every value of a kind is one of `wide`."""
    if kind[0] == "f" or wide[0] == "f":
        return wide[0] == "f" and _BITS[wide] >= _BITS[kind]
    return _BITS[wide] >= _BITS[kind] and not (kind[0] == "i" and wide[0] in "ub")


def cast(x: Expr, kind: str) -> Expr:
    """C's conversion, saturating nowhere: floats to integers as x86 does; to b1 it is `x != 0`.

    There and back is the value itself, and a choice is made in the kind of its result: cast(select(c, cast(y, f64), 0.1),
    f32) is select(c, y, 0.1), so that mixed kinds cost no wide arithmetic.
    """
    if x.kind == kind:
        return x
    if x.op == "cast" and x.args[0].kind == kind and _holds(x.kind, kind):
        return x.args[0]
    if x.op == "const" and kind[0] == "f" and (x.floating or abs(x.value) < 2**53):
        return const(float(x.value), kind)
    if x.op == "const" and x.kind == "b1":
        return const(int(x.value), kind)
    if x.op == "select" and any(arm.op == "cast" and arm.args[0].kind == kind for arm in x.args[1:]):
        return Expr("select", kind, (x.args[0], *(cast(arm, kind) for arm in x.args[1:])))
    return Expr("cast", kind, (x,))


def bits(x: Expr, kind: str) -> Expr:
    """The same bits as another kind of the same width."""
    return Expr("bits", kind, (x,))


def isnan(x: Expr) -> Expr:
    return ne(x, x) if x.floating else const(False, "b1")


def maximum(a: Any, b: Any) -> Expr:
    """The larger; NaN wins."""
    return _extreme("gt", a, b)


def minimum(a: Any, b: Any) -> Expr:
    """The smaller; NaN wins."""
    return _extreme("lt", a, b)


def _extreme(better: str, a: Any, b: Any) -> Expr:
    kind = a.kind if isinstance(a, Expr) else b.kind
    a, b = as_expr(a, kind), as_expr(b, kind)
    if b.op == "const":
        a, b = b, a
    chosen = select(compare(better, a, b), a, b)  # b where one is NaN: all that is needed where a is a number
    return chosen if not a.floating or (a.op == "const" and a.value == a.value) else select(isnan(a), a, chosen)


def require(condition: Expr, value: Expr) -> Expr:
    """`value`; where the condition is false for an element that exists, the Program fails and the reference says why."""
    return Expr("require", value.kind, (condition, value))


def call(name: str, *args: Expr) -> Expr:
    """A function of UNARY or BINARY."""
    return Expr(name, args[0].kind, args)


def _function(name: str) -> Any:
    def build(*args: Expr) -> Expr:
        return call(name, *args)

    build.__name__ = name
    return build


exp, exp2, expm1, log, log2, log10, log1p, sqrt = map(
    _function, ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt")
)
sin, cos, tan, asin, acos, atan = map(_function, ("sin", "cos", "tan", "asin", "acos", "atan"))
sinh, cosh, tanh, asinh, acosh, atanh = map(_function, ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"))
erf, erfc, erfinv, lgamma, digamma = map(_function, ("erf", "erfc", "erfinv", "lgamma", "digamma"))
floor, ceil, trunc, rint, absolute = map(_function, ("floor", "ceil", "trunc", "rint", "abs"))
pow, atan2, fmod, hypot, copysign = map(_function, BINARY)
