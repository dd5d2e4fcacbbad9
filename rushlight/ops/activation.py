"""Activation functions. Gradients are chosen with `where`, so that a zero slope also silences inf and NaN gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rushlight.dtype import BOOL, FLOATING
from rushlight.ir import scalar as L
from rushlight.ir.meta import Meta
from rushlight.ir.op import TABLE, Op, declare
from rushlight.ops import compositions, formulas
from rushlight.ops.reduce import dtype_name
from rushlight.ops.rules import elementwise, like, wrap_dim
from rushlight.ops.samples import unary, values
from rushlight.ops.tensor_code import T


def only_floating(name: str, x: Meta, kernel: str | None = None) -> None:
    """Refuse integers, as PyTorch's kernels do."""
    if x.dtype.category < FLOATING:
        raise NotImplementedError(
            f"\"{kernel or name + '_cpu'}\" not implemented for '{dtype_name(x.dtype)}': {name} got a tensor of {x.dtype}; expected a "
            "floating dtype. Fix: convert it with .float()."
        )


def _activation(signature: str, reference: Any, vjp: Any, doc: str, **facts: Any) -> Op:
    """An elementwise op of one tensor and some numbers, in the dtype of the tensor."""
    name = signature.partition("(")[0]
    label = name.removesuffix("_op")
    whole = facts.pop("integers", False)

    def infer(x: Meta, *rest: Meta, **static: Any) -> Meta:
        if not whole:
            only_floating(label, x)
        return elementwise(label, (x,), x.dtype)

    facts.setdefault("samples", unary)
    facts.setdefault("grad_name", "".join(w.capitalize() for w in label.split("_")) + "Backward0")
    numbers = signature.count("Number ")
    return declare(
        signature, infer=infer, reference=reference, vjp=(vjp,) + (None,) * numbers, promote=lambda x, *_, **__: x.dtype,
        pointwise=True, inplace=True, doc=doc, **facts,
    )  # fmt: skip


def _with(*numbers: float) -> Any:
    """The unary samples, with these numbers after the tensor."""
    return lambda: [((a, *numbers), {}) for (a,), _ in unary()]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return TABLE["sigmoid"].reference(x)  # type: ignore[misc]


def _softplus_1(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, np.zeros((), x.dtype))


# --- piecewise linear ---------------------------------------------------------------------------------------------


def _relu_infer(x: Meta) -> Meta:
    if x.dtype.category == BOOL:
        raise RuntimeError("Boolean inputs not supported for relu: got a bool tensor. Fix: convert it with .float().")
    return elementwise("relu", (x,), x.dtype)


relu = declare(
    "relu(Tensor input)", infer=_relu_infer, reference=lambda x: np.where(x < 0, np.zeros((), x.dtype), x),
    vjp=(lambda g, out, x: T.where(out > 0, g, 0),), pointwise=True, inplace=True, samples=unary,
    lower=lambda x: L.maximum(x, 0), doc="max(input, 0)",
)  # fmt: skip
hardtanh = _activation(
    "hardtanh_op(Tensor input, Number min_val=-1.0, Number max_val=1.0)", lambda x, low, high: np.minimum(np.maximum(x, low), high),
    lambda g, out, x, low, high: T.where((x > low) & (x < high), g, 0), "input limited to [min_val, max_val]",
    integers=True, samples=_with(-0.7, 0.8), lower=formulas.clamp,
)  # fmt: skip
leaky_relu = _activation(
    "leaky_relu_op(Tensor input, Number negative_slope=0.01)", lambda x, slope: np.where(x > 0, x, x * slope),
    lambda g, out, x, slope: T.where(x > 0, g, g * slope), "input, times negative_slope below 0", samples=_with(0.1),
    lower=lambda x, slope: L.select(x > 0, x, x * slope),
)  # fmt: skip
threshold = _activation(
    "threshold(Tensor input, Number threshold, Number value)", lambda x, threshold, value: np.where(x <= threshold, value, x),
    lambda g, out, x, threshold, value: T.where(x <= threshold, 0, g), "value where input <= threshold", integers=True,
    samples=_with(0.1, 20.0), public="function", lower=lambda x, threshold, value: L.select(x <= threshold, value, x),
)  # fmt: skip
hardshrink = _activation(
    "hardshrink(Tensor input, Number lambd=0.5)", lambda x, lambd: np.where(np.abs(x) <= lambd, 0, x),
    lambda g, out, x, lambd: T.where(x.abs() <= lambd, 0, g), "0 where |input| <= lambd", samples=_with(0.4),
    lower=lambda x, lambd: L.select(L.absolute(x) <= lambd, 0, x),
)  # fmt: skip
softshrink = _activation(
    "softshrink_op(Tensor input, Number lambd=0.5)",
    lambda x, lambd: np.where(x > lambd, x - lambd, np.where(x < -lambd, x + lambd, x * 0)),
    lambda g, out, x, lambd: T.where((x > lambd) | (x < -lambd), g, 0), "input moved by lambd toward 0", samples=_with(0.4),
    lower=formulas.softshrink,
)  # fmt: skip
hardsigmoid = _activation(
    "hardsigmoid_op(Tensor input)", lambda x: np.minimum(np.maximum(x + x.dtype.type(3), 0), 6) / x.dtype.type(6),
    lambda g, out, x: T.where((x > -3) & (x < 3), g / 6, 0), "relu6(input + 3) / 6",
    lower=lambda x: formulas.relu6(x + 3) * (1 / 6),
)  # fmt: skip
hardswish = _activation(
    "hardswish_op(Tensor input)", lambda x: x * np.minimum(np.maximum(x + x.dtype.type(3), 0), 6) / x.dtype.type(6),
    lambda g, out, x: T.where(x <= -3, 0, T.where(x < 3, g * (x / 3 + 0.5), g)), "input * relu6(input + 3) / 6",
    lower=lambda x: x * formulas.relu6(x + 3) * (1 / 6),
)  # fmt: skip


def _rrelu_infer(x: Meta, noise: Meta) -> Meta:
    only_floating("rrelu", x)
    return like(x, stride=x.stride if x.contiguous else None)


rrelu_with_noise = declare(
    "rrelu_with_noise_op(Tensor input, Tensor noise)", infer=_rrelu_infer, reference=lambda x, noise: np.where(x <= 0, x * noise, x),
    vjp=(lambda g, out, x, noise: T.where(x <= 0, g * noise, g), None), pointwise=True, inplace=True,
    samples=lambda: [((values(2, 3), values(2, 3, seed=1, low=0.1, high=0.4)), {})], grad_name="RreluWithNoiseBackward0",
    lower=lambda x, noise: L.select(x <= 0, x * noise, x), doc="input, times noise at and below 0",
)  # fmt: skip


def _prelu_infer(x: Meta, weight: Meta) -> Meta:
    only_floating("prelu", x)
    if x.dtype is not weight.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {x.dtype} and {weight.dtype}. Fix: convert the weight with .to({x.dtype})."
        )
    return elementwise("prelu", (x, weight), x.dtype)


prelu_kernel = declare(
    "prelu_kernel_op(Tensor input, Tensor weight)", infer=_prelu_infer, reference=lambda x, w: np.where(x > 0, x, w * x),
    vjp=(lambda g, out, x, w: T.where(x > 0, g, g * w), lambda g, out, x, w: T.where(x > 0, 0, g * x)), pointwise=True,
    samples=lambda: [((values(2, 3), values(1, 3, seed=1)), {})], grad_name="PreluKernelBackward0",
    lower=lambda x, w: L.select(x > 0, x, w * x), doc="input, times a broadcast weight below 0",
)  # fmt: skip

# --- smooth -------------------------------------------------------------------------------------------------------


def _elu(x: np.ndarray, alpha: Any, scale: Any, input_scale: Any) -> np.ndarray:
    return np.where(x > 0, x * scale, np.expm1(np.minimum(x, 0) * input_scale) * (alpha * scale))


def _elu_rule(g: Any, out: Any, x: Any, alpha: Any, scale: Any, input_scale: Any) -> Any:
    return T.where(x > 0, g * scale, g * ((x * input_scale).exp() * (alpha * scale * input_scale)))


elu = _activation(
    "elu_op(Tensor input, Number alpha=1.0, Number scale=1.0, Number input_scale=1.0)", _elu, _elu_rule,
    "scale * input, and scale * alpha * (exp(input * input_scale) - 1) below 0", samples=_with(1.3, 1.1, 0.9),
    lower=formulas.elu,
)  # fmt: skip
celu = _activation(
    "celu(Tensor input, Number alpha=1.0)", lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)),
    lambda g, out, x, alpha: T.where(x > 0, g, g * (x / alpha).exp()), "input, alpha * (exp(input / alpha) - 1) below 0",
    samples=_with(1.3), public="function", lower=formulas.celu,
)  # fmt: skip
silu = _activation(
    "silu_op(Tensor input)", lambda x: x * _sigmoid(x),
    lambda g, out, x: T.silu_gradient(g, x), "input * sigmoid(input)", lower=formulas.silu,
)  # fmt: skip
mish = _activation(
    "mish_op(Tensor input)", lambda x: x * np.tanh(_softplus_1(x)), lambda g, out, x: T.mish_gradient(g, x),
    "input * tanh(softplus(input))", lower=formulas.mish,
)  # fmt: skip


def _softplus(x: np.ndarray, beta: Any, threshold: Any) -> np.ndarray:
    scaled = x * beta
    return np.where(scaled > threshold, x, _softplus_1(scaled) / beta)


softplus = _activation(
    "softplus_op(Tensor input, Number beta=1.0, Number threshold=20.0)", _softplus,
    lambda g, out, x, beta, threshold: T.where(x * beta > threshold, g, g * (x * beta).sigmoid()),
    "log(1 + exp(beta * input)) / beta, input itself above threshold", samples=_with(1.5, 20.0),
    lower=lambda x, beta, limit: L.select(x * beta > limit, x, formulas.softplus(x * beta) / beta),
)  # fmt: skip
log_sigmoid = _activation(
    "log_sigmoid_op(Tensor input)", lambda x: -_softplus_1(-x), lambda g, out, x: g * (-x).sigmoid(),
    "log(sigmoid(input))", grad_name="LogSigmoidBackward0", lower=lambda x: -formulas.softplus(-x),
)  # fmt: skip

_SQRT_HALF = math.sqrt(0.5)
_TANH_SCALE, _TANH_CUBE = math.sqrt(2 / math.pi), 0.044715


def _gelu(x: np.ndarray, approximate: str) -> np.ndarray:
    kind = x.dtype.type
    if approximate == "tanh":
        return kind(0.5) * x * (1 + np.tanh(kind(_TANH_SCALE) * (x + kind(_TANH_CUBE) * x * x * x)))
    return kind(0.5) * x * (1 + TABLE["erf"].reference(x * kind(_SQRT_HALF)))  # type: ignore[misc]


gelu = _activation(
    "gelu_op(Tensor input, *, str approximate='none')", _gelu, lambda g, out, x, approximate: T.gelu_gradient(g, x, approximate),
    "input * Phi(input), Phi the normal distribution function, or its tanh approximation",
    samples=lambda: [((a,), {"approximate": how}) for (a,), _ in unary() for how in ("none", "tanh")],
    lower=formulas.gelu,
)  # fmt: skip


def _glu_infer(x: Meta, dim: int) -> Meta:
    only_floating("glu", x)
    if not x.ndim:
        raise RuntimeError("glu does not support 0-dimensional tensors. Fix: give it a dimension of even size.")
    d = wrap_dim(dim, x.ndim, "glu")
    if x.shape[d] % 2:
        raise RuntimeError(
            f"glu: Halving dimension must be even, but dimension {d} is size {x.shape[d]}; got shape {list(x.shape)}. "
            "Fix: let the layer before it make twice the features."
        )
    return like(x, shape=(*x.shape[:d], x.shape[d] // 2, *x.shape[d + 1 :]))


def _glu(x: np.ndarray, dim: int) -> np.ndarray:
    first, second = np.split(x, 2, axis=dim)
    return first * _sigmoid(second)


glu = declare(
    "glu_op(Tensor input, int dim=-1)", infer=_glu_infer, reference=_glu, vjp=(lambda g, out, x, dim: T.glu_gradient(g, x, dim),),
    samples=lambda: [((values(2, 4), -1), {}), ((values(4, 3), 0), {})], grad_name="GluBackward0",
    expand=compositions.glu, doc="the first half of input times the sigmoid of the second",
)  # fmt: skip
