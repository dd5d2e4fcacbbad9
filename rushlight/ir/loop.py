"""The loop IR: what one kernel computes, generic in size, as plain data that code generators turn into code.

A Nest visits a grid of *kept* dimensions (its results differ along them) and *reduced* ones. Statements are evaluated in levels: a
reduction of level n is complete, for one point of the kept dimensions, before statements of level n + 1 begin. So a softmax is one
Nest of three levels, and its row stays in the cache from the first to the last.

    full       a value at every point of the grid
    reduced    a value at every point of the kept dimensions
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rushlight.ir.scalar import Expr

# op -> the value that changes nothing, by the kind's class; None: there is none
REDUCTIONS = ("sum", "prod", "max", "min", "all", "any")
# memory kind -> the kind it has in a register
REGISTER_KIND = {"bool": "b1", "f16": "f32", "bf16": "f32"}
ITEMSIZE = {
    "bool": 1, "u8": 1, "i8": 1, "i16": 2, "u16": 2, "f16": 2, "bf16": 2, "i32": 4, "u32": 4, "f32": 4, "i64": 8, "u64": 8, "f64": 8,
}  # fmt: skip
# dtype name -> memory kind
MEMORY_KIND = {
    "bool": "bool", "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "float16": "f16",
    "bfloat16": "bf16", "float32": "f32", "float64": "f64",
}  # fmt: skip


def register_kind(kind: str) -> str:
    """The kind that a value of a memory kind has in a register."""
    return REGISTER_KIND.get(kind, kind)


@dataclass(frozen=True)
class Buffer:
    """An operand. `along` is how it moves with the vector dimension: "0" not at all, "1" side by side, "-1" backwards, "s" by a stride;
    "scalar": it is one number, read once."""

    kind: str
    along: str


@dataclass(frozen=True)
class Let:
    """A value: `name` of `expr`, at a level, in a space. Kept in scratch memory from its level on when `kept` is set."""

    name: int
    expr: Expr
    full: bool
    level: int
    kept: bool = False


@dataclass(frozen=True)
class Reduce:
    """`name` is the reduction of a full expression; it can be read from level + 1 on."""

    name: int
    op: str
    expr: Expr
    level: int


@dataclass(frozen=True)
class Store:
    """Write an expression to a buffer."""

    buffer: int
    expr: Expr
    full: bool
    level: int


@dataclass
class Nest:
    """One kernel.

    kept, reduced   numbers of loop dimensions, outermost first
    rows            True: vectors run along the innermost reduced dimension; False: along the innermost kept one
    split           the only reduced dimension is cut into blocks, and each gives a result of its own
    lanes           values in a vector
    axes            for `position`: the loop dimension that a dimension of the grid is
    words           integers that expressions read (`word`), beyond sizes and strides
    """

    kept: int
    reduced: int
    rows: bool
    split: bool
    lanes: int
    words: int = 0
    buffers: list[Buffer] = field(default_factory=list)
    statements: list[Let | Reduce | Store] = field(default_factory=list)
    axes: dict[int, int] = field(default_factory=dict)

    @property
    def dims(self) -> int:
        return self.kept + self.reduced

    @property
    def vector_dim(self) -> int:
        """The dimension that vectors run along."""
        return self.dims - 1 if self.rows else self.kept - 1

    def sizes_words(self) -> int:
        """Words of the argument block before the buffers: sizes of all dimensions, and the size of a block."""
        return self.dims + 1

    def words_of(self, buffer: Buffer) -> int:
        """Words of one buffer: its address, its stride along every dimension (nothing but the address for a scalar)."""
        return 1 if buffer.along == "scalar" else 1 + self.dims

    def __str__(self) -> str:
        head = f"nest kept={self.kept} reduced={self.reduced} {'rows' if self.rows else 'columns'}{' split' * self.split} x{self.lanes}"
        lines = [head, "  " + " ".join(f"b{i}:{b.kind}/{b.along}" for i, b in enumerate(self.buffers))]
        for s in self.statements:
            where = f"  [{s.level}] "
            if isinstance(s, Let):
                lines.append(f"{where}{'full' if s.full else 'row'} v{s.name} = {s.expr!r}{' (kept)' * s.kept}")
            elif isinstance(s, Reduce):
                lines.append(f"{where}row v{s.name} = {s.op} {s.expr!r}")
            else:
                lines.append(f"{where}b{s.buffer} <- {s.expr!r}")
        return "\n".join(lines)


def load(buffer: int, kind: str) -> Expr:
    """The element of a buffer at the present point."""
    return Expr("load", register_kind(kind), (), buffer)


def value(name: int, kind: str) -> Expr:
    """A value that a Let or a Reduce named."""
    return Expr("value", kind, (), name)


def position(dim: int) -> Expr:
    """The index along a dimension of the grid."""
    return Expr("position", "i64", (), dim)


def word(number: int) -> Expr:
    """An integer of the argument block, so that sizes and strides are not part of the code."""
    return Expr("word", "i64", (), number)


def take(buffer: int, kind: str, index: Expr) -> Expr:
    """The element `index` places (i64) after the present point of a buffer."""
    return Expr("take", register_kind(kind), (index,), buffer)
