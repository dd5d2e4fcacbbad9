"""Stand in front of public functions, from the moment that somebody asks for it.

Autocast and `__torch_function__` concern every call of a public function, also through names that were imported long before.
So that they cost nothing until they are used, the *code* of a function is exchanged: the same function object then hands its
arguments to the layers in front of it, and the last of these calls what its code was.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
from typing import Any

Layer = Callable[..., Any]  # layer(function, below, *args, **kwargs); `below` is what it stands in front of


class _Intercepted:
    def __init__(self, function: FunctionType) -> None:
        self.code = function.__code__
        body = FunctionType(
            self.code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        for name in ("__annotations__", "__kwdefaults__", "__module__", "__qualname__"):
            setattr(body, name, getattr(function, name))
        self.body = body
        self.layers: dict[int, Layer] = {}  # by rank: the lowest is outermost


_known: dict[FunctionType, _Intercepted] = {}
_lock = threading.Lock()


def body_of(function: Any) -> Any:
    """The function that holds the code which a function was written with."""
    found = _known.get(function)
    return function if found is None else found.body


def intercept(functions: Iterable[Any], layer: Layer, rank: int) -> None:
    """From now on a call of each of the functions is `layer(function, below, *args, **kwargs)`; layers of lower rank come first."""
    with _lock:
        for function in functions:
            found = _known.get(function)
            if found is None:
                found = _known[function] = _Intercepted(function)
                function.__wrapped__ = found.body  # what `inspect.signature` reads
            found.layers[rank] = layer
            _arrange(function, found)


def release(functions: Iterable[Any], rank: int) -> None:
    """Take the layer of this rank away again; a function without layers gets its own code back."""
    with _lock:
        for function in functions:
            found = _known[function]
            found.layers.pop(rank, None)
            if found.layers:
                _arrange(function, found)
            else:
                function.__code__ = found.body.__code__
                del _known[function], function.__wrapped__


def _arrange(function: Any, found: _Intercepted) -> None:
    front: Any = found.body
    for rank in sorted(found.layers, reverse=True):
        front = functools.partial(found.layers[rank], function, front)
    function.__code__ = _code_that_calls(front, found.code)


def _code_that_calls(front: Callable[..., Any], like: CodeType) -> CodeType:
    """Code that hands all arguments to `front`, for a function with a closure such as `like` has.

    What it calls is one of its constants: a function's globals are those of its file, and a closure can hold nothing new.
    """
    template = _template(like.co_freevars)
    constants = tuple(front if value == "front" else value for value in template.co_consts)
    return template.replace(co_consts=constants, co_name=like.co_name, co_qualname=like.co_qualname)


@functools.cache
def _template(free: tuple[str, ...]) -> CodeType:
    """The code of a function that closes over these names (the line that names them is never reached)."""
    assigned = "".join(f"    {name} = None\n" for name in free)
    source = (
        f"def outer():\n{assigned}"
        '    def hand_over(*_all, **_named):\n        return "front"(*_all, **_named)\n'
        f"        {', '.join(free) or 'pass'}\n    return hand_over\n"
    )
    space: dict[str, Any] = {}
    with warnings.catch_warnings():  # that a string cannot be called
        warnings.simplefilter("ignore", SyntaxWarning)
        exec(compile(source, __file__, "exec"), space)
    code = space["outer"]().__code__
    if code.co_freevars != free:
        raise RuntimeError(f"a function that closes over {free} got code that closes over {code.co_freevars}")
    return code
