"""The few names of PyTorch's extension module that scripts use."""

from __future__ import annotations

from rushlight.functional.overriding import (
    DisableTorchFunction,
    DisableTorchFunctionSubclass,
    disabled_torch_function,
)
from rushlight.random import Generator

__all__ = ["DisableTorchFunction", "DisableTorchFunctionSubclass", "Generator"]
_disabled_torch_function_impl = disabled_torch_function
