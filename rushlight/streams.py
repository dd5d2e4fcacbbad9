"""`torch.Stream` and `torch.Event` of the CPU, which has one stream: what was asked for is done in order."""

from __future__ import annotations

import time
from typing import Any

from rushlight.device import device as Device
from rushlight.device import resolve
from rushlight.errors import explain_error
from rushlight.lazy.step import flush


class Stream:
    """The order of work on a device; the CPU has only this one. `synchronize` computes what is recorded.

    RuntimeError for a device that is not here.

    >>> import rushlight as torch
    >>> stream = torch.Stream(device="cpu")
    >>> with stream:
    ...     y = torch.ones(2) + 1
    >>> stream.synchronize(), stream.query()
    (None, True)
    """

    def __init__(self, device: Any = None, *, priority: int = 0) -> None:
        self.device: Device = resolve(device)
        self.stream_id, self.device_index, self.priority = 0, -1, priority

    def synchronize(self) -> None:
        """Compute everything that is recorded."""
        flush()

    def query(self) -> bool:
        """Whether all work is done: recorded work is done when somebody asks."""
        flush()
        return True

    def wait_event(self, event: Event) -> None:
        """Nothing to wait for: an event of the CPU lies in the past."""

    def wait_stream(self, stream: Stream) -> None:
        """Nothing to wait for: there is one stream."""

    def record_event(self, event: Event | None = None) -> Event:
        """An event (or the one given) at this place of the stream."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.device == other.device

    def __hash__(self) -> int:
        return hash((Stream, self.device))

    def __repr__(self) -> str:
        return (
            f"torch.Stream device_type={self.device.type}, device_index={self.device_index}, stream_id={self.stream_id}"
        )


class Event:
    """A place in a stream. `record` computes what came before it, and notes the time if `enable_timing`."""

    def __init__(
        self, device: Any = None, *, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> None:
        self.device: Device = resolve(device)
        self.event_id, self._timing, self._at = 0, enable_timing, None

    _at: float | None

    def record(self, stream: Stream | None = None) -> None:
        """Put the event here."""
        flush()
        self._at = time.perf_counter()

    def query(self) -> bool:
        """Whether all work before the event is done; it is when the event is recorded."""
        return True

    def wait(self, stream: Stream | None = None) -> None:
        """Nothing to wait for."""

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds between two recorded events; both with `enable_timing=True`."""
        if self._at is None or end_event._at is None or not (self._timing and end_event._timing):
            got = "an event that is not recorded, or made without enable_timing=True"
            raise RuntimeError(explain_error("Event.elapsed_time", got=got, expected="two recorded events with times"))
        return 1000 * (end_event._at - self._at)

    def __repr__(self) -> str:
        return f"torch.Event device_type={self.device.type}, device_index=-1, event_flag=0, event_id={self.event_id}"
