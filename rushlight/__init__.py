"""Rushlight: PyTorch's Python API, recorded, recognised and run as whole programs. `import rushlight as torch`."""

from __future__ import annotations

import importlib
import math as _math
from typing import Any

from rushlight import startup as _startup

_startup.watch()

from rushlight import compile as _passes  # noqa: F401  loaded now: loading it later would hide the function below
from rushlight import dtype as _dtypes
from rushlight import layout as _layouts
from rushlight import settings as _settings
from rushlight.autograd.modes import (
    enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled,
)  # fmt: skip
from rushlight.device import device as _device
from rushlight.functional import FUNCTIONS as _FUNCTIONS
from rushlight.ir import layout as _formats
from rushlight.ir.meta import Size
from rushlight.lazy.explain import explain
from rushlight.tensor import Tensor

__version__ = "0.1.0"

globals().update(_FUNCTIONS)
globals().update(_dtypes.ALIASES)
# These names are modules of this package and classes or functions of PyTorch's API, which win.
dtype = _dtypes.dtype
device = _device
compile = _settings.compile
finfo, iinfo = _dtypes.finfo, _dtypes.iinfo
get_default_dtype, set_default_dtype = _dtypes.get_default_dtype, _dtypes.set_default_dtype
e, pi, inf, nan, newaxis = _math.e, _math.pi, _math.inf, _math.nan, None
layout = _layouts.layout
globals().update(_layouts.LAYOUTS)
memory_format = _formats.memory_format
globals().update(_formats.FORMATS)

# Outer rooms load on first use: `import rushlight` must stay quick.
_ROOMS = (
    "_C",
    "__config__",
    "_dynamo",
    "_higher_order_ops",
    "_subclasses",
    "accelerator",
    "array_api",
    "mps",
    "xpu",
    "compiler",
    "fx",
    "hub",
    "jit",
    "overrides",
    "testing",
    "amp",
    "cpu",
    "linalg",
    "masked",
    "multiprocessing",
    "sparse",
    "special",
    "fft",
    "signal",
    "autograd",
    "backends",
    "cuda",
    "func",
    "futures",
    "nn",
    "onnx",
    "optim",
    "profiler",
    "return_types",
    "types",
    "utils",
    "vision",
    "serialization",
    "compat",
    "distributed",
    "distributions",
    "random",
    "storage",
    "torch_version",
    "version",
)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"rushlight.{name}")
    from rushlight.surface import find

    return find(name)


__all__ = [
    "Size", "Tensor", "enable_grad", "explain", "inference_mode", "is_grad_enabled", "is_inference_mode_enabled", "no_grad",
    "set_grad_enabled", *_FUNCTIONS,
]  # fmt: skip
