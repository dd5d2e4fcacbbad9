"""Dropout: elements or whole channels set to zero at random, in training."""

from __future__ import annotations

import math
import warnings
from typing import Any

from rushlight.functional.registry import public

_ALPHA = 1.7580993408473766  # selu's scale times its alpha: where dropped values go


def _check(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _drop(input: Any, p: float, training: bool, inplace: bool, *, channels: bool = False, alpha: bool = False) -> Any:
    """Multiply with a random 0/1 mask, scaled so that the mean stays (for `alpha`, the variance too)."""
    from rushlight.functional.random import dropout_mask

    _check(p)
    if p == 0 or not training or input.numel() == 0:
        return input
    if channels and input.ndim < 2:
        raise RuntimeError(
            f"Feature dropout requires at least 2 dimensions in the input; got shape {list(input.shape)}. Fix: use dropout for vectors."
        )
    if p == 1:
        return input.mul_(0.0) if inplace else input * 0.0
    shape = tuple(input.shape[:2]) + (1,) * (input.ndim - 2) if channels else None
    mask = dropout_mask(input, 1 - p, shape)
    if not alpha:
        noise = mask / (1 - p)
        return input.mul_(noise) if inplace else input * noise
    a = 1.0 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
    shift = (mask - 1) * (_ALPHA * a) + _ALPHA * a * p
    noise = mask * a
    return input.mul_(noise).add_(shift) if inplace else input * noise + shift


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Each element is zero with probability p, and divided by 1 - p otherwise.

    >>> import rushlight as torch
    >>> torch.nn.functional.dropout(torch.ones(3), training=False)
    tensor([1., 1., 1.])
    """
    return _drop(input, p, training, inplace)


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Dropout for SELU networks: keeps mean 0 and variance 1."""
    return _drop(input, p, training, inplace, alpha=True)


def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """`alpha_dropout` of whole channels."""
    return _drop(input, p, training, inplace, channels=True, alpha=True)


def _odd_size(name: str, ndim: int) -> None:
    warnings.warn(
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated and will result in an error in a future release; it drops "
        "whole positions of dimension 1 (for 2-D input: single elements). Fix: use dropout for single elements, or give the input the "
        "dimensions of pictures.",
        UserWarning, stacklevel=3,
    )  # fmt: skip


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels of (N, C, L) or (C, L) are zero with probability p."""
    _check(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input; channels need (N, C, L) or (C, L). "
            "Fix: use dropout for other shapes."
        )
    return _unbatched(input, input.ndim == 2, p, training, inplace)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels of (N, C, H, W) are zero with probability p. 3-D input counts as (N, C, L)."""
    _check(p)
    if input.ndim not in (3, 4):
        _odd_size("dropout2d", input.ndim)
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired: dimension 1 "
            "is taken for the channels. Fix: use dropout1d, or add a batch dimension to a (C, H, W) picture.",
            UserWarning, stacklevel=2,
        )  # fmt: skip
    return _drop(input, p, training, inplace, channels=True)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels of (N, C, D, H, W) or (C, D, H, W) are zero with probability p."""
    _check(p)
    if input.ndim not in (4, 5):
        _odd_size("dropout3d", input.ndim)
    return _unbatched(input, input.ndim != 5, p, training, inplace)


def _unbatched(input: Any, lone: bool, p: float, training: bool, inplace: bool) -> Any:
    """Channel dropout of a batch, or of one sample without the batch dimension."""
    if not lone:
        return _drop(input, p, training, inplace, channels=True)
    if inplace:
        _drop(input.unsqueeze(0), p, training, True, channels=True)
        return input
    return _drop(input.unsqueeze(0), p, training, False, channels=True).squeeze(0)


def _native(name: str, **kind: Any) -> None:
    """torch.NAME(input, p, train) and its in-place sibling."""

    def out_of_place(input: Any, p: float, train: bool) -> Any:
        return _drop(input, p, train, False, **kind)

    def in_place(input: Any, p: float, train: bool) -> Any:
        return _drop(input, p, train, True, **kind)

    out_of_place.__name__, in_place.__name__ = name, name + "_"
    out_of_place.__doc__, in_place.__doc__ = f"See nn.functional; {name} when train holds.", f"In-place `{name}`."
    public()(out_of_place)
    public()(in_place)


_native("dropout")
_native("alpha_dropout", alpha=True)
_native("feature_dropout", channels=True)
_native("feature_alpha_dropout", channels=True, alpha=True)

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]
