"""RAdam."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import rushlight
from rushlight.optim._checks import at_least_zero, betas_in_range
from rushlight.optim._one_pass import OnePassOptimizer, follow_, lr_of, new_step, toward


class RAdam(OnePassOptimizer):
    """RAdam: Adam whose scaling is held back, then rectified, while the squared average has seen too few gradients.

    With ρ∞ = 2/(1−β₂) − 1 and ρₜ = ρ∞ − 2tβ₂ᵗ/(1−β₂ᵗ): while ρₜ ≤ 5 the step is lr·m̂, then lr·rₜ·m̂/(√v̂ + eps) with
    rₜ = √((ρₜ−4)(ρₜ−2)ρ∞ / ((ρ∞−4)(ρ∞−2)ρₜ)).

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.RAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least_zero("RAdam", lr=lr, eps=eps, weight_decay=weight_decay)
        betas_in_range("RAdam", betas)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "decoupled_weight_decay": decoupled_weight_decay,
                "differentiable": differentiable,
            },
        )

    def _row(self, group: dict[str, Any], param: Any) -> tuple[Hashable, list[Any]]:
        state = self.state[param]
        if not state:
            state["step"] = new_step()
            state["exp_avg"] = rushlight.zeros_like(param)
            state["exp_avg_sq"] = rushlight.zeros_like(param)
        return self._next_step(state), [state["exp_avg"], state["exp_avg_sq"]]

    def _plan(self, group: dict[str, Any], variant: float) -> tuple[Hashable, list[float]]:
        beta1, beta2 = map(float, group["betas"])
        correction1, correction2 = 1 - beta1**variant, 1 - beta2**variant
        limit = 2 / (1 - beta2) - 1
        length = limit - 2 * variant * beta2**variant / correction2
        near, share = toward(beta1)
        numbers = [share, beta2, 1 - beta2, correction1, lr_of(group)]
        if length <= 5.0:
            return (near, False), numbers
        rectified = ((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)) ** 0.5
        return (near, True), [*numbers, correction2**0.5, float(group["eps"]), rectified]

    @staticmethod
    def _update(flags: Any, numbers: Sequence[Any], param: Any, grad: Any, *state: Any) -> None:
        near, adaptive = flags
        share, beta2, weight2, correction1, lr, *scaling = numbers
        average, square_average = state
        follow_(average, grad, near, share)
        square_average.mul_(beta2).addcmul_(grad, grad, value=weight2)
        change = average / correction1 * lr
        if adaptive:
            root_correction2, eps, rectified = scaling
            change = change * (root_correction2 / square_average.sqrt().add(eps)) * rectified
        param.sub_(change)
