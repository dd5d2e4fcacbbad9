"""Reverse-mode differentiation over recorded traces.

>>> import rushlight as torch
>>> x = torch.tensor(3.0, requires_grad=True)
>>> torch.autograd.grad(x * x, x)
(tensor(6.),)
"""

from __future__ import annotations

import importlib

from rushlight.autograd import grad_mode, graph

from rushlight.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled  # isort: skip
from rushlight.autograd.grad_mode import is_multithreading_enabled as is_multithreading_enabled  # isort: skip
from rushlight.autograd.grad_mode import set_multithreading_enabled  # isort: skip
from rushlight.autograd.backward import backward, grad  # isort: skip  (needs the modes)
from rushlight.autograd import function, functional
from rushlight.autograd.anomaly import detect_anomaly, set_detect_anomaly
from rushlight.autograd.function import Function
from rushlight.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck


def __getattr__(name: str) -> object:
    if name in ("Variable", "variable"):
        variable = importlib.import_module("rushlight.autograd.variable")
        return variable.Variable if name == "Variable" else variable
    if name in ("anomaly_mode", "forward_ad", "profiler"):
        return importlib.import_module(f"rushlight.autograd.{name}")
    raise AttributeError(f"module 'rushlight.autograd' has no attribute {name!r}")


__all__ = [
    "Function", "GradcheckError", "backward", "detect_anomaly", "enable_grad", "function", "functional", "grad", "grad_mode",
    "gradcheck", "gradgradcheck", "graph", "inference_mode", "no_grad", "set_detect_anomaly",
    "set_grad_enabled", "set_multithreading_enabled",
]  # fmt: skip
