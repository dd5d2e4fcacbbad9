"""Averages of weights along training: the averaged model, its schedule and its batch-norm statistics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.nn import Module
from rushlight.optim.lr_scheduler import LRScheduler
from rushlight.optim.lr_scheduler._base import checked, per_group

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """The function average ← decay·average + (1 − decay)·value; ValueError unless 0 <= decay <= 1."""
    _check_decay(decay)

    @rushlight.no_grad()
    def average(averaged: Any, current: Any, number: Any) -> Any:
        return decay * averaged + (1 - decay) * current

    return average


def get_swa_avg_fn() -> Callable:
    """The function average ← average + (value − average)/(n + 1), the plain mean of all values so far."""

    @rushlight.no_grad()
    def average(averaged: Any, current: Any, number: Any) -> Any:
        return averaged + (current - averaged) / (number + 1)

    return average


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """`get_ema_avg_fn` for whole lists, in place; a value that is not floating point is copied."""
    _check_decay(decay)
    return _in_place(lambda averaged, current, number: averaged.mul_(decay).add_(current, alpha=1 - decay))


def get_swa_multi_avg_fn() -> Callable:
    """`get_swa_avg_fn` for whole lists, in place; a value that is not floating point is copied."""
    return _in_place(lambda averaged, current, number: averaged.add_((current - averaged) / (number + 1)))


def _in_place(average_: Callable) -> Callable:
    @rushlight.no_grad()
    def average(averaged: list[Any], current: list[Any], number: Any) -> None:
        for ours, value in zip(averaged, current):
            if ours.is_floating_point() or ours.is_complex():
                average_(ours, value, number)
            else:
                ours.copy_(value)

    return average


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(explain_error("EMA", got=f"decay={decay}", expected="0 <= decay <= 1", fix="use 0.999"))


class AveragedModel(Module):
    """A copy of `model` whose parameters are an average of the ones `update_parameters(model)` is given.

    The mean of all by default; `avg_fn(averaged, current, n)` returns another average of one tensor,
    `multi_avg_fn(averaged, current, n)` updates whole lists in place. Buffers are averaged with
    `use_buffers`, else copied.

    >>> import rushlight as torch
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> averaged = torch.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 3.0):
    ...     _ = torch.nn.init.constant_(model.weight, value)
    ...     averaged.update_parameters(model)
    >>> averaged.module.weight.item()
    2.0
    """

    def __init__(
        self,
        model: Any,
        device: Any = None,
        avg_fn: Callable | None = None,
        multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError(
                explain_error(
                    "AveragedModel", got="avg_fn and multi_avg_fn", expected="one of them", fix="leave one out"
                )
            )
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", rushlight.tensor(0, dtype=rushlight.long, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the averaged copy."""
        return self.module(*args, **kwargs)

    def _tensors(self, module: Any) -> list[Any]:
        return [*module.parameters(), *(module.buffers() if self.use_buffers else ())]

    @rushlight.no_grad()
    def update_parameters(self, model: Any) -> None:
        """Take the present parameters of `model` into the average."""
        averaged = self._tensors(self.module)
        current = [value.detach().to(ours.device) for ours, value in zip(averaged, self._tensors(model))]
        number = int(self.n_averaged)
        if number == 0:
            for ours, value in zip(averaged, current):
                ours.copy_(value)
        elif self.avg_fn is not None:
            for ours, value in zip(averaged, current):
                ours.copy_(self.avg_fn(ours, value, self.n_averaged.to(ours.device)))
        else:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(averaged, current, number)
        if not self.use_buffers:
            for ours, value in zip(self.module.buffers(), model.buffers()):
                ours.copy_(value.detach())
        self.n_averaged.add_(1)


@rushlight.no_grad()
def update_bn(loader: Iterable[Any], model: Any, device: Any = None) -> None:
    """Compute the running statistics of every batch norm of `model` anew, in one pass over `loader`.

    A batch that is a list or tuple gives its first item to the model.
    """
    norms = [module for module in model.modules() if isinstance(module, rushlight.nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    was_training = model.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    model.train()
    for batch in loader:
        batch = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(batch if device is None else batch.to(device))
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the present rate to `swa_lr` in `anneal_epochs`, along a cosine or a line, and constant from there on."""

    def __init__(
        self,
        optimizer: Any,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        checked(self, optimizer)
        for group, rate in zip(optimizer.param_groups, per_group("SWALR", "swa_lr", swa_lr, optimizer)):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                explain_error(
                    "SWALR",
                    got=f"anneal_strategy={anneal_strategy!r}",
                    expected="'cos' or 'linear'",
                    fix="choose one of them",
                )
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(
                explain_error("SWALR", got=f"anneal_epochs={anneal_epochs!r}", expected="an int >= 0", fix="use 10")
            )
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of `swa_lr` is in the rate after `step` steps."""
        part = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            target, lr = group["swa_lr"], group["lr"]
            start = target if before == 1 else (lr - before * target) / (1 - before)
            rates.append(target * now + start * (1 - now))
        return rates
