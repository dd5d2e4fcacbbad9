"""Launch tables: how a Program tells the native launcher what to run.

A kernel is a function `void kernel(ptr args, i64 begin, i64 end, ptr scratch)` that does the units [begin, end). An
*instruction* is a kernel, its argument words and its units; a *group* holds instructions that do not depend on each
other; groups run one after the other.

    table = Table(leaves=2, outputs=1, numbers=("f64", "i64"))
    table.group()
    table.add(kernel, [table.leaf(0), table.output(0).at(64), table.number(0), 12], units=100, grain=10)
    table.finish(scratch=4096, heavy=True)
    status = launcher()(table.address, [a, b], [0.1, 3], [out], arena_address, 0, table.groups)

An argument word is an int, or a `Place`: a slot and a byte offset, resolved at each launch (leaves, outputs, arena)
or once (everything else).

`launcher()` is the built-in function `launch(table, leaves, numbers, outputs, arena, first_group, last_group) -> int`:
    table                     `Table.address`; the Table object must be kept alive by the caller
    leaves, outputs           lists or tuples of NumPy arrays, as many as the table has places for
    numbers                   list or tuple of Python numbers; converted to float64 or int64 as the table says
    arena                     address of the arena, or 0
    first_group, last_group   which groups to run: [first_group, last_group)
It returns the status word: 0, or what a kernel stored at `table.status`, after the group in which that happened. It
returns `IN_USE` (-1), having done nothing, when this very table is being run by another thread or further up the
stack: use a `Table.copy()` then, or keep a list of idle copies and never see it. It raises TypeError, ValueError,
OverflowError or MemoryError with nothing done; and what a signal handler raises (KeyboardInterrupt), looked for every
100 ms between two groups of a `heavy` table, with the groups up to there done. The caller keeps the arrays alive and
does not resize them.

The header, 64-bit words:
    n_slots, slots; n_relocations, relocations {address of the word, slot, byte offset}; n_groups, groups {first
    instruction's address, count, chunks, serial}; instructions {kernel, args, units, grain, chunks, first chunk in
    its group}; n_leaves; n_outputs; n_numbers, numbers, kinds (0: int64, 1: float64); status (address); profile (0,
    or the address of a pair of ns for each group: monotonic clock before and after); heavy (run without the GIL);
    scratch (bytes a thread, a multiple of 128); parallel (some group may use several threads); in_use.
Slots: leaves, outputs, the arena, then addresses that do not change.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rushlight.backend.llvm import launch, pool, threads
from rushlight.backend.llvm.launch import IN_USE as IN_USE
from rushlight.backend.llvm.launch import WORD

_METH_FASTCALL = 0x0080
KINDS = {"i64": 0, "f64": 1}


@dataclass(frozen=True)
class Place:
    """An address: `offset` bytes into what a slot holds."""

    slot: int
    offset: int = 0

    def at(self, offset: int) -> Place:
        """So many bytes further on."""
        return Place(self.slot, self.offset + offset)


@dataclass(frozen=True)
class _Instruction:
    kernel: int
    args: tuple[int | Place, ...]
    units: int
    grain: int

    @property
    def chunks(self) -> int:
        return -(-self.units // self.grain)


class Table:
    """A launch table being built, and its memory afterwards."""

    def __init__(self, leaves: int, outputs: int, numbers: Sequence[str] = ()):
        self._leaves, self._outputs, self._kinds = leaves, outputs, tuple(numbers)
        self.arena = Place(leaves + outputs)
        self._fixed: list[Any] = ["status", *range(len(numbers))]  # what the slots after the arena hold
        self._groups: list[tuple[list[_Instruction], bool]] = []
        self._options: dict[str, Any] = {}
        self.address = 0
        self._memory = np.empty(0, np.int64)
        self.times = np.empty((0, 2), np.int64)

    # -- what arguments may refer to ---------------------------------------------------------------------------------

    def leaf(self, index: int) -> Place:
        """The data of the index-th leaf."""
        return Place(index)

    def output(self, index: int) -> Place:
        """The data of the index-th output."""
        return Place(self._leaves + index)

    @property
    def status(self) -> Place:
        """The status word (int64), which a kernel sets to report a fault."""
        return Place(self.arena.slot + 1)

    def number(self, index: int) -> Place:
        """The index-th number, 8 bytes of its kind."""
        return Place(self.arena.slot + 2 + index)

    def constant(self, array: np.ndarray) -> Place:
        """The data of an array that the table keeps alive."""
        self._fixed.append(array)
        return Place(self.arena.slot + len(self._fixed))

    # -- building ----------------------------------------------------------------------------------------------------

    def group(self, serial: bool = False) -> int:
        """Start a group; its index. A serial one runs on the launching thread."""
        self._groups.append(([], serial))
        return len(self._groups) - 1

    def add(self, kernel: int, args: Sequence[int | Place], units: int, grain: int = 0) -> None:
        """Add an instruction to the last group: kernel address, argument words, units, units a chunk (0: all)."""
        self._groups[-1][0].append(_Instruction(kernel, tuple(args), units, grain if grain > 0 else max(units, 1)))

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    def finish(self, scratch: int = 0, heavy: bool = True) -> None:
        """Lay the table out in memory.

        `scratch` is the bytes a thread needs. A table that is not `heavy` keeps the GIL: right for some 20 µs of work.
        """
        self._options = {"scratch": scratch, "heavy": heavy}
        instructions = [instruction for group, _ in self._groups for instruction in group]
        lengths = {
            "slots": self.arena.slot + 1 + len(self._fixed),
            "groups": 4 * len(self._groups),
            "instructions": 6 * len(instructions),
            "args": sum(len(instruction.args) for instruction in instructions),
            "relocations": 3 * sum(self._moves(word) for i in instructions for word in i.args),
            "numbers": len(self._kinds),
            "kinds": len(self._kinds),
            "status": 1,
            "times": 2 * len(self._groups),
        }
        memory = np.zeros(len(WORD) + sum(lengths.values()), np.int64)
        base, sections, start = memory.ctypes.data, {}, len(WORD)
        addresses = {}
        for name, length in lengths.items():
            sections[name], addresses[name] = memory[start : start + length], base + 8 * start
            start += length
        slots = sections["slots"]
        for index, held in enumerate(self._fixed, self.arena.slot + 1):
            slots[index] = self._fixed_address(held, addresses)
        self._lay_out(sections, addresses)
        sections["kinds"][:] = [KINDS[kind] for kind in self._kinds]
        header = {name: addresses[name] for name in addresses if name in WORD}
        header |= {f"n_{name}": length for name, length in lengths.items() if f"n_{name}" in WORD}
        header |= {
            "n_relocations": lengths["relocations"] // 3, "n_groups": len(self._groups), "n_leaves": self._leaves,
            "n_outputs": self._outputs, "heavy": heavy,
            "scratch": -(-scratch // 128) * 128,
            "parallel": any(not serial and sum(i.chunks for i in group) > 1 for group, serial in self._groups),
        }  # fmt: skip
        for name, value in header.items():
            memory[WORD[name]] = value
        self._memory, self.address = memory, base
        self.times = sections["times"].reshape(-1, 2)

    def profile(self, on: bool) -> None:
        """Whether launches note in `times`, int64[groups, 2], the monotonic clock (ns) before and after each group."""
        self._memory[WORD["profile"]] = self.times.ctypes.data if on else 0

    def _moves(self, word: int | Place) -> bool:
        return isinstance(word, Place) and word.slot <= self.arena.slot

    def _fixed_address(self, held: Any, addresses: dict[str, int]) -> int:
        if isinstance(held, np.ndarray):
            return held.ctypes.data
        return addresses["status"] if held == "status" else addresses["numbers"] + 8 * held

    def _lay_out(self, sections: dict[str, np.ndarray], addresses: dict[str, int]) -> None:
        """Write groups, instructions, arguments and relocations."""
        groups, instructions = sections["groups"].reshape(-1, 4), sections["instructions"].reshape(-1, 6)
        args, relocations = sections["args"], sections["relocations"].reshape(-1, 3)
        row = word = moved = 0
        for index, (group, serial) in enumerate(self._groups):
            first, chunks = row, 0
            for instruction in group:
                here = addresses["args"] + 8 * word
                instructions[row] = (
                    instruction.kernel, here, instruction.units, instruction.grain, instruction.chunks, chunks,
                )  # fmt: skip
                row, chunks = row + 1, chunks + instruction.chunks
                for value in instruction.args:
                    if not isinstance(value, Place):
                        args[word] = value
                    elif self._moves(value):
                        relocations[moved] = addresses["args"] + 8 * word, value.slot, value.offset
                        moved += 1
                    else:
                        args[word] = sections["slots"][value.slot] + value.offset
                    word += 1
            groups[index] = addresses["instructions"] + 48 * first, row - first, chunks, serial

    def copy(self) -> Table:
        """The same table in memory of its own, to run while another thread runs this one."""
        other = Table(self._leaves, self._outputs, self._kinds)
        other._fixed, other._groups = self._fixed, self._groups
        other.finish(**self._options)
        return other


# -- the launcher ------------------------------------------------------------------------------------------------------


class _Method(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("code", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p)]


_symbols: dict[str, int] = {}


def symbols() -> dict[str, int]:
    """The addresses of the runtime's functions and words; loaded once."""
    from rushlight.backend.llvm import jit

    with jit.lock:
        if not _symbols:
            head = object.__basicsize__
            _check_layout(head)
            text = pool.code() + launch.code(head, head + 8, tuple.__basicsize__)
            found = jit.library(text, ("launch", "ndarray", *pool.EXPORTS))
            ctypes.c_void_p.from_address(found["ndarray"]).value = id(np.ndarray)
            threads.bind(found)
            _symbols.update(found)
    return _symbols


def _check_layout(head: int) -> None:
    """RuntimeError if arrays, floats, lists or tuples are not laid out as the launcher takes for granted."""
    array, value = np.zeros(3), 2.5
    pair, several = (array, value), [array, value]
    read = ctypes.c_void_p.from_address
    items = read(id(several) + head + 8).value or 0
    if not (
        read(id(array) + head).value == array.ctypes.data
        and read(id(array) + head - 8).value == id(np.ndarray)
        and ctypes.c_double.from_address(id(value) + head).value == value
        and read(id(pair) + tuple.__basicsize__).value == read(items).value == id(array)
    ):
        raise RuntimeError(
            "native launches: this Python lays objects out in an unknown way. Fix: RUSHLIGHT_BACKEND=numpy."
        )


@functools.cache
def launcher() -> Callable[[int, Any, Any, Any, int, int, int], int]:
    """The function `launch`: see the top of this file."""
    method = _Method(b"launch", symbols()["launch"], _METH_FASTCALL, b"Run groups of a launch table; the status word.")
    _kept.append(method)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    return make(ctypes.addressof(method), None, None)


_kept: list[_Method] = []  # the function refers to its description for as long as it lives
