"""How PyTorch writes a call down: functions that are Python there pass what has a default by keyword, and all of it.

So `F.relu(x)` is `torch.nn.functional.relu(x, inplace = False)`, while `torch.relu(x)` stays as it was called.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.fx._names import qualified_name
from rushlight.fx.node import base_types

# Of torch/functional.py, those that are not written down as they were called.
_FILLED = ("cdist", "lu", "meshgrid", "norm", "split", "stft", "tensordot", "unique", "unique_consecutive")
# Where ours take more than theirs.
_SIGNATURES: dict[str, Callable[..., Any]] = {
    "cdist": lambda x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary": None,
    "l1_loss": lambda input, target, size_average=None, reduce=None, reduction="mean": None,
    "split": lambda tensor, split_size_or_sections, dim=0: None,
}
# Functions of nn.functional that call a method there.
_METHODS = ("sigmoid", "tanh")
# The methods that operators with a tensor on the left stand for.
_OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "mod": "remainder", "pow": "pow", "matmul": "matmul",
    "lt": "lt", "le": "le", "gt": "gt", "ge": "ge", "ne": "ne", "eq": "eq", "and": "__and__", "or": "__or__", "xor": "__xor__",
}  # fmt: skip


@functools.cache
def _methods() -> dict[Any, str]:
    """What is written down as a call of a method: methods that are no functions of `torch` as well."""
    functional = importlib.import_module("rushlight.nn.functional")
    functions = {value for value in vars(rushlight).values() if isinstance(value, FunctionType)}
    found = {getattr(functional, name): name for name in _METHODS}
    for name, value in vars(rushlight.Tensor).items():
        if isinstance(value, FunctionType) and value not in functions:
            bare = name.strip("_")
            written = _OPERATORS.get(bare, name) if name == f"__{bare}__" else name
            if name == f"__i{bare[1:]}__" and bare[1:] in _OPERATORS:
                written = f"{_OPERATORS[bare[1:]].strip('_')}_"
            found.setdefault(value, written)
    return found


@functools.cache
def _signature(function: Any) -> tuple[inspect.Signature, bool]:
    """A function's signature, and whether its calls are filled in."""
    home, _, last = qualified_name(function).rpartition(".")
    filled = home == "torch.nn.functional" or home == "torch.functional" and last in _FILLED
    return inspect.signature(_SIGNATURES.get(last, function) if filled else function), filled


def as_written(function: Callable[..., Any], args: tuple, kwargs: dict) -> tuple[str, Any, tuple, dict]:
    """(op, target, args, kwargs) of the node that a call makes; TypeError for arguments that the function does not take."""
    method = _methods().get(function)
    if method is not None:
        return "call_method", method, args, kwargs
    name = qualified_name(function)
    signature, filled = _signature(function)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        if filled and name.rpartition(".")[2] in _SIGNATURES:  # what only ours takes
            return "call_function", function, args, kwargs
        raise TypeError(explain_error(name, got=str(error), expected=f"{name.rpartition('.')[2]}{signature}")) from None
    if not filled:
        return "call_function", function, args, kwargs
    bound.apply_defaults()
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in signature.parameters.values():
        value = bound.arguments[parameter.name]
        if value is parameter.default and not isinstance(value, (*base_types, tuple, list)):
            continue  # a mark that says that nothing was given
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional.extend(value)
        elif parameter.kind is parameter.VAR_KEYWORD:
            named.update(value)
        elif parameter.default is parameter.empty:
            positional.append(value)
        else:
            named[parameter.name] = value
    if named.get("return_indices") is True and not function.__name__.endswith("_with_indices"):
        functional = importlib.import_module("rushlight.nn.functional")
        function = getattr(functional, f"{function.__name__}_with_indices")
    return "call_function", function, tuple(positional), named
