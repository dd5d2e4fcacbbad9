"""Embeddings: rows of a matrix chosen by index; one-hot encoding."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS, as_int, public
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record


def _padding(name: str, padding_idx: int | None, rows: int) -> int:
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise AssertionError(f"{name}: Padding_idx must be within num_embeddings; got {padding_idx} with {rows} rows.")
    return padding_idx % rows


def _renormalise(weight: Any, index: Any, max_norm: float, norm_type: float) -> None:
    """Scale the rows that are used down to max_norm, in place and without a gradient."""
    from rushlight.autograd.modes import no_grad

    with no_grad():
        rows = FUNCTIONS["tensor"](np.unique(index._compute_array()).astype(np.int64))
        chosen = weight[rows]
        length = (chosen.abs() ** norm_type).sum(1, True) ** (1.0 / norm_type)
        shrunk = chosen * (max_norm / (length + 1e-7))
        weight.index_copy_(0, rows, FUNCTIONS["where"](length > max_norm, shrunk, chosen))


def embedding(
    input: Any, weight: Any, padding_idx: int | None = None, max_norm: float | None = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Any:  # fmt: skip
    """weight[input]. Row padding_idx gets no gradient; rows longer than max_norm are shortened in place first.

    With `sparse=True` the gradient of a weight that is a leaf is a sparse tensor with the rows that were used.

    >>> import rushlight as torch
    >>> torch.nn.functional.embedding(torch.tensor([1, 0]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.]])
    """
    if weight.ndim != 2:
        raise RuntimeError(
            explain_error("embedding", got=f"a weight of shape {list(weight.shape)}", expected="(rows, features)")
        )
    padding = _padding("embedding", padding_idx, weight.shape[0])
    if max_norm is not None:
        _renormalise(weight, input, max_norm, norm_type)
    if sparse and (found := _rows("embedding", weight, input, padding, scale_grad_by_freq)) is not None:
        return found
    return record(TABLE["embedding_op"], (weight, input), (padding, bool(scale_grad_by_freq)))


def _rows(name: str, weight: Any, index: Any, padding: int, by_frequency: bool) -> Any:
    """The rows of a leaf, to which they give a sparse gradient; None where that is not to be had."""
    from rushlight.sparse import gradients

    return gradients.looked_up(weight, index, padding) if gradients.wants_rows(name, weight, by_frequency) else None


@public("embedding")
def _embedding(
    weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    """weight[indices]; see nn.functional.embedding."""
    if sparse and (found := _rows("embedding", weight, indices, as_int(padding_idx), scale_grad_by_freq)) is not None:
        return found
    return record(TABLE["embedding_op"], (weight, indices), (as_int(padding_idx), bool(scale_grad_by_freq)))


def embedding_bag(
    input: Any, weight: Any, offsets: Any = None, max_norm: float | None = None, norm_type: float = 2,
    scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, per_sample_weights: Any = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> Any:  # fmt: skip
    """Sums, means or maxima of bags of rows: each row of a 2-D input is a bag; a 1-D input is cut at offsets."""
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: mode has to be one of sum, mean or max; got {mode!r}.")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            f"embedding_bag: per_sample_weights was not None, which is supported for mode='sum' only; got mode={mode!r}."
        )
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise ValueError(
            explain_error(
                "embedding_bag",
                got=f"per_sample_weights of shape {list(per_sample_weights.shape)}",
                expected=f"the shape of the input, {list(input.shape)}",
            )
        )
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("embedding_bag: max mode does not support scaling the gradient by the frequency.")
    if mode == "max" and sparse:
        raise ValueError("embedding_bag: max mode does not support sparse gradients. Fix: sparse=False.")
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "embedding_bag: if input is 2D, then offsets has to be None, as input is treated as a mini-batch of fixed length sequences."
            )
        count, length = input.shape
        offsets = (
            FUNCTIONS["arange"](0, count * length, length)
            if length
            else FUNCTIONS["zeros"](count, dtype=FUNCTIONS["arange"](1).dtype)
        )
        input = input.reshape(-1)
        per_sample_weights = None if per_sample_weights is None else per_sample_weights.reshape(-1)
        include_last_offset = False
    elif input.ndim != 1:
        raise ValueError(f"embedding_bag: input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}.")
    elif offsets is None:
        raise ValueError(
            "embedding_bag: offsets has to be a 1D Tensor but got None. Fix: pass where each bag starts, or a 2D input."
        )
    elif offsets.ndim != 1:
        raise ValueError(f"embedding_bag: offsets has to be a 1D Tensor; got {offsets.ndim} dimensions.")
    padding = _padding("embedding_bag", padding_idx, weight.shape[0])
    if max_norm is not None:
        _renormalise(weight, input, max_norm, norm_type)
    if sparse and (rows := _rows("embedding_bag", weight, input, padding, scale_grad_by_freq)) is not None:
        weight, input, padding = _bag_of_rows(rows, input, padding)
    static = (mode, padding, include_last_offset, bool(scale_grad_by_freq))
    return record(TABLE["embedding_bag_op"], (weight, input, offsets, per_sample_weights), static)


def _bag_of_rows(rows: Any, input: Any, padding: int) -> tuple[Any, Any, int]:
    """Rows looked up already, as the table of a bag: (table, indices, padding index)."""
    count = rows.shape[0]
    numbers = FUNCTIONS["arange"](count)
    if padding < 0:
        return rows, numbers, -1
    empty = FUNCTIONS["zeros"](1, rows.shape[1], dtype=rows.dtype)  # takes the place of the padding row
    return FUNCTIONS["cat"]([rows, empty]), FUNCTIONS["where"](input == padding, count, numbers), count


def one_hot(input: Any, num_classes: int = -1) -> Any:
    """int64 of shape (*input.shape, num_classes): 1 at the class, 0 elsewhere; -1 counts the classes.

    >>> import rushlight as torch
    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if num_classes == -1:
        if input.numel() == 0:
            raise RuntimeError(
                "one_hot: Can not infer total number of classes from empty tensor. Fix: pass num_classes."
            )
        num_classes = int(input.max().item()) + 1
        if num_classes < 1:
            raise RuntimeError("one_hot: Class values must be non-negative.")
    elif num_classes < 1:
        raise RuntimeError(f"one_hot: num_classes should be positive; got {num_classes}.")
    return record(TABLE["one_hot_op"], (input,), (as_int(num_classes),))


__all__ = ["embedding", "embedding_bag", "one_hot"]
