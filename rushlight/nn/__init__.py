"""Neural networks: layers, losses, containers, initialisation.

>>> import rushlight as torch
>>> from rushlight import nn
>>> model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
>>> model(torch.ones(64, 784)).shape
torch.Size([64, 10])
"""

from __future__ import annotations

import importlib
from typing import Any

from rushlight.errors import MissingNameError
from rushlight.nn import functional, init, modules, utils
from rushlight.nn.modules import *  # noqa: F403
from rushlight.nn.modules import __all__ as _layers
from rushlight.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter
from rushlight.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm
from rushlight.nn.utils.weight_norm import remove_weight_norm, weight_norm

# Two of the functions have the names of their files, which importing those has put here.
for _function in (remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm):
    setattr(utils, _function.__name__, _function)
del remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm

# What few programs need: name -> its module.
_LATER = {"DataParallel": "parallel", "attention": "attention", "grad": "grad", "parallel": "parallel"}

__all__ = [
    *_LATER,
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


def __getattr__(name: str) -> Any:
    if name in _LATER:
        module = importlib.import_module(f"rushlight.nn.{_LATER[name]}")
        return module if name == _LATER[name] else getattr(module, name)
    raise MissingNameError("module 'rushlight.nn'", name, lambda: __all__)
