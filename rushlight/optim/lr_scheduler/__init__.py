"""Learning-rate schedules: `torch.optim.lr_scheduler`'s names."""

from __future__ import annotations

from rushlight.optim.lr_scheduler._base import LRScheduler
from rushlight.optim.lr_scheduler._combined import ChainedScheduler, SequentialLR
from rushlight.optim.lr_scheduler._cycles import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from rushlight.optim.lr_scheduler._factors import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from rushlight.optim.lr_scheduler._plateau import ReduceLROnPlateau

_LRScheduler = LRScheduler  # the name before PyTorch 2.0, still used in older code

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
