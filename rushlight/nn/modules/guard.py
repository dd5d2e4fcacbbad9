"""Guards around modules: constructor names that do not exist, missing attributes, and `forward` called directly.

Calling `model.forward(x)` skips every hook. A `ForwardGuard` stands in the class where the function `forward` stood; it
hands out the plain bound method to `Module.__call__`, and to anyone else a method that warns once per class, unless the
module is already being called further up the stack (`super().forward(x)`, a wrapped forward, ...).
"""

from __future__ import annotations

import difflib
import functools
import inspect
import sys
from collections.abc import Callable
from types import CodeType, FunctionType, MethodType
from typing import Any

from rushlight.lessons import say, warn

# Code objects of the functions that may call `forward`: Module.__call__ (first) and the one in hooks.py.
CALLERS: list[CodeType] = []


class ForwardGuard:
    """Descriptor holding a class's own `forward`."""

    __slots__ = ("function", "warned", "_checked")

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.warned = False
        self._checked: Callable[..., Any] | None = None

    def __get__(
        self,
        module: Any,
        owner: Any = None,
        _frame: Any = sys._getframe,
        _callers: Any = CALLERS,
        _bind: Any = MethodType,
    ) -> Any:  # every call of a user's module comes here: the last three parameters make globals local
        if module is None:
            return self.function
        if _frame(1).f_code is _callers[0] or self.warned or _frame(1).f_code in _callers:
            return _bind(self.function, module)
        return _bind(self._checked or self._make_checked(), module)

    def _make_checked(self) -> Callable[..., Any]:
        function = self.function

        @functools.wraps(function)
        def checked(module: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.warned and not _is_own(module) and not _is_running(module):
                self.warned = True
                warn("forward-called", name=type(module).__name__)
            return function(module, *args, **kwargs)

        self._checked = checked
        return checked


def _is_own(module: Any) -> bool:
    """Is the caller a method of this very module? Classes that lay their own `__call__` over `forward` know what they do."""
    frame = sys._getframe(2)
    seen = frame.f_locals  # with `self` of the method around it, where a closure uses that
    return any(seen.get(name) is module for name in (*frame.f_code.co_varnames[:1], "self"))


def _is_running(module: Any) -> bool:
    """Is a call of this very module on the stack?"""
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code in CALLERS and frame.f_locals.get("self") is module:
            return True
        frame = frame.f_back
    return False


class ConstructorSignature:
    """`__signature__` of module classes: that of `__init__`, which `Module.__new__(*args, **kwargs)` would hide."""

    def __get__(self, module: Any, cls: type) -> inspect.Signature:
        if module is not None:
            raise AttributeError("__signature__")
        signature = inspect.signature(cls.__init__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])


def check_argument_names(cls: type, names: Any) -> None:
    """Raise TypeError, with the nearest name, for a keyword that `cls.__init__` does not take."""
    code = getattr(cls.__init__, "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARKEYWORDS:
        return
    known = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    for name in names:
        if name not in known:
            raise TypeError(
                f"{cls.__name__}.__init__() got an unexpected keyword argument {name!r}"
                f"{did_you_mean(name, known)} (it takes: {', '.join(known) or 'no arguments'})"
            )


def did_you_mean(name: str, known: Any) -> str:
    """`; did you mean 'x'?` for the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return say("no-such-attribute/did-you-mean", near=near[0]) if near else ""


class MissingAttributeError(AttributeError):
    """An AttributeError that looks for the nearest name only when it is read: `hasattr` stays cheap."""

    def __init__(self, module: Any, attribute: str) -> None:
        super().__init__(attribute, name=attribute, obj=None)  # no second suggestion from the interpreter
        self._module, self._attribute = module, attribute

    def __str__(self) -> str:
        kind = type(self._module).__name__
        if "_modules" not in self._module.__dict__:
            hint = say("no-such-attribute/no-init")
        else:
            hint = did_you_mean(self._attribute, [name for name in dir(self._module) if not name.startswith("_")])
        return say("no-such-attribute", kind=kind, name=self._attribute, hint=hint)

    def __reduce__(self) -> Any:
        return AttributeError, (str(self),)
