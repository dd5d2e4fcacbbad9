"""Flatten and Unflatten: reshape some dimensions into one, or one into several."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight.nn.modules.module import Module


class Flatten(Module):
    """Merge dimensions start_dim..end_dim into one; by default everything but the batch.

    >>> import rushlight as torch
    >>> torch.nn.Flatten()(torch.ones(3, 28, 28)).shape
    torch.Size([3, 784])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split dimension `dim` into `unflattened_size`.

    >>> import rushlight as torch
    >>> torch.nn.Unflatten(1, (2, 5))(torch.ones(3, 10)).shape
    torch.Size([3, 2, 5])
    """

    def __init__(self, dim: int | str, unflattened_size: Any) -> None:
        super().__init__()
        if isinstance(dim, str):
            raise NotImplementedError(f"Unflatten: got the dimension name {dim!r}; named tensors are not supported")
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(f"Unflatten: got unflattened_size={unflattened_size!r}; expected a tuple of ints")
        for place, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise TypeError(f"Unflatten: got {size!r} at place {place} of unflattened_size; expected an int")
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
