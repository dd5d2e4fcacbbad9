"""The part of `torch.cuda` that is about a GPU's streams, events and memory: without one, questions get 0, requests raise."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from rushlight.device import device as _Device
from rushlight.device import missing


def _refusing(name: str) -> Any:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise missing(f"torch.cuda.{name}")

    refuse.__name__, refuse.__doc__ = name, "Raises: there is no GPU."
    return refuse


REQUESTS = (
    "can_device_access_peer", "cudart", "current_blas_handle", "current_stream", "default_stream", "get_device_limits",
    "get_per_process_memory_fraction", "get_rng_state", "get_sync_debug_mode", "graph_pool_handle", "init", "initial_seed",
    "ipc_collect", "make_graphed_callables", "mem_get_info", "memory_snapshot", "memory_summary", "set_per_process_memory_fraction",
    "set_rng_state", "set_stream", "set_sync_debug_mode", "temperature", "power_draw", "clock_rate", "utilization", "memory_usage",
)  # fmt: skip
globals().update({name: _refusing(name) for name in REQUESTS})

default_generators: tuple = ()
has_half = True
has_magma = False


def max_memory_reserved(device: Any = None) -> int:
    """0 bytes."""
    return 0


def memory_cached(device: Any = None) -> int:
    """0 bytes."""
    return 0


def max_memory_cached(device: Any = None) -> int:
    """0 bytes."""
    return 0


def memory_stats(device: Any = None) -> OrderedDict:
    """Nothing has been counted."""
    return OrderedDict()


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing has been counted."""


def reset_max_memory_allocated(device: Any = None) -> None:
    """Nothing has been counted."""


def reset_max_memory_cached(device: Any = None) -> None:
    """Nothing has been counted."""


def reset_accumulated_memory_stats(device: Any = None) -> None:
    """Nothing has been counted."""


def get_arch_list() -> list[str]:
    """No architectures."""
    return []


def get_gencode_flags() -> str:
    """No flags."""
    return ""


def get_rng_state_all() -> list[Any]:
    """The states of the GPUs' generators, of which there are none."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Sets the states of the GPUs' generators, of which there are none."""
    for index, _ in enumerate(new_states):
        raise missing(f"torch.cuda.set_rng_state_all (state {index})")


def seed() -> None:
    """Seeds the generators of GPUs, of which there are none."""


def seed_all() -> None:
    """Seeds the generators of GPUs, of which there are none."""


def is_tf32_supported() -> bool:
    """False."""
    return False


class device:
    """`with torch.cuda.device(n)`: RuntimeError when entered, unless `n` is negative or None."""

    def __init__(self, device: Any) -> None:
        self.idx = device if isinstance(device, int) else -1 if device is None else _Device(device).index or 0

    def __enter__(self) -> None:
        if self.idx >= 0:
            raise missing(f"torch.cuda.device({self.idx})")

    def __exit__(self, *error: Any) -> None:
        return None


class device_of(device):
    """The device of a tensor: nothing changes for one on the CPU."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.get_device())


class Stream:
    """A queue of a GPU. RuntimeError: there is none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise missing(f"torch.cuda.{type(self).__name__}")


class ExternalStream(Stream):
    """As `Stream`."""


class Event(Stream):
    """A mark in a `Stream`. RuntimeError: there is none."""


class CUDAGraph(Stream):
    """A recorded sequence of a GPU's work. RuntimeError: there is none."""


class StreamContext:
    """`with torch.cuda.stream(None)`: nothing changes."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: Any) -> None:
        return None


def stream(stream: Any) -> StreamContext:
    """A context in which `stream` is the current one; nothing for None."""
    return StreamContext(stream)
