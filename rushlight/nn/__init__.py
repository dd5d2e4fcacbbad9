"""Neural networks: layers, losses, containers, initialisation.

>>> import rushlight as torch
>>> from rushlight import nn
>>> model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
>>> model(torch.ones(64, 784)).shape
torch.Size([64, 10])
"""

from __future__ import annotations

from typing import Any

from rushlight.errors import MissingNameError
from rushlight.nn import functional, init, modules, utils
from rushlight.nn.modules import *  # noqa: F403
from rushlight.nn.modules import __all__ as _layers
from rushlight.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    *_layers,
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "functional",
    "init",
    "modules",
    "utils",
]

# Names of PyTorch's nn that are not built yet; asking for one says so.
_NOT_BUILT = ("Container", "DataParallel", "LinearCrossEntropyLoss", "LinearCrossEntropyOptions")


def __getattr__(name: str) -> Any:
    if name in _NOT_BUILT:
        raise AttributeError(f"rushlight.nn.{name} is not built yet")
    raise MissingNameError("module 'rushlight.nn'", name, lambda: __all__)
