"""`torch.cpu`: the interface of a device, for the CPU, where all work is done when a call returns."""

from __future__ import annotations

import contextlib
from typing import Any

from rushlight.cpu import amp

__all__ = [
    "Stream", "StreamContext", "amp", "current_device", "current_stream", "device_count", "is_available", "is_initialized",
    "set_device", "stream", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """True.

    >>> is_available()
    True
    """
    return True


def is_initialized() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1: the processor as a whole."""
    return 1


def current_device() -> str:
    """'cpu'."""
    return "cpu"


def set_device(device: Any) -> None:
    """Without effect: there is one."""


def synchronize(device: Any = None) -> None:
    """Without effect: a value is there when it has been asked for."""


class Stream:
    """A queue of work; on the CPU it is always empty."""

    def __init__(self, priority: int = -1) -> None:
        self.priority = priority

    def wait_stream(self, stream: Stream) -> None:
        """Without effect."""

    def record_event(self) -> None:
        """Without effect."""

    def wait_event(self, event: Any) -> None:
        """Without effect."""


_current = Stream()


def current_stream(device: Any = None) -> Stream:
    """The one stream."""
    return _current


class StreamContext(contextlib.AbstractContextManager):
    """`with stream(s)`: without effect."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __exit__(self, *error: Any) -> None:
        return None


def stream(stream: Stream | None) -> StreamContext:
    """A context in which `stream` is the current one; without effect."""
    return StreamContext(stream)
