"""`__torch_function__`: classes that take part in calls of public functions, tensor subclasses among them.

Nothing of this is on the path of a call until the first such class or mode appears (`activate`): then every public function gets
a layer in front (intercept.py) that looks through its arguments.
"""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.intercept import intercept
from rushlight.functional.registry import FUNCTIONS
from rushlight.lazy.handle import Handle
from rushlight.lazy.macro import MacroTrace
from rushlight.lazy.record import local


class _Thread(threading.local):
    def __init__(self) -> None:
        self.subclasses = True  # whether classes are asked
        self.everything = True  # whether modes and classes are asked
        self.modes: list[Any] = []  # innermost last


state = _Thread()
_plain: set[type] = {
    int,
    float,
    bool,
    complex,
    str,
    type(None),
    type,
    slice,
    dict,
}  # and Tensor: no need to look at them
_names: dict[Any, Any] = {}  # what `func` is, where it is not the function that was called


def disabled_torch_function(
    cls: type, func: Any, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
) -> Any:
    """As `__torch_function__` of a class: it takes no part, and results are plain tensors."""
    with DisableTorchFunctionSubclass():
        return func(*args, **(kwargs or {}))


class _Without:
    field = ""

    def __enter__(self) -> None:
        self.before = getattr(state, self.field)
        setattr(state, self.field, False)

    def __exit__(self, *error: Any) -> None:
        setattr(state, self.field, self.before)


class DisableTorchFunctionSubclass(_Without):
    """Inside, no class's `__torch_function__` is asked."""

    field = "subclasses"


class DisableTorchFunction(_Without):
    """Inside, neither modes nor classes are asked."""

    field = "everything"


def _takes_part(kind: type) -> bool:
    if kind in _plain:
        return False
    found = getattr(kind, "__torch_function__", None)
    if found is None or getattr(found, "__func__", found) is disabled_torch_function:
        return False
    if any(base.__module__ == "torch" and base.__name__ == "Tensor" for base in kind.__mro__):
        _plain.add(kind)  # PyTorch's own tensors, which know nothing of these functions
        return False
    return True


def overloaded(args: Iterable[Any]) -> list[Any]:
    """Those arguments whose class takes part, one of each class, subclasses before what they derive from."""
    found: list[Any] = []
    for x in args:
        kind = type(x)
        if not _takes_part(kind) or any(type(other) is kind for other in found):
            continue
        at = next((n for n, other in enumerate(found) if issubclass(kind, type(other))), len(found))
        found.insert(at, x)
    return found


def _flat(args: tuple, kwargs: dict) -> Iterable[Any]:
    for x in (*args, *kwargs.values()) if kwargs else args:
        if x.__class__ in _plain:
            continue
        if x.__class__ is tuple or x.__class__ is list:
            yield from x
        else:
            yield x


def dispatch(function: Any, asked: list[Any], args: tuple, kwargs: dict) -> Any:
    """What the innermost mode makes of a call, or else the first of the classes that does not return NotImplemented."""
    types = tuple([type(x) for x in asked])
    if state.modes:
        modes = state.modes
        state.modes = modes[:-1]
        try:
            result = modes[-1].__torch_function__(function, types, args, kwargs)
        finally:
            state.modes = modes
        if result is not NotImplemented:
            return result
    for x in asked:
        result = x.__torch_function__(function, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = getattr(function, "__name__", str(function))
    tried = ", ".join([f"mode {type(mode).__name__}" for mode in state.modes[-1:]] + [kind.__name__ for kind in types])
    raise TypeError(
        explain_error(
            name, got=f"NotImplemented from every __torch_function__ asked ({tried})",
            expected="one that handles these arguments", fix="return func(*args, **kwargs) for what the class does not handle",
        )
    )  # fmt: skip


def _layer(function: Any, below: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not state.everything or not (state.subclasses or state.modes):
        return below(*args, **kwargs)
    asked = overloaded(_flat(args, kwargs)) if state.subclasses else []
    if not asked and not state.modes or local.trace.__class__ is MacroTrace:
        return below(*args, **kwargs)
    return dispatch(_names.get(function, function), asked, args, kwargs)


def as_class(result: Any, cls: type) -> Any:
    """What a function returned, with its tensors as instances of `cls`."""
    if isinstance(result, Handle):
        return result if isinstance(result, cls) else result.as_subclass(cls)  # type: ignore[attr-defined]
    if isinstance(result, (tuple, list)) and any(isinstance(item, (Handle, tuple, list)) for item in result):
        items = [as_class(item, cls) for item in result]
        return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
    return result


def default_torch_function(
    cls: type, func: Any, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
) -> Any:
    """A tensor's `__torch_function__`: call the function, and return results as instances of the class."""
    if not all(issubclass(cls, kind) for kind in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        result = func(*args, **(kwargs or {}))
        return result if func in not_converted() else as_class(result, cls)


@functools.cache
def not_converted() -> set[Any]:
    """Functions whose results keep the class that they have."""
    tensor = tensor_class()
    return {tensor.grad.__get__, tensor.__deepcopy__, tensor.__reduce_ex__, tensor.__copy__}


def tensor_class() -> Any:
    return importlib.import_module("rushlight.tensor").Tensor


# Methods that say what a tensor is, which no class takes part in.
IGNORED = {
    "__class_getitem__", "__delattr__", "__dir__", "__getattribute__", "__hash__", "__init__", "__init_subclass__", "__new__",
    "__reduce__", "__setattr__", "__sizeof__", "__subclasshook__", "__torch_function__", "_compute_array", "_make_subclass",
    "_of_array", "_one", "_set_meta", "as_subclass",
}  # fmt: skip
# Functions that make tensors from nothing, or set what holds for all: modes see them, classes have no part in them.
ROOMS = ("nn.functional", "linalg", "fft", "special", "signal.windows")
_OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "mod": "remainder", "pow": "pow", "matmul": "matmul", "neg": "neg",
    "abs": "abs", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge", "ne": "ne",
}  # fmt: skip


def members() -> dict[str, dict[str, Any]]:
    """Every function that classes can take part in, by the name of where it is found and its own."""
    found: dict[str, dict[str, Any]] = {"torch": {n: f for n, f in FUNCTIONS.items() if isinstance(f, FunctionType)}}
    for room in ROOMS:
        module = importlib.import_module(f"rushlight.{room}")
        names = dict.fromkeys([*vars(module), *getattr(module, "__all__", ())])  # some load their names on first use
        values = {name: getattr(module, name) for name in names if not name.startswith("_")}
        found[f"torch.{room}"] = {name: value for name, value in values.items() if isinstance(value, FunctionType)}
    autograd = importlib.import_module("rushlight.autograd")
    found["torch.autograd"] = {"grad": autograd.grad, "backward": autograd.backward}
    methods = found["torch.Tensor"] = {}
    for name, value in vars(tensor_class()).items():
        if name not in IGNORED and isinstance(value, (FunctionType, property)):
            methods[name] = value
    return found


@functools.cache
def activate() -> None:
    """Put the layer in front of all functions; once."""
    tensor = tensor_class()
    _plain.update((tensor, importlib.import_module("rushlight.dtype").dtype))
    functions = set()
    for home, named in members().items():
        for name, value in named.items():
            if isinstance(value, property):
                if isinstance(value.fget, FunctionType):
                    functions.add(value.fget)
                    _names.setdefault(value.fget, value.__get__)
                continue
            functions.add(value)
            if "<locals>" in value.__qualname__:  # made by a function: `func.__name__` is to say what it is
                value.__name__ = value.__qualname__ = name
            if home == "torch.Tensor" and name.startswith("__"):
                _name_operator(tensor, name, value)
    intercept(functions, _layer, rank=0)


def _name_operator(tensor: Any, name: str, function: Any) -> None:
    """An operator goes by the name of the method that it stands for, except where its operands are the other way round."""
    bare = name.strip("_")
    if bare in _OPERATORS:
        _names[function] = getattr(tensor, _OPERATORS[bare])
    elif bare in ("radd", "rmul"):
        _names[function] = getattr(tensor, _OPERATORS[bare[1:]])
    elif bare.startswith("i") and bare[1:] in _OPERATORS:
        _names[function] = getattr(tensor, _OPERATORS[bare[1:]] + "_")
    elif bare == "ifloordiv":
        _names[function] = tensor.floor_divide_
