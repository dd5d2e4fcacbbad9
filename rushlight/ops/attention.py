"""Scaled dot-product attention as one op, and its gradient as one more: softmax(q @ k^T · scale + mask) @ v.

Shapes: query (..., L, E), key (..., S, E), value (..., S, Ev), mask broadcast to (..., L, S). Beside the result the op returns
log Σ exp of each row of scores, from which the gradient finds the weights again without another sum: p = exp(scores − logsumexp).
A row that may look nowhere gives zeros; its logsumexp is −∞.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.dtype import BOOL, COMPLEX, FLOATING, INTEGER
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.rules import broadcast_shapes, forbid, like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T

_NAME = "scaled_dot_product_attention"


def _infer(query: Meta, key: Meta, value: Meta, mask: Meta | None, scale: float, is_causal: bool) -> tuple[Meta, Meta]:
    forbid(_NAME, query, BOOL, INTEGER, COMPLEX)
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            f"{_NAME}: Expected query, key, and value to all be at least 2 dimensional, but got query.dim: {query.ndim} "
            f"key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if not query.dtype is key.dtype is value.dtype:
        raise RuntimeError(
            f"{_NAME}: Expected query, key, and value to have the same dtype, but got query.dtype: {query.dtype} "
            f"key.dtype: {key.dtype} and value.dtype: {value.dtype} instead."
        )
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(
            explain_error(
                _NAME,
                got=f"query {list(query.shape)}, key {list(key.shape)}, value {list(value.shape)}",
                expected="query (..., L, E), key (..., S, E), value (..., S, Ev)",
            )
        )
    batch = broadcast_shapes(_NAME, *(m.shape[:-2] for m in (query, key, value)))
    if mask is not None:
        if mask.dtype.category not in (BOOL, FLOATING):
            raise RuntimeError(
                f"{_NAME}: Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: {mask.dtype} and "
                f"query.dtype: {query.dtype} instead. Fix: attn_mask.bool(), True where attention is allowed."
            )
        scores = (*batch, query.shape[-2], key.shape[-2])
        if broadcast_shapes(f"{_NAME} (attn_mask)", scores, mask.shape)[-2:] != scores[-2:]:
            raise RuntimeError(
                explain_error(_NAME, got=f"attn_mask of shape {list(mask.shape)}", expected=f"{list(scores)}")
            )
        batch = broadcast_shapes(_NAME, batch, mask.shape[:-2])
    rows = (*batch, query.shape[-2])
    return like(query, shape=(*rows, value.shape[-1])), like(query, shape=rows)


# --- reference --------------------------------------------------------------------------------------------------------------


def _scores(q: np.ndarray, k: np.ndarray, mask: Any, scale: float, is_causal: bool) -> np.ndarray:
    """(..., L, S), −∞ where a row may not look."""
    scores = (q * q.dtype.type(scale)) @ np.swapaxes(k, -2, -1)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:]) > 0, scores, -np.inf)
    return scores.astype(q.dtype, copy=False)


def _finite(rows: np.ndarray) -> np.ndarray:
    """What can be subtracted from scores of −∞."""
    return np.where(np.isneginf(rows), rows.dtype.type(0), rows)


def _attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: Any, scale: float, is_causal: bool
) -> tuple[np.ndarray, np.ndarray]:
    scores = _scores(q, k, mask, scale, is_causal)
    most = scores.max(-1, keepdims=True, initial=-np.inf)
    weights = np.exp(scores - _finite(most))
    total = weights.sum(-1, keepdims=True)
    with np.errstate(divide="ignore"):
        logsumexp = (_finite(most) + np.log(total)).squeeze(-1)
    return (weights / np.where(total == 0, 1, total)).astype(q.dtype, copy=False) @ v, logsumexp


def _backward(
    grad: np.ndarray, grad_rows: Any, q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: Any, out: np.ndarray,
    logsumexp: np.ndarray, scale: float, is_causal: bool,
) -> tuple:  # fmt: skip
    factor = q.dtype.type(scale)
    weights = np.exp(_scores(q, k, mask, scale, is_causal) - _finite(logsumexp)[..., None])
    shift = (grad * out).sum(-1, keepdims=True)  # Σ over the keys of weight · its gradient
    if grad_rows is not None:
        shift = shift - grad_rows[..., None]
    d_scores = weights * (grad @ np.swapaxes(v, -2, -1) - shift)
    return d_scores @ k * factor, np.swapaxes(d_scores, -2, -1) @ q * factor, np.swapaxes(weights, -2, -1) @ grad


# --- gradients --------------------------------------------------------------------------------------------------------------


def _composite_backward(
    grad: Any,
    grad_rows: Any,
    q: Any,
    k: Any,
    v: Any,
    mask: Any,
    out: Any,
    logsumexp: Any,
    scale: float,
    is_causal: bool,
) -> tuple:
    """The same in tensor code, to be differentiated again."""
    scores = (q * scale) @ k.mT
    hidden = None
    if mask is not None:
        lost = ~mask if mask.dtype.category == BOOL else mask == -float("inf")
        hidden, scores = lost, scores if mask.dtype.category == BOOL else scores + mask.masked_fill(lost, 0.0)
    if is_causal:
        hidden = T.ones(scores.shape[-2], scores.shape[-1]).tril() == 0
    rows = logsumexp.masked_fill(logsumexp == -float("inf"), 0.0).unsqueeze(-1)
    weights = (scores - rows if hidden is None else (scores - rows).masked_fill(hidden, -float("inf"))).exp()
    shift = (grad * out).sum(-1, True)
    if grad_rows is not None:
        shift = shift - grad_rows.unsqueeze(-1)
    d_scores = weights * (grad @ v.mT - shift)
    return d_scores @ k * scale, d_scores.mT @ q * scale, weights.mT @ grad


def _vjp(
    g: Any, out: Any, q: Any, k: Any, v: Any, mask: Any, *, needs: tuple[bool, ...], scale: float, is_causal: bool
) -> tuple:
    grad = T.zeros_like(out[0]) if g[0] is None else g[0]
    given: Any = (grad, g[1], q, k, v, mask, *out)
    if T.differentiating():
        found = _composite_backward(*given, scale=scale, is_causal=is_causal)
    else:
        found = T.apply(f"{_NAME}_backward", given, {"scale": scale, "is_causal": is_causal})
    return (*found, None)


def _backward_infer(
    grad: Meta, grad_rows: Meta | None, q: Meta, k: Meta, v: Meta, mask: Meta | None, out: Meta, logsumexp: Meta, scale: float,
    is_causal: bool,
) -> tuple[Meta, ...]:  # fmt: skip
    """The shapes before the sum over what was broadcast."""
    return tuple(like(x, shape=(*out.shape[:-2], *x.shape[-2:])) for x in (q, k, v))


def _samples() -> list:
    allowed = values(3, 4, seed=5) > -0.3
    allowed[1] = False
    q, k, v = values(2, 3, 2), values(2, 4, 2, seed=1), values(2, 4, 3, seed=2)
    return [
        ((values(2, 2), values(2, 2, seed=1), values(2, 1, seed=2), None), {"scale": 0.7, "is_causal": False}),
        ((values(2, 1), values(3, 1, seed=1), values(3, 1, seed=2), None), {"scale": 0.7, "is_causal": True}),
        ((q, k, v, allowed), {"scale": 0.5, "is_causal": False}),
        ((q, k[:1], v, np.where(allowed, 0.25, -np.inf).astype(np.float32)), {"scale": 1.5, "is_causal": False}),
    ]


attention = declare(
    f"{_NAME}_op(Tensor query, Tensor key, Tensor value, Tensor? attn_mask, *, float scale, bool is_causal)", infer=_infer,
    reference=_attention, vjp=_vjp, wide=True, grad_none=True, grad_name="ScaledDotProductFlashAttentionForCpuBackward0", samples=_samples,
    doc="softmax(query @ key^T * scale + mask) @ value, and the logarithm of each row's sum; no gradient flows to the mask",
)  # fmt: skip
attention_backward = declare(
    f"{_NAME}_backward(Tensor grad, Tensor? grad_logsumexp, Tensor query, Tensor key, Tensor value, Tensor? attn_mask, Tensor output, "
    "Tensor logsumexp, *, float scale, bool is_causal)",
    infer=_backward_infer, reference=_backward, wide=True, doc="gradient of scaled_dot_product_attention for query, key and value",
)  # fmt: skip
