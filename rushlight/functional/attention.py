"""Scaled dot-product attention, and multi-head attention over it."""

from __future__ import annotations

import math
from typing import Any

from rushlight import dtype as dtypes
from rushlight.functional.dropout import dropout
from rushlight.functional.registry import FUNCTIONS
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record


def _scores(query: Any, key: Any, attn_mask: Any, is_causal: bool, scale: float) -> tuple[Any, Any]:
    """query @ key^T * scale with the mask applied, and the rows that may look nowhere (None: there are none)."""
    scores = (query * scale) @ key.transpose(-2, -1)
    if is_causal:
        ones = FUNCTIONS["ones"](query.shape[-2], key.shape[-2], dtype=dtypes.bool_)
        return scores.masked_fill(~ones.tril(), -math.inf), None
    if attn_mask is None:
        return scores, None
    if attn_mask.dtype is dtypes.bool_:
        scores = scores.masked_fill(~attn_mask, -math.inf)
    elif attn_mask.dtype.category == dtypes.FLOATING:
        scores = scores + attn_mask.to(query.dtype)
    else:
        raise RuntimeError(
            f"scaled_dot_product_attention: Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{attn_mask.dtype} and query.dtype: {query.dtype} instead. Fix: attn_mask.bool(), True where attention is allowed."
        )
    lost = (scores == -math.inf).all(-1, True)
    return scores.masked_fill(lost, 0.0), lost


def attend(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any,
    dropout_p: float,
    is_causal: bool,
    scale: float | None,
    need_weights: bool,
) -> tuple[Any, Any]:
    """The attention's result and its weights (None where nothing needs them)."""
    factor = 1.0 / math.sqrt(max(query.shape[-1], 1)) if scale is None else float(scale)
    if not need_weights and dropout_p == 0.0 and not (attn_mask is not None and attn_mask.requires_grad):
        inputs = query, key, value, attn_mask
        return record(TABLE["scaled_dot_product_attention_op"], inputs, (factor, is_causal))[0], None
    scores, lost = _scores(query, key, attn_mask, is_causal, factor)
    weights = scores.softmax(-1)
    if lost is not None:
        weights = weights.masked_fill(lost, 0.0)  # a row that may look nowhere gives zeros
    if dropout_p > 0.0:
        weights = dropout(weights, dropout_p)
    return weights @ value, weights


def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    """softmax(query @ key^T * scale + mask) @ value; scale is 1 / sqrt(E) by default.

    query (..., L, E), key (..., S, E), value (..., S, Ev) give (..., L, Ev). A bool mask is True where attention is allowed, a
    float mask is added. enable_gqa repeats the heads (dimension -3) of key and value to the number of query's.

    >>> import rushlight as torch
    >>> q = torch.ones(1, 2, 5, 8)
    >>> torch.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).shape
    torch.Size([1, 2, 5, 8])
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            "scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True. Fix: put the triangle into attn_mask."
        )
    if enable_gqa:
        heads = query.shape[-3]
        if heads % key.shape[-3] or heads % value.shape[-3]:
            raise RuntimeError(
                f"scaled_dot_product_attention: Number of heads in key and value must divide the number of heads in query; got {heads}, "
                f"{key.shape[-3]} and {value.shape[-3]}."
            )
        key = key.repeat_interleave(heads // key.shape[-3], -3)
        value = value.repeat_interleave(heads // value.shape[-3], -3)
    return attend(query, key, value, attn_mask, dropout_p, bool(is_causal), scale, False)[0]


def _as_added(name: str, mask: Any, dtype: Any) -> Any:
    """A mask to add to the scores; bool masks are True where attention is forbidden."""
    if mask is None:
        return None
    if mask.dtype is dtypes.bool_:
        return FUNCTIONS["zeros"](tuple(mask.shape), dtype=dtype).masked_fill(mask, -math.inf)
    if mask.dtype.category != dtypes.FLOATING:
        raise AssertionError(
            f"multi_head_attention_forward: only bool and floating types of {name} are supported; got {mask.dtype}."
        )
    return mask.to(dtype)


def _projected(
    query: Any, key: Any, value: Any, weight: Any, bias: Any, separate: bool, weights: tuple[Any, Any, Any]
) -> list[Any]:
    """query, key and value times their weights: one stacked matrix, or three."""
    used = weights if separate else weight.chunk(3)
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    return [
        x @ w.t() if b is None else x @ w.t() + b for x, w, b in zip((query, key, value), used, biases, strict=True)
    ]


def _extended(x: Any, row: Any) -> Any:
    """x of shape (S, N, E) with one more position, `row` (1, 1, E)."""
    return FUNCTIONS["cat"]([x, row.expand(1, x.shape[1], x.shape[2])])


def multi_head_attention_forward(
    query: Any, key: Any, value: Any, embed_dim_to_check: int, num_heads: int, in_proj_weight: Any, in_proj_bias: Any, bias_k: Any,
    bias_v: Any, add_zero_attn: bool, dropout_p: float, out_proj_weight: Any, out_proj_bias: Any, training: bool = True,
    key_padding_mask: Any = None, need_weights: bool = True, attn_mask: Any = None, use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None, k_proj_weight: Any = None, v_proj_weight: Any = None, static_k: Any = None, static_v: Any = None,
    average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """Attention in num_heads slices of the embedding: (L, N, E) or (L, E) in and out, and the weights (N, L, S) on request."""
    if static_k is not None or static_v is not None:
        raise NotImplementedError(
            "multi_head_attention_forward: static_k and static_v are not supported. Fix: pass key and value."
        )
    lone = query.ndim == 2
    if lone:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    if width != embed_dim_to_check:
        raise AssertionError(
            f"multi_head_attention_forward: was expecting embedding dimension of {embed_dim_to_check}, but got {width}."
        )
    if width % num_heads:
        raise AssertionError(f"multi_head_attention_forward: embed_dim {width} not divisible by num_heads {num_heads}.")
    if is_causal and attn_mask is None:
        raise RuntimeError("multi_head_attention_forward: Need attn_mask if specifying the is_causal hint.")
    q, k, v = _projected(
        query,
        key,
        value,
        in_proj_weight,
        in_proj_bias,
        use_separate_proj_weight,
        (q_proj_weight, k_proj_weight, v_proj_weight),
    )
    more = 0
    if bias_k is not None:
        k, v, more = _extended(k, bias_k), _extended(v, bias_v), 1
    if add_zero_attn:
        zero = FUNCTIONS["zeros"](1, 1, width, dtype=k.dtype)
        k, v, more = _extended(k, zero), _extended(v, zero), more + 1
    source = k.shape[0]

    def heads(x: Any) -> Any:
        return x.reshape(x.shape[0], batch, num_heads, width // num_heads).permute(1, 2, 0, 3)

    mask = _as_added("attn_mask", attn_mask, q.dtype)
    if mask is not None:
        mask = mask.reshape(batch, num_heads, length, -1) if mask.ndim == 3 else mask
        mask = _widened(mask, more)
    padding = _as_added("key_padding_mask", key_padding_mask, q.dtype)
    if padding is not None:
        padding = _widened(padding, more).reshape(batch, 1, 1, source)
        mask = padding if mask is None else mask + padding
    out, weights = attend(heads(q), heads(k), heads(v), mask, dropout_p if training else 0.0, False, None, need_weights)
    out = out.permute(2, 0, 1, 3).reshape(length, batch, width) @ out_proj_weight.t()
    if out_proj_bias is not None:
        out = out + out_proj_bias
    if not need_weights:
        return (out.squeeze(1) if lone else out), None
    weights = weights.mean(1) if average_attn_weights else weights
    return (out.squeeze(1), weights.squeeze(0)) if lone else (out, weights)


def _widened(mask: Any, more: int) -> Any:
    """Added positions may always be looked at."""
    if not more:
        return mask
    return FUNCTIONS["cat"]([mask, FUNCTIONS["zeros"](*mask.shape[:-1], more, dtype=mask.dtype)], -1)


__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]
