"""Half-Cauchy: |x| of a Cauchy x around 0."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch
from rushlight.distributions.cauchy import Cauchy
from rushlight.distributions.location_scale import Folded

__all__ = ["HalfCauchy"]


class HalfCauchy(Folded):
    """|x|, x from Cauchy(0, scale); mean and variance are infinite."""

    _whole = Cauchy

    @property
    def mean(self) -> Any:
        return torch.full(self._extended_shape(), math.inf, dtype=self.scale.dtype, device=self.scale.device)

    @property
    def variance(self) -> Any:
        return self.base_dist.variance
