"""Folding a batch normalisation, in eval mode, into the convolution or linear layer before it."""

from __future__ import annotations

import copy
from typing import Any

import rushlight
from rushlight.nn.parameter import Parameter

Tensor = rushlight.Tensor


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight w·s and bias (b − mean)·s + β with s = γ / √(var + eps), s on the output channels of w."""
    conv_b = rushlight.zeros_like(bn_rm) if conv_b is None else conv_b
    bn_w = rushlight.ones_like(bn_rm) if bn_w is None else bn_w
    bn_b = rushlight.zeros_like(bn_rm) if bn_b is None else bn_b
    scale = bn_w * rushlight.rsqrt(bn_rv + bn_eps)
    shape = [1, -1] if transpose else [-1, 1]
    weight = conv_w * scale.reshape(shape + [1] * (conv_w.dim() - 2))
    bias = (conv_b - bn_rm) * scale + bn_b
    requires_grad = conv_w.requires_grad
    weight, bias = (
        value.detach().clone() for value in (weight.to(conv_w.dtype), bias)
    )  # views would be slow parameters
    return Parameter(weight, requires_grad), Parameter(bias, requires_grad)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """The same for a linear layer's weight (out, in) and bias."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def _fuse(layer: Any, bn: Any, **options: Any) -> Any:
    if layer.training or bn.training:
        raise AssertionError("fusing batch norm needs both layers in eval mode: their running statistics are folded in")
    fused = copy.deepcopy(layer)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, **options
    )
    return fused


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of `conv` that gives what `bn(conv(x))` gives in eval mode."""
    return _fuse(conv, bn, transpose=transpose)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A copy of `linear` that gives what `bn(linear(x))` gives in eval mode."""
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            f"fuse_linear_bn_eval: got {linear.out_features} outputs and {bn.num_features} features; expected the same"
        )
    return _fuse(linear, bn)
