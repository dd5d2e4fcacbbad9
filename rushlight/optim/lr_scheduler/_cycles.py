"""Schedulers that go up and down: triangles, one cycle, a cosine with warm restarts; two move the momentum too."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rushlight.errors import explain_error
from rushlight.optim.lr_scheduler._base import LRScheduler, assign, callables_state, checked, per_group
from rushlight.optim.optimizer import Optimizer


class _CyclesMomentum(LRScheduler):
    """What CyclicLR and OneCycleLR share: momentum, or Adam's first beta, runs against the rate."""

    def _begin_momentum(self, base: Any, highest: Any, last_epoch: int) -> tuple[list[float], list[float]]:
        """Start every group at its highest momentum; returns the lists of base and highest ones."""
        name, optimizer = type(self).__name__, self.optimizer
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError(
                explain_error(
                    name,
                    got=f"cycle_momentum=True with {type(optimizer).__name__}, which has neither momentum nor betas",
                    expected="an optimizer with one of them",
                    fix="pass cycle_momentum=False",
                )
            )
        self.use_beta1 = "betas" in optimizer.defaults
        bases = per_group(name, "base_momentum", base, optimizer)
        tops = per_group(name, "max_momentum", highest, optimizer)
        if last_epoch == -1:
            for group, low, high in zip(optimizer.param_groups, bases, tops):
                self._set_momentum(group, high)
                group["max_momentum"] = high
                group["base_momentum"] = low
        return bases, tops

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_CyclesMomentum):
    """The rate goes from `base_lr` up to `max_lr` in `step_size_up` steps, back in `step_size_down`, and again.

    `mode`: "triangular" keeps the height, "triangular2" halves it each cycle, "exp_range" scales it by gamma^step;
    `scale_fn`, if given, is used instead, of the cycle or of the step count as `scale_mode` says.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = checked(self, optimizer)
        bases = per_group("CyclicLR", "base_lr", base_lr, optimizer)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, bases):
                assign(group, "lr", rate)
        self.max_lrs = per_group("CyclicLR", "max_lr", max_lr, optimizer)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        if not self.total_size:
            raise ValueError(explain_error("CyclicLR", got="no steps up or down", expected="step_size_up above 0"))
        self.step_ratio = up / self.total_size
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(
                explain_error(
                    "CyclicLR",
                    got=f"mode={mode!r} and no scale_fn",
                    expected="'triangular', 'triangular2' or 'exp_range'",
                    fix="choose a mode, or pass scale_fn",
                )
            )
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = self._begin_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = bases

    def scale_fn(self, x: float) -> float:
        """The height of cycle (or step) `x`, as a part of the full one."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        return 1 / (2.0 ** (x - 1)) if self.mode == "triangular2" else self.gamma**x

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums):
                self._set_momentum(group, high - (high - low) * height * scale)
        return [low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs)]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser; of a `scale_fn` only the attributes of a callable object."""
        state = super().state_dict()
        function = state.pop("_scale_fn_custom")
        state["_scale_fn_custom"] = None if function is None else callables_state([function])[0]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` returned; a plain function stays as it is."""
        state = dict(state_dict)
        attributes = state.pop("_scale_fn_custom")
        super().load_state_dict(state)
        if attributes is not None:
            self._scale_fn_custom.__dict__.update(attributes)


class OneCycleLR(_CyclesMomentum):
    """One rise from max_lr/div_factor to `max_lr`, then one fall to that start divided by `final_div_factor`.

    Call `step()` after every batch. The length is `total_steps`, or `epochs` · `steps_per_epoch`; `pct_start` of it
    goes up. With `three_phase` the fall first mirrors the rise, then goes on to the end.

    >>> import rushlight as torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    >>> scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10, anneal_strategy="linear")
    >>> scheduler.get_last_lr()
    [0.04]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = checked(self, optimizer)
        self.total_steps = _length(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(
                explain_error("OneCycleLR", got=f"pct_start={pct_start!r}", expected="a float in [0, 1]", fix="use 0.3")
            )
        up = float(pct_start * self.total_steps) - 1
        rise = _phase(up, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        if three_phase:
            down = float(2 * pct_start * self.total_steps) - 2
            self._schedule_phases = [
                rise,
                _phase(down, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                _phase(self.total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self._schedule_phases = [
                rise,
                _phase(self.total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"),
            ]
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                explain_error(
                    "OneCycleLR",
                    got=f"anneal_strategy={anneal_strategy!r}",
                    expected="'cos' or 'linear'",
                    fix="choose one of them",
                )
            )
        self._anneal_func_type = anneal_strategy
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, per_group("OneCycleLR", "max_lr", max_lr, optimizer)):
                group["initial_lr"] = rate / div_factor
                group["max_lr"] = rate
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._begin_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _anneal(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        if self.last_epoch > self.total_steps:
            raise ValueError(
                explain_error(
                    "OneCycleLR.step",
                    got=f"step number {self.last_epoch}",
                    expected=f"at most total_steps={self.total_steps}",
                    fix="give the number of batches of the whole training as total_steps (epochs * len(loader)), and"
                    " call step() once for each",
                )
            )
        begin = 0.0
        phase = self._schedule_phases[0]
        for following in self._schedule_phases[1:]:
            if self.last_epoch <= phase["end_step"]:
                break
            begin, phase = phase["end_step"], following
        part = (self.last_epoch - begin) / (phase["end_step"] - begin)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._anneal(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                momentum = self._anneal(group[phase["start_momentum"]], group[phase["end_momentum"]], part)
                self._set_momentum(group, momentum)
        return rates


def _phase(end_step: float, start_lr: str, end_lr: str, start_momentum: str, end_momentum: str) -> dict[str, Any]:
    """One stretch of the cycle, from one entry of the group to another."""
    return {
        "end_step": end_step,
        "start_lr": start_lr,
        "end_lr": end_lr,
        "start_momentum": start_momentum,
        "end_momentum": end_momentum,
    }


def _length(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is not None:
        given = {"total_steps": total_steps}
    elif epochs is not None and steps_per_epoch is not None:
        given = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    else:
        raise ValueError(
            explain_error(
                "OneCycleLR",
                got="no length",
                expected="total_steps, or both epochs and steps_per_epoch",
                fix="pass epochs=..., steps_per_epoch=len(loader)",
            )
        )
    for name, value in given.items():
        _positive_int("OneCycleLR", name, value)
    return math.prod(given.values())


class CosineAnnealingWarmRestarts(LRScheduler):
    """From the initial rate to `eta_min` along half a cosine in T_0 epochs, then again in T_0·T_mult, and so on.

    `step(epoch)` takes fractions too, for a step after every batch: `scheduler.step(epoch + i / batches)`.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        _positive_int("CosineAnnealingWarmRestarts", "T_0", T_0)
        _positive_int("CosineAnnealingWarmRestarts", "T_mult", T_mult)
        if not isinstance(eta_min, (int, float)):
            raise ValueError(
                explain_error(
                    "CosineAnnealingWarmRestarts",
                    got=f"eta_min={eta_min!r} ({type(eta_min).__name__})",
                    expected="a number",
                    fix="use 0.0",
                )
            )
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        wave = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [self.eta_min + (base - self.eta_min) * wave / 2 for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on by one epoch, or to `epoch`, which may lie between two whole ones."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(
                explain_error(
                    "CosineAnnealingWarmRestarts.step", got=f"epoch={epoch}", expected="epoch >= 0", fix="count from 0"
                )
            )
        elif epoch < self.T_0 or self.T_mult == 1:
            self.T_i = self.T_0
            self.T_cur = epoch % self.T_0 if epoch >= self.T_0 else epoch
        else:
            restarts = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**restarts - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**restarts
        self.last_epoch: int = math.floor(epoch)
        self._get_lr_called_within_step = True
        try:
            rates = self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        self._set(rates)


def _positive_int(name: str, option: str, value: Any) -> None:
    if not isinstance(value, int) or value <= 0:
        raise ValueError(explain_error(name, got=f"{option}={value!r}", expected="an int >= 1", fix=f"change {option}"))
