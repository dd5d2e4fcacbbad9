"""A batch spread over devices: over the one that there is."""

from __future__ import annotations

from typing import Any

from rushlight.nn.modules.module import Module


class DataParallel(Module):
    """Calls its module, as PyTorch's does where there is no GPU; parameters are named `module.…`, so checkpoints fit.

    `device_ids`, `output_device` and `dim` say how a batch would be spread; on one device nothing is.

    >>> import rushlight as torch
    >>> list(torch.nn.DataParallel(torch.nn.Linear(2, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        self.module: Any = module
        self.device_ids: list[Any] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """module(*inputs, **module_kwargs), on the one device."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*inputs, **(module_kwargs or {}))
