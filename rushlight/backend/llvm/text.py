"""LLVM IR as text: a writer for one function, with structured loops, so that generators read like the loops they write.

Values are strings (`%7`, `1.0`); types are strings (`float`, `<16 x float>`). Nothing is checked here: `jit.verify` checks whole modules
in tests, and LLVM's parser checks every text before it becomes code.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager

# kind of the loop IR -> LLVM type of one element in a register, and in memory
REGISTER = {
    "f32": "float", "f64": "double", "i8": "i8", "i16": "i16", "i32": "i32", "i64": "i64",
    "u8": "i8", "u16": "i16", "u32": "i32", "u64": "i64", "b1": "i1",
}  # fmt: skip


def vector(kind: str, lanes: int) -> str:
    """The LLVM type of `lanes` values of a kind; a plain scalar for one lane.

    >>> vector("f32", 16), vector("b1", 1)
    ('<16 x float>', 'i1')
    """
    element = REGISTER[kind]
    return element if lanes == 1 else f"<{lanes} x {element}>"


def number(value: float | int | bool, kind: str) -> str:
    """A literal of a kind. Floats are written as bits, so that none is rounded twice.

    >>> number(0.1, "f32"), number(-3, "i64"), number(True, "b1")
    ('0x3FB99999A0000000', '-3', 'true')
    """
    if kind == "b1":
        return "true" if value else "false"
    if kind[0] != "f":
        return str(int(value))
    value = float(value)
    if kind == "f32":
        value = struct.unpack("f", struct.pack("f", value))[0] if abs(value) < 3.5e38 else value
    return "0x" + struct.pack(">d", value).hex().upper()


def constant(value: float | int | bool, kind: str, lanes: int) -> str:
    """A literal, the same in every lane.

    >>> constant(2, "i32", 4)
    'splat (i32 2)'
    """
    text = number(value, kind)
    return text if lanes == 1 else f"splat ({REGISTER[kind]} {text})"


_texts: dict[Hashable, str] = {}  # of kernels written before: writing one takes milliseconds


def remembered(key: Hashable, write: Callable[[], str]) -> str:
    """The text that `write` makes, written once for each key: everything that the text depends on."""
    found = _texts.get(key)
    if found is None:
        if len(_texts) > 4096:
            _texts.clear()
        found = _texts[key] = write()
    return found


class Loop:
    """A loop being written: `index`, the loop-carried `values`; set `next` to their values after a round."""

    def __init__(self, index: str, values: list[str]):
        self.index, self.values = index, values
        self.next: list[str] = []


class Writer:
    """Writes one function `define void @name(arguments)`."""

    def __init__(self, name: str, arguments: Sequence[tuple[str, str]], attributes: str = "#0", returns: str = "void"):
        head = ", ".join(f"{kind} %{argument}" for kind, argument in arguments)
        self.head = [
            f"define {returns} @{name}({head}) {attributes} {{",
            "entry:",
        ]  # and what must run once, before all else
        self.lines: list[str] = []
        self.block = "entry"
        self._count = 0

    def fresh(self, stem: str = "v") -> str:
        """A name nothing else has."""
        self._count += 1
        return f"{stem}{self._count}"

    def let(self, text: str) -> str:
        """`%v = text`; the name."""
        name = "%" + self.fresh()
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """A statement without a value."""
        self.lines.append("  " + text)

    def once(self, text: str) -> str:
        """As `let`, at the top of the function: for values that no loop changes and that depend on nothing written later."""
        name = "%" + self.fresh()
        self.head.append(f"  {name} = {text}")
        return name

    @contextmanager
    def top(self) -> Iterator[None]:
        """What is written inside goes where `once` writes."""
        lines, self.lines = self.lines, self.head
        yield
        self.lines = lines

    def label(self, name: str) -> None:
        """Start a basic block."""
        self.lines.append(f"{name}:")
        self.block = name

    @contextmanager
    def loop(
        self, start: str, stop: str, step: str | int = 1, carried: Sequence[tuple[str, str]] = ()
    ) -> Iterator[Loop]:
        """`for i in range(start, stop, step)`; carried is (type, first value) of what a round hands to the next.

        Inside: `loop.index`, `loop.values`; set `loop.next`. Afterwards `loop.values` are the final values.
        """
        tag = self.fresh("L")
        index, after = f"%i.{tag}", f"%n.{tag}"
        names = [f"%c{k}.{tag}" for k in range(len(carried))]
        before = self.block
        self.do(f"br label %head.{tag}")
        self.label(f"head.{tag}")
        at = len(self.lines)
        going = f"%g.{tag}"
        self.do(f"{going} = icmp slt i64 {index}, {stop}")
        self.do(f"br i1 {going}, label %body.{tag}, label %exit.{tag}")
        self.label(f"body.{tag}")
        made = Loop(index, list(names))
        yield made
        if len(made.next) != len(carried):
            raise ValueError(f"loop: {len(made.next)} values handed on, {len(carried)} carried")
        last = self.block
        self.do(f"{after} = add nsw i64 {index}, {step}")
        self.do(f"br label %head.{tag}")
        phis = [f"  {index} = phi i64 [ {start}, %{before} ], [ {after}, %{last} ]"]
        phis += [
            f"  {name} = phi {kind} [ {first}, %{before} ], [ {following}, %{last} ]"
            for name, (kind, first), following in zip(names, carried, made.next, strict=True)
        ]
        self.lines[at:at] = phis
        self.label(f"exit.{tag}")
        made.values = names

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """`if condition:`; nothing comes out of it but what it stores."""
        tag = self.fresh("W")
        self.do(f"br i1 {condition}, label %then.{tag}, label %done.{tag}")
        self.label(f"then.{tag}")
        yield
        self.do(f"br label %done.{tag}")
        self.label(f"done.{tag}")

    # -- addresses and memory ------------------------------------------------------------------------------------

    def at(self, base: str, offset: str, kind: str = "i8") -> str:
        """The address `offset` elements of an LLVM type after `base`."""
        return self.let(f"getelementptr {kind}, ptr {base}, i64 {offset}")

    def argument(self, index: int, kind: str = "i64") -> str:
        """The index-th 8-byte word of the argument block: an `i64`, or a `ptr`."""
        place = self.once(f"getelementptr i64, ptr %args, i64 {index}")
        return self.once(f"load {kind}, ptr {place}, align 8, !invariant.load !0")

    def mul(self, a: str, b: str | int) -> str:
        return self.let(f"mul nsw i64 {a}, {b}")

    def add(self, a: str, b: str | int) -> str:
        return self.let(f"add nsw i64 {a}, {b}")

    def sub(self, a: str, b: str | int) -> str:
        return self.let(f"sub nsw i64 {a}, {b}")

    def least(self, a: str, b: str | int) -> str:
        """The smaller of two i64."""
        return self.let(f"call i64 @llvm.smin.i64(i64 {a}, i64 {b})")

    def text(self) -> str:
        """The whole function."""
        return "\n".join([*self.head, *self.lines, "  ret void", "}", ""])


KERNEL = (("ptr", "args"), ("i64", "begin"), ("i64", "end"), ("ptr", "scratch"))


def kernel(name: str = "kernel") -> Writer:
    """A writer for a kernel: see `runtime.py` for what its arguments are."""
    return Writer(name, KERNEL)


def module(functions: Sequence[str], attributes: str) -> str:
    """A module's text: functions, and the attribute group that they name."""
    return "\n".join([*functions, f"attributes #0 = {{ {attributes} }}", "!0 = !{}", ""])
