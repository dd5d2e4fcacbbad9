"""Schedulers made of schedulers: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from rushlight.errors import explain_error
from rushlight.optim.lr_scheduler._base import LRScheduler, assign, checked, rates_of
from rushlight.optim.lr_scheduler._plateau import ReduceLROnPlateau
from rushlight.optim.optimizer import Optimizer


class _Composite(LRScheduler):
    """Shared by both: checks of the parts, and a state dictionary that holds theirs."""

    _schedulers: list[LRScheduler]

    def _check(self, schedulers: Sequence[Any], optimizer: Optimizer | None) -> Optimizer:
        """The one optimiser that all parts belong to."""
        name = type(self).__name__
        if len(schedulers) == 0:
            raise ValueError(
                explain_error(name, got="no scheduler", expected="at least one", fix="pass a list of schedulers")
            )
        for index, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(
                    explain_error(
                        name,
                        got=f"{type(scheduler).__name__} at position {index}",
                        expected="a scheduler",
                        fix="pass scheduler objects",
                    )
                )
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    explain_error(
                        name,
                        got=f"ReduceLROnPlateau at position {index}",
                        expected="schedulers whose step() needs no metric",
                        fix="step ReduceLROnPlateau by itself",
                    )
                )
            optimizer = scheduler.optimizer if optimizer is None else optimizer
            if scheduler.optimizer is not optimizer:
                raise ValueError(
                    explain_error(
                        name,
                        got=f"a {type(scheduler).__name__} at position {index} that belongs to another optimizer",
                        expected="all schedulers to share one optimizer",
                        fix="build them over the same optimizer",
                    )
                )
        return checked(self, optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser; the parts as their own state dictionaries."""
        state = {key: value for key, value in self.__dict__.items() if key not in ("optimizer", "_schedulers")}
        state["_schedulers"] = [scheduler.state_dict() for scheduler in self._schedulers]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` returned."""
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"]):
            scheduler.load_state_dict(state)


class SequentialLR(_Composite):
    """One scheduler after the other: number i takes over, from its first epoch, at epoch `milestones[i-1]`.

    >>> import rushlight as torch
    >>> from rushlight.optim.lr_scheduler import ConstantLR, ExponentialLR, SequentialLR
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    >>> parts = [ConstantLR(optimizer, factor=0.1), ExponentialLR(optimizer, gamma=0.9)]
    >>> SequentialLR(optimizer, parts, milestones=[2]).get_last_lr()
    [0.1]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        self._check(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                explain_error(
                    "SequentialLR",
                    got=f"{len(schedulers)} scheduler(s) and {len(milestones)} milestone(s)",
                    expected="one milestone less than schedulers",
                    fix="give the epoch at which each scheduler but the first takes over",
                )
            )
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        for group in optimizer.param_groups:  # take back what the parts did when they were made
            assign(group, "lr", group["initial_lr"])
        for scheduler in schedulers:
            _undo(scheduler)
        schedulers[0]._initial_step()
        self._last_lr = schedulers[0].get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Step the scheduler whose turn it is."""
        self.last_epoch += 1
        turn = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[turn]
        if turn > 0 and self._milestones[turn - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


def _undo(scheduler: Any) -> None:
    """Put a scheduler, or its parts, one epoch back."""
    if hasattr(scheduler, "_schedulers"):
        for part in scheduler._schedulers:
            _undo(part)
    elif hasattr(scheduler, "last_epoch"):
        scheduler.last_epoch -= 1


class ChainedScheduler(_Composite):
    """All schedulers at every step, so that their factors multiply."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        optimizer = self._check(schedulers, optimizer)
        self._schedulers = list(schedulers)
        self.optimizer = optimizer
        self._last_lr = rates_of(optimizer)

    def step(self) -> None:  # type: ignore[override]
        """Step every scheduler."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = rates_of(self.optimizer)
