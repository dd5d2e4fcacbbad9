"""The table of a profile, as text."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rushlight.profiler._averages import EventList, FunctionEvent


def time_text(us: float, unit: str | None = None) -> str:
    """
    >>> time_text(0.5), time_text(2500), time_text(3e6), time_text(2500, "us")
    ('0.500us', '2.500ms', '3.000s', '2500.000us')
    """
    unit = unit or ("s" if us >= 1e6 else "ms" if us >= 1e3 else "us")
    return f"{us / {'s': 1e6, 'ms': 1e3, 'us': 1.0}[unit]:.3f}{unit}"


def amount(value: float) -> str:
    """
    >>> amount(0), amount(999), amount(1536), amount(2.5e9)
    ('--', '999', '1.54 K', '2.50 G')
    """
    for size, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K")):
        if value >= size:
            return f"{value / size:.2f} {name}"
    return f"{value:.0f}" if value else "--"


@functools.cache
def roofline() -> tuple[float, float] | None:
    """(FLOP/s, bytes/s) that this machine reaches; None without the native backend. Measured once, in some 50 ms."""
    try:
        from rushlight.backend.llvm.roofline import measure
    except ImportError:
        return None
    try:
        return measure()
    except (ImportError, RuntimeError):
        return None


def _share_of_roof(row: FunctionEvent) -> str:
    """The shortest time that the machine allows for so many FLOPs and bytes, over the time taken."""
    if not (row.flops or row.bytes) or not row.self_cpu_time_total:
        return "--"
    roof = roofline()
    if roof is None:
        return "--"
    shortest = max(row.flops / roof[0], row.bytes / roof[1])
    return f"{100 * shortest / (row.self_cpu_time_total / 1e6):.1f}%"


def _rate(value: int, row: FunctionEvent) -> str:
    return f"{value / row.self_cpu_time_total / 1e3:.2f}" if value and row.self_cpu_time_total else "--"


def _ops(row: FunctionEvent) -> str:
    """The ops behind a kernel, with how often each occurs."""
    names = Counter(op.name for op in row.ops)
    return ", ".join(name if count == 1 else f"{name} x{count}" for name, count in names.items())


def _lines(row: FunctionEvent) -> str:
    return ", ".join(f"{os.path.basename(place)}" for place in row.stack)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 3, 0)] + "..."


def table(
    rows: Sequence[FunctionEvent], events: EventList, widths: dict[str, int], header: str | None, unit: str | None
) -> str:
    """The rows under their headings, and what the whole recording took."""
    total = events.self_cpu_time_total
    whole = max((events.span[1] - events.span[0]) / 1000, total) or 1.0

    def percent(us: float) -> str:
        return f"{100 * us / (total or 1.0):.2f}%"

    columns = {
        "Name": [_cut(row.name, widths["name"]) for row in rows],
        "Self CPU %": [percent(row.self_cpu_time_total) for row in rows],
        "Self CPU": [time_text(row.self_cpu_time_total, unit) for row in rows],
        "CPU total %": [percent(row.cpu_time_total) for row in rows],
        "CPU total": [time_text(row.cpu_time_total, unit) for row in rows],
        "CPU time avg": [time_text(row.cpu_time, unit) for row in rows],
        "# of Calls": [str(row.count) for row in rows],
        "Bytes": [amount(row.bytes) for row in rows],
        "FLOPs": [amount(row.flops) for row in rows],
        "GB/s": [_rate(row.bytes, row) for row in rows],
        "GFLOP/s": [_rate(row.flops, row) for row in rows],
        "of roof": [_share_of_roof(row) for row in rows],
        "CPU Mem": [amount(row.cpu_memory_usage) for row in rows],
        "Input Shapes": [_cut(str(row.input_shapes), widths["shapes"]) for row in rows] if events.shapes else [],
        "Ops": [_cut(_ops(row), widths["source"]) for row in rows],
        "Source": [_cut(_lines(row), widths["source"]) for row in rows] if events.stacks else [],
    }
    shown = {title: cells for title, cells in columns.items() if _worth_showing(title, cells)}
    text = _grid(shown, header)
    text += f"Self CPU time total: {time_text(total, unit)}\n"
    kernels = sum(event.self_cpu_time_total for event in events if event.kind == "kernel")
    text += (
        f"Recorded for {time_text(whole, unit)}: kernels {100 * kernels / whole:.1f}%, Python and waiting the rest\n"
    )
    if "of roof" in shown:
        flops, speed = roofline() or (0.0, 0.0)
        text += (
            f"Roof: {flops / 1e9:.0f} GFLOP/s, {speed / 1e9:.1f} GB/s from memory (what caches hold can be faster)\n"
        )
    return text


def _worth_showing(title: str, cells: Sequence[str]) -> bool:
    """PyTorch's columns always; ours if they say anything."""
    return title in ("Name", "Self CPU", "CPU total", "CPU time avg", "# of Calls") or any(
        c not in ("", "--") for c in cells
    )


def _grid(columns: dict[str, list[str]], header: str | None) -> str:
    sizes = {title: max([len(title), *map(len, cells)]) for title, cells in columns.items()}
    rule = "  ".join("-" * size for size in sizes.values()) + "\n"
    text = "".join(f"{'=' * len(rule)}\n{header}\n" if header else "")
    text += rule + "  ".join(title.rjust(size) for title, size in sizes.items()) + "\n" + rule
    for row in zip(*columns.values()):
        text += "  ".join(cell.rjust(size) for cell, size in zip(row, sizes.values())) + "\n"
    return text + rule
