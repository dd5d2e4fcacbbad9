"""Activation functions: ReLU and its kin, smooth ones, softmax."""

from __future__ import annotations

from rushlight.functional import activation as _family
from rushlight.functional.activation import *  # noqa: F403

__all__ = list(_family.__all__)
