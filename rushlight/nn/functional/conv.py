"""Linear maps and convolutions."""

from __future__ import annotations

from rushlight.functional.nn_conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_tbc,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from rushlight.functional.nn_ops import bilinear, linear

__all__ = [
    "bilinear", "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear",
]  # fmt: skip
