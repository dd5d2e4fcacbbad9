"""`pad` in all its modes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.registry import as_ints
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Margins around the last dimensions; `pad` lists (before, after) from the last dimension on. Negative values cut.

    Modes: 'constant' (any dimensions), and 'reflect', 'replicate', 'circular' (all but the first one or two dimensions).

    >>> import rushlight as torch
    >>> torch.nn.functional.pad(torch.tensor([[1.0, 2.0, 3.0]]), (1, 2), mode="reflect")
    tensor([[2., 1., 2., 3., 2., 1.]])
    """
    sizes = as_ints(tuple(pad))
    if mode == "constant":
        return record(TABLE["constant_pad_nd"], (input, 0 if value is None else value), (sizes,))
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(
            f"Unrecognised padding mode {mode}: expected 'constant', 'reflect', 'replicate' or 'circular'."
        )
    if value:
        raise ValueError(f'Padding mode "{mode}" doesn\'t take in value argument; got value={value}.')
    if len(sizes) % 2 or not (len(sizes) // 2 + 1 <= input.ndim <= len(sizes) // 2 + 2) or len(sizes) > 6:
        raise NotImplementedError(
            explain_error(
                f"pad(mode={mode!r})",
                got=f"pad={list(sizes)} for an input of shape {list(input.shape)}",
                expected="one pair for 2D or 3D input, two for 3D or 4D, three for 4D or 5D",
            )  # fmt: skip
        )
    return record(TABLE["mode_pad_op"], (input,), (sizes, mode))
