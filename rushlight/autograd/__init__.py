"""Reverse-mode differentiation over recorded traces.

>>> import rushlight as torch
>>> x = torch.tensor(3.0, requires_grad=True)
>>> torch.autograd.grad(x * x, x)
(tensor(6.),)
"""

from __future__ import annotations

import importlib

from rushlight.autograd import graph
from rushlight.autograd import modes as grad_mode

from rushlight.autograd.modes import enable_grad, inference_mode, no_grad, set_grad_enabled  # isort: skip
from rushlight.autograd.backward import backward, grad  # isort: skip  (needs the modes)
from rushlight.autograd import function, functional
from rushlight.autograd.anomaly import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from rushlight.autograd.function import Function
from rushlight.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck


def __getattr__(name: str) -> object:
    if name == "Variable":  # PyTorch's old name of a tensor
        from rushlight.tensor import Tensor

        return Tensor
    if name == "profiler":
        return importlib.import_module("rushlight.autograd.profiler")
    if name == "forward_ad":
        return importlib.import_module("rushlight.autograd.forward_ad")
    raise AttributeError(f"module 'rushlight.autograd' has no attribute {name!r}")


__all__ = [
    "Function", "GradcheckError", "backward", "detect_anomaly", "enable_grad", "function", "functional", "grad", "grad_mode",
    "gradcheck", "gradgradcheck", "graph", "inference_mode", "is_anomaly_enabled", "no_grad", "set_detect_anomaly",
    "set_grad_enabled",
]  # fmt: skip
