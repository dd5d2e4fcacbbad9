"""`torch.native_*` and their kin: the functions under PyTorch's layers, which also return what a backward pass would need."""

from __future__ import annotations

import math
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.creation import size_of
from rushlight.functional.nn_grid import grid_sampler
from rushlight.functional.nn_norm import _batch_norm, _normalized_shape, batch_norm_in_training
from rushlight.functional.random import dropout_mask
from rushlight.functional.registry import FUNCTIONS, public, rule_helper, write_out
from rushlight.ir.op import TABLE
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record
from rushlight.ops.rules import wrap_dim


def _inverse_root(var: Any, eps: float) -> Any:
    return (var + eps).rsqrt()


@public()
def native_layer_norm(input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float) -> tuple:
    """(layer_norm(input), mean, 1 / √(var + eps)); the statistics keep their dimensions, with size 1."""
    form = _normalized_shape("native_layer_norm", input, normalized_shape, weight)
    out, mean, var = record(TABLE["layer_norm_op"], (input, weight, bias, eps), (form,))
    shape = [*input.shape[: input.ndim - len(form)], *(1 for _ in form)]
    return out, mean.detach().reshape(shape), _inverse_root(var.detach(), eps).reshape(shape)


@public()
def native_group_norm(input: Any, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int, eps: float) -> tuple:
    """(group_norm(input), mean, 1 / √(var + eps)), statistics of shape (N, group). input holds N * C * HxW elements."""
    if group < 1 or C % group:
        raise RuntimeError(
            explain_error("native_group_norm", got=f"{C} channels in {group} groups", expected="groups of one size")
        )
    if input.numel() != N * C * HxW:
        raise RuntimeError(
            explain_error(
                "native_group_norm", got=f"an input of shape {list(input.shape)}", expected=f"N * C * HxW = {N * C * HxW} elements"
            )
        )  # fmt: skip
    if not input.numel():
        nothing = input.reshape(N, group, C // group * HxW).sum(-1)
        return input.clone(), nothing, nothing + math.nan
    out, mean, var = record(TABLE["group_norm_op"], (input, weight, bias, eps), (group,))
    return out, mean.reshape(N, group), _inverse_root(var, eps).reshape(N, group)


@public("native_batch_norm")
def native_batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float, eps: float
) -> tuple:
    """(batch_norm(input), mean, 1 / √(var + eps)); the statistics are empty when `training` is False."""
    if not training:
        out = _batch_norm(input, weight, bias, running_mean, running_var, False, momentum, eps)
        return out, FUNCTIONS["zeros"](0, dtype=input.dtype), FUNCTIONS["zeros"](0, dtype=input.dtype)
    out, mean, var = batch_norm_in_training(input, weight, bias, running_mean, running_var, momentum, eps)
    channels = input.shape[1]
    return out, mean.detach().reshape(channels), _inverse_root(var.detach(), eps).reshape(channels)


@public()
def _native_batch_norm_legit(input: Any, weight: Any, bias: Any, *rest: Any) -> tuple:
    """`native_batch_norm`; the running statistics may be left out: (input, weight, bias, training, momentum, eps)."""
    return native_batch_norm(input, weight, bias, *((None, None, *rest) if len(rest) == 3 else rest))


@rule_helper
def _batch_norm_with_update(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: float, eps: float
) -> tuple:
    """`native_batch_norm` in training, and an empty tensor: what a GPU would keep beside."""
    results = native_batch_norm(input, weight, bias, running_mean, running_var, True, momentum, eps)
    return *results, FUNCTIONS["zeros"](0, dtype=dtypes.uint8)


@public()
def native_dropout(input: Any, p: float, train: bool | None) -> tuple:
    """(dropout(input, p), the mask of what was kept); without `train`, input and a mask that keeps everything."""
    if not train or not input.numel():
        return input.clone(), FUNCTIONS["ones_like"](input, dtype=dtypes.bool_)
    if p == 1:
        return FUNCTIONS["zeros_like"](input), FUNCTIONS["zeros_like"](input, dtype=dtypes.bool_)
    mask = dropout_mask(input, 1 - p)
    return input * mask * (1 / (1 - p)), mask.bool()


@rule_helper
def native_dropout_backward(grad_output: Any, mask: Any, scale: float) -> Any:
    """grad_output * mask * scale."""
    return grad_output * mask * scale


@rule_helper
def _softmax_backward_data(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    """The gradient of softmax, from its output y: (g − Σ g y) y."""
    found = (grad_output - (grad_output * output).sum(dim, True)) * output
    return found.to(input_dtype)


@rule_helper
def _safe_softmax(input: Any, dim: int, dtype: Any = None) -> Any:
    """softmax, with zeros where every element is -inf."""
    nothing = (input == -math.inf).all(dim, True)
    return FUNCTIONS["softmax"](input.masked_fill(nothing, 0), dim, dtype).masked_fill(nothing, 0)


@rule_helper
def _upsample_bilinear2d_aa(
    input: Any, output_size: Any, align_corners: bool, scales_h: float | None = None, scales_w: float | None = None, *,
    scale_factors: Any = None,
) -> Any:  # fmt: skip
    """Bilinear resampling that averages over what a pixel of the result covers."""
    if scale_factors is not None:
        scales_h, scales_w = map(float, scale_factors)
        if output_size is None:
            output_size = [math.floor(n * s) for n, s in zip(input.shape[2:], (scales_h, scales_w), strict=True)]
    static = (size_of((output_size,)), "linear-aa", bool(align_corners), (scales_h, scales_w))
    return record(TABLE["resample_op"], (input,), static)


public("grid_sampler_2d", "grid_sampler_3d")(grid_sampler)


@rule_helper
def max_pool2d_with_indices_backward(
    grad_output: Any,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    indices: Any,
) -> Any:
    """Each gradient added at the pixel that its window's maximum came from."""
    flat = FUNCTIONS["zeros"]((*input.shape[:-2], input.shape[-2] * input.shape[-1]), dtype=grad_output.dtype)
    rows = [*input.shape[:-2], -1]
    found = flat.scatter_add(-1, indices.reshape(rows), grad_output.reshape(rows)).reshape(input.shape)
    # it does not change with the pixels' values: their gradient is zero, not absent
    return FUNCTIONS["where"](FUNCTIONS["ones_like"](input, dtype=dtypes.bool_), found, input)


# --- indexing under a mask ------------------------------------------------------------------------------------------


def _inside(input: Any, indices: Any) -> tuple:
    return tuple(
        slice(None) if index is None else index.clamp(-size, max(size - 1, 0))
        for index, size in zip(indices, input.shape, strict=False)
    )


@public()
def _unsafe_masked_index(input: Any, mask: Any, indices: Any, fill: Any) -> Any:
    """input at the index tensors where mask holds, else fill; indices under a false mask may be out of range."""
    if not input.numel():
        mask = FUNCTIONS["zeros_like"](mask)
    return FUNCTIONS["where"](mask, input[_inside(input, indices)], fill)


@public()
def _unsafe_masked_index_put_accumulate(input: Any, mask: Any, indices: Any, values: Any) -> Any:
    """A copy of input with values added at the index tensors where mask holds."""
    places = tuple(index if isinstance(index, Handle) else None for index in _inside(input, indices))
    return input.index_put(places, values.masked_fill(~mask, False), True)


@public()
def _chunk_cat(tensors: Any, dim: int, num_chunks: int, *, out: Any = None) -> Any:
    """Each tensor padded with zeros to `num_chunks` equal pieces of `dim`, the pieces flattened, and joined piece by piece."""
    if not tensors or num_chunks < 1 or any(dim >= x.ndim or not x.numel() for x in tensors):
        got = f"tensors of shapes {[list(x.shape) for x in tensors]}, dim={dim}, num_chunks={num_chunks}"
        expected = "tensors that hold elements and have dimension dim, and num_chunks >= 1"
        raise RuntimeError(explain_error("_chunk_cat", got=got, expected=expected))
    rows = []
    for x in tensors:
        d = wrap_dim(dim, x.ndim, "_chunk_cat")
        missing = -x.shape[d] % num_chunks
        x = FUNCTIONS["constant_pad_nd"](x, (0, 0) * (x.ndim - 1 - d) + (0, missing)) if missing else x
        rows.append(x.reshape([*x.shape[:d], num_chunks, -1]))
    result = FUNCTIONS["cat"](rows, -1)
    return result if out is None else write_out(out, result)
