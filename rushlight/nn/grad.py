"""The gradients of convolutions, by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight
from rushlight.nn import functional

Tensor = rushlight.Tensor
Ints = int | Sequence[int]

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]


def _pulled(
    conv: Any, tensors: list[Any], wanted: int, shape: Sequence[int], grad_output: Tensor, options: tuple
) -> Tensor:
    """grad_output pulled back to one operand, whose values a bilinear function does not ask for."""
    outside = rushlight.is_grad_enabled()
    with rushlight.enable_grad():
        tensors[wanted] = rushlight.zeros(shape, dtype=grad_output.dtype, device=grad_output.device, requires_grad=True)
        output = conv(*tensors, None, *options)
        (found,) = rushlight.autograd.grad(output, tensors[wanted], grad_output, create_graph=outside)
    return found


def conv1d_input(
    input_size: Any, weight: Tensor, grad_output: Tensor, stride: Ints = 1, padding: Ints = 0, dilation: Ints = 1, groups: int = 1
) -> Tensor:  # fmt: skip
    """The gradient of `conv1d` for its input, of shape `input_size` (N, C, L).

    >>> import rushlight as torch
    >>> torch.nn.grad.conv1d_input((1, 1, 4), torch.tensor([[[1.0, 2.0]]]), torch.ones(1, 1, 3))
    tensor([[[1., 3., 3., 2.]]])
    """
    options = stride, padding, dilation, groups
    return _pulled(functional.conv1d, [None, weight], 0, input_size, grad_output, options)


def conv1d_weight(
    input: Tensor, weight_size: Any, grad_output: Tensor, stride: Ints = 1, padding: Ints = 0, dilation: Ints = 1, groups: int = 1
) -> Tensor:  # fmt: skip
    """The gradient of `conv1d` for its weight, of shape `weight_size` (out, in / groups, width)."""
    options = stride, padding, dilation, groups
    return _pulled(functional.conv1d, [input, None], 1, weight_size, grad_output, options)


def conv2d_input(
    input_size: Any, weight: Tensor, grad_output: Tensor, stride: Ints = 1, padding: Ints = 0, dilation: Ints = 1, groups: int = 1
) -> Tensor:  # fmt: skip
    """The gradient of `conv2d` for its input, of shape `input_size` (N, C, H, W)."""
    options = stride, padding, dilation, groups
    return _pulled(functional.conv2d, [None, weight], 0, input_size, grad_output, options)


def conv2d_weight(
    input: Tensor, weight_size: Any, grad_output: Tensor, stride: Ints = 1, padding: Ints = 0, dilation: Ints = 1, groups: int = 1
) -> Tensor:  # fmt: skip
    """The gradient of `conv2d` for its weight, of shape `weight_size` (out, in / groups, height, width)."""
    options = stride, padding, dilation, groups
    return _pulled(functional.conv2d, [input, None], 1, weight_size, grad_output, options)


def conv3d_input(
    input_size: Any, weight: Tensor, grad_output: Tensor, stride: Ints = 1, padding: Ints = 0, dilation: Ints = 1, groups: int = 1
) -> Tensor:  # fmt: skip
    """The gradient of `conv3d` for its input, of shape `input_size` (N, C, D, H, W)."""
    options = stride, padding, dilation, groups
    return _pulled(functional.conv3d, [None, weight], 0, input_size, grad_output, options)


def conv3d_weight(
    input: Tensor, weight_size: Any, grad_output: Tensor, stride: Ints = 1, padding: Ints = 0, dilation: Ints = 1, groups: int = 1
) -> Tensor:  # fmt: skip
    """The gradient of `conv3d` for its weight, of shape `weight_size` (out, in / groups, depth, height, width)."""
    options = stride, padding, dilation, groups
    return _pulled(functional.conv3d, [input, None], 1, weight_size, grad_output, options)
