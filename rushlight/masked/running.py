"""Running sums and products that pass over masked elements."""

from __future__ import annotations

from typing import Any

from rushlight.masked.filling import filled


def cumsum(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """The sums of what the mask keeps up to each position; in the input's dtype unless `dtype` is given.

    >>> import rushlight as torch
    >>> torch.masked.cumsum(torch.tensor([1, 2, 3]), 0, mask=torch.tensor([True, False, True]))
    tensor([1, 1, 4])
    """
    return filled(input, mask, False).cumsum(dim, dtype=dtype or input.dtype)


def cumprod(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """The products of what the mask keeps up to each position; in the input's dtype unless `dtype` is given."""
    return filled(input, mask, True).cumprod(dim, dtype=dtype or input.dtype)
