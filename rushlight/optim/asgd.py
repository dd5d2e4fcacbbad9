"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import rushlight
from rushlight.optim._checks import at_least_zero
from rushlight.optim._one_pass import OnePassOptimizer, new_step, scalar_dtype


class ASGD(OnePassOptimizer):
    """Averaged stochastic gradient descent: SGD with a decaying rate, and the average of the path in `state["ax"]`.

    p ← (1 − λη)·p − η·g with η = lr/(1 + λ·lr·t)^alpha; after step t0 the average ax ← ax + (p − ax)/(t − t0).

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.ASGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    _foreseen = False

    _lr_differentiable = False

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        at_least_zero("ASGD", lr=lr, weight_decay=weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def _row(self, group: dict[str, Any], param: Any) -> tuple[Hashable, list[Any]]:
        state = self.state[param]
        if not state:
            state["step"] = new_step()
            state["eta"] = rushlight.full((), float(group["lr"]), dtype=scalar_dtype())
            state["mu"] = rushlight.ones((), dtype=scalar_dtype())
            state["ax"] = rushlight.zeros_like(param)
            self._will_hold(state["eta"], float(group["lr"]))
            self._will_hold(state["mu"], 1.0)
        step = self._next_step(state)
        eta, mu = self._value(state["eta"]), self._value(state["mu"])
        lr, lambd = float(group["lr"]), float(group["lambd"])
        new_eta = lr / (1 + lambd * lr * step) ** float(group["alpha"])
        new_mu = 1 / max(1, step - float(group["t0"]))
        self._will_hold(state["eta"], new_eta)
        self._will_hold(state["mu"], new_mu)
        return (eta, mu, new_eta, new_mu), [state["eta"], state["mu"], state["ax"]]

    def _plan(self, group: dict[str, Any], variant: tuple[float, ...]) -> tuple[Hashable, list[float]]:
        eta, mu, new_eta, new_mu = variant
        return mu == 1, [1 - float(group["lambd"]) * eta, -eta, mu, new_eta, new_mu]

    @staticmethod
    def _update(flags: Any, numbers: Sequence[Any], param: Any, grad: Any, *state: Any) -> None:
        shrink, negative_eta, mu, new_eta, new_mu = numbers
        eta_kept, mu_kept, average = state
        param.mul_(shrink).add_(grad, alpha=negative_eta)
        if flags:  # averaging has not begun
            average.copy_(param)
        else:
            average.add_((param - average) * mu)
        eta_kept.zero_().add_(new_eta)
        mu_kept.zero_().add_(new_mu)
