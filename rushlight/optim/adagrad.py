"""Adagrad."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import rushlight
from rushlight.optim import _sparse as sparse
from rushlight.optim._checks import at_least_zero, fused_alone
from rushlight.optim._one_pass import OnePassOptimizer, lr_of, new_step


class Adagrad(OnePassOptimizer):
    """Adagrad: each value's step shrinks with the root of the sum of all its squared gradients.

    s ← s + g²;  p ← p − lr/(1 + (t−1)·lr_decay) · g / (√s + eps).

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Adagrad([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        at_least_zero("Adagrad", lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)
        at_least_zero("Adagrad", initial_accumulator_value=initial_accumulator_value)
        fused_alone("Adagrad", fused, foreach, differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "fused": fused,
            },
        )

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; its sums start at `initial_accumulator_value` at once, not at the first step."""
        super().add_param_group(param_group)
        for param in param_group["params"]:
            start = param_group["initial_accumulator_value"]
            self.state[param] = {"step": new_step(), "sum": rushlight.full_like(param, start, requires_grad=False)}

    def _row(self, group: dict[str, Any], param: Any) -> tuple[Hashable, list[Any]]:
        state = self.state[param]
        return self._next_step(state), [state["sum"]]

    def _plan(self, group: dict[str, Any], variant: float) -> tuple[Hashable, list[float]]:
        lr = lr_of(group) / (1 + (variant - 1) * float(group["lr_decay"]))
        return None, [float(group["eps"]), -lr]

    def _rows_of(self, group: dict[str, Any], param: Any, grad: Any) -> tuple[Any, Any]:
        sparse.check_decay("Adagrad", group)
        return sparse.room().distinct(grad)

    def _update_rows(self, group: dict[str, Any], param: Any, index: Any, values: Any) -> None:
        _, (eps, negative_lr) = self._plan(group, self._next_step(self.state[param]))
        sparse.adagrad(eps, -negative_lr, self.state[param]["sum"], param, index, values)

    @staticmethod
    def _update(flags: Any, numbers: Sequence[Any], param: Any, grad: Any, *state: Any) -> None:
        eps, negative_lr = numbers
        (total,) = state
        total.addcmul_(grad, grad, value=1)
        param.addcdiv_(grad, total.sqrt().add(eps), value=negative_lr)
