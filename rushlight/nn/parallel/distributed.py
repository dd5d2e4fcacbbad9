"""A module trained by several processes: by the one that there is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import rushlight
from rushlight.nn.parallel.data_parallel import DataParallel


class DistributedDataParallel(DataParallel):
    """Calls its module: gradients of a group of one process need no adding up. Parameters are named `module.…`.

    Errors: ValueError before `torch.distributed.init_process_group`, which refuses a group of several processes.
    """

    def __init__(
        self, module: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0, *args: Any, **kwargs: Any
    ):
        rushlight.distributed.get_world_size(kwargs.get("process_group"))
        super().__init__(module, device_ids, output_device, dim)

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """A block without exchange of gradients, of which there is none."""
        yield
