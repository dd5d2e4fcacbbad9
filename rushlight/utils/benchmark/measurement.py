"""What a `Timer` returns: times, and what was timed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

_UNITS = (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0))
UNIT_NAMES = {"ns": "nanosecond", "us": "microsecond", "ms": "millisecond", "s": "second"}


def select_unit(t: float) -> tuple[str, float]:
    """The unit in which a time is a number from 1 to 1000, and its seconds.

    >>> select_unit(2.5e-5)
    ('us', 1e-06)
    """
    return next(((unit, size) for unit, size in reversed(_UNITS) if t >= size), _UNITS[0])


def trim_sigfig(x: float, n: int) -> float:
    """`x` with `n` significant digits.

    >>> trim_sigfig(3.14159, 3)
    3.14
    """
    if x == 0:
        return 0.0
    return float(round(x, n - 1 - math.floor(math.log10(abs(x)))))


@dataclasses.dataclass(frozen=True)
class TaskSpec:
    """What was timed."""

    stmt: str
    setup: str = ""
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """The label, or the statement; with the sub-label."""
        return (self.label or self.stmt) + (f": {self.sub_label}" if self.sub_label else "")


@dataclasses.dataclass
class Measurement:
    """Times of blocks of `number_per_run` runs each, in seconds."""

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = None

    @property
    def times(self) -> list[float]:
        """Seconds a run, for each block."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def median(self) -> float:
        """Of `times`."""
        return float(np.median(self.times))

    @property
    def mean(self) -> float:
        """Of `times`."""
        return float(np.mean(self.times))

    @property
    def iqr(self) -> float:
        """The distance of the quartiles of `times`."""
        low, high = np.quantile(self.times, (0.25, 0.75))
        return float(high - low)

    @property
    def significant_figures(self) -> int:
        """How many digits of the median the spread leaves: 1 to 5."""
        if len(self.times) < 2 or not self.iqr:
            return 3
        error = 1.645 * self.iqr / 1.35 / math.sqrt(len(self.times))
        return int(min(max(math.floor(math.log10(self.median / max(error, 1e-15))), 1), 5))

    @property
    def has_warnings(self) -> bool:
        """Whether the spread is large."""
        return self.iqr / self.median > 0.1

    title = property(lambda self: self.task_spec.title)
    env = property(lambda self: self.task_spec.env)
    stmt = property(lambda self: self.task_spec.stmt)
    setup = property(lambda self: self.task_spec.setup)
    label = property(lambda self: self.task_spec.label)
    sub_label = property(lambda self: self.task_spec.sub_label)
    description = property(lambda self: self.task_spec.description)
    num_threads = property(lambda self: self.task_spec.num_threads)
    as_row_name = property(lambda self: self.task_spec.sub_label or self.task_spec.stmt)

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """One measurement for each task: the times a run of all of its measurements."""
        found: dict[TaskSpec, list[float]] = {}
        for m in measurements:
            found.setdefault(m.task_spec, []).extend(m.times)
        return [Measurement(1, times, spec) for spec, times in found.items()]

    def __repr__(self) -> str:
        unit, size = select_unit(self.median)
        lines = [f"<{type(self).__module__}.{type(self).__name__} object at {hex(id(self))}>", self.title]
        if self.task_spec.label and self.stmt:
            lines.append(f"  {self.stmt}")
        if self.setup and self.setup != "pass":
            lines.append(f"setup: {self.setup}")
        if len(self.times) > 1:
            lines.append(f"  Median: {self.median / size:.2f} {unit}")
            lines.append(f"  IQR:    {self.iqr / size:.2f} {unit}")
        else:
            lines.append(f"  {self.median / size:.2f} {unit}")
        count = len(self.times)
        runs = f"{count} measurement{'s' * (count > 1)}, {self.number_per_run} run{'s' * (self.number_per_run > 1)} per measurement"
        lines.append(f"  {runs}, {self.num_threads} thread{'s' * (self.num_threads > 1)}")
        if self.has_warnings:
            lines.append(
                f"  The spread is {100 * self.iqr / self.median:.0f}% of the median: other work may have disturbed it."
            )
        return "\n".join(lines)
