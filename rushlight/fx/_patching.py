"""Names that mean something else while tracing: functions that `wrap` was called with, and what tracing replaces."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from rushlight.errors import explain_error
from rushlight.fx.node import map_aggregate
from rushlight.fx.proxy import Proxy, tracer_in

__all__ = ["GENERATED", "WRAPPED", "Patches", "recording", "wrap"]

# (namespace of a file, name) of what `wrap` was called with; the namespace is kept, so that its id stays its own.
WRAPPED: dict[tuple[int, str], dict[str, Any]] = {}
GENERATED = "_fx_wrapped"  # generated code: which of its names are wrapped


def wrap(fn_or_name: str | Callable[..., Any]) -> str | Callable[..., Any]:
    """Have calls of a function in this file recorded as they are, without looking inside. At the top level of a file:

        torch.fx.wrap("len")            # by the name it has in this file

        @torch.fx.wrap                  # or as a decorator
        def my_function(x): ...

    Errors: RuntimeError for what is neither a name nor a function; NotImplementedError elsewhere than at the top level.
    """
    if isinstance(fn_or_name, str):
        name = fn_or_name
    elif callable(fn_or_name) and hasattr(fn_or_name, "__name__"):
        name = fn_or_name.__name__
    else:
        raise RuntimeError(explain_error("wrap", got=f"{fn_or_name!r}", expected="a function, or its name (str)"))
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError(
            explain_error(
                "wrap", got=f"a call inside of {frame.f_code.co_name}", expected="one at the top level of a file",
                fix=f"move torch.fx.wrap({name!r}) out of all functions",
            )
        )  # fmt: skip
    if GENERATED in frame.f_globals:
        frame.f_globals[GENERATED].add(name)
    else:
        WRAPPED[(id(frame.f_globals), name)] = frame.f_globals
    return fn_or_name


class Patches:
    """Names that mean something else while tracing."""

    def __init__(self) -> None:
        self.undo: list[Callable[[], None]] = []
        self.seen: set[int] = set()

    def item(self, space: dict[str, Any], name: str, value: Any) -> None:
        there, before = name in space, space.get(name)

        def put_back() -> None:
            if there:
                space[name] = before
            else:
                del space[name]

        space[name] = value
        self.undo.append(put_back)

    def attribute(self, owner: Any, name: str, value: Any) -> None:
        before = vars(owner)[name]
        setattr(owner, name, value)
        self.undo.append(lambda: setattr(owner, name, before))

    def end(self) -> None:
        while self.undo:
            self.undo.pop()()


def recording(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which records its calls if it is given a proxy."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        found: list[Any] = []
        look = lambda x: found.append(x) if isinstance(x, Proxy) else None  # noqa: E731
        map_aggregate(args, look)
        map_aggregate(kwargs, look)
        if not found:
            return function(*args, **kwargs)
        proxy = tracer_in(args, kwargs).create_proxy("call_function", function, args, kwargs)
        proxy.node.meta["is_wrapped"] = True
        return proxy

    return wrapped
