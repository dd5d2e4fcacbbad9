"""Adafactor."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.optim._checks import at_least_zero, in_range
from rushlight.optim._one_pass import OnePassOptimizer, new_step


class Adafactor(OnePassOptimizer):
    """Adafactor: Adam's second moment of a matrix from its rows' and columns' means alone, steps relative to a parameter's size.

    With b = t^beta2_decay, R and C move towards the means of g² by b;  v = R·C / mean(R);  u = g / √max(v, eps₁²);
    p ← p·(1 − lr·λ) − max(eps₂, rms(p)) · min(lr, 1/√t) · u / max(1, rms(u)/d).

    `eps` is (eps₁, eps₂), eps₁ = None being the dtype's. A vector keeps v whole; of more than two dimensions the last two are the matrix.

    Errors: ValueError for options out of range, RuntimeError for complex parameters.

    >>> import rushlight as torch
    >>> w = torch.ones(2, 2, requires_grad=True)
    >>> optimizer = torch.optim.Adafactor([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([[0.9000, 0.9000],
            [0.9000, 0.9000]], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        at_least_zero("Adafactor", lr=lr, weight_decay=weight_decay)
        at_least_zero("Adafactor", **{"eps[0]": eps[0] or 0.0, "eps[1]": eps[1]})
        in_range("Adafactor", "beta2_decay", beta2_decay, -math.inf, 0.0)
        in_range("Adafactor", "d", d, 1.0, math.inf)
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps": eps,
                "d": d,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
            },
        )

    def _row(self, group: dict[str, Any], param: Any) -> tuple[Hashable, list[Any]]:
        if param.is_complex():
            raise RuntimeError(explain_error("Adafactor", got=f"a parameter of {param.dtype}", expected="a real one"))
        state = self.state[param]
        matrix = param.dim() > 1
        if not state:
            state["step"] = new_step()
            if matrix:
                *batch, rows, columns = param.shape
                state["row_var"] = param.new_zeros((*batch, rows, 1))
                state["col_var"] = param.new_zeros((*batch, 1, columns))
            else:
                state["variance"] = rushlight.zeros_like(param, requires_grad=False)
        names = ("row_var", "col_var") if matrix else ("variance",)
        return (self._next_step(state), matrix), [state[name] for name in names]

    def _later(self, variant: Any) -> Any:
        step, matrix = variant
        return step + 1, matrix

    def _plan(self, group: dict[str, Any], variant: tuple[float, bool]) -> tuple[Hashable, list[float]]:
        step, matrix = variant
        lr, (eps1, eps2) = float(group["lr"]), group["eps"]
        numbers = [
            step ** float(group["beta2_decay"]),
            min(lr, 1 / math.sqrt(step)),
            1 - lr * float(group["weight_decay"]),
        ]
        return (matrix, eps1, float(eps2), float(group["d"])), numbers

    def _lay_out(self, group: dict[str, Any], variant: Any, width: int, rows: int) -> tuple[Hashable, list[float]]:
        """The decay is a part of the update: the step is measured by the parameter before it."""
        flags, numbers = self._plan(group, variant)
        return (group["maximize"], "", flags, len(numbers), width, rows), numbers

    @staticmethod
    def _update(flags: Any, numbers: Sequence[Any], param: Any, grad: Any, *state: Any) -> None:
        matrix, eps1, eps2, d = flags
        share, rate, kept = numbers
        eps1 = rushlight.finfo(param.dtype).eps if eps1 is None else eps1
        size = _root_mean_square(param).clamp(min=eps2) * rate
        param.mul_(kept)
        square = grad * grad
        if matrix:
            rows, columns = state
            rows.add_(square.mean(-1, keepdim=True) - rows, alpha=share)
            columns.add_(square.mean(-2, keepdim=True) - columns, alpha=share)
            estimate = rows @ columns / rows.mean(-2, keepdim=True).clamp(min=eps1)
        else:
            (variance,) = state
            variance.add_(square - variance, alpha=share)
            estimate = variance
        update = grad * estimate.clamp(min=eps1 * eps1).rsqrt()
        param.sub_(update * (size / (_root_mean_square(update) / d).clamp(min=1.0)))


def _root_mean_square(x: Any) -> Any:
    return (x * x).mean().sqrt()
