"""Muon."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.optim._checks import at_least_zero
from rushlight.optim._one_pass import OnePassOptimizer, follow_, toward

_ADJUSTMENTS = ("original", "match_rms_adamw")


class Muon(OnePassOptimizer):
    """Muon: steps of momentum whose matrix is made nearly orthogonal, so that all its directions count alike.

    b moves towards g by 1 − μ;  u = b, or g moved towards b by μ (Nesterov);  O = `ns_steps` Newton–Schulz steps
    X ← a·X + (b·XXᵀ + c·(XXᵀ)²)·X from u/‖u‖, in bfloat16;  p ← p·(1 − lr·λ) − lr·s·O.

    s = √max(1, rows/columns), or 0.2·√max(rows, columns) for adjust_lr_fn='match_rms_adamw', so that Adam's learning rates fit.

    Errors: ValueError for parameters that are no matrices and for options out of range, RuntimeError for complex parameters.

    >>> import rushlight as torch
    >>> w = torch.zeros(2, 2, requires_grad=True)
    >>> optimizer = torch.optim.Muon([w], lr=0.1)
    >>> (w - torch.eye(2)).pow(2).sum().backward()
    >>> optimizer.step()
    >>> bool(((w - w.T).abs() < 1e-3).all()), bool(w[0, 0] > 0.05)
    (True, True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        at_least_zero("Muon", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if adjust_lr_fn is not None and adjust_lr_fn not in _ADJUSTMENTS:
            raise ValueError(
                explain_error(
                    "Muon",
                    got=f"adjust_lr_fn={adjust_lr_fn!r}",
                    expected=f"None, {' or '.join(map(repr, _ADJUSTMENTS))}",
                )
            )
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
            },
        )
        for group in self.param_groups:
            for param in group["params"]:
                if param.dim() != 2:
                    raise ValueError(
                        explain_error(
                            "Muon",
                            got=f"a parameter of shape {tuple(param.shape)}",
                            expected="matrices only",
                            fix="give biases, norms, embeddings and convolutions to AdamW",
                        )
                    )

    def _row(self, group: dict[str, Any], param: Any) -> tuple[Hashable, list[Any]]:
        if param.is_complex():
            raise RuntimeError(explain_error("Muon", got=f"a parameter of {param.dtype}", expected="a real one"))
        state = self.state[param]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = rushlight.zeros_like(param, requires_grad=False)
        return None, [state["momentum_buffer"]]

    def _plan(self, group: dict[str, Any], variant: None) -> tuple[Hashable, list[float]]:
        if group["ns_steps"] >= 100:
            raise ValueError(
                explain_error("Muon", got=f"ns_steps={group['ns_steps']}", expected="fewer than 100; 5 are enough")
            )
        if len(group["ns_coefficients"]) != 3:
            raise ValueError(
                explain_error("Muon", got=f"ns_coefficients={group['ns_coefficients']}", expected="three numbers")
            )
        near, share = toward(float(group["momentum"]))
        lr = float(group["lr"])
        coefficients = tuple(map(float, group["ns_coefficients"]))
        flags = near, group["nesterov"], coefficients, float(group["eps"]), group["ns_steps"], group["adjust_lr_fn"]
        return flags, [share, float(group["momentum"]), 1 - lr * float(group["weight_decay"]), -lr]

    def _lay_out(self, group: dict[str, Any], variant: Any, width: int, rows: int) -> tuple[Hashable, list[float]]:
        """Groups have no `maximize`, and the decay is a part of the update."""
        flags, numbers = self._plan(group, variant)
        return (False, "", flags, len(numbers), width, rows), numbers

    @staticmethod
    def _update(flags: Any, numbers: Sequence[Any], param: Any, grad: Any, *state: Any) -> None:
        near, nesterov, coefficients, eps, steps, adjustment = flags
        share, momentum, kept, negative_lr = numbers
        (buffer,) = state
        follow_(buffer, grad, near, share)
        update = grad + (buffer - grad) * momentum if nesterov else buffer
        update = _orthogonalised(update, coefficients, eps, steps)
        rows, columns = param.shape
        if adjustment == "match_rms_adamw":
            factor = 0.2 * math.sqrt(max(rows, columns))
        else:
            factor = math.sqrt(max(1, rows / columns))
        param.mul_(kept).add_(update.to(param.dtype) * factor, alpha=negative_lr)


def _orthogonalised(matrix: Any, coefficients: tuple[float, float, float], eps: float, steps: int) -> Any:
    """U·S'·Vᵀ of a matrix U·S·Vᵀ, with S' between about 0.5 and 1.5."""
    a, b, c = coefficients
    x = matrix.to(rushlight.bfloat16)
    tall = matrix.shape[0] > matrix.shape[1]
    if tall:
        x = x.T
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if tall else x
