"""Rprop."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.optim._checks import at_least_zero
from rushlight.optim._one_pass import OnePassOptimizer, new_step


class Rprop(OnePassOptimizer):
    """Resilient backpropagation: every value has its own step size, and only the gradient's sign is used.

    A step size grows by etas[1] while the sign stays, shrinks by etas[0] when it turns (that step is skipped), and
    stays within `step_sizes`. Meant for full batches.

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Rprop([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    _lr_differentiable = False

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least_zero("Rprop", lr=lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(
                explain_error("Rprop", got=f"etas={etas!r}", expected="0 < etas[0] < 1 < etas[1]", fix="use (0.5, 1.2)")
            )
        super().__init__(
            params,
            {
                "lr": lr,
                "etas": etas,
                "step_sizes": step_sizes,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def _row(self, group: dict[str, Any], param: Any) -> tuple[Hashable, list[Any]]:
        state = self.state[param]
        if not state:
            start = float(group["lr"])
            state["step"] = new_step()
            state["prev"] = rushlight.zeros_like(param)
            state["step_size"] = rushlight.full_like(
                param, complex(start, start) if param.is_complex() else start, requires_grad=False
            )
        self._next_step(state)
        return None, [state["prev"], state["step_size"]]

    def _plan(self, group: dict[str, Any], variant: None) -> tuple[Hashable, list[float]]:
        return tuple(map(float, group["step_sizes"])), list(map(float, group["etas"]))

    @staticmethod
    def _update(flags: Any, numbers: Sequence[Any], param: Any, grad: Any, *state: Any) -> None:
        smallest, largest = flags
        shrink, grow = numbers
        previous, size = state
        agreement = grad * previous
        turned = agreement < 0
        new_size = (size * shrink).where(turned, (size * grow).where(agreement > 0, size))
        size.copy_(new_size.clamp(smallest, largest))
        grad = grad.masked_fill(turned, 0)
        param.addcmul_(grad.sign(), size, value=-1)
        previous.copy_(grad)
