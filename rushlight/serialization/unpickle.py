"""A reader for the pickles inside `.pth` files: a small stack machine that builds plain data and nothing else.

Python's own pickle machinery is never run on a file. The machine knows the opcodes that PyTorch's files use; it changes
only lists, dicts and sets that it made itself; names, calls, new objects and storages are decided by a `Policy`.
"""

from __future__ import annotations

import collections
import struct
from collections.abc import Callable
from typing import Any, Protocol

from rushlight.errors import FileFormatError
from rushlight.serialization.refusal import ATOMS, CallbackError, Refusal, check_hashable, shown, unsafe

_DICTS = (dict, collections.OrderedDict, collections.Counter, collections.defaultdict)
_MAX_MARKS = 1_000
_MAX_DEPTH = 1_000
_MAX_COLLISIONS = 500
# Below this an int is its own hash, so two different keys never share one; str and bytes have randomised hashes.
_SAFE_INT = 1 << 60

# What a damaged pickle makes the machine stumble over (an empty stack, a missing memo entry, a short read ...).
_STUMBLES = (
    IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError, struct.error, RuntimeError, MemoryError,
)  # fmt: skip


class Policy(Protocol):
    """What the machine asks about everything that is not plain data; each method may raise a Refusal."""

    def find(self, module: str, name: str) -> Any: ...
    def call(self, function: Any, args: tuple) -> Any: ...
    def new(self, cls: Any, args: tuple) -> Any: ...
    def build(self, instance: Any, state: Any) -> Any: ...
    def storage(self, key: tuple) -> Any: ...
    def is_internal(self, value: Any) -> bool: ...
    def parts(self, value: Any) -> list | None: ...


def unpickle(data: bytes, policy: Policy, error: Callable[..., FileFormatError]) -> Any:
    """The object pickled in `data`. `error(position, got, expected=, fix=)` words a FileFormatError.

    Whatever is wrong with the data comes out as FileFormatError (UnsafeFileError where it is not mere damage) that
    names the position; exceptions of the caller's own `map_location` pass unchanged.
    """
    machine = Machine(data, policy)
    try:
        result = machine.run()
        check_result(result, policy)
    except Refusal as found:
        worded = error(machine.start, found.got, found.expected, found.fix)
        raise found.kind(str(worded)) from None
    except CallbackError as found:
        raise found.inner from None
    except FileFormatError:
        raise
    except _STUMBLES as found:
        got = f"a damaged pickle ({type(found).__name__}: {found})"
        raise error(machine.start, got, "data written by torch.save") from found
    return result


class Machine:
    """The stack machine: `run` reads one opcode after the other until STOP."""

    def __init__(self, data: bytes, policy: Policy):
        self.data = data
        self.policy = policy
        self.at = 0
        self.start = 0
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.collisions: dict[tuple[int, int], int] = {}
        # A container costs at least a few bytes in an honest file; without a bound one byte would buy 64 of memory.
        self.containers_left = 250_000 + len(data) // 8
        self.memo_left = 250_000 + len(data) // 2

    def run(self) -> Any:
        data, table = self.data, _OPCODES
        if data[:1] != b"\x80":
            raise Refusal("no PROTO opcode at the start of the pickle")
        while True:
            self.start = self.at
            code = data[self.at]
            self.at += 1
            if code == 0x2E:  # STOP
                break
            handler = table.get(code)
            if handler is None:
                name = _REFUSED.get(code)
                if name:
                    raise unsafe(f"the pickle opcode {name}, which state dicts never need")
                raise Refusal(f"the byte 0x{code:02x} where a pickle opcode was expected")
            handler(self)
        if self.marks or len(self.stack) != 1 or self.at != len(data):
            raise Refusal("a pickle that ends with values or bytes left over")
        return self.stack[0]

    # Reading operands.

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise Refusal(f"{len(self.data) - self.at} bytes left in the pickle where {count} were announced")
        piece = self.data[self.at : self.at + count]
        self.at += count
        return piece

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        end = self.data.index(b"\n", self.at, self.at + 1_000)
        text = self.data[self.at : end].decode("utf-8")
        self.at = end + 1
        return text

    # The stack.

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_new(self, value: Any) -> None:
        """Push an object that takes memory of its own."""
        self.containers_left -= 1
        if self.containers_left < 0:
            raise Refusal("far more objects than a file of this size holds")
        self.stack.append(value)

    def mark(self) -> None:
        if len(self.marks) >= _MAX_MARKS:
            raise Refusal(f"more than {_MAX_MARKS} levels of nesting")
        self.marks.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise Refusal("a tuple of values that are not there")
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.push_new(items)

    # The memo.

    def put(self, index: int) -> None:
        self.memo_left -= 1
        if self.memo_left < 0:
            raise Refusal("far more memo entries than a file of this size holds")
        self.memo[index] = self.stack[-1]

    # Filling containers.

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise unsafe(f"APPEND on a {type(target).__name__}; only lists grow")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) not in _DICTS:
            raise unsafe(f"SETITEM on a {type(target).__name__}; only dicts take items")
        if len(items) % 2:
            raise Refusal("a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.check_key(key, target)
            target[key] = value

    def add_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not set:
            raise unsafe(f"ADDITEMS on a {type(target).__name__}; only sets take members")
        for item in items:
            self.check_key(item, target)
            target.add(item)

    def check_key(self, key: Any, target: Any) -> None:
        """Refuse keys whose hashing or comparing could run code, never end, or collide on purpose."""
        kind = type(key)
        if kind is str or kind is bytes or (kind is int and -_SAFE_INT < key < _SAFE_INT):
            return
        check_hashable(key)
        place = (id(target), hash(key))
        count = self.collisions[place] = self.collisions.get(place, 0) + 1
        if count > _MAX_COLLISIONS:
            raise Refusal("hundreds of dict keys made to collide")

    # Names, calls, objects.

    def global_(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise unsafe("a global whose name is not text")
        self.push(self.policy.find(module, name))

    def reduce(self) -> None:
        args, function = self.stack.pop(), self.stack.pop()
        if type(args) is not tuple:
            raise unsafe("a call whose arguments are not a tuple")
        self.push_new(self.policy.call(function, args))

    def new_object(self) -> None:
        args, cls = self.stack.pop(), self.stack.pop()
        if type(args) is not tuple:
            raise unsafe("an object whose arguments are not a tuple")
        self.push_new(self.policy.new(cls, args))

    def build(self) -> None:
        state = self.stack.pop()
        self.policy.build(self.stack[-1], state)

    def persistent(self) -> None:
        key = self.stack.pop()
        if type(key) is not tuple or len(key) != 5 or key[0] != "storage":
            raise unsafe("a persistent id that is not a storage")
        self.push(self.policy.storage(key))


def check_result(result: Any, policy: Policy) -> None:
    """Refuse results that nest too deeply or still hold one of the machine's own tokens; walked level by level."""
    level, seen = [result], set()
    for _ in range(_MAX_DEPTH):
        inner: list[Any] = []
        for value in level:
            if policy.is_internal(value):
                raise unsafe(f"{shown(value)} as a value", "tensors and plain data")
            parts = _parts(value, policy)
            if parts and id(value) not in seen:
                seen.add(id(value))
                # Most containers hold only atoms: found out at C speed.
                if not _ATOM_SET.issuperset(map(type, parts)):
                    inner += [part for part in parts if type(part) not in _ATOM_SET]
        if not inner:
            return
        level = inner
    raise Refusal(f"containers nested more than {_MAX_DEPTH} deep")


_ATOM_SET = frozenset((*ATOMS, bytearray))


def _parts(value: Any, policy: Policy) -> list[Any] | None:
    kind = type(value)
    if kind in (list, tuple, set, frozenset):
        return list(value)
    if kind in _DICTS:
        extra = list(vars(value).values()) if kind is collections.OrderedDict else []
        return [*value.keys(), *value.values(), *extra]
    return policy.parts(value)


def _proto(m: Machine) -> None:
    version = m.number("B")
    if version > 5:
        raise Refusal(f"pickle protocol {version}; known are 2 to 5")


def _frame(m: Machine) -> None:
    if m.number("<Q") > len(m.data) - m.at:
        raise Refusal("a frame longer than the pickle")


def _long(m: Machine, count: int) -> None:
    if count < 0 or count > 1_000:
        raise Refusal(f"an integer of {count} bytes")
    m.push(int.from_bytes(m.take(count), "little", signed=True))


def _text(form: str) -> Callable[[Machine], None]:
    def read(m: Machine) -> None:
        m.push(m.take(m.number(form)).decode("utf-8", "surrogatepass"))

    return read


def _bytes(form: str, kind: type = bytes) -> Callable[[Machine], None]:
    return lambda m: m.push(kind(m.take(m.number(form))))


def _constant(value: Any) -> Callable[[Machine], None]:
    return lambda m: m.push(value)


def _fresh(kind: type) -> Callable[[Machine], None]:
    return lambda m: m.push_new(kind())


def _number(form: str) -> Callable[[Machine], None]:
    return lambda m: m.push(m.number(form))


def _set_item(m: Machine) -> None:
    value, key = m.stack.pop(), m.stack.pop()
    m.set_items([key, value])


def _frozenset(m: Machine) -> None:
    items = m.pop_mark()
    m.push_new(set())
    m.add_items(items)
    m.push_new(frozenset(m.stack.pop()))


def _stack_global(m: Machine) -> None:
    name, module = m.stack.pop(), m.stack.pop()
    m.global_(module, name)


_OPCODES: dict[int, Callable[[Machine], Any]] = {
    ord(code): handler
    for code, handler in {
        "\x80": _proto, "\x95": _frame,
        "(": Machine.mark, "0": lambda m: m.stack.pop(), "1": Machine.pop_mark,
        "N": _constant(None), "\x88": _constant(True), "\x89": _constant(False),
        "J": _number("<i"), "K": _number("<B"), "M": _number("<H"), "G": _number(">d"),
        "\x8a": lambda m: _long(m, m.number("<B")), "\x8b": lambda m: _long(m, m.number("<i")),
        # Python 2's str: text, as PyTorch reads it.
        "U": _text("<B"), "T": _text("<I"),
        "X": _text("<I"), "\x8c": _text("<B"), "\x8d": _text("<Q"),
        "B": _bytes("<I"), "C": _bytes("<B"), "\x8e": _bytes("<Q"), "\x96": _bytes("<Q", bytearray),
        ")": _constant(()), "]": _fresh(list), "}": _fresh(dict), "\x8f": _fresh(set),
        "\x85": lambda m: m.tuple_of(1), "\x86": lambda m: m.tuple_of(2), "\x87": lambda m: m.tuple_of(3),
        "t": lambda m: m.push_new(tuple(m.pop_mark())),
        "a": lambda m: m.append([m.stack.pop()]), "e": lambda m: m.append(m.pop_mark()),
        "s": _set_item, "u": lambda m: m.set_items(m.pop_mark()),
        "\x90": lambda m: m.add_items(m.pop_mark()), "\x91": _frozenset,
        "q": lambda m: m.put(m.number("<B")), "r": lambda m: m.put(m.number("<I")),
        "\x94": lambda m: m.put(len(m.memo)),
        "h": lambda m: m.push(m.memo[m.number("<B")]), "j": lambda m: m.push(m.memo[m.number("<I")]),
        "c": lambda m: m.global_(m.line(), m.line()), "\x93": _stack_global,
        "R": Machine.reduce, "\x81": Machine.new_object, "b": Machine.build, "Q": Machine.persistent,
    }.items()
}  # fmt: skip

# Opcodes of the pickle language that no PyTorch file contains.
_REFUSED = {
    ord(code): name
    for code, name in {
        "i": "INST", "o": "OBJ", "\x82": "EXT1", "\x83": "EXT2", "\x84": "EXT4", "\x92": "NEWOBJ_EX", "P": "PERSID",
        "I": "INT", "L": "LONG", "F": "FLOAT", "S": "STRING", "V": "UNICODE", "g": "GET", "p": "PUT", "2": "DUP",
        "d": "DICT", "l": "LIST", "\x97": "NEXT_BUFFER", "\x98": "READONLY_BUFFER",
    }.items()
}  # fmt: skip
