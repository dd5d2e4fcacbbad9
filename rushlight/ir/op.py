"""Op declarations. One op, one `declare(...)`: signature, shape rule, reference, gradient, lowering, samples, errors.

The signature is PyTorch's, with a kind before each name:

    Tensor     a tensor                                   Tensor?  a tensor or None     Tensor[]  a list of tensors
    Operand    a tensor or a Python number (Operand?)     Number   a number that may change from step to step
    Number?    ... or None                                everything else (int, int[], bool, dtype?, str, any) is static

Tensors and numbers are *slots* of the recorded entry; static arguments are part of its key.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

SLOT_KINDS = ("Tensor", "Tensor?", "Tensor[]", "Operand", "Operand?", "Number", "Number?")
REQUIRED = object()


@dataclass(frozen=True)
class Param:
    """One argument of a signature."""

    name: str
    kind: str
    default: Any = REQUIRED
    keyword_only: bool = False

    @property
    def is_slot(self) -> bool:
        return self.kind in SLOT_KINDS


@dataclass(eq=False)
class Op:
    """A primitive. Hashes by identity: entries of the trie are looked up by it.

    infer(*metas, **static)            -> Meta, or a tuple of Metas; raises on bad input
    reference(*arrays, **static)       -> ndarray or tuple, in the compute dtype (random ops get the engine first)
    vjp                                 a tuple with one rule per slot argument, `rule(g, out, *inputs, **static)`, None
                                        where no gradient flows; or one function `vjp(g, out, *inputs, needs, **static)`
                                        returning a tuple. Plain tensor code, so it differentiates again.
    lower                               for pointwise ops: the scalar expression of one element (see ir/scalar.py); None, or a
                                        `lower` that returns None: the NumPy reference runs it
    grad_none                           the vjp of an op with several results gets None, not zeros, for those without a gradient
    expand(*inputs, **static)           plain tensor code of simpler ops that compilers put in this op's place; returning None
                                        keeps the op
    moves                               `expand` only moves, compares or counts: it gives the reference's bits, and half precision needs
                                        no wider numbers in between
    wide                                compilers compute half precision in float32, by casts before and after: there are kernels for
                                        float32 and float64 only
    quick                               for views: infer costs no more than to remember what it said; it and reference take
                                        the static arguments in order
    numbers_alone                       all of its operands may be Python numbers
    write                               for views: the op that puts a changed view back into its base
    """

    name: str
    params: tuple[Param, ...]
    infer: Callable[..., Any]
    reference: Callable[..., Any] | None = None
    vjp: Any = None
    grad_none: bool = False
    lower: Any = None
    expand: Any = None
    moves: bool = False
    wide: bool = False
    promote: Callable[..., Any] | None = None
    pointwise: bool = False
    view: bool = False
    quick: bool = False
    write: Op | None = None
    random: bool = False
    inplace: bool = False
    functional: Op | None = None
    untracked: bool = False
    numbers_alone: bool = False
    grad_name: str = ""
    public: str = (
        "function method"  # where users find it; names that end in _op, _write, … are internal whatever it says
    )
    samples: Callable[[], list] | None = None
    errors: Callable[[], list] | None = None
    doc: str = ""
    slots: tuple[Param, ...] = field(init=False)
    statics: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.slots = tuple(p for p in self.params if p.is_slot)
        self.statics = tuple(p.name for p in self.params if not p.is_slot)
        self.grad_name = self.grad_name or node_name(self.name)

    @property
    def differentiable(self) -> bool:
        return self.vjp is not None

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> tuple:
        return (named, (self.name,))


def node_name(op: str) -> str:
    """PyTorch's name for the node of an op: words begin with capitals, also after a digit."""
    return (
        re.sub(
            r"(?<=\d)[a-z]", lambda m: m[0].upper(), "".join(w.capitalize() for w in op.removesuffix("_op").split("_"))
        )
        + "Backward0"
    )


@functools.cache
def renamed(op: str, grad_name: str) -> Op:
    """The op of the table under another name in the backward graph: what a function is made of that PyTorch has whole."""
    return replace(TABLE[op], grad_name=grad_name)


TABLE: dict[str, Op] = {}


def named(name: str) -> Op:
    """The op of the table with this name."""
    return TABLE[name]


def parse_signature(text: str) -> tuple[str, tuple[Param, ...]]:
    """`"sum(Tensor input, int[]? dim=None, *, bool keepdim=False)"` -> name and parameters."""
    match = re.fullmatch(r"\s*(\w+)\((.*)\)\s*", text, re.S)
    if match is None:
        raise ValueError(f"op signature {text!r} is not name(kind name, ...)")
    params, keyword_only = [], False
    for part in filter(None, (p.strip() for p in re.split(r",(?![^(\[]*[)\]])", match[2]))):
        if part == "*":
            keyword_only = True
        else:
            params.append(_parse_param(part, keyword_only))
    return match[1], tuple(params)


@functools.cache
def _parse_param(part: str, keyword_only: bool) -> Param:
    """`"int[]? dim=None"`: many ops share a parameter, and reading all of them is a part of the import's time."""
    left, _, default = part.partition("=")
    kind, name = left.split()
    # defaults are literals written in this repository's own declarations
    value = eval(default, {"__builtins__": {}}) if default else REQUIRED
    return Param(name, kind, value, keyword_only)


def declare(signature: str, *, inplace: bool = False, **facts: Any) -> Op:
    """Add an op to the table; `inplace=True` also declares its `name_` sibling, which writes to its first input."""
    name, params = parse_signature(signature)
    if name in TABLE:
        raise ValueError(f"op {name!r} is declared twice")
    op = TABLE[name] = Op(name=name, params=params, **facts)
    if inplace:
        TABLE[name + "_"] = inplace_of(op)
    return op


def _inplace_public(op: Op) -> str:
    if op.public in ("", "function"):
        return op.public
    return "function method" if len(op.params) == 1 else "method"


def inplace_of(op: Op) -> Op:
    """The sibling that writes its result to its first input: same rule, same gradient, result cast to the target."""
    from rushlight.ir.inplace import inplace_infer

    return Op(
        name=op.name + "_", params=op.params, infer=inplace_infer(op), reference=op.reference, vjp=op.vjp, lower=op.lower, expand=op.expand, moves=op.moves,
        promote=op.promote, pointwise=op.pointwise, random=op.random, inplace=True, functional=op,
        untracked=op.untracked, grad_name=op.grad_name, public=_inplace_public(op), doc=f"In-place version of `{op.name}`.",
    )  # fmt: skip
