"""Normalisations: x̂ = (x − mean) · rstd over some dimensions, then x̂ · weight + bias over others.

Batch, layer and group norm differ only in which dimensions these are. Each folds its input into the few that matter
(`fold`), runs the same arithmetic, and folds back; forward, gradient, and gradient of the gradient are shared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.dtype import BOOL, INTEGER
from rushlight.errors import explain_error
from rushlight.ir import scalar as L
from rushlight.ir.meta import Meta
from rushlight.ir.op import Op, declare
from rushlight.ops import compositions
from rushlight.ops.rules import forbid, like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T

# (folded shape, dimensions that statistics run over, dimensions of the parameters)
Fold = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def _batch(shape: Sequence[int], form: Any) -> Fold:
    return (shape[0], shape[1], math.prod(shape[2:])), (0, 2), (1,)


def _layer(shape: Sequence[int], form: tuple[int, ...]) -> Fold:
    lead = len(shape) - len(form)
    return (math.prod(shape[:lead]), math.prod(shape[lead:])), (1,), (1,)


def _group(shape: Sequence[int], form: int) -> Fold:
    return (shape[0], form, shape[1] // max(form, 1), math.prod(shape[2:])), (2, 3), (1, 2)


FOLDS: dict[str, Callable[[Sequence[int], Any], Fold]] = {
    "batch_norm": _batch,
    "layer_norm": _layer,
    "group_norm": _group,
}


def _kept(shape: Sequence[int], dims: Sequence[int]) -> tuple[int, ...]:
    """Size 1 wherever `dims` does not reach: parameters and statistics broadcast against the folded input."""
    return tuple(n if d in dims else 1 for d, n in enumerate(shape))


def _others(shape: Sequence[int], dims: Sequence[int]) -> tuple[int, ...]:
    return tuple(d for d in range(len(shape)) if d not in dims)


def _check(kind: str, x: Meta, weight: Meta | None, bias: Meta | None, wanted: Sequence[int]) -> None:
    forbid(kind, x, BOOL, INTEGER)
    for name, p in (("weight", weight), ("bias", bias)):
        if p is not None and tuple(p.shape) != tuple(wanted):
            raise RuntimeError(
                explain_error(
                    kind,
                    got=f"{name} of shape {list(p.shape)} for an input of shape {list(x.shape)}",
                    expected=f"{name} of shape {list(wanted)}",
                )
            )


def _parameter_shape(kind: str, x: Meta, form: Any) -> tuple[int, ...]:
    return tuple(form) if kind == "layer_norm" else (x.shape[1],)


def _statistics_shape(kind: str, x: Meta, form: Any) -> tuple[int, ...]:
    shape, dims, _ = FOLDS[kind](x.shape, form)
    return tuple(n for d, n in enumerate(shape) if d not in dims)


def _normalised(kind: str) -> Op:
    """Forward: (out, mean, biased variance)."""
    fold = FOLDS[kind]

    def infer(x: Meta, weight: Meta | None, bias: Meta | None, eps: Meta, form: Any) -> tuple[Meta, ...]:
        _check(kind, x, weight, bias, _parameter_shape(kind, x, form))
        statistics = like(x, shape=_statistics_shape(kind, x, form))
        return like(x), statistics, statistics

    def reference(x: np.ndarray, weight: Any, bias: Any, eps: np.ndarray, form: Any) -> tuple:
        shape, dims, params = fold(x.shape, form)
        flat = x.reshape(shape)
        rough = flat.mean(dims, keepdims=True)
        out = flat - rough
        rest = out.mean(dims, keepdims=True)  # what rounding left in the mean: it matters far from zero
        var = np.mean(np.square(out), dims, keepdims=True) - np.square(rest)
        scale = 1 / np.sqrt(var + x.dtype.type(eps))
        shift = -rest * scale
        if weight is not None:
            weight = weight.reshape(_kept(shape, params))
            scale, shift = scale * weight, shift * weight
        if bias is not None:
            shift = shift + bias.reshape(_kept(shape, params))
        out *= scale
        out += shift
        return out.reshape(x.shape), (rough + rest).squeeze(dims), var.squeeze(dims)

    def vjp(g: Any, out: Any, x: Any, weight: Any, bias: Any, eps: Any, *, needs: tuple[bool, ...], form: Any) -> tuple:
        grads = T.apply(f"{kind}_backward", (*g, x, weight, out[1], out[2], eps), {"form": form})
        return tuple(grad if need else None for grad, need in zip((*grads, None), needs, strict=True))

    return declare(
        f"{kind}_op(Tensor input, Tensor? weight, Tensor? bias, Number eps, any form)", infer=infer, reference=reference, vjp=vjp,
        grad_name=f"Native{kind.title().replace('_', '')}Backward0", samples=lambda: _samples(kind),
        expand=compositions.normalised(kind), doc=f"{kind}: output, mean and biased variance",
    )  # fmt: skip


def _samples(kind: str) -> list:
    if kind == "layer_norm":
        return [
            ((values(3, 4, 2), values(4, 2, seed=1), values(4, 2, seed=2), 1e-5, (4, 2)), {}),
            ((values(3, 4), None, None, 1e-5, (4,)), {}),
        ]
    form = 2 if kind == "group_norm" else None
    return [
        ((values(3, 4, 2), values(4, seed=1), values(4, seed=2), 1e-5, form), {}),
        ((values(3, 4, 2, 2), None, None, 1e-5, form), {}),
    ]


def _gradient(kind: str) -> Op:
    """Gradient of the forward: for the input, the weight and the bias."""
    fold = FOLDS[kind]

    def infer(
        g: Meta, g_mean: Meta, g_var: Meta, x: Meta, weight: Meta | None, mean: Meta, var: Meta, eps: Meta, form: Any
    ) -> tuple[Meta, ...]:
        parameters = like(x, shape=_parameter_shape(kind, x, form))
        return like(x), parameters, parameters

    def reference(
        g: np.ndarray, g_mean: np.ndarray, g_var: np.ndarray, x: np.ndarray, weight: Any, mean: np.ndarray, var: np.ndarray,
        eps: np.ndarray, form: Any,
    ) -> tuple:  # fmt: skip
        shape, dims, params = fold(x.shape, form)
        kept, count = _kept(shape, _others(shape, dims)), math.prod(shape[d] for d in dims)
        flat = g.reshape(shape)
        rstd = 1 / np.sqrt(var.reshape(kept) + x.dtype.type(eps))
        centred = (x.reshape(shape) - mean.reshape(kept)) * rstd
        products = flat * centred
        across = _others(shape, params)
        grad_weight, grad_bias = products.sum(across), flat.sum(across)
        if weight is not None:
            scale = weight.reshape(_kept(shape, params))
            flat = flat * scale
            products *= scale
        centred *= (2 * g_var.reshape(kept) / (rstd * rstd) - products.sum(dims, keepdims=True)) / count
        centred += flat
        centred += (g_mean.reshape(kept) / rstd - flat.sum(dims, keepdims=True)) / count
        centred *= rstd
        per_channel = _parameters(x.shape, kind, form)
        return centred.reshape(x.shape), grad_weight.reshape(per_channel), grad_bias.reshape(per_channel)

    def vjp(v: Any, out: Any, *inputs: Any, needs: tuple[bool, ...], form: Any) -> tuple:
        return _second_order(fold, v, *inputs, form)

    return declare(
        f"{kind}_backward(Tensor grad, Tensor grad_mean, Tensor grad_var, Tensor input, Tensor? weight, Tensor mean, Tensor var, "
        "Number eps, any form)",
        infer=infer, reference=reference, vjp=vjp, expand=compositions.normalised_gradient(kind),
        doc=f"gradient of {kind} for input, weight and bias",
    )  # fmt: skip


def _parameters(shape: Sequence[int], kind: str, form: Any) -> tuple[int, ...]:
    return tuple(form) if kind == "layer_norm" else (shape[1],)


def _second_order(
    fold: Any, v: tuple, g: Any, g_mean: Any, g_var: Any, x: Any, weight: Any, mean: Any, var: Any, eps: Any, form: Any
) -> tuple:
    """Gradient of the gradient, with the statistics seen as functions of x.

    B(z) = rstd (z − mean z − x̂ mean(z x̂)) is linear and symmetric in z; the forward's gradient over n elements is
    B(g·weight) + g_mean / n + 2 g_var (x − mean) / n.
    """
    shape, dims, params = fold(tuple(x.shape), form)
    across, kept = _others(shape, params), _kept(shape, _others(shape, dims))
    broadcast = _kept(shape, params)
    rstd = (var.reshape(kept) + eps).rsqrt()
    normal = (x.reshape(shape) - mean.reshape(kept)) * rstd
    g_flat, v_x = g.reshape(shape), v[0].reshape(shape)
    v_weight, v_bias = v[1].reshape(broadcast), v[2].reshape(broadcast)

    def average(z: Any) -> Any:
        return z.mean(dims, True)

    def back(z: Any) -> Any:
        return rstd * (z - average(z) - normal * average(z * normal))

    scaled = g_flat if weight is None else g_flat * weight.reshape(broadcast)
    turned = back(v_x)
    grad_g = (turned if weight is None else turned * weight.reshape(broadcast)) + v_weight * normal + v_bias
    v_c, s_c = v_x - average(v_x), scaled - average(scaled)
    a, b = average(v_x * normal), average(scaled * normal)
    curved = -rstd * rstd * ((average(v_c * s_c) - 3 * a * b) * normal + v_c * b + s_c * a)
    grad_x = curved + back(g_flat * v_weight) + g_var.reshape(kept) * v_c * (2 / math.prod(shape[d] for d in dims))
    grad_weight = None if weight is None else (g_flat * turned).sum(across).reshape(weight.shape)
    grad_mean, grad_var = average(v_x).reshape(mean.shape), (2 * a / rstd).reshape(var.shape)
    return grad_g.reshape(x.shape), grad_mean, grad_var, grad_x.reshape(x.shape), grad_weight, None, None, None


for _kind in FOLDS:
    _normalised(_kind)
    _gradient(_kind)

# --- batch norm with given statistics -----------------------------------------------------------------------------


def _eval_infer(x: Meta, mean: Meta, var: Meta, weight: Meta | None, bias: Meta | None, eps: Meta) -> Meta:
    _check("batch_norm", x, weight, bias, (x.shape[1],))
    for name, s in (("running_mean", mean), ("running_var", var)):
        if tuple(s.shape) != (x.shape[1],):
            raise RuntimeError(
                f"batch_norm: {name} should contain {x.shape[1]} elements not {s.numel}; got an input of shape {list(x.shape)}. Fix: make "
                f"the layer with num_features={x.shape[1]}."
            )
    return like(x)


def _wide(p: Any, x: Any) -> Any:
    return p.reshape(1, -1, *(1,) * (x.ndim - 2))


def _eval(x: np.ndarray, mean: np.ndarray, var: np.ndarray, weight: Any, bias: Any, eps: np.ndarray) -> np.ndarray:
    scale = 1 / np.sqrt(var.astype(x.dtype) + x.dtype.type(eps))
    if weight is not None:
        scale = scale * weight
    out = (x - _wide(mean.astype(x.dtype), x)) * _wide(scale, x)
    if bias is not None:
        out += _wide(bias, x)
    return out


def _eval_vjp(
    g: Any, out: Any, x: Any, mean: Any, var: Any, weight: Any, bias: Any, eps: Any, *, needs: tuple[bool, ...]
) -> tuple:
    rest = (0, *range(2, g.ndim))
    rstd = (var + eps).rsqrt()
    scale = rstd if weight is None else rstd * weight
    grad_x = g * _wide(scale, g) if needs[0] else None
    grad_mean = -g.sum(rest) * scale if needs[1] else None
    grad_var = grad_weight = None
    if needs[2] or needs[3]:
        products = ((x - _wide(mean, g)) * g).sum(rest)
        grad_var = products * scale * rstd * rstd * -0.5 if needs[2] else None
        grad_weight = products * rstd if needs[3] else None
    return grad_x, grad_mean, grad_var, grad_weight, g.sum(rest) if needs[4] else None, None


batch_norm_eval = declare(
    "batch_norm_eval_op(Tensor input, Tensor mean, Tensor var, Tensor? weight, Tensor? bias, Number eps)", infer=_eval_infer,
    reference=_eval, vjp=_eval_vjp, grad_name="NativeBatchNormBackward0",
    samples=lambda: [((values(3, 4, 2), values(4), values(4, low=0.5, high=2.0), values(4, seed=1), values(4, seed=2), 1e-5), {})],
    expand=compositions.batch_norm_eval, doc="batch norm with given mean and variance",
)  # fmt: skip


def _running_infer(running: Meta, batch: Meta, momentum: Meta, scale: float) -> Meta:
    if running.numel != batch.numel:
        raise RuntimeError(
            f"batch_norm: running_mean should contain {batch.numel} elements not {running.numel}. Fix: make the layer with "
            f"num_features={batch.numel}."
        )
    return like(running)


def _running(running: np.ndarray, batch: np.ndarray, momentum: np.ndarray, scale: float) -> np.ndarray:
    m = running.dtype.type(momentum)
    return running * (1 - m) + batch.reshape(running.shape).astype(running.dtype) * (m * running.dtype.type(scale))


def _running_lower(running: L.Expr, batch: L.Expr, momentum: L.Expr, scale: float) -> L.Expr | None:
    """Of floats. `batch` may have dimensions of size 1 that `running` lacks; its elements are as many."""
    if not running.floating:
        return None
    m = L.cast(momentum, running.kind)
    return running * (1 - m) + L.cast(batch, running.kind) * (m * scale)


running_average = declare(
    "running_average_op(Tensor input, Tensor batch, Number momentum, float scale)", infer=_running_infer, reference=_running,
    inplace=True, samples=lambda: [((values(4), values(4, seed=1), 0.1, 1.5), {})],
    lower=_running_lower, expand=compositions.running_average, doc="(1 − momentum) · input + momentum · scale · batch, without a gradient",
)  # fmt: skip
