"""`torch.jit`: marks that scripts put on functions. Compiling Python source or a trace to a file of its own is not here yet.

>>> import rushlight as torch
>>> torch.jit.is_scripting()
False
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight.errors import explain_error

__all__ = ["annotate", "export", "fork", "ignore", "isinstance", "is_scripting", "is_tracing", "unused", "wait"]


def is_scripting() -> bool:
    """False: functions run as Python."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """The function itself; a decorator too."""
    return drop if callable(drop) else lambda function: function


def unused(fn: Callable) -> Callable:
    """The function itself."""
    return fn


def export(fn: Callable) -> Callable:
    """The function itself."""
    return fn


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether it is an instance of a type such as `list[int]` or `Optional[float]`: containers are looked into."""
    import builtins
    import types
    import typing

    if builtins.isinstance(target_type, tuple):
        return any(isinstance(obj, kind) for kind in target_type)
    origin, args = typing.get_origin(target_type), typing.get_args(target_type)
    if target_type is None:
        return obj is None
    if origin is None:
        return builtins.isinstance(obj, target_type)
    if origin in (typing.Union, types.UnionType):
        return any(isinstance(obj, kind) for kind in args)
    if not builtins.isinstance(obj, origin):
        return False
    if origin is dict:
        return all(isinstance(k, args[0]) and isinstance(v, args[1]) for k, v in obj.items())
    if origin is tuple and (len(args) != 2 or args[1] is not ...):
        return len(obj) == len(args) and all(map(isinstance, obj, args))
    return all(isinstance(item, args[0]) for item in obj)


class Future:
    """What `fork` returns."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def wait(self) -> Any:
        """The value."""
        return self._value

    value = wait


def fork(func: Callable, *args: Any, **kwargs: Any) -> Future:
    """Call the function now, as PyTorch does outside of compiled code."""
    return Future(func(*args, **kwargs))


def wait(future: Future) -> Any:
    """The value of a `Future`."""
    return future.wait()


def script_if_tracing(fn: Callable) -> Callable:
    """The function itself: nothing is ever traced."""
    return fn


_MISSING = {
    "script": "call the function or module as it is: it is recorded and compiled as it runs; torch.save(model.state_dict(), path) keeps its weights",
    "trace": "call the module as it is: it is recorded and compiled as it runs; torch.save(model.state_dict(), path) keeps its weights",
    "trace_module": "call the module as it is; torch.save(model.state_dict(), path) keeps its weights",
    "load": "load weights with torch.load(path) and model.load_state_dict(...); an archive of torch.jit.save holds code in a language of its own",
    "save": "torch.save(model.state_dict(), path)",
    "freeze": "model.eval(), and torch.no_grad() around its calls",
    "optimize_for_inference": "model.eval(), and torch.no_grad() around its calls",
}


def _refusal(name: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            explain_error(
                f"torch.jit.{name}", got="a call", expected="none: TorchScript is not here yet", fix=_MISSING[name]
            )
        )

    refuse.__name__, refuse.__doc__ = name, f"NotImplementedError. In its place: {_MISSING[name]}."
    return refuse


script, trace, trace_module, load, save, freeze, optimize_for_inference = map(_refusal, _MISSING)


class ScriptModule:
    """The class of what `script` returns in PyTorch; nothing is an instance of it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refusal("script")()


class ScriptFunction(ScriptModule):
    """As `ScriptModule`, for functions."""
