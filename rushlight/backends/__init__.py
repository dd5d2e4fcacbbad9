"""`torch.backends`: the switches that scripts set. The libraries behind them are not here, so nothing changes."""

from __future__ import annotations

from rushlight.backends import cuda, cudnn, mps

__all__ = ["cuda", "cudnn", "mps"]
