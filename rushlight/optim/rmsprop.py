"""RMSprop."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import rushlight
from rushlight.optim._checks import at_least_zero
from rushlight.optim._one_pass import OnePassOptimizer, follow_, lr_of, new_step, toward


class RMSprop(OnePassOptimizer):
    """RMSprop: steps scaled by the root of a running average of the squared gradient.

    v ← α·v + (1−α)·g²;  p ← p − lr · g / (√v + eps). `centered` subtracts the squared average gradient from v, which
    makes it a variance; `momentum` accumulates the scaled gradients and steps along their sum.

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.RMSprop([w], lr=0.01)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    _deciding = ("momentum", "centered")

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least_zero("RMSprop", lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "capturable": capturable,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
            },
        )

    def _row(self, group: dict[str, Any], param: Any) -> tuple[Hashable, list[Any]]:
        state = self.state[param]
        if not state:
            state["step"] = new_step()
            state["square_avg"] = rushlight.zeros_like(param)
            if group["momentum"] > 0:
                state["momentum_buffer"] = rushlight.zeros_like(param)
            if group["centered"]:
                state["grad_avg"] = rushlight.zeros_like(param)
        self._next_step(state)
        row = [state["square_avg"]]
        if group["momentum"] > 0:
            row.append(state["momentum_buffer"])
        if group["centered"]:
            row.append(state["grad_avg"])
        return None, row

    def _plan(self, group: dict[str, Any], variant: None) -> tuple[Hashable, list[float]]:
        alpha = float(group["alpha"])
        near, share = toward(alpha)
        numbers = [alpha, 1 - alpha, share, float(group["eps"]), -lr_of(group), float(group["momentum"])]
        return (group["momentum"] > 0, bool(group["centered"]), near), numbers

    @staticmethod
    def _update(flags: Any, numbers: Sequence[Any], param: Any, grad: Any, *state: Any) -> None:
        has_momentum, centered, near = flags
        alpha, weight, share, eps, negative_lr, momentum = numbers
        square_average, *rest = state
        square_average.mul_(alpha).addcmul_(grad, grad, value=weight)
        if centered:
            average = rest[-1]
            follow_(average, grad, near, share)
            root = square_average.addcmul(average, average, value=-1).sqrt()
        else:
            root = square_average.sqrt()
        root = root.add(eps)
        if has_momentum:
            buffer = rest[0]
            buffer.mul_(momentum).addcdiv_(grad, root)
            param.add_(buffer, alpha=negative_lr)
        else:
            param.addcdiv_(grad, root, value=negative_lr)
