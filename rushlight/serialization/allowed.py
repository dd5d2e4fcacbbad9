"""Which names a file may contain and what they do: the policy that `unpickle` asks.

The default is PyTorch's `weights_only=True` list: tensors, dtypes, sizes, devices, plain containers and numbers, to
which NumPy's arrays and scalars are added, plus what the program itself allowed with `add_safe_globals`.
"""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from rushlight.lessons import say
from rushlight.serialization import numpy_values, tensors
from rushlight.serialization.rebuild import TOKENS, Stored, Token
from rushlight.serialization.refusal import Refusal, shown, unsafe

_safe_globals: dict[str, Any] = {}
# Modules whose functions no `add_safe_globals` makes safe.
_NEVER = ("os", "posix", "nt", "sys", "subprocess", "builtins", "importlib", "shutil", "socket", "pty", "ctypes")


def _global_name(item: Any) -> tuple[str, Any]:
    if isinstance(item, tuple):
        if len(item) != 2 or not isinstance(item[1], str):
            raise ValueError(f"add_safe_globals: got the pair {item!r}; expected (object, 'module.name').")
        return item[1], item[0]
    if not callable(item) or not hasattr(item, "__qualname__"):
        raise TypeError(f"add_safe_globals: got {item!r}; expected a class or function, or a pair (object, name).")
    return f"{item.__module__}.{item.__qualname__}", item


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let `load` make objects of these classes and call these functions: you vouch that doing so is harmless.

    Each item is a class, a function, or a pair (object, "module.name") for an object that has moved.
    ValueError for a module that can never be safe, such as `os`.
    """
    named = [_global_name(item) for item in safe_globals]
    for name, _ in named:
        if name.split(".")[0] in _NEVER:
            raise ValueError(f"add_safe_globals: got {name}; functions of this module let a file do anything.")
    _safe_globals.update(named)


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` has allowed so far."""
    return list(_safe_globals.values())


def clear_safe_globals() -> None:
    """Forget everything that `add_safe_globals` allowed."""
    _safe_globals.clear()


@contextlib.contextmanager
def safe_globals(safe_globals: list[Any]) -> Iterator[None]:
    """`add_safe_globals` for the length of a `with` block."""
    before = dict(_safe_globals)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _safe_globals.clear()
        _safe_globals.update(before)


def is_safe_global(value: Any) -> bool:
    """Whether `add_safe_globals` allowed exactly this object."""
    return any(value is allowed for allowed in _safe_globals.values())


class WeightsPolicy:
    """The policy of `weights_only=True`: plain data and tensors."""

    def __init__(self, load_storage: Callable[[tuple], Stored]):
        self.storage = load_storage

    def find(self, module: str, name: str) -> Any:
        """The value or token for a global."""
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        full = f"{module}.{name}"
        if full in _safe_globals:
            return _safe_globals[full]
        if full in TOKENS:
            return TOKENS[full]
        if module == "torch":
            dtype = tensors.find_dtype(name)
            if dtype is not None:
                return dtype
        return self.unknown(module, name)

    def unknown(self, module: str, name: str) -> Any:
        """Refuse a global that is on no list."""
        found = say("load/global", name=f"{module}.{name}")
        raise unsafe(found, say("load/plain"), say("load/whole-model", name=name))

    def call(self, function: Any, args: tuple) -> Any:
        """The value of a REDUCE."""
        if type(function) is Token and function.run is not None:
            return function.run(*args)
        if is_safe_global(function):
            return function(*args)
        raise unsafe(f"a call of {shown(function)}", "a call of one of PyTorch's own rebuild functions")

    def new(self, cls: Any, args: tuple) -> Any:
        """The value of a NEWOBJ."""
        if isinstance(cls, type) and is_safe_global(cls):
            return cls.__new__(cls, *args)
        raise unsafe(f"a new object of {shown(cls)}", "a class that the program has allowed")

    def build(self, instance: Any, state: Any) -> None:
        """Give an object its state."""
        if type(instance) is collections.OrderedDict:
            _set_attributes(instance, state)
        elif numpy_values.builds(instance, state):
            return
        elif is_safe_global(type(instance)):
            _restore(instance, state)
        else:
            raise unsafe(f"a state for a {type(instance).__name__}", "an OrderedDict or a class you have allowed")

    def is_internal(self, value: Any) -> bool:
        """Whether the value is a token of the reader and no value for the user."""
        return type(value) in (Token, Stored, numpy_values.DtypeToken)

    def parts(self, value: Any) -> list | None:
        """What to look into when the result is checked, for types that are not plain containers."""
        return list(vars(value).values()) if is_safe_global(type(value)) and hasattr(value, "__dict__") else None


def _set_attributes(instance: Any, state: Any) -> None:
    """Attributes of an OrderedDict, such as the `_metadata` of a state dict; none may hide a method."""
    if type(state) is not dict or not all(type(key) is str for key in state):
        raise Refusal(f"a state of type {type(state).__name__} for an OrderedDict", "a dict of attributes")
    for key in state:
        if hasattr(type(instance), key):
            raise unsafe(f"an attribute {shown(key)} that hides a method of OrderedDict")
    vars(instance).update(state)


def _restore(instance: Any, state: Any) -> None:
    """What pickle does for an object of a class that the program has vouched for."""
    if hasattr(instance, "__setstate__"):
        instance.__setstate__(state)
        return
    slots = None
    if type(state) is tuple and len(state) == 2:
        state, slots = state
    vars(instance).update(state or {})
    for key, value in (slots or {}).items():
        setattr(instance, key, value)
