"""`torch.overrides`: classes and modes that take part in calls of public functions.

>>> import rushlight as torch
>>> class Named(torch.Tensor):
...     pass
>>> x = Named([1.0, 2.0])
>>> x * 2
Named([2., 4.])
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.functional.overriding import (
    IGNORED,
    DisableTorchFunction,
    DisableTorchFunctionSubclass,
    activate,
    dispatch,
    members,
    not_converted,
    overloaded,
    state,
)

__all__ = [
    "BaseTorchFunctionMode", "DisableTorchFunction", "DisableTorchFunctionSubclass", "TorchFunctionMode",
    "enable_reentrant_dispatch", "get_default_nowrap_functions", "get_ignored_functions", "get_overridable_functions",
    "get_testing_overrides", "handle_torch_function", "has_torch_function", "has_torch_function_unary",
    "has_torch_function_variadic", "is_tensor_like", "is_tensor_method_or_property", "resolve_name", "wrap_torch_function",
]  # fmt: skip

activate()  # who imports this has classes that take part


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether any of the arguments is of a class that takes part, or a mode is active.

    >>> import rushlight as torch
    >>> has_torch_function((torch.ones(1), 2))
    False
    """
    if not state.everything:
        return False
    return bool(state.modes) or state.subclasses and bool(overloaded(relevant_args))


def has_torch_function_unary(arg: Any) -> bool:
    """`has_torch_function` of one argument."""
    return has_torch_function((arg,))


def has_torch_function_variadic(*args: Any) -> bool:
    """`has_torch_function` of these arguments."""
    return has_torch_function(args)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """Ask modes and classes what `public_api(*args, **kwargs)` is. TypeError if all of them return NotImplemented.

    A function of one's own begins with

        if has_torch_function((x, y)):
            return handle_torch_function(function, (x, y), x, y)
    """
    return dispatch(public_api, overloaded(relevant_args), args, kwargs)


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function of one's own, so that classes can take part; `dispatcher` returns the arguments to look at."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return decorate


class TorchFunctionMode:
    """A context in which `__torch_function__(func, types, args, kwargs)` of this object is asked about every call.

    Inside of it the mode is not active; `func(*args, **kwargs)` does what would have been done without it.

    >>> import rushlight as torch
    >>> class Count(TorchFunctionMode):
    ...     calls = 0
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         self.calls += 1
    ...         return func(*args, **(kwargs or {}))
    >>> with Count() as count:
    ...     y = torch.ones(2) + 1
    >>> count.calls
    2
    """

    def __init__(self) -> None:
        pass

    def __torch_function__(self, func: Any, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        raise NotImplementedError(
            explain_error(
                type(self).__name__, got="a mode without __torch_function__", expected="a class that defines it"
            )
        )

    def __enter__(self) -> Any:
        state.modes = [*state.modes, self]
        return self

    def __exit__(self, *error: Any) -> None:
        state.modes = state.modes[:-1]

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> Any:
        """A new mode, as `cls(...)` makes it."""
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that does nothing else than the call."""

    def __torch_function__(self, func: Any, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        return func(*args, **(kwargs or {}))


@contextmanager
def enable_reentrant_dispatch() -> Iterator[None]:
    """Inside, classes are asked again, also within a handler that switched them off."""
    before = state.subclasses, state.everything
    state.subclasses = state.everything = True
    try:
        yield
    finally:
        state.subclasses, state.everything = before


# --- what there is --------------------------------------------------------------------------------------------------


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a tensor or takes part in calls.

    >>> import rushlight as torch
    >>> is_tensor_like(torch.ones(1)), is_tensor_like([1.0])
    (True, False)
    """
    return type(inp) is rushlight.Tensor or hasattr(inp, "__torch_function__")


def get_ignored_functions() -> set[Any]:
    """Functions that are never handed to `__torch_function__`."""
    methods = {getattr(rushlight.Tensor, name) for name in IGNORED if hasattr(rushlight.Tensor, name)}
    return methods | {rushlight.is_tensor, rushlight.is_storage} if hasattr(rushlight, "is_storage") else methods


def get_default_nowrap_functions() -> set[Any]:
    """Functions whose results a tensor's own `__torch_function__` returns as they are."""
    return set(not_converted())


def get_overridable_functions() -> dict[Any, list[Any]]:
    """The functions that are handed to `__torch_function__`, by the module or class that they are found in."""
    found = {}
    for home, named in members().items():
        place: Any = rushlight
        for part in home.split(".")[1:]:
            place = getattr(place, part)
        found[place] = [value.__get__ if isinstance(value, property) else value for value in named.values()]
    return found


@functools.cache
def _resolved() -> dict[Any, str]:
    names: dict[Any, str] = {}
    for home, named in members().items():
        for name, value in named.items():
            names.setdefault(
                value.__get__ if isinstance(value, property) else value,
                f"{home}.{name}" + ".__get__" * isinstance(value, property),
            )
    return names


def resolve_name(f: Any) -> str | None:
    """The name that a function of `get_overridable_functions` is found by; None for any other.

    >>> import rushlight as torch
    >>> resolve_name(torch.nn.functional.linear)
    'torch.nn.functional.linear'
    """
    return _resolved().get(f)


def is_tensor_method_or_property(func: Any) -> bool:
    """Whether it is one of the tensors' methods, or the `__get__` of one of their properties."""
    methods = members()["torch.Tensor"].values()
    return any(func is value or isinstance(value, property) and func == value.__get__ for value in methods)


def get_testing_overrides() -> dict[Any, Callable[..., int]]:
    """For each overridable function one that takes the same arguments and returns -1."""
    found: dict[Any, Callable[..., int]] = {}
    for named in members().values():
        for value in named.values():
            if isinstance(value, FunctionType):
                found[value] = _returns_minus_one(inspect.signature(value))
            else:
                found[value.__get__] = _returns_minus_one(
                    inspect.Signature([inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)])
                )
    return found


def _returns_minus_one(signature: inspect.Signature) -> Callable[..., int]:
    def stand_in(*args: Any, **kwargs: Any) -> int:
        signature.bind(*args, **kwargs)
        return -1

    stand_in.__signature__ = signature  # type: ignore[attr-defined]
    return stand_in
