"""Losses: what a prediction and a target cost."""

from __future__ import annotations

from rushlight.functional import loss as _losses
from rushlight.functional import marginloss as _margins
from rushlight.functional.loss import *  # noqa: F403
from rushlight.functional.marginloss import *  # noqa: F403

__all__ = _losses.__all__ + _margins.__all__
