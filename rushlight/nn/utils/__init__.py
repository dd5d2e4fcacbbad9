"""Tools for networks: gradient clipping, flattening parameters, fusing batch norm, padding sequences."""

from __future__ import annotations

from typing import Any

from rushlight.nn.utils import rnn
from rushlight.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from rushlight.nn.utils.fusion import (
    fuse_conv_bn_eval,
    fuse_conv_bn_weights,
    fuse_linear_bn_eval,
    fuse_linear_bn_weights,
)
from rushlight.nn.utils.skip import skip_init

_CLIPPING = ("clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm")

__all__ = [
    *_CLIPPING,
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "parameters_to_vector",
    "rnn",
    "skip_init",
    "vector_to_parameters",
]


def __getattr__(name: str) -> Any:
    if name in _CLIPPING:
        from rushlight.nn.utils import clip_grad

        return getattr(clip_grad, name)
    raise AttributeError(f"module 'rushlight.nn.utils' has no attribute {name!r}")
