"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import rushlight


def parameters_to_vector(parameters: Iterable[rushlight.Tensor]) -> rushlight.Tensor:
    """The values of all parameters, one after the other, in one 1-D tensor.

    >>> import rushlight as torch
    >>> torch.nn.utils.parameters_to_vector([torch.zeros(2, 2), torch.ones(1)])
    tensor([0., 0., 0., 0., 1.])
    """
    return rushlight.cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: rushlight.Tensor, parameters: Iterable[rushlight.Tensor]) -> None:
    """Cut `vec` into pieces and make copies of them the values of the parameters."""
    if not isinstance(vec, rushlight.Tensor):
        raise TypeError(f"vector_to_parameters: got {type(vec).__name__}; expected a Tensor")
    start = 0
    for parameter in parameters:
        end = start + parameter.numel()
        parameter.data = vec[start:end].view_as(parameter).detach().clone()
        start = end
