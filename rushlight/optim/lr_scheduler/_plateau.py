"""The scheduler that watches a metric."""

from __future__ import annotations

import math
import warnings
from typing import Any

from rushlight.errors import explain_error
from rushlight.optim._checks import caller_depth
from rushlight.optim.lr_scheduler._base import LRScheduler, assign, checked, rates_of
from rushlight.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """lr ← lr · factor when the metric given to `step` has not improved for more than `patience` epochs.

    Better means below (`mode="min"`) or above (`"max"`) the best one by `threshold`, relative or absolute as
    `threshold_mode` says. After a cut, `cooldown` epochs do not count; no rate falls below `min_lr`.

    >>> import rushlight as torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    >>> scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "min", patience=0)
    >>> for loss in (0.5, 0.5):
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: list[float] | float = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ValueError(
                explain_error("ReduceLROnPlateau", got=f"factor={factor}", expected="factor < 1", fix="use 0.1")
            )
        self.factor = factor
        self.optimizer = checked(self, optimizer)
        groups = len(optimizer.param_groups)
        if isinstance(min_lr, (list, tuple)):
            if len(min_lr) != groups:
                raise ValueError(
                    explain_error(
                        "ReduceLROnPlateau",
                        got=f"{len(min_lr)} values of min_lr",
                        expected=f"one, or one for each of the {groups} parameter group(s)",
                        fix="pass a single min_lr",
                    )
                )
            self.default_min_lr = None
            self.min_lrs = list(min_lr)
        else:
            self.default_min_lr = min_lr
            self.min_lrs = [min_lr] * groups
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = 0
        self._last_lr = rates_of(optimizer)
        self._compare_by(mode, threshold, threshold_mode)
        self._reset()

    def _compare_by(self, mode: str, threshold: float, threshold_mode: str) -> None:
        for option, value, known in (
            ("mode", mode, ("min", "max")),
            ("threshold_mode", threshold_mode, ("rel", "abs")),
        ):
            if value not in known:
                raise ValueError(
                    explain_error(
                        "ReduceLROnPlateau",
                        got=f"{option}={value!r}",
                        expected=" or ".join(map(repr, known)),
                        fix="choose one of them",
                    )
                )
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.mode = mode
        self.threshold = threshold
        self.threshold_mode = threshold_mode

    def _reset(self) -> None:
        """Forget the metrics seen so far."""
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    @property
    def in_cooldown(self) -> bool:
        """Whether bad epochs do not count for the moment."""
        return self.cooldown_counter > 0

    def _is_better(self, metric: float, best: float) -> bool:
        if self.threshold_mode == "rel":
            margin = 1.0 - self.threshold if self.mode == "min" else self.threshold + 1.0
            return metric < best * margin if self.mode == "min" else metric > best * margin
        return metric < best - self.threshold if self.mode == "min" else metric > best + self.threshold

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take note of the metric of one epoch and cut the rates if it has been poor for too long."""
        metric = float(metrics)
        if epoch is None:
            epoch = self.last_epoch + 1
        else:
            warnings.warn(
                "ReduceLROnPlateau.step: the argument epoch is on its way out of the API; call step(metric) alone.",
                UserWarning,
                stacklevel=caller_depth(),
            )
        self.last_epoch = epoch
        if self._is_better(metric, self.best):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = rates_of(self.optimizer)

    def _reduce_lr(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(
                    explain_error(
                        "ReduceLROnPlateau.step",
                        got=f"{len(groups)} parameter groups and {len(self.min_lrs)} values of min_lrs",
                        expected="one for each group",
                        fix="append to scheduler.min_lrs when you add a group, or pass a single min_lr",
                    )
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, lowest in zip(groups, self.min_lrs):
            before = float(group["lr"])
            after = max(before * self.factor, lowest)
            if before - after > self.eps:
                assign(group, "lr", after)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` returned."""
        super().load_state_dict(state_dict)
        self._compare_by(self.mode, self.threshold, self.threshold_mode)
