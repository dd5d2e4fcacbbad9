"""`torch.nn.functional`: every family file of this package, under one name. Usually imported as `F`."""

from __future__ import annotations

import importlib
import pkgutil
from types import FunctionType
from typing import Any

from rushlight.functional.intercept import body_of

__all__: list[str] = []

for _family in pkgutil.iter_modules(__path__):
    _module = importlib.import_module(f"{__name__}.{_family.name}")
    for _name in _module.__all__:
        globals()[_name] = getattr(_module, _name)
    __all__ += _module.__all__


def _own(function: FunctionType) -> FunctionType:
    """A function of this module that does what one of `torch` with the same name does."""
    body = body_of(function)
    copy = FunctionType(body.__code__, body.__globals__, body.__name__, body.__defaults__, body.__closure__)
    copy.__kwdefaults__, copy.__doc__, copy.__module__ = body.__kwdefaults__, body.__doc__, __name__
    copy.__annotations__ = body.__annotations__
    return copy


# Two functions each, as in PyTorch: scripts that look at a graph's nodes tell `F.relu` from `torch.relu`.
for _name in ("celu", "max_pool1d_with_indices", "relu", "rms_norm", "rrelu", "selu"):
    globals()[_name] = _own(globals()[_name])
_threshold = globals()["threshold"]  # the name that graphs have for it


def __getattr__(name: str) -> Any:
    """What functions outside ask before they hand their arguments to `__torch_function__`."""
    if name in (
        "handle_torch_function",
        "has_torch_function",
        "has_torch_function_unary",
        "has_torch_function_variadic",
    ):
        return getattr(importlib.import_module("rushlight.overrides"), name)
    raise AttributeError(f"module 'rushlight.nn.functional' has no attribute {name!r}")
