"""Normalisation."""

from __future__ import annotations

from rushlight.functional.nn_norm import batch_norm, instance_norm, layer_norm, local_response_norm, normalize, rms_norm
from rushlight.functional.nn_norm import checked_group_norm as group_norm

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize", "rms_norm"]
