"""`torch.embedding_bag`: bags of embeddings as the kernel gives them, with what it counted."""

from __future__ import annotations

from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS, public
from rushlight.functional.sparse import embedding_bag as bags

_MODES = ("sum", "mean", "max")


@public()
def embedding_bag(
    weight: Any, indices: Any, offsets: Any, scale_grad_by_freq: bool = False, mode: int = 0, sparse: bool = False,
    per_sample_weights: Any = None, include_last_offset: bool = False, padding_idx: int | None = None,
) -> tuple:  # fmt: skip
    """`torch.nn.functional.embedding_bag` in the kernel's form: mode 0 is the sum, 1 the mean, 2 the maximum.

    Returns (result, the bag of each index, the size of each bag, the index of each maximum; of the sum and the mean the sizes).

    >>> import rushlight as torch
    >>> table, at = torch.eye(3), torch.tensor([0, 2, 2])
    >>> torch.embedding_bag(table, at, torch.tensor([0, 1]), mode=1)[0]
    tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    if mode not in (0, 1, 2):
        got = f"mode={mode!r}"
        raise RuntimeError(explain_error("embedding_bag", got=got, expected="0 (sum), 1 (mean) or 2 (max)"))
    padding = None if padding_idx is None else padding_idx % weight.shape[0]  # -1 is the last row
    result = bags(
        indices, weight, offsets, scale_grad_by_freq=scale_grad_by_freq, mode=_MODES[mode], sparse=sparse,
        per_sample_weights=per_sample_weights, include_last_offset=include_last_offset, padding_idx=padding,
    )  # fmt: skip
    starts = offsets[:-1] if include_last_offset else offsets
    count = starts.shape[0]
    bag = FUNCTIONS["searchsorted"](starts, FUNCTIONS["arange"](indices.shape[0]), right=True) - 1
    kept = FUNCTIONS["ones_like"](indices) if padding is None else (indices != padding).to(indices.dtype)
    sizes = FUNCTIONS["zeros"](count, dtype=indices.dtype).index_add(0, bag, kept)
    if mode < 2:
        return result, bag, sizes, sizes.clone()
    largest = FUNCTIONS["zeros"](count, weight.shape[1], dtype=indices.dtype)
    for b in range(count):
        members = indices[(bag == b) & (kept != 0)]
        if members.numel():
            largest[b] = members[weight.detach()[members].argmax(0)]
    return result, bag, sizes, largest
