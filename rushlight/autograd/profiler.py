"""PyTorch's older name of the profiler: `torch.autograd.profiler.profile()` and `record_function`."""

from __future__ import annotations

from typing import Any

from rushlight.profiler import record_function
from rushlight.profiler._averages import EventList, FunctionEvent
from rushlight.profiler._session import profile as _profile

__all__ = ["EventList", "FunctionEvent", "profile", "record_function"]


class profile(_profile):
    """As `torch.profiler.profile`, with the older arguments; `enabled=False` records nothing. It prints as a table."""

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        **ignored: Any,
    ):
        super().__init__(
            record_shapes=record_shapes, with_flops=with_flops, profile_memory=profile_memory, with_stack=with_stack,
            with_modules=with_modules, use_cuda=use_cuda or use_device == "cuda" or None,
        )  # fmt: skip
        self.enabled = enabled

    def start(self) -> None:
        if self.enabled:
            super().start()

    @property
    def function_events(self) -> EventList:
        """Every event."""
        return self.events()

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds, each counted once."""
        return self.events().self_cpu_time_total

    def table(self, *args: Any, **kwargs: Any) -> str:
        """The table of all events."""
        return self.events().table(*args, **kwargs)

    def total_average(self) -> Any:
        """The sum of all events."""
        return self.events().total_average()

    def __str__(self) -> str:
        return self.table()
