"""Which public functions take sparse tensors, and how a call finds its way here.

A method of a sparse tensor is found through its class. A function (`torch.mm(a, x)`) gets a layer in front when the first
sparse tensor is made (functional/intercept.py); until then nothing of this is on the path of a call. Whatever is not in the
table meets the tensor in the recorder, which refuses it with the name of the operation (`tensor.py`).
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from rushlight.autograd.backward import grad
from rushlight.functional.intercept import intercept
from rushlight.functional.registry import FUNCTIONS, METHODS

HANDLERS: dict[str, Callable[..., Any]] = {}  # by the public name of what they stand in for
KINDS: set[type] = set()  # the classes of sparse tensors
_LISTS = ("cat", "concat", "concatenate", "stack")  # take tensors in a list


def handles(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """This function is what the public functions of these names do to sparse tensors."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            HANDLERS[name] = function
        return function

    return add


def is_sparse(value: Any) -> bool:
    """Whether a value is a sparse tensor, of any layout."""
    return value.__class__ in KINDS


def _layer(handler: Callable[..., Any], kinds: set[type], function: Any, below: Any, *args: Any, **kwargs: Any) -> Any:
    for x in args:
        if x.__class__ in kinds:
            return handler(*args, **kwargs)
    if kwargs:
        for x in kwargs.values():
            if x.__class__ in kinds:
                return handler(*args, **kwargs)
    return below(*args, **kwargs)


def _list_layer(
    handler: Callable[..., Any], kinds: set[type], function: Any, below: Any, *args: Any, **kwargs: Any
) -> Any:
    tensors = args[0] if args else kwargs.get("tensors", ())
    if tensors.__class__ in (list, tuple) and not kinds.isdisjoint(map(type, tensors)):
        return handler(*args, **kwargs)
    return below(*args, **kwargs)


def _grad_layer(function: Any, below: Any, outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    """`autograd.grad` with respect to sparse tensors: with respect to their values."""
    listed = tuple(inputs) if inputs.__class__ in (list, tuple) else (inputs,)
    if KINDS.isdisjoint(map(type, listed)):
        return below(outputs, inputs, *args, **kwargs)
    found = below(outputs, tuple([x._values_part if is_sparse(x) else x for x in listed]), *args, **kwargs)
    return tuple([x._as_gradient(g) if is_sparse(x) and g is not None else g for x, g in zip(listed, found)])


@functools.cache
def install() -> None:
    """Put the layers in front; once, when the first sparse tensor is made."""
    own = vars(importlib.import_module("rushlight.nn.functional"))  # has functions of its own of some names
    for name, handler in HANDLERS.items():
        front = _list_layer if name in _LISTS else _layer
        functions = {table[name] for table in (FUNCTIONS, METHODS, own) if name in table}
        intercept(functions, functools.partial(front, handler, KINDS), rank=2)
    intercept((grad,), _grad_layer, rank=2)
