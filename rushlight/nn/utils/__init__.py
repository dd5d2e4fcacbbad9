"""Tools for networks: clipping, flattening, parametrizing and pruning parameters, fusing batch norm, packing sequences."""

from __future__ import annotations

import importlib
from typing import Any

from rushlight.nn.utils import rnn
from rushlight.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from rushlight.nn.utils.fusion import (
    fuse_conv_bn_eval,
    fuse_conv_bn_weights,
    fuse_linear_bn_eval,
    fuse_linear_bn_weights,
)
from rushlight.nn.utils.init import skip_init

# What loads on first use: name -> its file. The older normalisations are set by `rushlight.nn`: they need its layers, which need `rnn`.
_LATER = {
    **dict.fromkeys(
        ("clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"),
        "clip_grad",
    ),
    "convert_conv2d_weight_memory_format": "memory_format",
    "convert_conv3d_weight_memory_format": "memory_format",
}
_MODULES = ("clip_grad", "memory_format", "parametrizations", "parametrize", "prune", "stateless")

__all__ = [
    *_LATER,
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "skip_init",
    "spectral_norm",
    "stateless",
    "vector_to_parameters",
    "weight_norm",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'rushlight.nn.utils' has no attribute {name!r}")
