"""The base of the schedulers: they set `lr` in the optimiser's groups, each `step()` from the values before it."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.lessons import warn
from rushlight.optim._checks import caller_depth
from rushlight.optim.optimizer import Optimizer


class LRScheduler:
    """Base class of learning-rate schedulers; a subclass writes `get_lr()`, the rates for `self.last_epoch`.

    Call `step()` after the optimiser's. `last_epoch` other than -1 resumes: every group must hold `initial_lr`.

    >>> import rushlight as torch
    >>> class Halving(torch.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [base / 2**self.last_epoch for base in self.base_lrs]
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    >>> scheduler = Halving(optimizer)
    >>> optimizer.param_groups[0]["params"][0].grad = torch.ones(1)
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.5]
    """

    optimizer: Optimizer
    last_epoch: int

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = checked(self, optimizer)
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", kept(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    explain_error(
                        type(self).__name__,
                        got=f"last_epoch={last_epoch} and no 'initial_lr' in param_groups[{index}]",
                        expected="the rate that training began with, when resuming",
                        fix="load the optimizer's state_dict before making the scheduler, or use last_epoch=-1 and load"
                        " the scheduler's state_dict",
                    )
                )
        self.base_lrs: list[Any] = [kept(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        optimizer.__dict__.setdefault("_opt_called", False)
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` returned."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The rates set by the last step, one for each group."""
        return [kept(lr) for lr in self._last_lr]

    def get_lr(self) -> list[Any]:
        """The rates for `self.last_epoch`, one for each group."""
        raise NotImplementedError(
            explain_error(type(self).__name__, got="no get_lr", expected="a subclass to define it", fix="define get_lr")
        )

    def step(self, epoch: int | None = None) -> None:
        """Go on by one epoch, or, which PyTorch advises against, to `epoch`."""
        if self._step_count == 1 and not self.optimizer.__dict__.get("_opt_called", True):
            warn("scheduler-before-optimizer", op=f"{type(self).__name__}.step")
        self._step_count += 1
        if epoch is not None:
            warnings.warn(
                f"{type(self).__name__}.step: the argument epoch is on its way out of the API; call step() alone.",
                UserWarning,
                stacklevel=caller_depth(),
            )
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the rates for the next epoch; for a given one in closed form, where the scheduler has it."""
        self._get_lr_called_within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                rates = self.get_lr()
            else:
                self.last_epoch = epoch
                rates = self._get_closed_form_lr() if hasattr(self, "_get_closed_form_lr") else self.get_lr()
        except (ZeroDivisionError, OverflowError) as error:
            got = f"numbers that give no rate for epoch {self.last_epoch} ({error})"
            raise ValueError(
                explain_error(type(self).__name__, got=got, expected="lengths above 0 and finite factors")
            ) from None
        finally:
            self._get_lr_called_within_step = False
        self._set(rates)

    def _set(self, rates: list[Any]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates):
            assign(group, "lr", rate)
        self._last_lr = rates_of(self.optimizer)

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                f"{type(self).__name__}.get_lr: computes the next rates from the present ones; get_last_lr() reads"
                " the last ones.",
                UserWarning,
                stacklevel=caller_depth(),
            )


def checked(scheduler: Any, optimizer: Any) -> Optimizer:
    """`optimizer`, or a TypeError."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            explain_error(
                type(scheduler).__name__,
                got=type(optimizer).__name__,
                expected="an Optimizer",
                fix="pass the optimizer first: StepLR(optimizer, ...)",
            )
        )
    return optimizer


def kept(value: Any) -> Any:
    """A copy of a rate that later in-place changes of a tensor do not reach."""
    return value.clone() if isinstance(value, rushlight.Tensor) else value


def assign(group: dict[str, Any], key: str, value: Any) -> None:
    """Set a group's option; a tensor is filled in place, so that every holder sees the change."""
    if isinstance(group[key], rushlight.Tensor):
        group[key].fill_(value)
    else:
        group[key] = value


def present(group: dict[str, Any]) -> Any:
    """The present rate of a group."""
    return kept(group["lr"])


def rates_of(optimizer: Optimizer) -> list[Any]:
    return [present(group) for group in optimizer.param_groups]


def per_group(scheduler: str, name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """`value` once for every group; ValueError for a list of another length."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(
            explain_error(
                scheduler,
                got=f"{len(value)} values of {name}",
                expected=f"one, or one for each of the {groups} parameter group(s)",
                fix=f"pass a single {name}",
            )
        )
    return list(value)


def callables_state(functions: Iterable[Callable]) -> list[dict[str, Any] | None]:
    """The attributes of callable objects; None for plain functions, whose code a state cannot hold."""
    return [None if isinstance(f, types.FunctionType) else f.__dict__.copy() for f in functions]
