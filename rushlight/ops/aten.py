"""`torch.ops.aten.NAME`: the functions of this library under PyTorch's operator names, overloads included.

>>> import rushlight as torch
>>> torch.ops.aten.add.Tensor(torch.tensor(1.0), torch.tensor(2.0))
tensor(3.)
"""

from __future__ import annotations

import importlib
from typing import Any

from rushlight.errors import explain_error


class Packet:
    """A function and, as attributes, its overloads: Python's arguments tell them apart, so all are the function."""

    def __init__(self, name: str, function: Any) -> None:
        self._name, self._function = name, function
        self.__name__, self.__doc__ = name, function.__doc__

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._function(*args, **named)

    def __getattr__(self, overload: str) -> Packet:
        if overload.startswith("_"):
            raise AttributeError(overload)
        return self

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='aten.{self._name}')>"


def __getattr__(name: str) -> Any:
    functional = importlib.import_module("rushlight.functional")
    for home in (functional.FUNCTIONS, functional.HELPERS, functional.METHODS):
        found = home.get(name)
        if callable(found):
            return Packet(name, found)
    raise AttributeError(
        explain_error(
            "torch.ops.aten", got=name, expected="an operator that is also a function or method of this library"
        )
    )
