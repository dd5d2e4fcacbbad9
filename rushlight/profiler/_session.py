"""`profile`: collects what Programs report between start and stop, or in the steps that a schedule names."""

from __future__ import annotations

import enum
import functools
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from rushlight.profiler import _export
from rushlight.profiler._averages import EventList
from rushlight.profiler._events import Range, Run, listeners, listening, report, watch_programs

Event = Run | Range


class ProfilerActivity(enum.Enum):
    """What to profile. There is only the CPU here; the others are names that scripts may mention."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(enum.Enum):
    """What a schedule asks for in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """The CPU."""
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    """False: events come from Programs themselves."""
    return False


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """A schedule: after `skip_first` steps, cycles of `wait` idle, `warmup` unrecorded and `active` recorded steps.

    There are `repeat` cycles; 0 means for ever.

    >>> plan = schedule(wait=1, warmup=1, active=2, repeat=1)
    >>> [plan(step).name for step in range(5)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError(
            f"schedule: got wait={wait}, warmup={warmup}, active={active}, repeat={repeat}, skip_first={skip_first}; "
            "expected active > 0 and the others >= 0."
        )
    if warmup == 0:
        warnings.warn("schedule: without warmup the first steps, which compile, are among those recorded", stacklevel=2)
    cycle = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"schedule: got step {step}; expected >= 0.")
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait:
            step += wait
        if repeat and step >= repeat * cycle:
            return ProfilerAction.NONE
        place = step % cycle
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


class profile:
    """Context manager that records which kernels ran, how long, and for which lines.

    `schedule` says by step number what to record (`prof.step()` ends a step); `on_trace_ready(prof)` is called
    whenever a recorded stretch is complete. `record_shapes` keeps input shapes, `with_stack` the user's lines in the
    table, `profile_memory` memory; FLOPs and bytes are always counted. Starting and stopping run what is pending, so
    that work is counted where it was asked for.
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
    ):
        self.activities = set(supported_activities() if activities is None else activities)
        if not self.activities:
            raise AssertionError("profile: got no activity; expected ProfilerActivity.CPU.")
        missing = sorted(a.name for a in self.activities - supported_activities())
        if missing or use_cuda:
            warnings.warn(
                f"profile: this build profiles the CPU only, not {', '.join(missing) or 'CUDA'}", stacklevel=2
            )
        self.schedule, self.on_trace_ready = schedule, on_trace_ready
        self.record_shapes, self.profile_memory, self.with_stack = record_shapes, profile_memory, with_stack
        self.with_flops, self.with_modules, self.acc_events = with_flops, with_modules, acc_events
        self.step_num = 0
        self.current_action = self._planned(0)
        self.metadata: dict[str, str] = {}
        self._collected: list[Event] = []
        self._begin = self._step_begin = 0
        self._span: tuple[int, int] | None = None
        self._running = False

    def _planned(self, step: int) -> ProfilerAction:
        return self.schedule(step) if self.schedule else ProfilerAction.RECORD

    # -- start, step, stop -------------------------------------------------------------------------------------------

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()

    def start(self) -> None:
        """Begin; with a schedule, begin its step 0."""
        self._running = True
        if self.current_action in _RECORDING:
            self._listen()
        self._step_begin = time.monotonic_ns()

    def stop(self) -> None:
        """End; what was being recorded is complete."""
        if not self._running:
            return
        self._note_step()
        self._running = False
        if self.current_action in _RECORDING:
            self._silence()
            self._ready()

    def step(self) -> None:
        """End one step of the schedule and begin the next."""
        self._note_step()
        before = self.current_action
        self.step_num += 1
        self.current_action = self._planned(self.step_num)
        if before in _RECORDING and (self.current_action not in _RECORDING or before is ProfilerAction.RECORD_AND_SAVE):
            self._silence()
            if before is ProfilerAction.RECORD_AND_SAVE:
                self._ready()
        if self.current_action in _RECORDING and self._collect not in listeners:
            self._listen()
        self._step_begin = time.monotonic_ns()

    def _note_step(self) -> None:
        if self.schedule is not None and self._collect in listeners:
            _run_pending()
            report(Range(f"ProfilerStep#{self.step_num}", self._step_begin, time.monotonic_ns()))

    def _listen(self) -> None:
        _run_pending()
        if not self.acc_events:
            self._collected = []
        self._begin = time.monotonic_ns()
        listeners.append(self._collect)
        watch_programs()

    def _silence(self) -> None:
        _run_pending()
        listeners.remove(self._collect)
        watch_programs()
        self._span = (self._begin, time.monotonic_ns())

    def _collect(self, event: Event) -> None:
        self._collected.append(event)

    def _ready(self) -> None:
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    # -- what came out -----------------------------------------------------------------------------------------------

    def events(self) -> EventList:
        """Every kernel, run and named stretch, in order of time."""
        span = self._span or (self._begin, time.monotonic_ns())
        return EventList.of(self._collected, span, self.record_shapes, self.with_stack)

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, **_: Any) -> EventList:
        """Sums by name; also by input shapes, and by the lines of the first `group_by_stack_n` ops, if asked for."""
        return self.events().key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path: str) -> None:
        """Write a trace for chrome://tracing or Perfetto; gzipped if the name ends in .gz."""
        _export.chrome_trace(path, self._collected, self.metadata)

    def export_memory_timeline(self, path: str, device: str | None = None) -> None:
        """Write the bytes of arenas and results over time: a page (.html), or JSON [us, [[arena, results], ...]]."""
        _export.memory_timeline(path, self._collected)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write a line for each place in the user's code and its microseconds, as flame graph tools read them."""
        _export.stacks(path, self._collected, metric)

    def add_metadata(self, key: str, value: str) -> None:
        """A note to be written into the trace."""
        self.metadata[key] = str(value)

    def add_metadata_json(self, key: str, value: str) -> None:
        """A note that is JSON already."""
        self.metadata[key] = value


def _run_pending() -> None:
    from rushlight.lazy.step import flush

    flush()


class record_function:
    """Names a stretch of Python code in the profile; a context manager or a decorator.

    Ops are recorded in it and run later: their kernels carry the lines of the ops, wherever they run.
    """

    def __init__(self, name: str, args: str | None = None):
        self.name, self.args = name, args
        self._begin = 0

    def __enter__(self) -> record_function:
        self._begin = time.monotonic_ns() if listening() else 0
        return self

    def __exit__(self, *error: Any) -> None:
        if self._begin and listening():
            report(Range(self.name, self._begin, time.monotonic_ns()))

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def named(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return function(*args, **kwargs)

        return named
