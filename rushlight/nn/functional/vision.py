"""Resizing, sampling and rearranging pictures."""

from __future__ import annotations

from rushlight.functional.nn_grid import grid_sample
from rushlight.functional.nn_vision import (
    affine_grid,
    channel_shuffle,
    fold,
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
    unfold,
    upsample,
    upsample_bilinear,
    upsample_nearest,
)

native_channel_shuffle = channel_shuffle

__all__ = [
    "affine_grid", "channel_shuffle", "fold", "grid_sample", "interpolate", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle",
    "unfold", "upsample", "upsample_bilinear", "upsample_nearest",
]  # fmt: skip
