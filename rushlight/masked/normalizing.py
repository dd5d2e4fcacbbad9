"""Softmax and normalize over what a mask keeps; a row of which nothing is kept gives nan (softmax) or 0 (normalize)."""

from __future__ import annotations

import math
from typing import Any

from rushlight.masked.filling import filled
from rushlight.masked.reducing import norm


def softmax(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """exp(x) / Σ exp(x) over what the mask keeps; 0 for the rest.

    >>> import rushlight as torch
    >>> torch.masked.softmax(torch.tensor([1.0, 1.0, 9.0]), 0, mask=torch.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    return filled(input.to(dtype or input.dtype), mask, -math.inf).softmax(dim)


def log_softmax(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """log of `softmax`."""
    return filled(input.to(dtype or input.dtype), mask, -math.inf).log_softmax(dim)


def softmin(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """`softmax` of -input."""
    return filled(-input.to(dtype or input.dtype), mask, -math.inf).softmax(dim)


def normalize(input: Any, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Any = None) -> Any:
    """x / max(‖x‖_ord, eps) along dim, over what the mask keeps; 0 for the rest."""
    x = input.to(dtype or input.dtype)
    size = norm(x, ord, dim, keepdim=True, mask=mask)
    return filled(x, mask, 0.0) / size.clamp(min=eps)
