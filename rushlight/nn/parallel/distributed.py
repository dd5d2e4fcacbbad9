"""A module trained by several processes: not here."""

from __future__ import annotations

from typing import Any

from rushlight.errors import explain_error
from rushlight.nn.modules.module import Module


class DistributedDataParallel(Module):
    """Raises NotImplementedError: there are no process groups that could add up gradients."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            explain_error(
                "DistributedDataParallel",
                got=f"a {type(module).__name__} to train in several processes",
                expected="one process: every step uses all cores through threads (torch.set_num_threads)",
                fix="use the module itself, or nn.DataParallel(module), which has the same parameter names; a DataLoader's "
                "num_workers are processes",
            )
        )
