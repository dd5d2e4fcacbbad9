"""Events, their sums by name, and the table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rushlight.profiler import _table
from rushlight.profiler._events import Op, Range, Run


@dataclass
class FunctionEvent:
    """One event. `start` and `end` are nanoseconds, other times microseconds; "self" is without the events inside."""

    name: str
    kind: str  # "kernel", "program" or "range"
    start: int
    end: int
    thread: int
    cpu_time_total: float = 0.0
    self_cpu_time_total: float = 0.0
    bytes: int = 0
    flops: int = 0
    cpu_memory_usage: int = 0
    input_shapes: list[list[int]] = field(default_factory=list)
    ops: tuple[Op, ...] = ()
    count: int = 1

    @property
    def key(self) -> str:
        return self.name

    @property
    def stack(self) -> list[str]:
        """The lines of the user's code that it comes from."""
        return list(dict.fromkeys(f"{op.line[0]}({op.line[1]})" for op in self.ops if op.line))

    @property
    def cpu_time(self) -> float:
        """Microseconds a call."""
        return self.cpu_time_total / self.count if self.count else 0.0

    def __getattr__(self, name: str) -> Any:
        # Every name for an accelerator's time or memory: there is none, so there was none.
        if name.removeprefix("self_").partition("_")[0] in ("cuda", "device", "xpu"):
            return 0
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")


class FunctionEventAvg(FunctionEvent):
    """The sum of the events with one key."""

    def add(self, other: FunctionEvent) -> FunctionEventAvg:
        """Count another event in."""
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        self.bytes += other.bytes
        self.flops += other.flops
        self.cpu_memory_usage += other.cpu_memory_usage
        self.count += other.count
        self.ops += tuple(op for op in other.ops if op not in self.ops)
        return self

    def __repr__(self) -> str:
        own, mean = _table.time_text(self.self_cpu_time_total), _table.time_text(self.cpu_time)
        return (
            f"<FunctionEventAvg key={self.key} count={self.count} self_cpu_time={own} cpu_time={mean} "
            f"bytes={self.bytes} flops={self.flops}>"
        )


class EventList(list):
    """A list of events with PyTorch's methods."""

    span: tuple[int, int] = (0, 0)  # ns: when recording began and ended
    shapes = stacks = False

    @classmethod
    def of(cls, reports: Iterable[Run | Range], span: tuple[int, int], shapes: bool, stacks: bool) -> EventList:
        """The events of what was reported, outermost first, with each one's own time."""
        made = cls(_nested(reports, shapes))
        made.span, made.shapes, made.stacks = span, shapes, stacks
        return made

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds, each counted once."""
        return sum(event.self_cpu_time_total for event in self)

    def key_averages(
        self, group_by_input_shapes: bool = False, group_by_stack_n: int = 0, *_: Any, **__: Any
    ) -> EventList:
        """The sums by name (and shapes, and lines)."""
        sums: dict[tuple, FunctionEventAvg] = {}
        for event in self:
            shapes = event.input_shapes if group_by_input_shapes else []
            key = (_merged(event.name), str(shapes), tuple(event.stack[:group_by_stack_n]))
            if key not in sums:
                sums[key] = FunctionEventAvg(
                    key[0], event.kind, event.start, event.end, event.thread, input_shapes=shapes, count=0
                )
            sums[key].add(event)
        made = type(self)(sums.values())
        made.span, made.shapes, made.stacks = self.span, group_by_input_shapes, self.stacks or group_by_stack_n > 0
        return made

    def total_average(self) -> FunctionEventAvg:
        """The sum of all."""
        total = FunctionEventAvg("Total", "kernel", 0, 0, 0, count=0)
        for event in self:
            total.add(event)
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """The events as text: PyTorch's columns, then bytes, FLOPs, what was achieved and the ops behind a kernel.

        `sort_by` is an attribute of the events: cpu_time_total, self_cpu_time_total, cpu_time, count, flops, bytes, ...
        """
        rows: list[FunctionEvent] = list(self)
        if sort_by is not None:
            for row in rows[:1]:
                getattr(row, sort_by)  # an unknown name raises AttributeError before anything is sorted
            rows.sort(key=lambda row: getattr(row, sort_by), reverse=True)
        if top_level_events_only:
            rows = [row for row in rows if row.kind != "kernel"]
        widths = {"name": max_name_column_width, "source": max_src_column_width, "shapes": max_shapes_column_width}
        return _table.table(rows[:row_limit] if row_limit >= 0 else rows, self, widths, header, time_unit)

    def __str__(self) -> str:
        return self.table()


def _merged(name: str) -> str:
    """Steps are one row."""
    return "ProfilerStep*" if name.startswith("ProfilerStep#") else name


def _nested(reports: Iterable[Run | Range], shapes: bool) -> list[FunctionEvent]:
    """Events by start, outer ones first. The time of an event inside another one is taken from the outer one's own."""
    events = sorted((event for item in reports for event in _events_of(item, shapes)), key=lambda e: (e.start, -e.end))
    stacks: dict[int, list[FunctionEvent]] = {}
    for event in events:
        event.cpu_time_total = event.self_cpu_time_total = (event.end - event.start) / 1000
        outer = stacks.setdefault(event.thread, [])
        while outer and outer[-1].end <= event.start:
            outer.pop()
        if outer:
            outer[-1].self_cpu_time_total -= event.cpu_time_total
        outer.append(event)
    return events


def _events_of(item: Run | Range, shapes: bool) -> Iterable[FunctionEvent]:
    if isinstance(item, Range):
        yield FunctionEvent(item.name, "range", item.start, item.end, item.thread)
        return
    memory = item.arena + item.outputs
    yield FunctionEvent(item.program, "program", item.start, item.end, item.thread, cpu_memory_usage=memory)
    for kernel in item.kernels:
        sizes = [list(size) for size in kernel.shapes] if shapes else []
        yield FunctionEvent(
            kernel.name, "kernel", kernel.start, kernel.end, item.thread, bytes=kernel.bytes, flops=kernel.flops,
            input_shapes=sizes, ops=kernel.ops,
        )  # fmt: skip
