"""Multi-head attention."""

from __future__ import annotations

import math
from typing import Any

import rushlight
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.linear import Linear
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter

Tensor = rushlight.Tensor


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear that dynamic quantisation leaves alone."""


class MultiheadAttention(Module):
    """softmax(Q Kᵀ / √d) V in `num_heads` heads of d = embed_dim / num_heads, projected on the way in and out.

    query (L, N, E), key (S, N, kdim), value (S, N, vdim), batch first if batch_first; without N for one sample.
    Returns the output and, if need_weights, the attention weights (N, L, S), the mean over the heads.

    >>> import rushlight as torch
    >>> x = torch.ones(5, 2, 8)
    >>> y, weights = torch.nn.MultiheadAttention(8, 2)(x, x, x)
    >>> y.shape, weights.shape
    (torch.Size([5, 2, 8]), torch.Size([2, 5, 5]))
    """

    def __init__(
        self,
        embed_dim,
        num_heads,
        dropout=0.0,
        bias=True,
        add_bias_kv=False,
        add_zero_attn=False,
        kdim=None,
        vdim=None,
        batch_first=False,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"MultiheadAttention: got embed_dim={embed_dim}, num_heads={num_heads}; expected positive numbers"
            )
        if embed_dim % num_heads:
            raise AssertionError(
                f"MultiheadAttention: got embed_dim={embed_dim} with num_heads={num_heads}; expected a multiple "
                "of num_heads"
            )
        options = {"device": device, "dtype": dtype}
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        same = self._qkv_same_embed_dim
        for name, width in (("q_proj_weight", embed_dim), ("k_proj_weight", self.kdim), ("v_proj_weight", self.vdim)):
            value = None if same else Parameter(rushlight.empty((embed_dim, width), **options))
            self.register_parameter(name, value)
        joint = Parameter(rushlight.empty((3 * embed_dim, embed_dim), **options)) if same else None
        self.register_parameter("in_proj_weight", joint)
        self.register_parameter("in_proj_bias", Parameter(rushlight.empty(3 * embed_dim, **options)) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, **options)
        if add_bias_kv:
            self.bias_k = Parameter(rushlight.empty((1, 1, embed_dim), **options))
            self.bias_v = Parameter(rushlight.empty((1, 1, embed_dim), **options))
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        if query.dim() not in (2, 3) or key.dim() != query.dim() or value.dim() != query.dim():
            raise AssertionError(
                f"MultiheadAttention: got query {tuple(query.shape)}, key {tuple(key.shape)}, value "
                f"{tuple(value.shape)}; "
                f"expected all 3-D (a batch) or all 2-D (one sample)"
            )
        if query.shape[-1] != self.embed_dim:
            raise AssertionError(
                f"MultiheadAttention: got a query of shape {tuple(query.shape)}; expected a last size of "
                f"{self.embed_dim}"
            )
        if is_causal and attn_mask is None:
            raise RuntimeError(
                "MultiheadAttention: is_causal only says that attn_mask is causal; pass the attn_mask too"
            )
        single = query.dim() == 2
        if single:
            query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
            key_padding_mask = key_padding_mask.unsqueeze(0) if key_padding_mask is not None else None
        elif self.batch_first:
            query, key, value = query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1)
        length, batch, _ = query.shape
        q, k, v = self._project(query, key, value)
        mask = self._mask(attn_mask, key_padding_mask, batch, length, key.shape[0], query.dtype)
        if self.bias_k is not None:
            k = rushlight.cat([k, self.bias_k.expand(1, batch, self.embed_dim)])
            v = rushlight.cat([v, self.bias_v.expand(1, batch, self.embed_dim)])
        if self.add_zero_attn:
            k, v = F.pad(k, (0, 0, 0, 0, 0, 1)), F.pad(v, (0, 0, 0, 0, 0, 1))
        if mask is not None and k.shape[0] != key.shape[0]:
            mask = F.pad(mask, (0, k.shape[0] - key.shape[0]))
        q, k, v = self._split_heads(q), self._split_heads(k), self._split_heads(v)
        dropout = self.dropout if self.training else 0.0
        if need_weights:
            scores = (q / math.sqrt(self.head_dim)) @ k.transpose(-2, -1)  # (N, heads, L, S)
            weights = F.dropout(rushlight.softmax(scores if mask is None else scores + mask, -1), dropout)
            output = weights @ v
        else:
            output = F.scaled_dot_product_attention(q, k, v, mask, dropout)
        output = self.out_proj(output.permute(2, 0, 1, 3).reshape(length, batch, self.embed_dim))
        if single:
            output = output.squeeze(1)
        elif self.batch_first:
            output = output.transpose(0, 1)
        if not need_weights:
            return output, None
        weights = weights.mean(1) if average_attn_weights else weights
        return output, (weights.squeeze(0) if single else weights)

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        if self._qkv_same_embed_dim:
            weights = self.in_proj_weight.chunk(3)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        biases = self.in_proj_bias.chunk(3) if self.in_proj_bias is not None else (None, None, None)
        return [F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases)]

    def _split_heads(self, x: Tensor) -> Tensor:
        """(L, N, E) → (N, heads, L, head_dim)."""
        return x.reshape(x.shape[0], x.shape[1], self.num_heads, self.head_dim).permute(1, 2, 0, 3)

    def _mask(self, attn_mask: Any, key_padding_mask: Any, batch: int, length: int, keys: int, dtype: Any) -> Any:
        """Both masks as one to add to the scores (N or 1, heads or 1, L or 1, S); None if there is none."""
        mask = None
        if attn_mask is not None:
            shapes = ((length, keys), (batch * self.num_heads, length, keys))
            if tuple(attn_mask.shape) not in shapes:
                raise RuntimeError(
                    f"MultiheadAttention: got attn_mask of shape {tuple(attn_mask.shape)}; expected {shapes[0]} "
                    f"or {shapes[1]}"
                )
            mask = _to_added(attn_mask, dtype).reshape(-1, 1 if attn_mask.dim() == 2 else self.num_heads, length, keys)
        if key_padding_mask is not None:
            if tuple(key_padding_mask.shape) != (batch, keys):
                raise AssertionError(
                    f"MultiheadAttention: got key_padding_mask of shape {tuple(key_padding_mask.shape)}; "
                    f"expected {(batch, keys)}"
                )
            padding = _to_added(key_padding_mask, dtype).reshape(batch, 1, 1, keys)
            mask = padding if mask is None else mask + padding
        return mask


def _to_added(mask: Tensor, dtype: Any) -> Tensor:
    """True (leave out) becomes −inf, False 0; a float mask is added as it is."""
    if mask.dtype == rushlight.bool:
        return rushlight.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(mask, -math.inf)
    return mask.to(dtype)
