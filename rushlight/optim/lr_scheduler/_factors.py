"""Schedulers that multiply the rate: by a function, at milestones, along a line, a power or a cosine."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Any

from rushlight.errors import explain_error
from rushlight.optim.lr_scheduler._base import LRScheduler, callables_state, present
from rushlight.optim.optimizer import Optimizer


class _FromFunctions(LRScheduler):
    """A function of the epoch for each group."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        self.optimizer = optimizer
        groups = len(getattr(optimizer, "param_groups", [None]))
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * groups
        if len(self.lr_lambdas) != groups:
            raise ValueError(
                explain_error(
                    type(self).__name__,
                    got=f"{len(self.lr_lambdas)} functions",
                    expected=f"one, or one for each of the {groups} parameter group(s)",
                    fix="pass a single function",
                )
            )
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser; of the functions only the attributes of callable objects."""
        state = super().state_dict()
        del state["lr_lambdas"]
        state["lr_lambdas"] = callables_state(self.lr_lambdas)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` returned; plain functions stay as they are."""
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "lr_lambdas"})
        for function, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"]):
            if attributes is not None:
                function.__dict__.update(attributes)


class LambdaLR(_FromFunctions):
    """lr = initial lr · lr_lambda(epoch); `lr_lambda` may be a list, one function for each group.

    >>> import rushlight as torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    >>> torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (epoch + 2)).get_last_lr()
    [0.5]
    """

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        return [base * function(self.last_epoch) for function, base in zip(self.lr_lambdas, self.base_lrs)]


class MultiplicativeLR(_FromFunctions):
    """lr ← lr · lr_lambda(epoch) at every step but the first; a list gives each group its function."""

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        groups = self.optimizer.param_groups
        if self._is_initial:
            return [present(group) for group in groups]
        return [present(group) * function(self.last_epoch) for function, group in zip(self.lr_lambdas, groups)]


class _Chained(LRScheduler):
    """lr ← `_next(lr, initial lr)`: what the user or another scheduler did to the rate stays in it."""

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        return [self._next(present(group), base) for group, base in zip(self.optimizer.param_groups, self.base_lrs)]

    def _get_closed_form_lr(self) -> list[Any]:
        return [self._at(base) for base in self.base_lrs]

    def _next(self, lr: Any, base: Any) -> Any:
        """The rate that follows `lr`."""
        raise NotImplementedError

    def _at(self, base: Any) -> Any:
        """The rate of `self.last_epoch` if nobody else changes it."""
        raise NotImplementedError


class StepLR(_Chained):
    """lr ← lr · gamma every `step_size` epochs.

    >>> import rushlight as torch
    >>> w = torch.ones(1, requires_grad=True); w.sum().backward()
    >>> opt = torch.optim.SGD([w], lr=1.0)
    >>> schedule = torch.optim.lr_scheduler.StepLR(opt, step_size=1, gamma=0.5)
    >>> opt.step()
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, step_size: float, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: Any, base: Any) -> Any:
        return lr if self.last_epoch == 0 or self.last_epoch % self.step_size else lr * self.gamma

    def _at(self, base: Any) -> Any:
        return base * self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(_Chained):
    """lr ← lr · gamma at each epoch of `milestones`."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: Any, base: Any) -> Any:
        return lr * self.gamma ** self.milestones[self.last_epoch] if self.last_epoch in self.milestones else lr

    def _at(self, base: Any) -> Any:
        return base * self.gamma ** bisect_right(sorted(self.milestones.elements()), self.last_epoch)


class ConstantLR(_Chained):
    """lr · factor until epoch `total_iters`, then lr."""

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        _in_unit("ConstantLR", "factor", factor)
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: Any, base: Any) -> Any:
        if self.last_epoch == 0:
            return lr * self.factor
        return lr * (1.0 / self.factor) if self.last_epoch == self.total_iters else lr

    def _at(self, base: Any) -> Any:
        return base * (self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor))


class LinearLR(_Chained):
    """lr · a factor that goes from `start_factor` to `end_factor` in equal steps over `total_iters` epochs."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        _in_unit("LinearLR", "start_factor", start_factor, above_zero=True)
        _in_unit("LinearLR", "end_factor", end_factor)
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: Any, base: Any) -> Any:
        if self.last_epoch == 0:
            return lr * self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return lr
        rise = self.end_factor - self.start_factor
        return lr * (1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise))

    def _at(self, base: Any) -> Any:
        rise = self.end_factor - self.start_factor
        return base * (self.start_factor + rise * min(self.total_iters, self.last_epoch) / self.total_iters)


class ExponentialLR(_Chained):
    """lr ← lr · gamma at every step.

    >>> import rushlight as torch
    >>> w = torch.ones(1, requires_grad=True); w.sum().backward()
    >>> opt = torch.optim.SGD([w], lr=1.0)
    >>> schedule = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.5)
    >>> opt.step()
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: Any, base: Any) -> Any:
        return lr if self._is_initial else lr * self.gamma

    def _at(self, base: Any) -> Any:
        return base * self.gamma**self.last_epoch


class PolynomialLR(_Chained):
    """lr · (1 − epoch/total_iters)^power until `total_iters`, then 0."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: Any, base: Any) -> Any:
        if self._is_initial or self.last_epoch > self.total_iters:
            return lr
        left = 1.0 - self.last_epoch / self.total_iters
        left_before = 1.0 - (self.last_epoch - 1) / self.total_iters
        return lr * (left / left_before) ** self.power

    def _at(self, base: Any) -> Any:
        return base * (1.0 - min(self.total_iters, self.last_epoch) / self.total_iters) ** self.power


class CosineAnnealingLR(_Chained):
    """From the initial rate to `eta_min` along half a cosine in `T_max` epochs, then back up, and so on."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: Any, base: Any) -> Any:
        if self._is_initial:
            return lr
        if self._step_count == 1 and self.last_epoch > 0:
            return self._at(base)
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # the recursion would divide by zero here
            return lr + (base - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2
        here = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        before = 1 + math.cos(math.pi * (self.last_epoch - 1) / self.T_max)
        return here / before * (lr - self.eta_min) + self.eta_min

    def _at(self, base: Any) -> Any:
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2


def _in_unit(name: str, option: str, value: float, above_zero: bool = False) -> None:
    if value > 1.0 or value < 0 or (above_zero and value == 0):
        raise ValueError(
            explain_error(
                name,
                got=f"{option}={value}",
                expected=f"{'0 <' if above_zero else '0 <='} {option} <= 1",
                fix="raise the optimizer's lr instead and begin below it" if value > 1 else f"choose another {option}",
            )
        )
