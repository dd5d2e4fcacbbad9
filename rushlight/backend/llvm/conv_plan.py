"""How a convolution is cut into units of work, and the argument blocks, tables and scratch memory of its kernels.

Sizes are chosen so that what a unit works on stays in the second-level cache. Every output is one sum in a fixed order;
only the weight's gradient adds up partial sums, over blocks of images that depend on nothing but the shapes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rushlight.backend.llvm import depthwise, winograd_plan
from rushlight.backend.llvm.conv_common import BUFFERS, Plan, Shape, Tables, pieces, tile_shape
from rushlight.backend.llvm.conv_tables import Area, Axis, Phase, area, axes, middle_lines, phases, tap_phases
from rushlight.backend.llvm.target import Target, current

Ints = Sequence[int]

PANEL_BYTES = 1 << 18  # of packed weights at a time
AREA_BYTES = 3 << 17  # of input at a time
PIXELS = 512  # outputs of a unit: packing weights costs about 6 / pixels of the work
FEWEST_PIXELS = 64
WEIGHT_ROWS = 640  # rows (channels × taps) of a unit of the weight's gradient
COMBINE_ELEMENTS = 4096  # of a unit of the sum of partial gradients
WEIGHT_UNITS = 16  # units to make of a weight's gradient at least, by blocks of images

# The words of the argument blocks, in order. Buffers first; an epilogue's own words come after the last.
COMMON = (
    "groups", "column_blocks", "images", "images_each", "bands", "band", "channels", "channel_block", "columns",
    "plane", "row_pitch", "height", "width", "area_line", "area_lines", "middle", "area_rows", "area_plane",
    "area_image", "low", "low_last", "stride", "taps", "pixels", "band_pixels", "phases", "phase_table", "panel",
    "sums", "square", "zeros",
)  # fmt: skip
FORWARD = (*BUFFERS, *COMMON, "weight_group", "weight_column", "weight_channel")
WEIGHT = (*BUFFERS, *COMMON, "blocks", "channel_blocks", "block_steps")
COMBINE = ("parts", "out", "count", "blocks", "size")
# Of a phase in the tables: windows under one position of the first dimension, and positions; where the tables of the
# tiles' rows, of their results and of the steps of the sums begin; the number of taps.
PHASE_WORDS = 6


@dataclass(frozen=True)
class Spec:
    """The structure of a kernel: all that its text depends on, beside the epilogue.

    shape     its tiles and panels; epilogues get vectors of `shape.lanes` values
    copy      lanes to copy the input with
    flat      one spatial dimension (bands are then pieces of lines)
    copied    the input is copied with zeros around it (else read where it lies)
    weights   how weights become panels: "rows" (plain), "taps" (transposed), "columns" (transposed, one tap)
    """

    shape: Shape
    copy: int
    flat: bool
    copied: bool
    weights: str = "rows"

    @property
    def words(self) -> tuple[str, ...]:
        """The names of the argument block's words. An epilogue's words start at `len(spec.words)`."""
        return FORWARD if self.weights else WEIGHT


@dataclass(frozen=True)
class _Cut:
    """A way to cut the work: bands, images a unit, channels a step; and the area that follows."""

    band: int
    images: int
    channels: int
    area: Area

    def bytes(self, size: int) -> int:
        return self.images * self.channels * self.area.plane * size if self.area.copied else 0


def _cut(dims: tuple[Axis, ...], images: int, channels: int, most_channels: int, pixels: int, size: int) -> _Cut:
    """The largest cut with at most `pixels` outputs in a unit and an area that fits in the cache."""
    first = dims[0]
    line = first.step * math.prod(a.out for a in dims[1:])
    band = pieces(first.count, pixels // line)
    whole = math.prod(a.out for a in dims)
    each = pieces(images, pixels // whole) if band == first.count else 1
    channels_each = pieces(channels, most_channels)
    while True:
        cut = _Cut(band, each, channels_each, area(dims, band, channels_each, 0))
        if cut.bytes(size) <= AREA_BYTES or channels_each * each * band == 1:
            return cut
        if each > 1:
            each = pieces(images, each // 2)
        elif band > 1 and (band >= 8 or channels_each == 1):
            band = pieces(first.count, band // 2)
        else:
            channels_each = pieces(channels, channels_each // 2)


def _common(
    spec: Spec, whole: tuple[Axis, ...], cut: _Cut, laid: Area, images: int, groups: int, channels: int, columns: int,
    taps: int,
) -> dict[str, int]:  # fmt: skip
    """The words that both kernels have, beside the places of tables and scratch memory."""
    first = whole[0]
    sizes = [a.size for a in whole]
    return {
        "groups": groups, "column_blocks": -(-columns // spec.shape.width), "images": images, "images_each": cut.images,
        "bands": -(-first.count // cut.band), "band": cut.band, "channels": channels, "channel_block": cut.channels,
        "columns": columns, "plane": math.prod(sizes), "row_pitch": math.prod(sizes[1:]), "height": sizes[0],
        "width": sizes[-1], "area_line": laid.sizes[-1], "area_lines": laid.lines, "area_rows": laid.sizes[0],
        "area_plane": laid.plane, "area_image": laid.image, "low": laid.lows[0], "low_last": laid.lows[-1],
        "stride": first.stride, "taps": taps, "pixels": math.prod(a.out for a in whole),
        "band_pixels": min(cut.band * first.step, first.out) * math.prod(a.out for a in whole[1:]),
    }  # fmt: skip


def _tiles(rows: int, depth: int, most: int) -> int:
    """Steps that tiles of `most` rows take."""
    return -(-rows // most) * depth


def _pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.stack([first.reshape(-1), second.reshape(-1)], 1)


def _patch(phase: Phase, laid: Area, channels: int, taps: int) -> tuple[np.ndarray, np.ndarray]:
    """For every element of a patch, channel by channel: where it lies, and its number among the weights."""
    channel = np.arange(channels, dtype=np.int64)[:, None]
    return channel * laid.plane + phase.places, channel * taps + phase.taps


def _finished(
    spec: Spec,
    units: int,
    words: dict[str, int],
    tables: Tables,
    cut: _Cut,
    laid: Area,
    depth: int,
    rows: int,
    parts: int = 1,
) -> Plan:
    """The plan, with scratch memory for panels of `depth` steps and sums of `rows` rows."""
    shape = spec.shape
    sizes = {
        "area": cut.images * laid.image * shape.size + spec.copy * shape.size if laid.copied else 0,
        "panel": (depth + shape.lanes) * shape.width * shape.size,
        "sums": (rows + shape.lanes) * shape.width * shape.size,
        "square": shape.lanes**2 * shape.size,
        "zeros": shape.width * shape.size,
    }
    scratch = 0
    for name, size in sizes.items():
        words[name] = scratch
        scratch += -(-size // 64) * 64
    array = tables.array()
    words |= {"x": 0, "w": 0, "out": 0, "tables": array.ctypes.data}
    block = np.array([words[name] for name in spec.words], np.int64)
    buffers = {name: spec.words.index(name) for name in BUFFERS[:3]}
    return Plan(spec, units, 1, scratch, block, buffers, array, parts)


def plan(
    x: Ints, weight: Ints, out: Ints, stride: Ints, padding: Ints, dilation: Ints, transposed: bool, groups: int,
    kind: str = "f32", threads: int = 2, target: Target | None = None, two: bool = False,
) -> Plan:  # fmt: skip
    """The plan of `convolution` for operands of these shapes; `threads` only asks for enough units, it changes no bits.

    With `two`, the caller can run two instructions: the plan may have one that goes `before` it.
    """
    target = target or current()
    if two and winograd_plan.pays(x, weight, out, stride, padding, dilation, groups, kind, target):
        return winograd_plan.plan(x, weight, out, padding, transposed, threads, target)
    direct = depthwise.plan(x, weight, out, stride, padding, dilation, transposed, groups, kind, target)
    if direct is not None and groups > 1:
        return direct
    images, channels, columns = x[0], x[1] // groups, out[1] // groups
    taps, pixels = math.prod(weight[2:]), math.prod(out[2:])
    whole = axes(x[2:], out[2:], weight[2:], stride, padding, dilation, transposed)
    shape = tile_shape(kind, columns, images * pixels, target)
    blocks = groups * -(-columns // shape.width)
    aim = PIXELS
    while True:
        cut = _cut(whole, images, channels, PANEL_BYTES // (taps * shape.width * shape.size), aim, shape.size)
        units = blocks * -(-images // cut.images) * -(-whole[0].count // cut.band)
        if units >= 4 * threads or aim <= FEWEST_PIXELS:
            break
        aim //= 2

    def made(dims: tuple[Axis, ...]) -> tuple[Area, list[Phase], int]:
        laid = area(dims, cut.band, cut.channels, x[1])
        found = phases(dims, laid, cut.band, cut.images)
        return laid, found, sum(_tiles(phase.windows.size, phase.taps.size, shape.rows) for phase in found)

    laid, found, steps = made(whole)
    if laid.copied and cut.band >= whole[0].count:
        without = made(tuple(a.split() for a in whole))
        if without[2] < steps:
            laid, found, steps = without
    way = "rows" if not transposed else "columns" if taps == 1 else "taps"
    spec = Spec(shape, target.lanes * 4 // shape.size, len(whole) == 1, laid.copied, way)
    words, tables, size = _common(spec, whole, cut, laid, images, groups, channels, columns, taps), Tables(), shape.size
    table: list[int] = []
    for phase in found:
        at, number = _patch(phase, laid, cut.channels, taps)
        places = [phase.windows * size, phase.pixels, _pairs(at * size, number * shape.width * size)]
        table += [phase.inner, phase.count, *map(tables.add, places), phase.taps.size]
    each = math.prod(weight[1:])
    words |= {
        "middle": tables.add(middle_lines(whole, laid)), "phases": len(found), "phase_table": tables.add(table),
        "weight_group": each * (weight[0] // groups), "weight_column": taps if transposed else each,
        "weight_channel": each if transposed else taps,
    }  # fmt: skip
    return _finished(spec, units, words, tables, cut, laid, cut.channels * taps, cut.images * words["band_pixels"])


def weight_plan(
    x: Ints, grad: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int, kind: str = "f32",
    target: Target | None = None,
) -> Plan:  # fmt: skip
    """The plan of `convolution_weight_backward`. Of a transposed convolution, input and gradient change places."""
    target = target or current()
    if winograd_plan.gradient_pays(x, grad, kernel, stride, padding, dilation, groups, kind, target):
        return winograd_plan.gradient_plan(x, grad, padding, target)
    direct = depthwise.weight_plan(x, grad, kernel, stride, padding, dilation, groups, kind, target)
    if direct is not None and groups > 1:
        return direct
    images, channels, columns = x[0], x[1] // groups, grad[1] // groups
    taps = math.prod(kernel)
    whole = axes(x[2:], grad[2:], kernel, stride, padding, dilation, False)
    shape = tile_shape(kind, columns, channels * taps, target)
    cut = _cut(whole, images, channels, max(1, WEIGHT_ROWS // taps), PIXELS, shape.size)
    laid = area(whole, cut.band, cut.channels, x[1])
    found = phases(whole, laid, cut.band, cut.images)
    if laid.copied and cut.band >= whole[0].count:
        there = area(tuple(a.split() for a in whole), cut.band, cut.channels, x[1])
        without = tap_phases(whole, there, cut.band, cut.images)
        steps = sum(_tiles(cut.channels, phase.windows.size, shape.rows) for phase in without)
        if steps < _tiles(cut.channels * taps, found[0].windows.size, shape.rows):
            laid, found = there, without
    spec = Spec(shape, target.lanes * 4 // shape.size, len(whole) == 1, laid.copied, "")
    words, tables, size = _common(spec, whole, cut, laid, images, groups, channels, columns, taps), Tables(), shape.size
    table: list[int] = []
    for phase in found:
        at, number = _patch(phase, laid, cut.channels, taps)
        places = [at * size, number, _pairs(phase.windows * size, phase.pixels * shape.width * size)]
        table += [phase.inner, phase.count, *map(tables.add, places), phase.taps.size]
    channel_blocks, steps = -(-channels // cut.channels), -(-images // cut.images)
    each = groups * words["column_blocks"] * channel_blocks
    block_steps = -(-steps // max(1, min(steps, -(-WEIGHT_UNITS // each))))
    blocks = max(1, -(-steps // max(block_steps, 1)))
    words |= {
        "middle": tables.add(middle_lines(whole, laid)), "phases": len(found), "phase_table": tables.add(table),
        "blocks": blocks, "channel_blocks": channel_blocks, "block_steps": block_steps,
    }  # fmt: skip
    depth, rows = cut.images * words["band_pixels"], cut.channels * taps
    return _finished(spec, blocks * each, words, tables, cut, laid, depth, rows, blocks)


@dataclass(frozen=True)
class CombinePlan:
    """The instruction that adds up partial gradients: words (`parts` and `out` are 0), units, grain."""

    words: tuple[int, ...]
    units: int
    grain: int = 1


def combine_plan(count: int, parts: int) -> CombinePlan:
    """The plan of `combine_text` for `parts` partial results of `count` elements."""
    return CombinePlan((0, 0, count, parts, COMBINE_ELEMENTS), -(-count // COMBINE_ELEMENTS))
