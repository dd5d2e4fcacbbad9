"""NAdam."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import rushlight
from rushlight.optim._checks import at_least_zero, betas_in_range
from rushlight.optim._one_pass import OnePassOptimizer, follow_, lr_of, new_step, rounded, scalar_dtype, toward


class NAdam(OnePassOptimizer):
    """NAdam: Adam with Nesterov's look-ahead and a momentum that warms up.

    μₜ = β₁(1 − 0.96^(t·momentum_decay)/2);  p ← p − lr·(1−μₜ)/(1−∏μ) · g/(√v̂+eps) − lr·μₜ₊₁/(1−μₜ₊₁∏μ) · m/(√v̂+eps).

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.NAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8944], requires_grad=True)
    """

    _foreseen = False

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least_zero("NAdam", lr=lr, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        betas_in_range("NAdam", betas)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
            },
        )

    def _row(self, group: dict[str, Any], param: Any) -> tuple[Hashable, list[Any]]:
        state = self.state[param]
        if not state:
            state["step"] = new_step()
            state["mu_product"] = rushlight.ones((), dtype=scalar_dtype())
            state["exp_avg"] = rushlight.zeros_like(param)
            state["exp_avg_sq"] = rushlight.zeros_like(param)
        step, product = self._next_step(state), state["mu_product"]
        mu = float(group["betas"][0]) * _warm_up(group, step)
        after = rounded(product, self._value(product) * rounded(product, mu))
        self._will_hold(product, after)
        return (step, after), [product, state["exp_avg"], state["exp_avg_sq"]]

    def _plan(self, group: dict[str, Any], variant: tuple[float, float]) -> tuple[Hashable, list[float]]:
        step, product = variant
        lr, (beta1, beta2) = lr_of(group), map(float, group["betas"])
        mu, next_mu = beta1 * _warm_up(group, step), beta1 * _warm_up(group, step + 1)
        near, share = toward(beta1)
        of_grad = -lr * (1.0 - mu) / (1.0 - product)
        of_average = -lr * next_mu / (1.0 - product * next_mu)
        return near, [share, beta2, 1 - beta2, 1 - beta2**step, float(group["eps"]), mu, of_grad, of_average]

    @staticmethod
    def _update(flags: Any, numbers: Sequence[Any], param: Any, grad: Any, *state: Any) -> None:
        share, beta2, weight2, correction2, eps, mu, of_grad, of_average = numbers
        product, average, square_average = state
        product.mul_(mu)
        follow_(average, grad, flags, share)
        square_average.mul_(beta2).addcmul_(grad, grad, value=weight2)
        denominator = square_average.div(correction2).sqrt().add(eps)
        param.addcdiv_(grad, denominator, value=of_grad)
        param.addcdiv_(average, denominator, value=of_average)


def _warm_up(group: dict[str, Any], step: float) -> float:
    return 1.0 - 0.5 * 0.96 ** (step * float(group["momentum_decay"]))
