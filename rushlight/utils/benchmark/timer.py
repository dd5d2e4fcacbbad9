"""`Timer`: runs a statement many times. Work is recorded and computed later, so each run ends by computing the statement's value."""

from __future__ import annotations

import ast
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.lazy.step import flush
from rushlight.utils.benchmark.measurement import Measurement, TaskSpec

timer = time.perf_counter


def compute(value: Any) -> None:
    """Compute what is pending and the tensors in a statement's value, which nobody holds otherwise."""
    if isinstance(value, (tuple, list)):
        for item in value:
            compute(item)
    elif isinstance(value, rushlight.Tensor) and value.device.type != "meta":
        value._compute_array()
    else:
        flush()


_LOOP = """
def run(_count, _timer, _compute):
    _start = _timer()
    for _ in range(_count):
        pass
    return _timer() - _start
"""


class Timer:
    """Times `stmt`, Python code, after `setup`; both see `globals` and the name `torch`.

    timeit(number)        one measurement of `number` runs
    blocked_autorange()   blocks of runs, until `min_run_time` seconds have been measured
    adaptive_autorange()  the same until the spread is below `threshold` of the median

    >>> import rushlight as torch
    >>> x = torch.ones(8)
    >>> measured = Timer("x.sum()", globals={"x": x}).timeit(5)
    >>> measured.number_per_run, measured.mean > 0
    (5, True)
    """

    def __init__(
        self, stmt: str = "pass", setup: str = "pass", global_setup: str = "", timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None, label: str | None = None, sub_label: str | None = None,
        description: str | None = None, env: str | None = None, num_threads: int = 1, language: Any = "python",
    ) -> None:  # fmt: skip
        if str(language).lower() not in ("python", "py", "language.python", "0"):
            raise NotImplementedError(explain_error("Timer", got=f"language={language!r}", expected="'python'"))
        if global_setup:
            raise ValueError(explain_error("Timer", got="global_setup, which belongs to C++ code", expected="setup"))
        stmt, setup = textwrap.dedent(stmt).strip(), textwrap.dedent(setup).strip()
        self._globals = {"torch": rushlight, **(globals or {})}
        self._timer, self._setup = timer, setup
        self._task_spec = TaskSpec(stmt, setup, global_setup, label, sub_label, description, env, num_threads)
        self._code = compile(self._source(stmt, setup), "<benchmark>", "exec")

    @staticmethod
    def _source(stmt: str, setup: str) -> ast.Module:
        module, body = ast.parse(_LOOP), ast.parse(stmt).body
        call = ast.parse("_compute(None)").body[0]
        if body and isinstance(body[-1], ast.Expr):
            call.value.args = [body.pop().value]  # type: ignore[attr-defined]
        function: Any = module.body[0]
        function.body[1].body = [*body, call]
        function.body[:0] = ast.parse(setup).body
        return ast.fix_missing_locations(module)

    def _run(self, number: int) -> float:
        space = dict(self._globals)
        exec(self._code, space)
        flush()
        return max(space["run"](number, self._timer, compute), 1e-9)

    @contextmanager
    def _threads(self) -> Iterator[None]:
        before = rushlight.get_num_threads()
        rushlight.set_num_threads(self._task_spec.num_threads)
        try:
            yield
        finally:
            rushlight.set_num_threads(before)

    def _measured(self, number: int, times: list[float]) -> Measurement:
        return Measurement(number, times, self._task_spec)

    def timeit(self, number: int = 1000000) -> Measurement:
        """One measurement of `number` runs, after some to warm up."""
        with self._threads():
            self._run(max(int(number // 100), 2))
            return self._measured(number, [self._run(number)])

    def _block(self, min_run_time: float) -> int:
        """A number of runs whose time the clock's own cost does not matter to."""
        self._run(2)
        number = 1
        while True:
            taken = self._run(number)
            if taken > min_run_time / 1000 and taken > 1e-4 or taken > min_run_time:
                return number
            number *= 10

    def blocked_autorange(
        self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Blocks of runs, until `min_run_time` seconds have been measured. `callback(number, seconds)` after each."""
        with self._threads():
            number, times = self._block(min_run_time), []
            while not times or sum(times) < min_run_time:
                times.append(self._run(number))
                if callback is not None:
                    callback(number, times[-1])
            return self._measured(number, times)

    def adaptive_autorange(
        self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:  # fmt: skip
        """Blocks of runs, until the interquartile range is below `threshold` of the median, for at most `max_run_time` seconds."""
        with self._threads():
            number, times = self._block(0.05), []
            while True:
                times.append(self._run(number))
                if callback is not None:
                    callback(number, times[-1])
                measured = self._measured(number, times)
                steady = len(times) > 3 and measured.iqr / measured.median < threshold
                if sum(times) >= min_run_time and steady or sum(times) >= max_run_time:
                    return measured

    autorange = blocked_autorange

    def collect_callgrind(self, *args: Any, **kwargs: Any) -> Any:
        """NotImplementedError: instructions are not counted here."""
        raise NotImplementedError(
            explain_error(
                "Timer.collect_callgrind",
                got="a call",
                expected="timeit() or blocked_autorange()",
                fix="rushlight.profiler.profile shows where time goes",
            )
        )
