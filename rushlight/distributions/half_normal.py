"""Half-normal: |x| of a normal x around 0."""

from __future__ import annotations

import math
from typing import Any

from rushlight.distributions.location_scale import Folded
from rushlight.distributions.normal import Normal

__all__ = ["HalfNormal"]


class HalfNormal(Folded):
    """|x|, x from Normal(0, scale)."""

    _whole = Normal

    @property
    def mean(self) -> Any:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Any:
        return self.scale.pow(2) * (1 - 2 / math.pi)
