"""SparseAdam."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.lazy.step import flush
from rushlight.optim import _sparse as sparse
from rushlight.optim._checks import betas_in_range, in_range
from rushlight.optim.optimizer import Optimizer


class SparseAdam(Optimizer):
    """Adam for sparse gradients: averages and parameters change only at the rows that a gradient has.

    Errors: ValueError for options out of range, and for complex or sparse parameters; RuntimeError from `step` for dense gradients.

    >>> import rushlight as torch
    >>> table = torch.nn.Embedding(3, 2, sparse=True)
    >>> optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.1)
    >>> before = table.weight.detach().clone()
    >>> table(torch.tensor([2, 0])).sum().backward()
    >>> optimizer.step()
    >>> (table.weight - before).detach()
    tensor([[-0.1000, -0.1000],
            [ 0.0000,  0.0000],
            [-0.1000, -0.1000]])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        smallest = math.nextafter(0.0, 1.0)
        if isinstance(lr, rushlight.Tensor) and lr.numel() != 1:
            raise ValueError(explain_error("SparseAdam", got=f"lr of shape {list(lr.shape)}", expected="one number"))
        in_range("SparseAdam", "lr", float(lr), smallest, math.inf)
        in_range("SparseAdam", "eps", eps, smallest, math.inf)
        betas_in_range("SparseAdam", betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        for group in self.param_groups:
            for param in group["params"]:
                if param.is_complex() or param.layout is not rushlight.strided:
                    raise ValueError(
                        explain_error(
                            "SparseAdam",
                            got=f"a parameter of {param.dtype}, layout {param.layout}",
                            expected="a real, dense one",
                        )
                    )

    @rushlight.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the rows of every parameter's sparse gradient; returns what `closure`, if given, returns."""
        loss = None
        if closure is not None:
            with rushlight.enable_grad():
                loss = closure()
        with_grad = [(g, p, p.grad) for g in self.param_groups for p in g["params"] if p.grad is not None]
        for _, param, grad in with_grad:
            if not grad.is_sparse:
                raise RuntimeError(
                    explain_error(
                        "SparseAdam.step", got=f"a dense gradient of shape {tuple(param.shape)}", expected="a sparse one",
                        fix="make the embedding with sparse=True, or use torch.optim.Adam",
                    )
                )  # fmt: skip
        found = [(g, p, sparse.room().distinct(-d if g["maximize"] else d)) for g, p, d in with_grad]
        for group, param, (index, values) in found:
            state = self.state[param]
            if not state:
                state["step"] = 0
                state["exp_avg"], state["exp_avg_sq"] = rushlight.zeros_like(param), rushlight.zeros_like(param)
            state["step"] += 1
            sparse.adam(group, state, param, index, values)
        if with_grad:
            flush()
        return loss
