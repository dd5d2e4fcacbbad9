"""SparseAdam."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.optim._checks import betas_in_range, in_range
from rushlight.optim.optimizer import Optimizer


class SparseAdam(Optimizer):
    """Adam for sparse gradients, which do not exist here: it can be built, saved and loaded, and its step refuses dense gradients.

    Use Adam: gradients of embeddings are dense.

    Errors: ValueError for options out of range and for complex parameters; RuntimeError from `step`, as for any dense gradient.

    >>> import rushlight as torch
    >>> w = torch.zeros(2, requires_grad=True)
    >>> optimizer = torch.optim.SparseAdam([w])
    >>> optimizer.step()  # no gradient: nothing to refuse
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
                if param.is_complex():
                    raise ValueError(
                        explain_error("SparseAdam", got=f"a parameter of {param.dtype}", expected="a real one")
                    )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Refuse the first gradient that there is."""
        loss = None
        if closure is not None:
            with rushlight.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    raise RuntimeError(
                        explain_error(
                            "SparseAdam.step",
                            got=f"a dense gradient of shape {tuple(param.shape)}",
                            expected="a sparse one, of which there are none here: every gradient is dense",
                            fix="torch.optim.Adam, with the same lr, betas and eps",
                        )
                    )
        return loss
