"""Adamax."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import rushlight
from rushlight.optim._checks import at_least_zero, betas_in_range
from rushlight.optim._one_pass import OnePassOptimizer, follow_, lr_of, new_step, toward


class Adamax(OnePassOptimizer):
    """Adamax: Adam with a decaying maximum of |g| in place of the root of the squared average.

    m ← β₁m + (1−β₁)g;  u ← max(β₂u, |g| + eps);  p ← p − lr/(1−β₁ᵗ) · m / u.

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Adamax([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        at_least_zero("Adamax", lr=lr, eps=eps, weight_decay=weight_decay)
        betas_in_range("Adamax", betas)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
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
            state["exp_avg"] = rushlight.zeros_like(param)
            state["exp_inf"] = rushlight.zeros_like(param)
        return self._next_step(state), [state["exp_avg"], state["exp_inf"]]

    def _plan(self, group: dict[str, Any], variant: float) -> tuple[Hashable, list[float]]:
        beta1, beta2 = map(float, group["betas"])
        near, share = toward(beta1)
        return near, [share, beta2, float(group["eps"]), -(lr_of(group) / (1 - beta1**variant))]

    @staticmethod
    def _update(flags: Any, numbers: Sequence[Any], param: Any, grad: Any, *state: Any) -> None:
        share, beta2, eps, negative_lr = numbers
        average, largest = state
        follow_(average, grad, flags, share)
        largest.copy_((largest * beta2).maximum(grad.abs().add(eps)))
        param.addcdiv_(average, largest, value=negative_lr)
