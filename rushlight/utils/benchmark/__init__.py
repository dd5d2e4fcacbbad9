"""`torch.utils.benchmark`: how long statements take. A statement counts as done when its value has been computed."""

from __future__ import annotations

from rushlight.utils.benchmark.compare import Compare
from rushlight.utils.benchmark.measurement import Measurement, TaskSpec, select_unit, trim_sigfig
from rushlight.utils.benchmark.timer import Timer, timer

__all__ = ["Compare", "Measurement", "TaskSpec", "Timer", "select_unit", "timer", "trim_sigfig"]
