"""Normalisation functions, PyTorch's signatures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.nn_pad import pad
from rushlight.functional.nn_pool import avg_pool2d, avg_pool3d
from rushlight.functional.registry import FUNCTIONS, as_ints, public, write_out
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record
from rushlight.lazy.views import record_inplace


def _check_batch(op: str, input: Any, count: int) -> None:
    if count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}: {op} cannot normalise one value by "
            "itself. Fix: use a larger batch, drop the last incomplete one with DataLoader(..., drop_last=True), or call model.eval() first."
        )


def batch_norm(
    input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, training: bool = False, momentum: float = 0.1,
    eps: float = 1e-05,
) -> Any:  # fmt: skip
    """(x − mean) / √(var + eps) · weight + bias for each channel (dimension 1).

    In training the statistics are the batch's, and running_mean and running_var (when given) move towards them by `momentum`,
    in place, the variance unbiased. Otherwise the running ones are used. ValueError when a channel has one value in training.

    >>> import rushlight as torch
    >>> torch.nn.functional.batch_norm(torch.tensor([[1.0], [3.0]]), None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    if training:
        _check_batch("batch_norm", input, math.prod(input.shape[:1]) * math.prod(input.shape[2:]))
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


def _batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float, eps: float
) -> Any:
    if input.ndim == 1 and not input.numel():
        return input.clone()
    if input.ndim < 2:
        raise RuntimeError(
            explain_error("batch_norm", got=f"an input of shape {list(input.shape)}", expected="(batch, channels, *)")
        )
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "batch_norm: Expected running_mean and running_var to be defined when training=False; got None. Fix: pass both, or training=True."
            )
        return record(TABLE["batch_norm_eval_op"], (input, running_mean, running_var, weight, bias, eps))
    return batch_norm_in_training(input, weight, bias, running_mean, running_var, momentum, eps)[0]


def batch_norm_in_training(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: float, eps: float
) -> tuple:
    """(out, mean, var) of the batch; the running statistics, where given, move towards it."""
    out, mean, var = record(TABLE["batch_norm_op"], (input, weight, bias, eps), (None,))
    if running_mean is not None:
        record_inplace(TABLE["running_average_op_"], (running_mean, mean, momentum), (1.0,))
    if running_var is not None:
        count = math.prod(input.shape[:1]) * math.prod(input.shape[2:])
        record_inplace(TABLE["running_average_op_"], (running_var, var, momentum), (count / max(count - 1, 1),))
    return out, mean, var


@public("batch_norm")
def batch_norm_positional(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Any:
    """`nn.functional.batch_norm` with every argument given, parameters first."""
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


def instance_norm(
    input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None, use_input_stats: bool = True,
    momentum: float = 0.1, eps: float = 1e-05,
) -> Any:  # fmt: skip
    """Each channel of each sample normalised by itself; running statistics average over the batch."""
    if use_input_stats:
        if math.prod(input.shape[2:]) == 1:
            raise ValueError(
                f"Expected more than 1 spatial element when training, got input size {input.shape}. Fix: feed larger inputs, or use batch_norm."
            )
    return _instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps)


def _instance_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
) -> Any:
    if input.ndim < 3:
        raise RuntimeError(
            explain_error(
                "instance_norm", got=f"an input of shape {list(input.shape)}", expected="(batch, channels, *space)"
            )
        )
    if not use_input_stats:
        return _batch_norm(input, weight, bias, running_mean, running_var, False, momentum, eps)
    batch, channels = input.shape[:2]
    out, mean, var = record(TABLE["group_norm_op"], (input, weight, bias, eps), (channels,))
    if running_mean is not None:
        record_inplace(
            TABLE["running_average_op_"],
            (running_mean, mean.detach().reshape(batch, channels).mean(0), momentum),
            (1.0,),
        )
    if running_var is not None:
        count = math.prod(input.shape[2:])
        record_inplace(
            TABLE["running_average_op_"],
            (running_var, var.detach().reshape(batch, channels).mean(0), momentum),
            (count / max(count - 1, 1),),
        )
    return out


@public("instance_norm")
def instance_norm_positional(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, use_input_stats: bool, momentum: float, eps: float,
    cudnn_enabled: bool = True,
) -> Any:  # fmt: skip
    """`nn.functional.instance_norm` with every argument given, parameters first."""
    return _instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps)


def _normalized_shape(op: str, input: Any, normalized_shape: Any, weight: Any) -> tuple[int, ...]:
    form = as_ints(normalized_shape if isinstance(normalized_shape, int) else tuple(normalized_shape))
    form = (form,) if isinstance(form, int) else form
    if not form or tuple(input.shape[input.ndim - len(form) :]) != form or len(form) > input.ndim:
        raise RuntimeError(
            f"{op}: Given normalized_shape={list(form)}, expected input with shape [*, {', '.join(map(str, form))}], but got input of size "
            f"{list(input.shape)}. Fix: pass the sizes of the last dimensions, as in normalized_shape={list(input.shape[-max(len(form), 1) :])}."
        )
    if weight is not None and tuple(weight.shape) != form:
        raise RuntimeError(
            f"{op}: Expected weight to be of same shape as normalized_shape, but got weight of shape {list(weight.shape)} and normalized_shape = {list(form)}."
        )
    return form


def layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-05
) -> Any:
    """(x − mean) / √(var + eps) · weight + bias, statistics over the last dimensions, which `normalized_shape` names.

    >>> import rushlight as torch
    >>> torch.layer_norm(torch.tensor([[1.0, 3.0]]), [2])
    tensor([[-1.0000,  1.0000]])
    """
    return record(
        TABLE["layer_norm_op"],
        (input, weight, bias, eps),
        (_normalized_shape("layer_norm", input, normalized_shape, weight),),
    )[0]


@public("layer_norm")
def layer_norm_positional(
    input: Any,
    normalized_shape: Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-05,
    cudnn_enable: bool = True,
) -> Any:
    """`nn.functional.layer_norm`; `cudnn_enable` changes nothing here."""
    return layer_norm(input, normalized_shape, weight, bias, eps)


@public()
def rms_norm(input: Any, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None) -> Any:
    """x / √(mean(x²) + eps) · weight over the last dimensions; eps is the dtype's machine epsilon by default."""
    form = _normalized_shape("rms_norm", input, normalized_shape, weight)
    if eps is None:
        import rushlight

        eps = rushlight.finfo(input.dtype).eps
    half = input.dtype.itemsize < 4
    x = input.float() if half else input
    out = x * ((x * x).mean(tuple(range(-len(form), 0)), True) + eps).rsqrt()
    out = out.to(input.dtype) if half else out
    return out if weight is None else out * weight


@public()
def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-05, cudnn_enabled: bool = True
) -> Any:
    """(x − mean) / √(var + eps) · weight + bias, statistics over each of `num_groups` groups of channels of each sample."""
    if input.ndim < 2:
        raise RuntimeError(f"group_norm: Expected at least 2 dimensions for input tensor but received {input.ndim}.")
    if num_groups <= 0 or input.shape[1] % num_groups:
        raise RuntimeError(
            f"group_norm: Expected number of channels in input to be divisible by num_groups, but got input of shape {list(input.shape)} and "
            f"num_groups={num_groups}. Fix: choose num_groups that divides {input.shape[1]}."
        )
    return record(TABLE["group_norm_op"], (input, weight, bias, eps), (as_ints(num_groups),))[0]


def checked_group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-05) -> Any:
    """`torch.group_norm` that asks for more than one value in each group."""
    if input.ndim >= 2:
        _check_batch(
            "group_norm", input, input.shape[0] * input.shape[1] // max(num_groups, 1) * math.prod(input.shape[2:])
        )
    return group_norm(input, num_groups, weight, bias, eps)


def local_response_norm(input: Any, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0) -> Any:
    """x / (k + alpha · mean of x² over `size` neighbouring channels) ** beta."""
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    if not input.numel():
        return input
    squares = (input * input).unsqueeze(1)
    margin = (size // 2, (size - 1) // 2)
    if input.ndim == 3:
        mean = avg_pool2d(pad(squares, (0, 0, *margin)), (size, 1), stride=1).squeeze(1)
    else:
        shape = input.shape
        squares = squares.reshape(shape[0], 1, shape[1], shape[2], -1)
        mean = avg_pool3d(pad(squares, (0, 0, 0, 0, *margin)), (size, 1, 1), stride=1).reshape(shape)
    return input / (mean * alpha + k).pow(beta)


def normalize(input: Any, p: float = 2.0, dim: int | Sequence[int] = 1, eps: float = 1e-12, out: Any = None) -> Any:
    """x / max(‖x‖ₚ, eps) along `dim`.

    >>> import rushlight as torch
    >>> torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    norm = FUNCTIONS["norm"](input, p, dim, keepdim=True).clamp_min(eps)
    result = input / norm.expand_as(input)
    return result if out is None else write_out(out, result)
