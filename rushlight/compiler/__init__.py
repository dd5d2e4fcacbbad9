"""`torch.compiler`: what scripts say to a compiler. Every loop is recorded and compiled as it runs, so there is nothing to mark.

>>> import rushlight as torch
>>> @torch.compiler.disable
... def f(x):
...     return x + 1
>>> f(torch.ones(1))
tensor([2.])
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from rushlight.errors import explain_error
from rushlight.settings import compile, forget_programs

__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable", "get_default_backend",
    "is_compiling", "is_dynamo_compiling", "is_exporting", "list_backends", "nested_compile_region", "reset", "set_default_backend",
    "set_stance", "substitute_in_graph",
]  # fmt: skip


def is_compiling() -> bool:
    """False: Python code is never read by a compiler here; it runs, and is recorded.

    >>> is_compiling()
    False
    """
    return False


def is_dynamo_compiling() -> bool:
    """False, as `is_compiling`."""
    return False


def is_exporting() -> bool:
    """False, as `is_compiling`."""
    return False


def disable(fn: Callable | None = None, recursive: bool = True, *, reason: str | None = None) -> Callable:
    """The function itself; a decorator too."""
    return fn if fn is not None else lambda function: function


def allow_in_graph(fn: Any) -> Any:
    """What it is given: a function, or a list of them."""
    return fn


def assume_constant_result(fn: Callable) -> Callable:
    """The function itself: its results are whatever it returns at each call."""
    return fn


def nested_compile_region(fn: Callable | None = None, **options: Any) -> Callable:
    """The function itself; a decorator too."""
    return fn if fn is not None else lambda function: function


def substitute_in_graph(original_fn: Callable, **options: Any) -> Callable[[Callable], Callable]:
    """A decorator that returns the function itself: the original is what runs."""
    return lambda function: function


def reset() -> None:
    """Forget all recorded paths and compiled programs of this process; machine code on disk stays."""
    forget_programs()


def list_backends(exclude_tags: Any = ()) -> list[str]:
    """The names that `torch.compile(backend=...)` is given here: Rushlight's own compiler."""
    return ["rushlight"]


_default = ["rushlight"]


def get_default_backend() -> str:
    """The compiler that is used: there is one."""
    return _default[0]


def set_default_backend(backend: str | Callable) -> None:
    """RuntimeError for another than Rushlight's own."""
    if backend not in ("rushlight", "inductor"):
        raise RuntimeError(explain_error("set_default_backend", got=f"{backend!r}", expected="'rushlight'"))


def cudagraph_mark_step_begin() -> None:
    """Without effect: there are no CUDA graphs."""


class set_stance(contextlib.ContextDecorator):
    """Checked and accepted: 'default', 'force_eager', 'eager_on_recompile', 'fail_on_recompile', ...; what is recorded and compiled
    stays the same, since results do not depend on it. A function, a context manager, and a decorator."""

    _known = (
        "default",
        "force_eager",
        "eager_on_recompile",
        "fail_on_recompile",
        "eager_then_compile",
        "aot_eager_then_compile",
    )

    def __init__(
        self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None
    ) -> None:
        if stance not in self._known:
            raise RuntimeError(
                explain_error("set_stance", got=f"{stance!r}", expected=f"one of {', '.join(self._known)}")
            )
        if force_backend is not None and stance != "default":
            raise RuntimeError(
                explain_error("set_stance", got=f"force_backend with {stance!r}", expected="stance='default' with it")
            )

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: Any) -> None:
        return None
