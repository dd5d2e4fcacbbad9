"""A profile as files: traces for chrome://tracing and Perfetto, memory over time, stacks for flame graphs."""

from __future__ import annotations

import gzip
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rushlight.profiler._events import Range, Run

if TYPE_CHECKING:
    from rushlight.profiler._session import profile


def _write(path: str | os.PathLike[str], text: str) -> None:
    name = os.fspath(path)
    if name.endswith(".gz"):
        with gzip.open(name, "wt", encoding="utf-8") as file:
            file.write(text)
    else:
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)


def chrome_trace(path: str | os.PathLike[str], reports: Iterable[Run | Range], metadata: dict[str, str]) -> None:
    """The trace event format: one complete event ("X") a kernel, run and range, and a counter ("C") of memory."""
    process = os.getpid()
    events: list[dict[str, Any]] = []

    def complete(name: str, kind: str, start: int, end: int, thread: int, args: dict[str, Any]) -> None:
        events.append(
            {
                "ph": "X", "cat": kind, "name": name, "pid": process, "tid": thread, "ts": start / 1000,
                "dur": (end - start) / 1000, "args": args,
            }
        )  # fmt: skip

    for item in reports:
        if isinstance(item, Range):
            complete(item.name, "user_annotation", item.start, item.end, item.thread, {})
            continue
        memory = {"arena bytes": item.arena, "output bytes": item.outputs}
        complete(item.program, "program", item.start, item.end, item.thread, memory)
        for kernel in item.kernels:
            args: dict[str, Any] = {
                "bytes": kernel.bytes,
                "flops": kernel.flops,
                "Input Dims": kernel.shapes,
                "ops": [f"{op.name} at {op.line[0]}:{op.line[1]}" if op.line else op.name for op in kernel.ops],
                "modules": sorted({op.module for op in kernel.ops if op.module}),
            }
            complete(kernel.name, "cpu_op", kernel.start, kernel.end, item.thread, args)
        for moment, arena in ((item.start, item.arena), (item.end, 0)):
            counted = {"arena": arena, "outputs": item.outputs}
            events.append({"ph": "C", "name": "memory", "pid": process, "ts": moment / 1000, "args": counted})
    content = {"schemaVersion": 1, "displayTimeUnit": "ms", "traceEvents": events, **metadata}
    _write(path, json.dumps(content))


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """For `on_trace_ready`: writes each trace into a folder, under the name that TensorBoard's plugin looks for."""

    def handle(prof: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json" + (".gz" if use_gzip else "")
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return handle


def memory_points(reports: Iterable[Run | Range]) -> list[tuple[float, int, int]]:
    """(us, bytes of the arena, bytes of results) at the start and the end of every run, in order of time."""
    runs = sorted((item for item in reports if isinstance(item, Run)), key=lambda run: run.start)
    return [
        (moment / 1000, arena, run.outputs) for run in runs for moment, arena in ((run.start, run.arena), (run.end, 0))
    ]


def memory_timeline(path: str | os.PathLike[str], reports: Iterable[Run | Range]) -> None:
    """A page with a drawing (.html), or JSON: [times, [[arena, results], ...]]."""
    points = memory_points(reports)
    if os.fspath(path).endswith(".html"):
        _write(path, _page(points))
    else:
        _write(path, json.dumps([[t for t, _, _ in points], [[arena, outputs] for _, arena, outputs in points]]))


def _page(points: Sequence[tuple[float, int, int]]) -> str:
    first, last = (points[0][0], points[-1][0]) if points else (0.0, 1.0)
    peak = max((arena + outputs for _, arena, outputs in points), default=0)
    wide, high = 1000 / ((last - first) or 1.0), 300 / (peak or 1)

    def area(values: Sequence[tuple[float, int]]) -> str:
        corners, before = ["0,300"], 0
        for moment, size in values:
            x = (moment - first) * wide
            corners += [f"{x:.1f},{300 - before * high:.1f}", f"{x:.1f},{300 - size * high:.1f}"]
            before = size
        return " ".join([*corners, "1000,300"])

    both, results = area([(t, a + o) for t, a, o in points]), area([(t, o) for t, _, o in points])
    return (
        "<!DOCTYPE html><title>Memory over time</title><body style='font-family: sans-serif'>"
        f"<p>Memory of programs over {(last - first) / 1000:.3f} ms; the most at once: {peak:,} bytes. "
        "<span style='color:#2563ab'>temporaries</span>, <span style='color:#d97706'>results</span></p>"
        f"<svg viewBox='0 0 1000 300' width='100%'><polygon points='{both}' fill='#2563ab'/>"
        f"<polygon points='{results}' fill='#d97706'/></svg>"
    )


def stacks(path: str | os.PathLike[str], reports: Iterable[Run | Range], metric: str) -> None:
    """`file(line) op count` a line, the count being microseconds."""
    if metric not in ("self_cpu_time_total", "self_cuda_time_total", "self_device_time_total"):
        raise ValueError(f"export_stacks: got metric {metric!r}; expected 'self_cpu_time_total'.")
    times: Counter[str] = Counter()
    for item in reports:
        for kernel in item.kernels if isinstance(item, Run) else ():
            for op in kernel.ops:
                place = f"{op.line[0]}({op.line[1]})" if op.line else "<unknown>"
                times[f"{place};{op.name};{kernel.name}"] += (kernel.end - kernel.start) // (1000 * len(kernel.ops))
    used = times.items() if metric == "self_cpu_time_total" else ()
    _write(path, "".join(f"{place} {us}\n" for place, us in used if us))
