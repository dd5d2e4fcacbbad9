"""Activations with PyTorch's signatures: `inplace=`, checks of arguments, and composites of other ops."""

from __future__ import annotations

import math
import warnings
from typing import Any

from rushlight import random as rng
from rushlight.functional.quick import unary
from rushlight.functional.registry import FUNCTIONS, as_int, public, rule_helper
from rushlight.ir.op import TABLE
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record
from rushlight.lazy.views import record_inplace

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


_relu, _sigmoid, _tanh = unary(TABLE["relu"]), unary(TABLE["sigmoid"]), unary(TABLE["tanh"])


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Handle) else value  # type: ignore[attr-defined]


def _apply(name: str, inplace: bool, input: Any, *numbers: Any) -> Any:
    if inplace:
        return record_inplace(TABLE[name + "_"], (input, *map(_number, numbers)))
    return record(TABLE[name], (input, *map(_number, numbers)))


@public("relu")
def relu(input: Any, inplace: bool = False) -> Any:
    """max(input, 0).

    >>> import rushlight as torch
    >>> torch.relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return record_inplace(TABLE["relu_"], (input,)) if inplace else _relu(input)


def relu6(input: Any, inplace: bool = False) -> Any:
    """min(max(input, 0), 6).

    >>> import rushlight as torch
    >>> torch.nn.functional.relu6(torch.tensor([-1.0, 3.0, 9.0]))
    tensor([0., 3., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """input, times negative_slope below 0.

    >>> import rushlight as torch
    >>> torch.nn.functional.leaky_relu(torch.tensor([-1.0, 2.0]))
    tensor([-0.0100,  2.0000])
    """
    return _apply("leaky_relu_op", inplace, input, negative_slope)


@public(method=True)
def prelu(input: Any, weight: Any) -> Any:
    """input, times a learned weight below 0: one weight for all, or one for each channel (dimension 1).

    >>> import rushlight as torch
    >>> torch.prelu(torch.tensor([-2.0, 3.0]), torch.tensor([0.25]))
    tensor([-0.5000,  3.0000])
    """
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}. Fix: weight.flatten()."
        )
    count = weight.numel()
    if count != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if input.ndim == 0:
            raise RuntimeError("prelu: Not allow zero-dim input tensor with more than one weight.")
        if channels != count:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {count} and channel size = "
                f"{channels}; prelu got input of shape {list(input.shape)}. Fix: nn.PReLU({channels}) or nn.PReLU(1)."
            )
    if input.ndim > 1:
        weight = weight.reshape((1, count) + (1,) * (input.ndim - 2))
    elif weight.ndim > input.ndim:
        weight = weight.reshape(())
    return record(TABLE["prelu_kernel_op"], (input, weight))


def rrelu(input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False) -> Any:
    """input; below 0 times a slope drawn from U(lower, upper) in training, times (lower + upper) / 2 otherwise."""
    if lower > upper:
        raise RuntimeError(
            f"rrelu: lower bound should be less than or equal to the upper bound; got {lower} and {upper}."
        )
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    drawn = (input.detach(), float(lower), float(upper))
    noise = record(TABLE["rrelu_noise_op"], drawn, (rng.enter_generator(None),))
    if inplace:
        return record_inplace(TABLE["rrelu_with_noise_op_"], (input, noise))
    return record(TABLE["rrelu_with_noise_op"], (input, noise))


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """input, and alpha * (exp(input) - 1) below 0.

    >>> import rushlight as torch
    >>> torch.nn.functional.elu(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return _apply("elu_op", inplace, input, alpha, 1.0, 1.0)


def selu(input: Any, inplace: bool = False) -> Any:
    """scale * elu(input, alpha), with the constants that keep mean 0 and variance 1."""
    return _apply("elu_op", inplace, input, _SELU_ALPHA, _SELU_SCALE, 1.0)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """input, and alpha * (exp(input / alpha) - 1) below 0."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU.")
    return _apply("celu", inplace, input, alpha)


def gelu(input: Any, *, approximate: str = "none") -> Any:
    """input * Phi(input); approximate='tanh' for the tanh formula.

    >>> import rushlight as torch
    >>> torch.nn.functional.gelu(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1587,  0.0000,  0.8413])
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"gelu: approximate argument must be either none or tanh; got {approximate!r}.")
    return record(TABLE["gelu_op"], (input,), (approximate,))


def silu(input: Any, inplace: bool = False) -> Any:
    """input * sigmoid(input).

    >>> import rushlight as torch
    >>> torch.nn.functional.silu(torch.tensor([-1.0, 2.0]))
    tensor([-0.2689,  1.7616])
    """
    return _apply("silu_op", inplace, input)


def mish(input: Any, inplace: bool = False) -> Any:
    """input * tanh(softplus(input)).

    >>> import rushlight as torch
    >>> torch.nn.functional.mish(torch.tensor([-1.0, 2.0]))
    tensor([-0.3034,  1.9440])
    """
    return _apply("mish_op", inplace, input)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """input limited to [min_val, max_val].

    >>> import rushlight as torch
    >>> torch.nn.functional.hardtanh(torch.tensor([-3.0, 0.5, 3.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val; got {min_val} and {max_val}.")
    return _apply("hardtanh_op", inplace, input, min_val, max_val)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """relu6(input + 3) / 6."""
    return _apply("hardsigmoid_op", inplace, input)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """input * relu6(input + 3) / 6."""
    return _apply("hardswish_op", inplace, input)


def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """0 where |input| <= lambd."""
    return _apply("hardshrink", False, input, lambd)


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """input moved by lambd toward 0."""
    if lambd < 0:
        raise RuntimeError(f"softshrink: lambda must be greater or equal to 0, but found to be {lambd}.")
    return _apply("softshrink_op", False, input, lambd)


def softplus(input: Any, beta: float = 1, threshold: float = 20) -> Any:
    """log(1 + exp(beta * input)) / beta; input itself where beta * input > threshold.

    >>> import rushlight as torch
    >>> torch.nn.functional.softplus(torch.tensor([0.0, 30.0]))
    tensor([ 0.6931, 30.0000])
    """
    return _apply("softplus_op", False, input, float(beta), float(threshold))


def softsign(input: Any) -> Any:
    """input / (1 + |input|)."""
    return input / (input.abs() + 1)


def tanhshrink(input: Any) -> Any:
    """input - tanh(input)."""
    return input - input.tanh()


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """value where input <= threshold, input elsewhere."""
    return _apply("threshold", inplace, input, threshold, value)


def logsigmoid(input: Any) -> Any:
    """log(sigmoid(input)), without underflow.

    >>> import rushlight as torch
    >>> torch.nn.functional.logsigmoid(torch.tensor([0.0]))
    tensor([-0.6931])
    """
    return record(TABLE["log_sigmoid_op"], (input,))


def glu(input: Any, dim: int = -1) -> Any:
    """The first half of input along dim, times the sigmoid of the second half.

    >>> import rushlight as torch
    >>> torch.nn.functional.glu(torch.tensor([1.0, 2.0, 0.0, 0.0]))
    tensor([0.5000, 1.0000])
    """
    return record(TABLE["glu_op"], (input,), (as_int(dim),))


def sigmoid(input: Any) -> Any:
    """1 / (1 + exp(-input))."""
    return _sigmoid(input)


def tanh(input: Any) -> Any:
    """(exp(input) - exp(-input)) / (exp(input) + exp(-input))."""
    return _tanh(input)


public()(selu)
public()(celu)
public()(rrelu)
public("threshold")(lambda input, threshold, value: _apply("threshold", False, input, threshold, value))


def _inplace(function: Any) -> Any:
    """The `name_` sibling of an activation with `inplace=`."""

    def write(input: Any, *args: Any, **kwargs: Any) -> Any:
        return function(input, *args, **kwargs, inplace=True)

    write.__name__ = function.__name__ + "_"
    write.__doc__ = f"In-place `{function.__name__}`."
    return write


relu_, leaky_relu_, elu_, hardtanh_ = _inplace(relu), _inplace(leaky_relu), _inplace(elu), _inplace(hardtanh)
rrelu_, selu_, celu_, threshold_ = _inplace(rrelu), _inplace(selu), _inplace(celu), _inplace(threshold)
for _sibling in (rrelu_, selu_, celu_, threshold_):
    public()(_sibling)

# --- softmax family -----------------------------------------------------------------------------------------------


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    dim = 0 if ndim in (0, 1, 3) else 1
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated: {dim} was taken for {ndim} dimensions. Fix: write dim={dim}.",
        UserWarning, stacklevel=stacklevel,
    )  # fmt: skip
    return dim


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """exp(input) / sum(exp(input)) along dim.

    >>> import rushlight as torch
    >>> torch.nn.functional.softmax(torch.tensor([[0.0, 0.0]]), dim=1)
    tensor([[0.5000, 0.5000]])
    """
    dim = _implicit_dim("softmax", input.ndim, _stacklevel) if dim is None else as_int(dim)
    return record(TABLE["softmax"], (input,), (dim, dtype))


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """softmax(-input) along dim."""
    dim = _implicit_dim("softmin", input.ndim, _stacklevel) if dim is None else as_int(dim)
    return record(TABLE["softmax"], (-input,), (dim, dtype))


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """log(softmax(input)) along dim, without overflow.

    >>> import rushlight as torch
    >>> torch.nn.functional.log_softmax(torch.tensor([[0.0, 0.0]]), dim=1)
    tensor([[-0.6931, -0.6931]])
    """
    dim = _implicit_dim("log_softmax", input.ndim, _stacklevel) if dim is None else as_int(dim)
    return record(TABLE["log_softmax"], (input,), (dim, dtype))


def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:
    """softmax((logits + Gumbel noise) / tau); hard=True gives one-hot samples with the gradient of the soft ones.

    >>> import rushlight as torch
    >>> torch.nn.functional.gumbel_softmax(torch.zeros(2, 3), hard=True).sum(1)
    tensor([1., 1.])
    """
    noise = -FUNCTIONS["empty"](logits.shape, dtype=logits.dtype).exponential_().log()
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    chosen = FUNCTIONS["zeros_like"](logits).scatter_(dim, index, 1.0)
    return chosen - soft.detach() + soft


# --- gradients ----------------------------------------------------------------------------------------------------


@rule_helper
def silu_gradient(g: Any, x: Any) -> Any:
    """d/dx x*s = s * (1 + x * (1 - s)), s = sigmoid(x)."""
    s = x.sigmoid()
    return g * (s * (1 + x * (1 - s)))


@rule_helper
def mish_gradient(g: Any, x: Any) -> Any:
    """d/dx x*t = t + x * sigmoid(x) * (1 - t^2), t = tanh(softplus(x))."""
    t = softplus(x).tanh()
    return g * (t + x * x.sigmoid() * (1 - t * t))


@rule_helper
def gelu_gradient(g: Any, x: Any, approximate: str) -> Any:
    """d/dx x*Phi = Phi + x * phi."""
    if approximate == "tanh":
        scale, cube = math.sqrt(2 / math.pi), 0.044715
        t = (scale * (x + cube * x * x * x)).tanh()
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (scale * (1 + 3 * cube * x * x)))
    below = 0.5 * (1 + (x * math.sqrt(0.5)).erf())
    return g * (below + x * ((-0.5 * x * x).exp() * (1 / math.sqrt(2 * math.pi))))


@rule_helper
def glu_gradient(g: Any, x: Any, dim: int) -> Any:
    """d/da a*s(b) = s(b); d/db = a * s(b) * (1 - s(b))."""
    half = x.shape[dim] // 2
    a, s = x.narrow(dim, 0, half), x.narrow(dim, half, half).sigmoid()
    return FUNCTIONS["cat"]([g * s, g * a * s * (1 - s)], dim)


__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "hardtanh_", "leaky_relu", "leaky_relu_", "log_softmax", "logsigmoid", "mish", "prelu", "relu", "relu6", "relu_", "rrelu",
    "rrelu_", "selu", "selu_", "sigmoid", "silu", "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh",
    "tanhshrink", "threshold", "threshold_",
]  # fmt: skip
