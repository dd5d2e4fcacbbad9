"""How pools are cut into units (one plane each), with the tables and argument blocks of the kernels in `pooling.py`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rushlight.backend.llvm.conv_common import Plan, Shape, Tables
from rushlight.backend.llvm.conv_tables import area, axes, middle_lines, phases, pitches
from rushlight.backend.llvm.pack import SIZE
from rushlight.backend.llvm.target import Target, current

Ints = Sequence[int]

# The words of the argument blocks, in order; buffers first.
AREA = (
    "plane", "row_pitch", "height", "width", "area_line", "area_lines", "middle", "area_rows", "low", "low_last",
    "copy",
)  # fmt: skip
WINDOWS = ("tables", "pixels", "rows", "columns", "step", "taps", "row_table", "tap_table", "extra", *AREA)
MAXIMUM = ("x", "out", "index", *WINDOWS)
MEAN = ("x", "out", *WINDOWS)
SHARE = (
    "x",
    "out",
    "tables",
    "pixels",
    "columns",
    "plane",
    "rows",
    "width",
    "row_table",
    "row_list",
    "column_table",
    "most",
    "extra",
    "sums",
)
SCATTER = ("x", "index", "out", "status", "pixels", "plane")


@dataclass(frozen=True)
class Spec:
    """The structure of a kernel: all that its text depends on.

    shape     kind and lanes
    words     the names of the argument block's words
    step      between windows of a row: 1, 2, or 0 for any other
    copied    windows leave the input: a copy with margins is made
    flat      one dimension
    uniform   all means are over one number of elements
    add       values that meet are added (else the last one stays)
    """

    shape: Shape
    words: tuple[str, ...]
    step: int = 1
    copied: bool = False
    flat: bool = False
    uniform: bool = True
    add: bool = False


def _shape(kind: str, width: int, target: Target) -> Shape:
    lanes = target.lanes * 4 // SIZE[kind]
    while lanes > 4 and width <= lanes // 2:
        lanes //= 2
    return Shape(kind, lanes, 1, 1)


def finished(
    spec: Spec, units: int, scratch: int, words: dict[str, int], tables: Tables, buffers: Sequence[str]
) -> Plan:
    array = tables.array()
    words |= {**dict.fromkeys(buffers, 0), "tables": array.ctypes.data}
    block = np.array([words[name] for name in spec.words], np.int64)
    return Plan(spec, units, 1, scratch, block, {name: spec.words.index(name) for name in buffers}, array)


def _first_inside(
    space: Ints, counts: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> tuple[np.ndarray, np.ndarray]:
    """For each window: where it begins in the flattened input, and how far on its first element inside lies."""
    begin = first = np.zeros(1, np.int64)
    for size, count, s, p, d in zip(space, counts, stride, padding, dilation, strict=True):
        start = np.arange(count) * s - p
        begin = (begin[:, None] * size + start).reshape(-1)
        first = (first[:, None] * size - np.minimum(start, 0) // d * d).reshape(-1)
    return begin, first


def window_facts(
    words: tuple[str, ...], shape: Ints, counts: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints,
    kind: str, target: Target | None, transposed: bool = False,
) -> tuple[Spec, dict[str, int], Tables, int]:  # fmt: skip
    """Where windows and their elements lie. Transposed convolutions must have a stride of 1."""
    n = len(kernel)
    space = shape[len(shape) - n :]
    dims = axes(space, counts, kernel, stride, padding, dilation, transposed)
    laid = area(dims, dims[0].count, 1, 1)
    (phase,) = phases(dims, laid, dims[0].count, 1)
    width, step = dims[-1].out, dims[-1].stride
    tile = _shape(kind, width, target or current())
    spec = Spec(tile, words, step if step in (1, 2) else 0, laid.copied, len(dims) == 1)
    tables, size = Tables(), tile.size
    begin, _ = _first_inside(space, counts, stride, padding, dilation)
    rows = np.stack([phase.windows.reshape(-1, width)[:, 0] * size, begin.reshape(-1, width)[:, 0]], 1)
    tap = np.stack(np.meshgrid(*map(np.arange, kernel), indexing="ij"), -1).reshape(-1, n)
    flat = tap @ (np.array(dilation) * pitches(space))
    sizes = [a.size for a in dims]
    facts = {
        "pixels": math.prod(counts), "rows": len(rows), "columns": width, "step": step, "taps": len(tap),
        "row_table": tables.add(rows), "tap_table": tables.add(np.stack([phase.places * size, flat], 1)), "extra": 0,
        "plane": math.prod(space), "row_pitch": math.prod(sizes[1:]), "height": sizes[0], "width": sizes[-1],
        "area_line": laid.sizes[-1], "area_lines": laid.lines, "middle": tables.add(middle_lines(dims, laid)),
        "area_rows": laid.sizes[0], "low": laid.lows[0], "low_last": laid.lows[-1], "copy": 0,
    }  # fmt: skip
    scratch = (laid.plane + 2 * target_lanes(kind, target)) * size if laid.copied else 0
    return spec, facts, tables, scratch


def target_lanes(kind: str, target: Target | None) -> int:
    """Values of a kind in a register."""
    return (target or current()).lanes * 4 // SIZE[kind]


def max_plan(
    shape: Ints, counts: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, kind: str = "f32",
    target: Target | None = None
) -> Plan:  # fmt: skip
    """The plan of `max_pool_op` for an input of this shape, with `counts` windows in its last dimensions."""
    spec, words, tables, scratch = window_facts(MAXIMUM, shape, counts, kernel, stride, padding, dilation, kind, target)
    space = shape[len(shape) - len(kernel) :]
    if spec.copied:
        _, first = _first_inside(space, counts, stride, padding, dilation)
        words["extra"] = tables.add(np.concatenate([first, np.zeros(spec.shape.lanes, np.int64)]))
    return finished(spec, math.prod(shape[: len(shape) - len(kernel)]), scratch, words, tables, MAXIMUM[:3])


def _divisors(
    space: Ints, counts: Ints, kernel: Ints, stride: Ints, padding: Ints, include_pad: bool, override: int | None
) -> np.ndarray:
    """How many elements the mean of each window is over."""
    total: np.ndarray = np.ones(1, np.int64)
    for size, count, k, s, p in zip(space, counts, kernel, stride, padding, strict=True):
        start = np.arange(count) * s - p
        end = np.minimum(start + k, size + p)
        if not include_pad:
            start, end = np.maximum(start, 0), np.minimum(end, size)
        total = (total[:, None] * (end - start)).reshape(-1)
    return total if override is None else np.full(1, override, np.int64)


def _add_divisors(tables: Tables, values: np.ndarray, kind: str, lanes: int) -> tuple[int, bool]:
    """Where the divisors are (as numbers of the kind), and whether they are all the same one."""
    uniform = bool((values == values[0]).all())
    numbers = values[:1] if uniform else np.concatenate([values, np.ones(lanes, np.int64)])
    room = np.ones(numbers.size + 1 & ~1, np.dtype("f4" if kind == "f32" else "f8"))
    room[: numbers.size] = numbers
    return tables.add(room.view(np.int64)), uniform


def mean_plan(
    shape: Ints, counts: Ints, kernel: Ints, stride: Ints, padding: Ints, include_pad: bool, override: int | None,
    kind: str = "f32", target: Target | None = None,
) -> Plan:  # fmt: skip
    """The plan of `avg_pool_op`."""
    ones = (1,) * len(kernel)
    spec, words, tables, scratch = window_facts(MEAN, shape, counts, kernel, stride, padding, ones, kind, target)
    values = _divisors(shape[len(shape) - len(kernel) :], counts, kernel, stride, padding, include_pad, override)
    words["extra"], uniform = _add_divisors(tables, values, kind, spec.shape.lanes)
    spec = Spec(spec.shape, spec.words, spec.step, spec.copied, spec.flat, uniform)
    return finished(spec, math.prod(shape[: len(shape) - len(kernel)]), scratch, words, tables, MEAN[:2])


def share_plan(
    shape: Ints, size: Ints, kernel: Ints, stride: Ints, padding: Ints, include_pad: bool, override: int | None,
    kind: str = "f32", target: Target | None = None,
) -> Plan:  # fmt: skip
    """The plan of `avg_pool_backward`: a gradient of this shape to an input whose last dimensions are `size`."""
    n = len(size)
    counts = shape[len(shape) - n :]
    tile = _shape(kind, size[-1], target or current())
    tables, lanes = Tables(), tile.lanes
    # Along each dimension, the windows that hold an element are neighbours: the first, and how many.
    runs = []
    for length, count, k, s, p in zip(size, counts, kernel, stride, padding, strict=True):
        at = np.arange(length) + p
        first = np.maximum(-(-(at - k + 1) // s), 0)
        runs.append((first, np.maximum(np.minimum(at // s, count - 1) - first + 1, 0)))
    lists = [np.zeros(1, np.int64)]
    for (first, many), count in zip(runs[:-1], counts[:-1], strict=True):
        lists = [
            (before[:, None] * count + np.arange(f, f + m)).reshape(-1)
            for before in lists
            for f, m in zip(first, many, strict=True)
        ]
    starts = np.cumsum([0, *map(len, lists)])
    first, many = runs[-1]
    column = np.concatenate([np.stack([first, many]), np.zeros((2, lanes), np.int64)], 1)
    pixels, columns = math.prod(counts), counts[-1]
    room = -(-(pixels + lanes) * tile.size // 64) * 64
    words = {
        "pixels": pixels, "columns": columns, "plane": math.prod(size), "rows": len(lists), "width": size[-1],
        "row_table": tables.add(starts), "row_list": tables.add(np.concatenate(lists) * columns),
        "column_table": tables.add(column), "most": int(many.max(initial=0)), "sums": room,
    }  # fmt: skip
    values = _divisors(size, counts, kernel, stride, padding, include_pad, override)
    words["extra"], uniform = _add_divisors(tables, values, kind, lanes)
    scratch = room + (columns + 2 * lanes) * tile.size
    spec = Spec(tile, SHARE, uniform=uniform)
    return finished(spec, math.prod(shape[: len(shape) - n]), scratch, words, tables, SHARE[:2])


def scatter_plan(shape: Ints, size: Ints, add: bool, kind: str = "f32", target: Target | None = None) -> Plan:
    """The plan of `pool_scatter_part`. The buffer `status` (int64) becomes 1 where an index is outside."""
    n = len(size)
    shape_ = _shape(kind, math.prod(size), target or current())
    words = {"pixels": math.prod(shape[len(shape) - n :]), "plane": math.prod(size)}
    return finished(Spec(shape_, SCATTER, add=add), math.prod(shape[: len(shape) - n]), 0, words, Tables(), SCATTER[:4])
