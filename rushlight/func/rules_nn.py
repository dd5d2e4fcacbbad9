"""Batching rules of convolutions, recurrent layers and embeddings: the batch goes into a dimension that they have already."""

from __future__ import annotations

from typing import Any

from rushlight.func.batch import Batch, call, one_by_one, rule, run
from rushlight.ops.tensor_code import T


def _into(x: Any, dim: int) -> Any:
    """(B, ...) with the batch folded into dimension `dim` of the sample, the batch outermost there."""
    x = x.movedim(0, dim)
    return x.reshape(*x.shape[:dim], -1, *x.shape[dim + 2 :])


def _out_of(x: Any, dim: int, size: int) -> Any:
    """The inverse of `_into`."""
    return x.reshape(*x.shape[:dim], size, -1, *x.shape[dim + 1 :]).movedim(dim, 0)


@rule("convolution")
def _convolution(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    """Samples with one weight are a larger batch; samples with weights of their own are groups."""
    x, w, b = given
    size = batch.size
    if not w.batched:
        bias = None if b is None or b.batched else b.handle
        found = run(op, (_into(x.handle, 0) if x.batched else x.handle, w.handle, bias), static)
        found = _out_of(found, 0, size) if x.batched else found
    else:
        weight = _into(w.handle, 0)
        bias = None if b is None else batch.full(b).reshape(-1)
        alone = not x.batched and static["groups"] == 1 and not static["transposed"]
        wide = x.handle if alone else _into(batch.full(x), 1)
        found = run(op, (wide, weight, bias), {**static, "groups": 1 if alone else size * static["groups"]})
        return _out_of(found, 1, size)
    if b is not None and b.batched:
        found = found + b.handle.reshape(size, 1, -1, *(1,) * (x.ndim - 2))
    return found


@rule("convolution_weight_backward")
def _weight_gradient(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    grad, x = (_into(batch.full(v), 1) for v in given)
    found = run(op, (grad, x), {**static, "groups": batch.size * static["groups"]})
    return _out_of(found, 0, batch.size)


@rule("im2col_op", "col2im_op")
def _patches(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    return _out_of(run(op, (_into(given[0].handle, 0),), static), 0, batch.size)


@rule("lstm_layer_op", "gru_layer_op", "rnn_layer_op")
def _recurrent(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    """(T, N, features) and states (N, H): samples that share their weights are a larger batch."""
    states = len(given) - 2
    *values, w, b = given
    if w.batched or b is not None and b.batched:
        return one_by_one(batch, op, given, static, metas)
    folded = [_into(batch.full(v), 1 if k == 0 else 0) for k, v in enumerate(values[:states])]
    found = run(op, (*folded, w.handle, None if b is None else b.handle), static)
    if not isinstance(found, tuple):
        return _out_of(found, 1, batch.size)
    return tuple(_out_of(f, 1, batch.size) for f in found)


@rule("embedding_op")
def _embedding(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    """Tables of their own lie one below the other."""
    weight, indices = given
    if not weight.batched:
        return run(op, (weight.handle, indices.handle), static)
    rows = weight.meta.shape[0]
    at = call("bounded_index_part", (batch.full(indices),), size=rows)  # or it would read the next sample's table
    table = weight.handle.reshape(batch.size * rows, -1)
    first = (T.arange(batch.size) * rows).reshape(-1, *(1,) * indices.ndim)
    found = call("embedding_op", (table, at + first), padding_idx=-1, scale_grad_by_freq=False)
    if static["padding_idx"] >= 0:
        found = T.where((at == static["padding_idx"]).unsqueeze(-1), found.detach(), found)
    return found


@rule("embedding_backward")
def _embedding_gradient(batch: Batch, op: Any, given: list, static: dict, metas: tuple) -> Any:
    grad, indices = (batch.full(v) for v in given)
    rows, padding = static["rows"], static["padding_idx"]
    if padding >= 0:
        grad = grad * (indices != padding).unsqueeze(-1).to(grad.dtype)
    first = (T.arange(batch.size) * rows).reshape(-1, *(1,) * (indices.ndim - 1))
    found = call(
        "embedding_backward", (grad, indices + first), **{**static, "rows": batch.size * rows, "padding_idx": -1}
    )
    return found.reshape(batch.size, rows, -1)
