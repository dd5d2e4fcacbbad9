"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.optim._checks import at_least_zero, betas_in_range, fused_alone
from rushlight.optim._one_pass import OnePassOptimizer, follow_, lr_of, new_step, toward


class Adam(OnePassOptimizer):
    """Adam: steps of size lr along the ratio of two bias-corrected averages, of the gradient and of its square.

    m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²;  p ← p − lr · m̂ / (√v̂ + eps). `amsgrad` divides by the largest v so far.
    `weight_decay` adds λ·p to the gradient, or, with `decoupled_weight_decay`, shrinks p by 1 − lr·λ (AdamW).

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    _deciding = ("amsgrad",)

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        name = type(self).__name__
        at_least_zero(name, lr=lr, eps=eps, weight_decay=weight_decay)
        betas_in_range(name, betas)
        if isinstance(betas[0], rushlight.Tensor) != isinstance(betas[1], rushlight.Tensor):
            raise ValueError(
                explain_error(name, got=f"betas={betas!r}", expected="two numbers or two tensors", fix="use numbers")
            )
        fused_alone(name, fused, foreach, differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
                "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def _row(self, group: dict[str, Any], param: Any) -> tuple[Hashable, list[Any]]:
        state = self.state[param]
        if not state:
            state["step"] = new_step()
            state["exp_avg"] = rushlight.zeros_like(param)
            state["exp_avg_sq"] = rushlight.zeros_like(param)
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = rushlight.zeros_like(param)
        row = [state["exp_avg"], state["exp_avg_sq"]]
        if group["amsgrad"]:
            row.append(state["max_exp_avg_sq"])
        return self._next_step(state), row

    def _plan(self, group: dict[str, Any], variant: float) -> tuple[Hashable, list[float]]:
        beta1, beta2 = map(float, group["betas"])
        correction1 = 1 - beta1**variant
        correction2 = 1 - beta2**variant
        step_size = lr_of(group) / correction1
        near, share = toward(beta1)
        numbers = [share, beta2, 1 - beta2, correction2**0.5, float(group["eps"]), -step_size]
        return (bool(group["amsgrad"]), near), numbers

    @staticmethod
    def _update(flags: Any, numbers: Sequence[Any], param: Any, grad: Any, *state: Any) -> None:
        amsgrad, near = flags
        share, beta2, weight2, root_correction2, eps, negative_step_size = numbers
        average, square_average, *largest = state
        follow_(average, grad, near, share)
        square_average.mul_(beta2).addcmul_(grad, grad, value=weight2)
        if amsgrad:
            square_average = largest[0].copy_(largest[0].maximum(square_average))
        denominator = (square_average.sqrt() / root_correction2).add_(eps)
        param.addcdiv_(average, denominator, value=negative_step_size)


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← (1 − lr·λ)·p, then Adam's step, untouched by the decay.

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8500], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # a dictionary saved by Adam must not turn AdamW into Adam
            group["decoupled_weight_decay"] = True
