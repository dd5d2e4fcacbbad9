# Made by `make stubs` (tools/stubs.py).
# ruff: noqa
from rushlight.autograd.function import Function as Function
from rushlight.autograd.gradcheck import GradcheckError as GradcheckError
from rushlight.autograd.variable import Variable as Variable
from rushlight.autograd import anomaly_mode as anomaly_mode
from rushlight.autograd.backward import backward as backward
from rushlight.autograd.anomaly import detect_anomaly as detect_anomaly
from rushlight.autograd.modes import enable_grad as enable_grad
from rushlight.autograd import forward_ad as forward_ad
from rushlight.autograd import function as function
from rushlight.autograd import functional as functional
from rushlight.autograd.backward import grad as grad
from rushlight.autograd import grad_mode as grad_mode
from rushlight.autograd.gradcheck import gradcheck as gradcheck
from rushlight.autograd.gradcheck import gradgradcheck as gradgradcheck
from rushlight.autograd import graph as graph
from rushlight.autograd.modes import inference_mode as inference_mode
from rushlight.autograd.modes import no_grad as no_grad
from rushlight.autograd import profiler as profiler
from rushlight.autograd.anomaly import set_detect_anomaly as set_detect_anomaly
from rushlight.autograd.modes import set_grad_enabled as set_grad_enabled
from rushlight.autograd.grad_mode import set_multithreading_enabled as set_multithreading_enabled
from rushlight.autograd import variable as variable

__all__: list[str]
