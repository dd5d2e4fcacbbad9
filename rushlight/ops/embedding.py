"""Rows of a weight matrix at indices, and the gradient that adds rows back."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.errors import BoundsError
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops import bags, rearrange
from rushlight.ops.rules import like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T, no_second_derivative


def check_rows(index: np.ndarray, rows: int, name: str = "embedding") -> np.ndarray:
    """The indices; IndexError naming the bad one and the number of rows. Negative indices do not wrap."""
    if index.size:
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= rows:
            bad = low if low < 0 else high
            where = tuple(int(i) for i in np.argwhere(index == bad)[0])
            raise BoundsError(
                f"{name}: index out of range in self: got index {bad} at position {where}; expected 0 to {rows - 1} (num_embeddings is {rows}). "
                f"Fix: {f'make num_embeddings at least {bad + 1}' if bad >= 0 else 'use indices from 0'}, or check how the indices are made."
            )
    return index.astype(np.int64, copy=False)


def check_index_dtype(name: str, index: Meta) -> None:
    """Indices are int64 or int32."""
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            f"{name}: Expected tensor for argument 'indices' to have one of the following scalar types: Long, Int; but got {index.dtype}. "
            "Fix: convert the indices with .long()."
        )


def _infer(weight: Meta, indices: Meta, padding_idx: int, scale_grad_by_freq: bool) -> Meta:
    if weight.ndim != 2:
        raise RuntimeError(
            f"embedding: 'weight' must be 2-D; got shape {list(weight.shape)}. Fix: pass a (num_embeddings, embedding_dim) matrix."
        )
    check_index_dtype("embedding", indices)
    return like(weight, shape=(*indices.shape, weight.shape[1]))


def add_rows(grad: np.ndarray, index: np.ndarray, rows: int) -> np.ndarray:
    """result[index[i]] += grad[i], rows sorted so that equal ones are summed in one sweep."""
    result = np.zeros((rows, grad.shape[1]), grad.dtype)
    if index.size:
        order = np.argsort(index, kind="stable")
        ordered = index[order]
        first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        result[ordered[first]] = np.add.reduceat(grad[order], first, axis=0)
    return result


def _backward(
    grad: np.ndarray, indices: np.ndarray, rows: int, padding_idx: int, scale_grad_by_freq: bool
) -> np.ndarray:
    index = check_rows(indices, rows).reshape(-1)
    flat = grad.reshape(index.size, grad.shape[-1])
    if padding_idx >= 0:
        keep = index != padding_idx
        index, flat = index[keep], flat[keep]
    if scale_grad_by_freq and index.size:
        flat = flat / np.bincount(index, minlength=rows)[index][:, None].astype(grad.dtype)
    return add_rows(flat, index, rows)


def _backward_rule(
    gg: Any, out: Any, grad: Any, indices: Any, rows: int, padding_idx: int, scale_grad_by_freq: bool
) -> Any:
    if scale_grad_by_freq:
        raise NotImplementedError(
            "embedding: the second derivative with scale_grad_by_freq=True is not supported. Fix: leave it False."
        )
    found = T.apply("embedding_op", (gg, indices), {"padding_idx": padding_idx, "scale_grad_by_freq": False})
    return found if padding_idx < 0 else found * (indices != padding_idx).unsqueeze(-1)


embedding = declare(
    "embedding_op(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False)", infer=_infer,
    reference=lambda weight, indices, padding_idx, scale_grad_by_freq: weight[check_rows(indices, len(weight))],
    vjp=(
        lambda g, out, weight, indices, padding_idx, scale_grad_by_freq: T.apply(
            "embedding_backward", (g, indices),
            {"rows": weight.shape[0], "padding_idx": padding_idx, "scale_grad_by_freq": scale_grad_by_freq},
        ),
        None,
    ),
    samples=lambda: [
        ((values(5, 3), np.array([[0, 4, 4], [1, 1, 2]]), -1, False), {}),
        ((values(5, 3), np.array(2), -1, False), {}),
    ],
    grad_name="EmbeddingBackward0", doc="weight[indices]",
)  # fmt: skip
embedding_rows = declare(
    "embedding_rows_part(Tensor input)", infer=like, reference=lambda x: x, vjp=(lambda g, out, x: g,), lower=lambda x: x,
    pointwise=True, samples=lambda: [((values(2, 3),), {})], grad_name="EmbeddingBackward0",
    doc="rows of an embedding whose gradient is sparse",
)  # fmt: skip
embedding_backward = declare(
    "embedding_backward(Tensor grad, Tensor indices, int rows, int padding_idx, bool scale_grad_by_freq)",
    infer=lambda grad, indices, rows, padding_idx, scale_grad_by_freq: like(grad, shape=(rows, grad.shape[-1])),
    reference=_backward, vjp=(_backward_rule, None), wide=True, doc="the gradient of embedding with respect to its weight",
)  # fmt: skip


def _one_hot(index: np.ndarray, num_classes: int) -> np.ndarray:
    if index.size and int(index.min()) < 0:
        raise RuntimeError(f"one_hot: Class values must be non-negative; got {int(index.min())}.")
    if index.size and int(index.max()) >= num_classes:
        raise RuntimeError(
            f"one_hot: Class values must be smaller than num_classes; got {int(index.max())} with num_classes={num_classes}. "
            f"Fix: num_classes={int(index.max()) + 1}, or -1 to count them."
        )
    result = np.zeros((*index.shape, num_classes), np.int64)
    np.put_along_axis(result, index[..., None], 1, -1)
    return result


def _one_hot_infer(x: Meta, num_classes: int) -> Meta:
    if x.dtype is not dtypes.int64:
        raise RuntimeError(
            f"one_hot is only applicable to index tensor of type LongTensor; got {x.dtype}. Fix: convert it with .long()."
        )
    return like(x, shape=(*x.shape, num_classes))


one_hot = declare(
    "one_hot_op(Tensor input, int num_classes)", infer=_one_hot_infer, reference=_one_hot,
    samples=lambda: [((np.array([0, 2, 1]), 4), {}), ((np.array([[0], [2]]), 3), {})], expand=rearrange.one_hot, moves=True, doc="1 at the class's position, 0 elsewhere",
)  # fmt: skip


def _bags(offsets: np.ndarray, count: int, include_last: bool) -> tuple[np.ndarray, int]:
    """For each index, the bag it lies in; and the number of bags."""
    starts = offsets[:-1] if include_last else offsets
    if starts.size and int(starts[0]) != 0:
        raise RuntimeError(
            f"embedding_bag: offsets[0] has to be 0, i.e., the first sequence in the mini-batch starts from position 0; got {int(starts[0])}."
        )
    if offsets.size and int(offsets.max()) > count:
        raise RuntimeError(
            f"embedding_bag: offsets[-1] can not be greater than input's length; got {int(offsets.max())} with {count} indices."
        )
    return np.searchsorted(starts, np.arange(count), side="right") - 1, len(starts)


def _bag_infer(
    weight: Meta, indices: Meta, offsets: Meta, scale: Meta | None, mode: str, padding_idx: int, include_last: bool
) -> Meta:
    if weight.ndim != 2:
        raise RuntimeError(f"embedding_bag: 'weight' must be 2-D; got shape {list(weight.shape)}.")
    check_index_dtype("embedding_bag", indices)
    check_index_dtype("embedding_bag", offsets)
    return like(weight, shape=(offsets.shape[0] - int(include_last), weight.shape[1]))


def _bag(
    weight: np.ndarray,
    indices: np.ndarray,
    offsets: np.ndarray,
    scale: Any,
    mode: str,
    padding_idx: int,
    include_last: bool,
) -> np.ndarray:
    index = check_rows(indices, len(weight), "embedding_bag")
    bag, count = _bags(offsets, index.size, include_last)
    keep = index != padding_idx
    index, bag = index[keep], bag[keep]
    rows = weight[index]
    if scale is not None:
        rows = rows * scale[keep][:, None]
    if mode != "max":
        total = add_rows(rows, bag, count)
        if mode == "mean":
            total /= np.maximum(np.bincount(bag, minlength=count), 1)[:, None].astype(weight.dtype)
        return total
    result = np.zeros((count, weight.shape[1]), weight.dtype)
    for b in np.unique(bag):
        result[b] = rows[bag == b].max(0)
    return result


def _bag_backward(
    grad: np.ndarray, weight: np.ndarray, indices: np.ndarray, offsets: np.ndarray, scale: Any, mode: str, padding_idx: int,
    include_last: bool, by_frequency: bool,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    index = check_rows(indices, len(weight), "embedding_bag")
    bag, count = _bags(offsets, index.size, include_last)
    keep = index != padding_idx
    chosen, bag = index[keep], bag[keep]
    to_scale = np.zeros(index.shape, grad.dtype)
    if mode == "max":
        result = np.zeros_like(weight)
        for b in np.unique(bag):
            members = chosen[bag == b]
            np.add.at(result, (members[weight[members].argmax(0)], np.arange(weight.shape[1])), grad[b])
        return result, to_scale
    part = grad[bag]
    to_scale[keep] = (part * weight[chosen]).sum(1)
    if mode == "mean":
        part = part / np.bincount(bag, minlength=count)[bag][:, None].astype(grad.dtype)
    if scale is not None:
        part = part * scale[keep][:, None]
    if by_frequency and chosen.size:
        part = part / np.bincount(chosen, minlength=len(weight))[chosen][:, None].astype(grad.dtype)
    return add_rows(part, chosen, len(weight)), to_scale


def _bag_rule(
    g: Any, out: Any, weight: Any, indices: Any, offsets: Any, scale: Any, *, needs: Any, mode: str, padding_idx: int,
    include_last: bool, by_frequency: bool,
) -> tuple:  # fmt: skip
    static = {"mode": mode, "padding_idx": padding_idx, "include_last": include_last, "by_frequency": by_frequency}
    to_weight, to_scale = T.apply("embedding_bag_backward", (g, weight, indices, offsets, scale), static)
    return to_weight, None, None, to_scale if needs[3] else None


embedding_bag = declare(
    "embedding_bag_op(Tensor weight, Tensor indices, Tensor offsets, Tensor? per_sample_weights, str mode, int padding_idx, "
    "bool include_last, bool by_frequency)",
    infer=lambda weight, indices, offsets, scale, mode, padding_idx, include_last, by_frequency: _bag_infer(
        weight, indices, offsets, scale, mode, padding_idx, include_last
    ),
    reference=lambda weight, indices, offsets, scale, mode, padding_idx, include_last, by_frequency: _bag(
        weight, indices, offsets, scale, mode, padding_idx, include_last
    ),
    vjp=_bag_rule, grad_name="EmbeddingBagBackward0",
    samples=lambda: [
        ((values(5, 3), np.array([0, 4, 4, 1]), np.array([0, 2, 2]), None, mode, -1, False, False), {}) for mode in ("sum", "mean", "max")
    ],
    expand=bags.embedding_bag, doc="sums, means or maxima of the rows of each bag",
)  # fmt: skip
embedding_bag_backward = declare(
    "embedding_bag_backward(Tensor grad, Tensor weight, Tensor indices, Tensor offsets, Tensor? per_sample_weights, str mode, "
    "int padding_idx, bool include_last, bool by_frequency)",
    infer=lambda grad, weight, indices, *rest, **static: (like(weight), like(grad, shape=indices.shape)),
    reference=_bag_backward, vjp=(*[no_second_derivative("embedding_bag")] * 2, None, None, None),
    expand=bags.embedding_bag_backward, doc="the gradients of embedding_bag with respect to its weight and the weights of the samples",
)  # fmt: skip
