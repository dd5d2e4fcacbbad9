"""`torch.jit`: marks that scripts put on functions, and traces that can be saved.

>>> import rushlight as torch
>>> torch.jit.is_scripting()
False
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

import rushlight.jit.annotations  # noqa: F401  the name `annotations` is that module's, not the first line's
from rushlight.errors import explain_error
from rushlight.futures import Future

__all__ = [
    "Final",
    "TracerWarning",
    "annotate",
    "export",
    "fork",
    "ignore",
    "isinstance",
    "is_scripting",
    "is_tracing",
    "load",
    "save",
    "script",
    "trace",
    "unused",
    "wait",
]


def is_scripting() -> bool:
    """False: functions run as Python."""
    return False


class _Tracing(threading.local):
    depth = 0


_tracing = _Tracing()


def is_tracing() -> bool:
    """Whether this is called from what `trace` traces."""
    return _tracing.depth > 0


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """The function itself; a decorator too."""
    return drop if callable(drop) else lambda function: function


def unused(fn: Callable) -> Callable:
    """The function itself."""
    return fn


def export(fn: Callable) -> Callable:
    """The function itself."""
    return fn


def script(
    obj: Any,
    optimize: Any = None,
    _frames_up: int = 0,
    _rcb: Any = None,
    example_inputs: Any = None,
) -> Any:
    """The function, class or module itself, as PyTorch has it where PYTORCH_JIT=0 is set: what it does is recorded and compiled
    as it runs. It cannot be saved as code: torch.save(module.state_dict(), path) keeps a module's weights.

    Errors: TypeError for what cannot be called.

    >>> @script
    ... def double(x):
    ...     return x + x
    >>> double(2)
    4
    """
    if not callable(obj):
        raise TypeError(
            explain_error("torch.jit.script", got=f"a {type(obj).__name__}", expected="a function, a class or a module")
        )
    return obj


def script_method(fn: Callable) -> Callable:
    """The method itself."""
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


def fork(func: Callable, *args: Any, **kwargs: Any) -> Future:
    """Call the function now, as PyTorch does outside of compiled code."""
    future: Future = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Future) -> Any:
    """The value of a `Future`."""
    return future.wait()


def script_if_tracing(fn: Callable) -> Callable:
    """The function itself: nothing is ever traced."""
    return fn


_script_if_tracing = script_if_tracing  # torchvision's spelling
_overload = _overload_method = unused  # marks of signatures: the definition that comes last is the one that runs


def trace(
    func: Any,
    example_inputs: Any = None,
    optimize: Any = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    _force_outplace: bool = False,
    _module_class: Any = None,
    _compilation_unit: Any = None,
    example_kwarg_inputs: dict[str, Any] | None = None,
    _store_inputs: bool = True,
) -> Any:
    """A module that does what `func`, a module or function, does with the example inputs: its operations in order.

    example_inputs  a tensor, or a tuple of what `func` is called with
    check_trace     compare the trace with `func` on the example and on each of `check_inputs`

    Sizes stay sizes, so other batches may be given. A condition, or a Python number made of a tensor, keeps the example's
    answer for all inputs: TracerWarning names the line. The result's `code` is Python, its `graph` a torch.fx.Graph; it
    shares the weights with the model; `save` it with `torch.jit.save`.

    >>> import rushlight as torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    >>> traced = torch.jit.trace(model, torch.ones(1, 2))
    >>> x = torch.randn(5, 2)
    >>> torch.equal(traced(x), model(x))
    True
    """
    from rushlight.fx import _traced

    _tracing.depth += 1
    try:
        return _traced.trace(func, example_inputs, check_trace, check_inputs, check_tolerance, example_kwarg_inputs)
    finally:
        _tracing.depth -= 1


def save(m: Any, f: Any, _extra_files: Any = None) -> None:
    """Write what `trace` returned to a file: the operations as data, with the library's layers and the weights.

    It is a file of this library: PyTorch's own `torch.jit.load` does not read it. NotImplementedError for what was not
    traced, and for traces that call functions of one's own.

    >>> import io, rushlight as torch
    >>> stream = io.BytesIO()
    >>> torch.jit.save(torch.jit.trace(lambda x: x.relu() * 2, torch.ones(1)), stream)
    >>> _ = stream.seek(0)
    >>> torch.jit.load(stream)(torch.tensor([-1.0, 3.0]))
    tensor([0., 6.])
    """
    if _extra_files:
        raise NotImplementedError(
            explain_error("torch.jit.save", got="_extra_files", expected="none", fix="write them to files of their own")
        )
    from rushlight.fx import _traced

    _traced.save(m, f)


def load(f: Any, map_location: Any = None, _extra_files: Any = None, _restore_shapes: bool = False) -> Any:
    """Read a file that `save` wrote. Nothing in it is run while it is read; calls of the module run what it names:
    functions of torch, operators, and layers of the library. FileFormatError for anything else.
    """
    from rushlight.fx import _traced

    return _traced.load(f, map_location)


def __getattr__(name: str) -> Any:
    if name == "TracerWarning":
        from rushlight.fx._value_trace import TracerWarning

        return TracerWarning
    raise AttributeError(f"module 'rushlight.jit' has no attribute {name!r}")


_MISSING = {
    "trace_module": "call the module as it is; torch.save(model.state_dict(), path) keeps its weights",
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


trace_module, freeze, optimize_for_inference = map(_refusal, _MISSING)


class ScriptModule:
    """The class of what `trace` returns."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            explain_error(
                f"torch.jit.{type(self).__name__}",
                got="a new one",
                expected="none: TorchScript is not here yet",
                fix="derive from nn.Module: what it does is recorded and compiled as it runs",
            )
        )


class ScriptFunction(ScriptModule):
    """As `ScriptModule`, for functions."""
