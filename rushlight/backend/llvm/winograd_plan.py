"""When Winograd's method pays for a convolution, and how `winograd.py` cuts the work; compare conv_plan.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rushlight.backend.llvm.conv_common import BUFFERS, Plan, Shape, Tables, pieces, tile_shape
from rushlight.backend.llvm.target import Target

Ints = Sequence[int]

INPUTS, OUTPUTS, POSITIONS = 6, 4, 36  # along a square of inputs, of outputs; values of a transformed square
TAPS = 9
SQUARES = 16  # of a unit at most: what it works on takes about 20 kB each
CHANNELS = 64  # of a unit at a time
FEWEST_CHANNELS = 16
WEIGHT_BYTES = 12 << 20  # of transformed weights at most: more would not stay in the last-level cache
WEIGHT_SQUARES = 40  # squares that must share transformed weights to make up for the transformation

WEIGHT_WORDS = (
    "w",
    "out",
    "columns",
    "channels",
    "channel_blocks",
    "channel_block",
    "taps",
    "weight_column",
    "weight_channel",
)
WORDS = (
    *BUFFERS, "groups", "column_blocks", "images", "images_each", "bands", "band", "channels", "channel_block",
    "channel_pitch", "columns", "height", "width", "low", "area_rows", "area_line", "down", "across", "squares",
    "pixels", "out_width", "band_pixels", "square_table", "number_table", "step_table", "area", "turned", "products",
    "sums", "square", "zeros",
)  # fmt: skip


@dataclass(frozen=True)
class Spec:
    """The structure of the kernel proper: its tiles. An epilogue's own words come after `len(words)`."""

    shape: Shape

    @property
    def words(self) -> tuple[str, ...]:
        return WORDS


@dataclass(frozen=True)
class WeightsSpec:
    """The structure of the kernel that transforms weights; they lie as "rows" (plain) or "taps" (transposed)."""

    shape: Shape
    weights: str

    @property
    def words(self) -> tuple[str, ...]:
        return WEIGHT_WORDS


def pays(
    x: Ints,
    weight: Ints,
    out: Ints,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
    kind: str,
    target: Target,
) -> bool:
    """Whether this is a convolution to do so: 3×3, stride 1, with enough channels, columns and squares."""
    if (
        tuple(weight[2:]) != (3, 3)
        or {*stride, *dilation} != {1}
        or groups != 1
        or kind != "f32"
        or max(padding) > 2
        or padding[0] != padding[1]
    ):
        return False
    lanes, columns, channels = target.lanes, out[1], x[1]
    size = POSITIONS * channels * -(-columns // lanes) * lanes * 4
    squares = x[0] * -(-out[2] // OUTPUTS) * -(-out[3] // OUTPUTS)
    used = math.prod(out[2:]) * x[0] / (squares * OUTPUTS**2) if squares else 0
    enough = min(channels, columns) >= FEWEST_CHANNELS and columns >= lanes and channels >= lanes
    return enough and squares >= WEIGHT_SQUARES and size <= WEIGHT_BYTES and used > 0.6


def plan(x: Ints, weight: Ints, out: Ints, padding: Ints, transposed: bool, threads: int, target: Target) -> Plan:
    """The plan of a convolution for which it `pays`; as in `conv_plan.plan`, `threads` changes no bits."""
    images, channels, columns = x[0], x[1], out[1]
    low = 2 - padding[0] if transposed else padding[0]
    down, across = (-(-size // OUTPUTS) for size in out[2:])
    most = SQUARES
    while True:
        band = pieces(down, most // across)
        each = pieces(images, most // (down * across)) if band == down else 1
        shape = tile_shape("f32", columns, each * band * across, target)
        blocks = -(-columns // shape.width)
        units = blocks * -(-images // each) * -(-down // band)
        if units >= 4 * threads or most <= 8:
            break
        most //= 2
    size, row = shape.size, shape.width
    squares, block = each * band * across, pieces(channels, CHANNELS)
    pitch = -(-block // shape.lanes) * shape.lanes
    tables = Tables()
    numbers = np.arange(squares)
    steps = np.arange(block)[:, None] * np.array([1, row]) * size
    words = {
        "groups": 1, "column_blocks": blocks, "images": images, "images_each": each, "bands": -(-down // band),
        "band": band, "channels": channels, "channel_block": block, "channel_pitch": pitch, "columns": columns,
        "height": x[2], "width": x[3], "low": low, "area_rows": OUTPUTS * band + 2, "area_line": OUTPUTS * across + 2,
        "down": down, "across": across, "squares": squares, "pixels": out[2] * out[3], "out_width": out[3],
        "band_pixels": min(OUTPUTS * band, out[2]) * out[3], "square_table": tables.add(numbers * pitch * size),
        "number_table": tables.add(numbers), "step_table": tables.add(steps),
    }  # fmt: skip
    sizes = {
        "area": (each * words["area_rows"] * words["area_line"] + 1) * pitch,
        "turned": POSITIONS * squares * pitch,
        "products": POSITIONS * squares * row,
        "sums": (each * words["band_pixels"] + shape.lanes + 1) * row,
        "square": shape.lanes**2,
        "zeros": row,
    }
    scratch = place_all(words, sizes, size)
    before = _weights(shape, weight, channels, columns, transposed)
    return _finished(Spec(shape), units, scratch, words, tables, before=before)


def _finished(spec: Any, units: int, scratch: int, words: dict[str, int], tables: Tables, **more: Any) -> Plan:
    array = tables.array()
    words = {**words, **dict.fromkeys(BUFFERS, 0), "tables": array.ctypes.data}
    block = np.array([words[name] for name in spec.words], np.int64)
    buffers = {name: spec.words.index(name) for name in BUFFERS[:3] if name in spec.words}
    return Plan(spec, units, 1, scratch, block, buffers, array, **more)


def _weights(shape: Shape, weight: Ints, channels: int, columns: int, transposed: bool) -> Plan:
    """The instruction that transforms the weights."""
    block, column_blocks = pieces(channels, CHANNELS // 4), -(-columns // shape.width)
    each = TAPS * weight[1]
    words = {
        "columns": columns, "channels": channels, "channel_blocks": -(-channels // block), "channel_block": block,
        "taps": TAPS, "weight_column": TAPS if transposed else each, "weight_channel": each if transposed else TAPS,
    }  # fmt: skip
    scratch = (TAPS * block + shape.lanes) * shape.width * shape.size
    return _finished(
        WeightsSpec(shape, "taps" if transposed else "rows"), column_blocks * words["channel_blocks"], scratch, words,
        Tables(), room=column_blocks * POSITIONS * channels * shape.width,
    )  # fmt: skip


# -- the gradient of the weights ---------------------------------------------------------------------------------------

GRADIENT_SQUARES = 32  # of a step
GRADIENT_CHANNELS = 64  # of a unit
GRADIENT_UNITS = 8  # units to make at least, by blocks of images
FEWEST_SQUARES = 16

GRADIENT_WORDS = (
    *BUFFERS, "column_blocks", "channel_blocks", "block_steps", "images", "images_each", "bands", "band", "channels",
    "channel_block", "channel_pitch", "columns", "height", "width", "low", "area_rows", "area_line", "down", "across",
    "squares", "out_height", "out_width", "gradient_rows", "gradient_line", "channel_table", "number_table",
    "step_table", "area", "turned", "gradient_area", "gradients", "products", "sums", "square", "zeros",
)  # fmt: skip


@dataclass(frozen=True)
class GradientSpec:
    """The structure of the kernel: its tiles."""

    shape: Shape

    @property
    def words(self) -> tuple[str, ...]:
        return GRADIENT_WORDS


def gradient_pays(
    x: Ints,
    grad: Ints,
    kernel: Ints,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
    kind: str,
    target: Target,
) -> bool:
    """Whether the gradient of these weights is worth doing so."""
    if tuple(kernel) != (3, 3) or {*stride, *dilation} != {1} or groups != 1 or kind != "f32" or max(padding) > 2:
        return False
    squares = x[0] * -(-grad[2] // OUTPUTS) * -(-grad[3] // OUTPUTS)
    used = math.prod(grad[2:]) * x[0] / (squares * OUTPUTS**2) if squares else 0
    fewest = max(FEWEST_CHANNELS, target.lanes)
    return min(x[1], grad[1]) >= fewest and padding[0] == padding[1] and squares >= FEWEST_SQUARES and used > 0.6


def gradient_plan(x: Ints, grad: Ints, padding: Ints, target: Target) -> Plan:
    """The plan of the gradient of weights for which it pays."""
    images, channels, columns = x[0], x[1], grad[1]
    down, across = (-(-size // OUTPUTS) for size in grad[2:])
    band = pieces(down, GRADIENT_SQUARES // across)
    each = pieces(images, GRADIENT_SQUARES // (down * across)) if band == down else 1
    block = pieces(channels, GRADIENT_CHANNELS)
    shape = tile_shape("f32", columns, block, target)
    size, row, squares = shape.size, shape.width, each * band * across
    pitch = -(-block // shape.lanes) * shape.lanes
    column_blocks, channel_blocks, steps = -(-columns // row), -(-channels // block), -(-images // each)
    units = column_blocks * channel_blocks
    block_steps = -(-steps // min(steps, -(-GRADIENT_UNITS // units)))
    blocks = -(-steps // block_steps)
    tables, numbers = Tables(), np.arange(block)
    words = {
        "column_blocks": column_blocks, "channel_blocks": channel_blocks, "block_steps": block_steps, "images": images,
        "images_each": each, "bands": -(-down // band), "band": band, "channels": channels, "channel_block": block,
        "channel_pitch": pitch, "columns": columns, "height": x[2], "width": x[3], "low": padding[0],
        "area_rows": OUTPUTS * band + 2, "area_line": OUTPUTS * across + 2, "down": down, "across": across,
        "squares": squares, "out_height": grad[2], "out_width": grad[3], "gradient_rows": OUTPUTS * band,
        "gradient_line": OUTPUTS * across, "channel_table": tables.add(numbers * size),
        "number_table": tables.add(numbers),
        "step_table": tables.add(np.arange(squares)[:, None] * np.array([pitch, row]) * size),
    }  # fmt: skip
    sizes = {
        "area": (each * words["area_rows"] * words["area_line"] + 1) * pitch,
        "turned": POSITIONS * squares * pitch,
        "gradient_area": (each * words["gradient_rows"] * words["gradient_line"] + 1) * row,
        "gradients": POSITIONS * squares * row,
        "products": POSITIONS * block * row,
        "sums": (TAPS * block + shape.lanes) * row,
        "square": shape.lanes**2,
        "zeros": row,
    }
    scratch = place_all(words, sizes, size)
    return _finished(GradientSpec(shape), units * blocks, scratch, words, tables, parts=blocks)


def place_all(words: dict[str, int], sizes: dict[str, int], size: int) -> int:
    """Give each part of the scratch memory (`sizes`, in values of `size` bytes) its place; the bytes of all."""
    scratch = 0
    for name, count in sizes.items():
        words[name] = scratch
        scratch += -(-count * size // 64) * 64
    return scratch
