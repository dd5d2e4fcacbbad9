"""What bags of embeddings are made of, in plain tensor code: rows looked up, and added at the number of their bag."""

from __future__ import annotations

from typing import Any

from rushlight.dtype import int64
from rushlight.ops.tensor_code import T


def _numbers(offsets: Any, count: int, include_last: bool) -> tuple[Any, int]:
    """For each index, the bag it lies in: how many bags begin at it or before, less one; and the number of bags."""
    checked = T.apply("bounded_index_part", (offsets.to(int64),), {"size": count + 1})
    starts = checked.narrow(0, 0, offsets.shape[0] - int(include_last))
    first = T.apply("bounded_index_part", (starts.narrow(0, 0, 1),), {"size": 1})  # the first bag begins at 0
    begun = _added(T.ones(starts.shape, dtype=int64), starts, count + 1).narrow(0, 0, count)
    return begun.cumsum(0) - 1 + first, starts.shape[0]


def _added(part: Any, index: Any, rows: int) -> Any:
    """Every element of `part` added at its index."""
    total = T.zeros(rows, *part.shape[1:], dtype=part.dtype)
    return T.apply("index_put", (total, part, [index]), {"dims": (0,), "accumulate": True})


def _rows(weight: Any, indices: Any) -> Any:
    return T.apply("embedding_op", (weight, indices), {"padding_idx": -1, "scale_grad_by_freq": False})


def embedding_bag(
    weight: Any, indices: Any, offsets: Any, scale: Any, mode: str, padding_idx: int, include_last: bool,
    by_frequency: bool,
) -> Any:  # fmt: skip
    """Sums and means of the rows of each bag."""
    if mode == "max" or not indices.numel() or offsets.shape[0] <= int(include_last):
        return None
    bag, count = _numbers(offsets, indices.shape[0], include_last)
    rows = _rows(weight, indices)
    if scale is not None:
        rows = rows * scale.unsqueeze(-1)
    keep = indices != padding_idx
    if padding_idx >= 0:
        rows = T.where(keep.unsqueeze(-1), rows, 0)
    total = _added(rows, bag, count)
    if mode == "mean":
        total = total / _added(keep.to(int64), bag, count).clamp(min=1).to(weight.dtype).unsqueeze(-1)
    return total


def embedding_bag_backward(
    grad: Any, weight: Any, indices: Any, offsets: Any, scale: Any, mode: str, padding_idx: int, include_last: bool,
    by_frequency: bool,
) -> Any:  # fmt: skip
    """The gradients of the weight and of the weights of the samples."""
    if mode == "max" or by_frequency or not indices.numel() or offsets.shape[0] <= int(include_last):
        return None
    bag, count = _numbers(offsets, indices.shape[0], include_last)
    keep = indices != padding_idx
    part = _rows(grad, bag)
    to_scale = T.where(keep, (part * _rows(weight, indices)).sum(-1), 0)
    if mode == "mean":
        part = part / _rows(_added(keep.to(int64), bag, count).clamp(min=1).to(grad.dtype).unsqueeze(-1), bag)
    if scale is not None:
        part = part * scale.unsqueeze(-1)
    static = {"rows": weight.shape[0], "padding_idx": padding_idx, "scale_grad_by_freq": False}
    return T.apply("embedding_backward", (part, indices), static), to_scale
