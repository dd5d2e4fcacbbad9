"""Adadelta."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import rushlight
from rushlight.optim._checks import at_least_zero, in_range
from rushlight.optim._one_pass import OnePassOptimizer, lr_of, new_step


class Adadelta(OnePassOptimizer):
    """Adadelta: the step is the gradient times a ratio of running roots, of past steps to past gradients.

    v ← ρ·v + (1−ρ)·g²;  d = g · √(u + eps) / √(v + eps);  u ← ρ·u + (1−ρ)·d²;  p ← p − lr·d.

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Adadelta([w], lr=100.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.6838], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least_zero("Adadelta", lr=lr, eps=eps, weight_decay=weight_decay)
        in_range("Adadelta", "rho", rho, 0.0, 1.0)
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "capturable": capturable,
                "foreach": foreach,
                "differentiable": differentiable,
            },
        )

    def _row(self, group: dict[str, Any], param: Any) -> tuple[Hashable, list[Any]]:
        state = self.state[param]
        if not state:
            state["step"] = new_step()
            state["square_avg"] = rushlight.zeros_like(param)
            state["acc_delta"] = rushlight.zeros_like(param)
        self._next_step(state)
        return None, [state["square_avg"], state["acc_delta"]]

    def _plan(self, group: dict[str, Any], variant: None) -> tuple[Hashable, list[float]]:
        rho = float(group["rho"])
        return None, [rho, 1 - rho, float(group["eps"]), -lr_of(group)]

    @staticmethod
    def _update(flags: Any, numbers: Sequence[Any], param: Any, grad: Any, *state: Any) -> None:
        rho, weight, eps, negative_lr = numbers
        square_average, square_delta = state
        square_average.mul_(rho).addcmul_(grad, grad, value=weight)
        delta = square_delta.add(eps).sqrt() / square_average.add(eps).sqrt() * grad
        square_delta.mul_(rho).addcmul_(delta, delta, value=weight)
        param.add_(delta, alpha=negative_lr)
