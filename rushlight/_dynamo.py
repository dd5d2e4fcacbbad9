"""`torch._dynamo`: the names of PyTorch's compiler that scripts use. Programs are recorded as they run, so most of them have nothing to do."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from rushlight.compiler import allow_in_graph, disable, is_compiling, list_backends, reset
from rushlight.lazy.explain import explain as _explain

__all__ = [
    "allow_in_graph",
    "config",
    "disable",
    "explain",
    "graph_break",
    "is_compiling",
    "list_backends",
    "mark_dynamic",
    "mark_static",
    "reset",
]

# Switches of PyTorch's compiler: they can be set and read.
config = SimpleNamespace(
    cache_size_limit=8, recompile_limit=8, accumulated_recompile_limit=256, suppress_errors=False, verbose=False,
    dynamic_shapes=True, assume_static_by_default=True, automatic_dynamic_shapes=True, capture_scalar_outputs=False,
    capture_dynamic_output_shape_ops=False, optimize_ddp=True, guard_nn_modules=True, inline_inbuilt_nn_modules=True,
)  # fmt: skip


def explain(f: Callable[..., Any], *extra_args: Any, **extra_kwargs: Any) -> Any:
    """Call the function, and say what was recorded and compiled for it; with no arguments, a function that does so.

    >>> import rushlight as torch
    >>> print(explain(lambda x: x.exp().sum())(torch.ones(3)).splitlines()[0])
    <function <lambda> at ...> is recorded and compiled as it runs; there are no graph breaks to find.
    """

    def call(*args: Any, **kwargs: Any) -> str:
        found = f(*args, **kwargs)
        for value in found if isinstance(found, (tuple, list)) else (found,):
            if hasattr(value, "_compute_array"):
                value._compute_array()
        return f"{f} is recorded and compiled as it runs; there are no graph breaks to find.\n{_explain()}"

    return call(*extra_args, **extra_kwargs) if extra_args or extra_kwargs else call


def graph_break(msg: str = "") -> None:
    """Without effect: there is no graph to break."""


def mark_dynamic(t: Any, index: Any, **options: Any) -> None:
    """Without effect: a new shape is a new program, mostly of old machine code."""


def mark_static(t: Any, index: Any = None) -> None:
    """Without effect, as `mark_dynamic`."""


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"module 'rushlight._dynamo' has no attribute {name!r}: PyTorch's compiler is not here; programs are recorded as they run"
    )
