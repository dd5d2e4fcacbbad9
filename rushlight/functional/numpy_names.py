"""`axis=` and `keepdims=`: what NumPy calls `dim` and `keepdim`, accepted by every public function that has those.

A function that knows `axis` itself is left alone; in front of each of the others stands one with the two further names. Its
code is compiled at the first call, since most of them are never called.
"""

from __future__ import annotations

import inspect
import os
from types import CodeType, FunctionType
from typing import Any

from rushlight.functional.intercept import body_of

ALIASES = {"dim": "axis", "keepdim": "keepdims"}
_FILE = os.path.join(os.path.dirname(__file__), "numpy_names.generated")


class _Missing:
    def __repr__(self) -> str:
        return "<not given>"


MISSING = _Missing()


def with_numpy_names(function: Any, made: dict[Any, Any]) -> Any:
    """The function, or one in front of it that takes `axis` and `keepdims` too; `made` holds those made before."""
    if not isinstance(function, FunctionType):
        return function
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    further = [alias for name, alias in ALIASES.items() if name in names and alias not in names]
    if "dim" not in names or not further or code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        return function
    if function not in made:
        defaults = _defaults(function, names[: code.co_argcount])
        made[function] = function if defaults is None else _in_front(function, names, defaults, further)
    return made[function]


def below(function: Any) -> Any:
    """The function that one of these stands in front of; None for others."""
    return body_of(function).__globals__.get("below") if isinstance(function, FunctionType) else None


def _defaults(function: FunctionType, positional: tuple[str, ...]) -> tuple[Any, ...] | None:
    """Defaults for the names from `dim` on; None when one behind it must be given, since `axis` could not stand for it then."""
    defaults = function.__defaults__ or ()
    needed = len(positional) - len(defaults)
    at = positional.index("dim") if "dim" in positional else len(positional)
    if needed <= at:
        return defaults
    return (MISSING, *defaults) if needed == at + 1 else None


def _in_front(function: FunctionType, names: tuple[str, ...], defaults: tuple[Any, ...], further: list[str]) -> Any:
    def first_call(values: dict[str, Any]) -> Any:
        body = body_of(front)
        body.__code__ = _compiled(function, further)
        return body(**values)

    old = function.__code__
    new_names = (*names, *further)
    code = _wait_for_call.__code__.replace(
        co_name=old.co_name, co_qualname=old.co_name, co_varnames=new_names, co_nlocals=len(new_names),
        co_argcount=old.co_argcount, co_kwonlyargcount=old.co_kwonlyargcount + len(further),
    )  # fmt: skip
    space = {"first_call": first_call, "below": function, "MISSING": MISSING, "forgotten": _forgotten}
    front = FunctionType(code, space, function.__name__, defaults)
    front.__kwdefaults__ = {**(function.__kwdefaults__ or {}), **dict.fromkeys(further, MISSING)}
    front.__doc__, front.__module__, front.__qualname__ = function.__doc__, function.__module__, function.__qualname__
    return front


def _wait_for_call() -> Any:
    return first_call(locals())  # type: ignore[name-defined]  # noqa: F821  found in the function's own globals


def _forgotten(name: str) -> TypeError:
    return TypeError(f"{name}() missing 1 required positional argument: 'dim'")


def _compiled(function: FunctionType, further: list[str]) -> CodeType:
    """The code that puts `axis` and `keepdims` where `dim` and `keepdim` belong and calls the function."""
    code = body_of(function).__code__  # its own, also when something stands in front of it by now
    positional = code.co_varnames[: code.co_argcount]
    keyword = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    lines = [f"def front({', '.join(positional)}, *, {', '.join((*keyword, *further))}):"]
    lines += [f"    if {alias} is not MISSING: {name} = {alias}" for name, alias in ALIASES.items() if alias in further]
    if len(positional) - len(function.__defaults__ or ()) > (positional.index("dim") if "dim" in positional else 99):
        lines.append(f"    if dim is MISSING: raise forgotten({function.__name__!r})")
    lines.append(f"    return below({', '.join((*positional, *(f'{n}={n}' for n in keyword)))})")
    space: dict[str, Any] = {}
    exec(compile("\n".join(lines), _FILE, "exec"), space)
    return space["front"].__code__
