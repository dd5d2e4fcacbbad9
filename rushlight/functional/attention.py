"""Scaled dot-product attention, and multi-head attention over it."""

from __future__ import annotations

import math
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.dropout import dropout
from rushlight.functional.registry import FUNCTIONS


def _check(query: Any, key: Any, value: Any) -> None:
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            f"scaled_dot_product_attention: Expected query, key, and value to all be at least 2 dimensional, but got query.dim: {query.ndim} "
            f"key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if not query.dtype is key.dtype is value.dtype:
        raise RuntimeError(
            f"scaled_dot_product_attention: Expected query, key, and value to have the same dtype, but got query.dtype: {query.dtype} "
            f"key.dtype: {key.dtype} and value.dtype: {value.dtype} instead."
        )
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(
            explain_error(
                "scaled_dot_product_attention",
                got=f"query {list(query.shape)}, key {list(key.shape)}, value {list(value.shape)}",
                expected="query (..., L, E), key (..., S, E), value (..., S, Ev)",
            )
        )


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


def attend(query: Any, key: Any, value: Any, attn_mask: Any, dropout_p: float, is_causal: bool, scale: float | None) -> tuple[Any, Any]:
    """The attention's result and its weights."""
    factor = 1.0 / math.sqrt(max(query.shape[-1], 1)) if scale is None else scale
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
    """
    _check(query, key, value)
    if is_causal and attn_mask is not None:
        raise RuntimeError("scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True. Fix: put the triangle into attn_mask.")
    if enable_gqa:
        heads = query.shape[-3]
        if heads % key.shape[-3] or heads % value.shape[-3]:
            raise RuntimeError(
                f"scaled_dot_product_attention: Number of heads in key and value must divide the number of heads in query; got {heads}, "
                f"{key.shape[-3]} and {value.shape[-3]}."
            )
        key = key.repeat_interleave(heads // key.shape[-3], -3)
        value = value.repeat_interleave(heads // value.shape[-3], -3)
    return attend(query, key, value, attn_mask, dropout_p, is_causal, scale)[0]


__all__ = ["scaled_dot_product_attention"]
