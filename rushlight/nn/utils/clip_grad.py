"""Clipping of gradients, by their common norm or value by value."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight.errors import explain_error


def _gradients(parameters: Any) -> list[Any]:
    params = [parameters] if isinstance(parameters, rushlight.Tensor) else parameters
    return [param.grad for param in params if param.grad is not None]


@rushlight.no_grad()
def get_total_norm(
    tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Any:
    """The norm of all tensors taken as one vector, a 0-d tensor; 0 for no tensors.

    Errors: RuntimeError with `error_if_nonfinite` if the norm is nan or inf.

    >>> import rushlight as torch
    >>> torch.nn.utils.get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])])
    tensor(5.)
    """
    tensors = [tensors] if isinstance(tensors, rushlight.Tensor) else list(tensors)
    if not tensors:
        return rushlight.tensor(0.0)
    norm_type = float(norm_type)
    norms = [rushlight.linalg.vector_norm(tensor, norm_type) for tensor in tensors]
    device = norms[0].device
    total = rushlight.linalg.vector_norm(rushlight.stack([norm.to(device) for norm in norms]), norm_type)
    if error_if_nonfinite and not rushlight.isfinite(total).item():
        raise RuntimeError(
            explain_error(
                "get_total_norm",
                got=f"a gradient norm of {total.item()} (order {norm_type})",
                expected="a finite norm",
                fix="look for the first nan or inf in the loss (learning rate too high, log or division of 0), or pass"
                " error_if_nonfinite=False",
            )
        )
    return total


@rushlight.no_grad()
def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Any, foreach: bool | None = None) -> None:
    """Scale the gradients in place by max_norm / (total_norm + 1e-6), if that is below 1."""
    grads = _gradients(parameters)
    if not grads:
        return
    factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for grad in grads:  # multiplying by 1 is cheaper than waiting for the norm
        grad.mul_(factor.to(grad.device))


@rushlight.no_grad()
def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Scale the gradients in place so that their common norm is at most `max_norm`; returns the norm before.

    >>> import rushlight as torch
    >>> w = torch.zeros(2, requires_grad=True)
    >>> w.grad = torch.tensor([3.0, 4.0])
    >>> torch.nn.utils.clip_grad_norm_(w, 1.0)
    tensor(5.)
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    if not isinstance(parameters, rushlight.Tensor):
        parameters = list(parameters)  # a generator is read twice
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """The old name of `clip_grad_norm_`."""
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@rushlight.no_grad()
def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Clamp every gradient in place to [-clip_value, clip_value].

    >>> import rushlight as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> (w * 5).sum().backward()
    >>> torch.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([1., 1.])
    """
    for grad in _gradients(parameters):
        grad.clamp_(-float(clip_value), float(clip_value))
