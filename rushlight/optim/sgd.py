"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.optim import _sparse as sparse
from rushlight.optim._checks import at_least_zero, fused_alone
from rushlight.optim._one_pass import OnePassOptimizer, lr_of


class SGD(OnePassOptimizer):
    """Stochastic gradient descent, with momentum (b ← μ·b + (1 − dampening)·g; p ← p − lr·b) and Nesterov's variant.

    `weight_decay` adds λ·p to the gradient; `maximize` climbs instead of descending.

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    _deciding = ("momentum",)

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        at_least_zero("SGD", lr=lr, momentum=momentum, weight_decay=weight_decay)
        fused_alone("SGD", fused, foreach, differentiable)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                explain_error(
                    "SGD",
                    got=f"nesterov=True with momentum={momentum}, dampening={dampening}",
                    expected="momentum > 0 and dampening = 0",
                    fix="write SGD(..., momentum=0.9, nesterov=True)",
                )
            )
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )

    def _row(self, group: dict[str, Any], param: Any) -> tuple[Hashable, list[Any]]:
        if group["momentum"] == 0:
            return "plain", []
        state = self.state[param]
        if state.get("momentum_buffer") is not None:
            return "momentum", [state["momentum_buffer"]]
        state["momentum_buffer"] = rushlight.zeros_like(param)
        return "first", [state["momentum_buffer"]]

    def _later(self, variant: str) -> str:
        return "momentum" if variant == "first" else variant

    def _plan(self, group: dict[str, Any], variant: str) -> tuple[Hashable, list[float]]:
        numbers = [-lr_of(group)]
        if variant != "plain":
            numbers += [float(group["momentum"]), 1 - float(group["dampening"])]
        return (variant, group["nesterov"]), numbers

    def _rows_of(self, group: dict[str, Any], param: Any, grad: Any) -> tuple[Any, Any]:
        sparse.check_decay("SGD", group)
        return sparse.room().rows_of(sparse.momentum(group, self.state[param] if group["momentum"] else {}, grad))

    def _update_rows(self, group: dict[str, Any], param: Any, index: Any, values: Any) -> None:
        sparse.sgd(float(group["lr"]), param, index, values)

    @staticmethod
    def _update(flags: Any, numbers: Sequence[Any], param: Any, grad: Any, *state: Any) -> None:
        variant, nesterov = flags
        if variant != "plain":
            (buffer,) = state
            if variant == "first":  # the first gradient enters undamped
                buffer.copy_(grad)
            else:
                buffer.mul_(numbers[1]).add_(grad, alpha=numbers[2])
            grad = grad.add(buffer, alpha=numbers[1]) if nesterov else buffer
        param.add_(grad, alpha=numbers[0])
