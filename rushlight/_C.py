"""The few names of PyTorch's extension module that scripts use."""

from __future__ import annotations

import importlib
from typing import Any

from rushlight.errors import MissingNameError
from rushlight.functional.overriding import (
    DisableTorchFunction,
    DisableTorchFunctionSubclass,
    disabled_torch_function,
)
from rushlight.random import Generator

__all__ = ["DisableTorchFunction", "DisableTorchFunctionSubclass", "Generator"]
_disabled_torch_function_impl = disabled_torch_function


def _log_api_usage_once(event: str) -> None:
    """Nobody counts who uses what."""


# Namespaces of compiled functions that torch.fx names: attribute -> (module, prefix of the names there).
_NAMESPACES = {
    "_nn": ("nn.functional", ""),
    "_linalg": ("linalg", "linalg_"),
    "_fft": ("fft", "fft_"),
    "_special": ("special", "special_"),
}


class _Namespace:
    def __init__(self, name: str) -> None:
        self._name, (self._home, self._prefix) = name, _NAMESPACES[name]

    def __getattr__(self, name: str) -> Any:
        home = importlib.import_module(f"rushlight.{self._home}")
        wanted = "logsigmoid" if (self._name, name) == ("_nn", "log_sigmoid") else name.removeprefix(self._prefix)
        if not name.startswith(self._prefix) or not hasattr(home, wanted):
            raise MissingNameError(f"torch._C.{self._name}", name, lambda: [self._prefix + n for n in dir(home)])
        return getattr(home, wanted)


def __getattr__(name: str) -> Any:
    if name in _NAMESPACES:
        return _Namespace(name)
    raise MissingNameError("module 'rushlight._C'", name, lambda: [*__all__, *_NAMESPACES])
