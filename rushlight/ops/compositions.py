"""What composite ops are made of, in plain tensor code: the `expand=` of declarations whose name the compiler need not see.

Each gets the op's inputs and static arguments and returns what the op returns; None keeps the op as it is. Reductions keep their
dimensions, so that everything over one grid can become one kernel.
"""

from __future__ import annotations

import math
from typing import Any

from rushlight.dtype import int64
from rushlight.ops.rules import wrap_dims
from rushlight.ops.tensor_code import T


def _count(x: Any, dims: tuple[int, ...]) -> int:
    return math.prod(x.shape[d] for d in dims)


def _kept(x: Any, dims: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a reduction that keeps its dimensions."""
    return tuple(1 if d in dims else n for d, n in enumerate(x.shape))


def _mean(x: Any, dims: tuple[int, ...]) -> Any:
    return x.sum(dims, True) / _count(x, dims)


# --- reductions -----------------------------------------------------------------------------------------------------


def mean(x: Any, dim: Any, keepdim: bool, dtype: Any) -> Any:
    """sum / count."""
    dims = wrap_dims(dim, x.ndim)
    if not x.ndim:
        return x if dtype is None else x.to(dtype)
    if not x.numel():
        return None
    return x.sum(dims, keepdim, dtype=dtype) / _count(x, dims)


def var(x: Any, dim: Any, keepdim: bool, correction: Any) -> Any:
    """The mean of the squared distances from the mean."""
    dims = wrap_dims(dim, x.ndim)
    if not x.ndim or not x.numel() or _count(x, dims) <= correction:
        return None
    away = x - _mean(x, dims)
    return (away * away).sum(dims, keepdim) / (_count(x, dims) - correction)


def logsumexp(x: Any, dim: Any, keepdim: bool) -> Any:
    """log(sum(exp(x − top))) + top."""
    if not x.numel() or not x.is_floating_point():
        return None
    if not x.ndim:
        return x
    dims = wrap_dims(dim, x.ndim)
    top = x.amax(dims, True)
    top = T.where(top.isfinite(), top, 0)
    total = (x - top).exp().sum(dims, True).log() + top
    return total if keepdim else total.reshape([n for d, n in enumerate(x.shape) if d not in dims])


def softmax(x: Any, dim: int, dtype: Any) -> Any:
    """e / sum(e) for e = exp(x − max)."""
    if not x.numel():
        return None
    x = x if dtype is None else x.to(dtype)
    if not x.ndim:
        return (x - x).exp()
    e = (x - x.amax(dim, True)).exp()
    return e * e.sum(dim, True).reciprocal()


def log_softmax(x: Any, dim: int, dtype: Any) -> Any:
    """x − max − log(sum(exp(x − max)))."""
    if not x.numel():
        return None
    x = x if dtype is None else x.to(dtype)
    if not x.ndim:
        return x - x
    away = x - x.amax(dim, True)
    return away - away.exp().sum(dim, True).log()


def vector_norm(x: Any, ord: Any, dim: Any, keepdim: bool) -> Any:
    """(Σ |x|^ord)^(1 / ord), and its limits."""
    if not x.ndim or not x.numel():
        return None
    size, dim = x.abs(), wrap_dims(dim, x.ndim)
    if ord in (float("inf"), float("-inf")):
        return size.amax(dim, keepdim) if ord > 0 else size.amin(dim, keepdim)
    if ord == 0:
        return (size != 0).to(x.dtype).sum(dim, keepdim)
    if ord == 1:
        return size.sum(dim, keepdim)
    if ord == 2:
        return (size * size).sum(dim, keepdim).sqrt()
    return (size**ord).sum(dim, keepdim) ** (1.0 / ord)


# --- normalisations ---------------------------------------------------------------------------------------------------


def _dims_of(kind: str, x: Any, form: Any) -> tuple[tuple[int, ...], tuple[int, ...], Any]:
    """Dimensions of the statistics, dimensions of the parameters, and the shape to work in."""
    if kind == "layer_norm":
        dims = tuple(range(x.ndim - len(form), x.ndim))
        return dims, dims, tuple(x.shape)
    if kind == "batch_norm":
        return (0, *range(2, x.ndim)), (1,), tuple(x.shape)
    shape = (x.shape[0], form, x.shape[1] // form, *x.shape[2:])
    return tuple(range(2, len(shape))), (1, 2), shape


def _wide(p: Any, shape: tuple[int, ...], params: tuple[int, ...]) -> Any:
    return p.reshape([n if d in params else 1 for d, n in enumerate(shape)])


def normalised(kind: str) -> Any:
    """(x − mean) · rstd · weight + bias, the mean and the biased variance."""

    def expand(x: Any, weight: Any, bias: Any, eps: Any, form: Any) -> Any:
        if not x.numel():
            return None
        dims, params, shape = _dims_of(kind, x, form)
        seen = x.reshape(shape)
        rough = _mean(seen, dims)
        away = seen - rough
        rest = _mean(away, dims)  # what rounding left in the mean: it matters far from zero
        mean, variance = rough + rest, _mean(away * away, dims) - rest * rest
        out = (away - rest) * (variance + eps).rsqrt()
        if weight is not None:
            out = out * _wide(weight, shape, params)
        if bias is not None:
            out = out + _wide(bias, shape, params)
        kept = [n for d, n in enumerate(shape) if d not in dims]
        kept = [math.prod(kept)] if kind == "layer_norm" else kept
        return out.reshape(x.shape), mean.reshape(kept), variance.reshape(kept)

    return expand


def normalised_gradient(kind: str) -> Any:
    """The gradients of `normalised` for input, weight and bias."""

    def expand(
        g: Any, g_mean: Any, g_var: Any, x: Any, weight: Any, mean: Any, var: Any, eps: Any, form: Any
    ) -> Any:  # fmt: skip
        if not x.numel():
            return None
        dims, params, shape = _dims_of(kind, x, form)
        count = math.prod(shape[d] for d in dims)
        across = tuple(d for d in range(len(shape)) if d not in params)
        seen, g = x.reshape(shape), g.reshape(shape)
        kept = _kept(seen, dims)
        rstd = (var.reshape(kept) + eps).rsqrt()
        normal = (seen - mean.reshape(kept)) * rstd
        products = g * normal
        shape_of_parameters = tuple(form) if kind == "layer_norm" else (x.shape[1],)
        to_weight, to_bias = (
            (part.sum(across, True) if across else part).reshape(shape_of_parameters) for part in (products, g)
        )
        if weight is not None:
            scale = _wide(weight, shape, params)
            g, products = g * scale, products * scale
        along = (products.sum(dims, True) - 2 * g_var.reshape(kept) * (var.reshape(kept) + eps)) / count
        shift = (g.sum(dims, True) - g_mean.reshape(kept) / rstd) / count
        return ((g - normal * along - shift) * rstd).reshape(x.shape), to_weight, to_bias

    return expand


def batch_norm_eval(x: Any, mean: Any, var: Any, weight: Any, bias: Any, eps: Any) -> Any:
    """(x − mean) · rstd · weight + bias with given statistics."""
    scale = (var.to(x.dtype) + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    wide = (1, -1, *(1,) * (x.ndim - 2))
    out = (x - mean.to(x.dtype).reshape(wide)) * scale.reshape(wide)
    return out if bias is None else out + bias.reshape(wide)


def running_average(running: Any, batch: Any, momentum: Any, scale: float) -> Any:
    """(1 − momentum) · running + momentum · scale · batch, of floats."""
    if not running.is_floating_point():
        return None
    return running * (1 - momentum) + batch.reshape(running.shape).to(running.dtype) * (momentum * scale)


# --- products ---------------------------------------------------------------------------------------------------------


def matmul(a: Any, b: Any) -> Any:
    """Products with a vector are sums of products: their time is that of reading the matrix."""
    if a.ndim > 1 and b.ndim > 1 or not a.is_floating_point():
        return None
    if b.ndim == 1:
        return (a * b).sum(-1)
    return (a.unsqueeze(-1) * b).sum(-2)


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """x @ weightᵀ + bias."""
    if weight.ndim == 1:
        out = T.matmul(x, weight)
    else:
        out = T.matmul(weight, x) if x.ndim == 1 else T.matmul(x, weight.t())
    return out if bias is None else out + bias


def convolution(x: Any, weight: Any, bias: Any, **static: Any) -> Any:
    """The convolution without bias, plus the bias."""
    if bias is None:
        return None
    return T.apply("convolution", (x, weight, None), static) + bias.reshape((1, -1, *(1,) * (x.ndim - 2)))


# --- activations --------------------------------------------------------------------------------------------------


def glu(x: Any, dim: int) -> Any:
    """The first half times the sigmoid of the second."""
    half = x.shape[dim] // 2
    return x.narrow(dim, 0, half) * x.narrow(dim, half, half).sigmoid()


# --- losses -----------------------------------------------------------------------------------------------------------


def reduced(loss: Any, reduction: str) -> Any:
    """`loss` itself, its mean or its sum."""
    if reduction == "none":
        return loss
    total = loss.sum()
    return total if reduction == "sum" else total / max(loss.numel(), 1)


def loss(each: Any) -> Any:
    """A loss of an input and a target: `each(input, target, *numbers)`, reduced."""
    return lambda x, target, *numbers, reduction: reduced(each(x, target, *numbers), reduction)


def _classes(index: Any, ndim: int, axis: int, count: int) -> Any:
    """Where the class of each element is the one that its target says."""
    classes = T.arange(count, dtype=int64).reshape([count if d == axis else 1 for d in range(ndim)])
    return classes == index


def _targets(target: Any, weight: Any, shape: tuple[int, ...], ignore_index: int, dtype: Any) -> tuple[Any, Any]:
    """Where each class is meant, and the weight of each sample (None: all 1), both with the class dimension."""
    axis = 1 if len(shape) > 1 else 0
    count = shape[axis]
    index = T.apply("class_index_part", (target,), {"classes": count, "ignore_index": ignore_index})
    index = index.reshape([1 if d == axis else n for d, n in enumerate(shape)])
    hit = _classes(index, len(shape), axis, count)
    if weight is None:
        return hit, (index >= 0).to(dtype)
    wide = weight.reshape([count if d == axis else 1 for d in range(len(shape))])
    return hit, T.where(hit, wide, 0).sum(axis, True)


def nll_loss(x: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> Any:
    """−x[target] · weight; `mean` divides by the sum of the weights."""
    if not x.numel():
        return None
    axis = 1 if x.ndim > 1 else 0
    hit, scale = _targets(target, weight, tuple(x.shape), ignore_index, x.dtype)
    each = -T.where(hit, x, 0).sum(axis, True) * scale
    if reduction == "none":
        return each.reshape(target.shape)
    total = each.sum()
    return total if reduction == "sum" else total / scale.sum()


def nll_loss_backward(
    grad: Any, target: Any, weight: Any, shape: Any, reduction: str, ignore_index: int
) -> Any:  # fmt: skip
    """−grad · weight where the class is the target's, 0 elsewhere."""
    shape = tuple(shape)
    if not math.prod(shape):
        return None
    axis = 1 if len(shape) > 1 else 0
    hit, scale = _targets(target, weight, shape, ignore_index, grad.dtype)
    if reduction == "none":
        grad = grad.reshape([1 if d == axis else n for d, n in enumerate(shape)])
    part = -grad * scale
    if reduction == "mean":
        part = part / scale.sum()
    return T.where(hit, part, 0)


def binary_cross_entropy(x: Any, target: Any, weight: Any, reduction: str) -> Any:
    """The elementwise loss, which checks its operands, times weight, reduced."""
    each = T.apply("binary_cross_entropy_part", (x, target), {})
    return reduced(each if weight is None else each * weight, reduction)


def binary_cross_entropy_with_logits(x: Any, target: Any, weight: Any, pos_weight: Any, reduction: str) -> Any:
    """(1 − t) x + (1 + (p − 1) t) log(1 + exp(−x))."""
    penalty = -T.apply("log_sigmoid_op", (x,), {})
    if pos_weight is not None:
        penalty = penalty * ((pos_weight - 1) * target + 1)
    each = (1 - target) * x + penalty
    return reduced(each if weight is None else each * weight, reduction)
