"""Kernels of `convolution` (both directions) and of its weight's gradient, for any number of dimensions.

    forward   sums[pixel][o]  = Σ over (c, tap) of area[row[pixel] + step[c, tap]] · panel[c, tap][o]   panel: weights
    weight    sums[c, tap][o] = Σ over pixels of area[row[c, tap] + step[pixel]] · panel[pixel][o]      panel: gradient

The area is the input with zeros around it, copied into scratch memory (or the input itself where no window leaves it);
`row` and `step` are tables of offsets (conv_tables.py); panels are turned so that output channels lie side by side.
Vectors run over output channels, so that strides, dilation and the shape of a window cost nothing: single inputs are
broadcast. At the end the sums are turned and go to the epilogue as vectors of pixels (of taps).

A transposed convolution is the same, phase by phase: no product with a zero between the input's elements is ever made.
"""

from __future__ import annotations

from typing import Any

from rushlight.backend.llvm import depthwise, winograd, winograd_gradient, winograd_plan
from rushlight.backend.llvm.conv_common import Epilogue, Shape, arguments, digits, finished_module
from rushlight.backend.llvm.conv_parts import (
    copy_plane,
    finish,
    pack_turned,
    pack_weights,
    plain_store,
    store,
    tiles,
    zero_row,
)
from rushlight.backend.llvm.conv_plan import COMBINE, PHASE_WORDS, Spec
from rushlight.backend.llvm.depthwise import DepthwiseSpec
from rushlight.backend.llvm.pack import SIZE
from rushlight.backend.llvm.target import Target, current
from rushlight.backend.llvm.text import REGISTER, Writer, kernel, vector


class _Unit:
    """What a unit of either kernel works on: names of values, and the steps that both share."""

    def __init__(self, w: Writer, spec: Spec, a: dict[str, str]):
        self.w, self.spec, self.a = w, spec, a
        self.size, self.element = spec.shape.size, spec.shape.element
        self.panel, self.sums = w.at("%scratch", a["panel"]), w.at("%scratch", a["sums"])
        self.square, self.zeros = w.at("%scratch", a["square"]), w.at("%scratch", a["zeros"])
        zero_row(w, spec.shape, self.zeros)

    def table(self, word: str) -> str:
        return self.w.at(self.a["tables"], word, "i64")

    def columns(self, block: str) -> str:
        """How many columns the panel of a block has."""
        w, a = self.w, self.a
        return w.least(w.sub(a["columns"], w.mul(block, self.spec.shape.width)), self.spec.shape.width)

    def area(self, image: str, images: str, group: str, first: str, channels: str, band: str) -> str:
        """The address of the area for some images and channels of a group, copied if need be."""
        w, a = self.w, self.a
        channel = w.add(w.mul(group, a["channels"]), first)
        image_pitch = w.mul(w.mul(a["channels"], a["groups"]), a["plane"])
        at = w.add(w.mul(image, image_pitch), w.mul(channel, a["plane"]))
        begin = w.add(w.mul(w.mul(band, a["band"]), a["stride"]), a["low"])
        if not self.spec.copied:
            return w.at(a["x"], w.add(at, w.mul(begin, a["row_pitch"])), self.element)
        source = w.at(a["x"], at, self.element)
        copy = Shape(self.spec.shape.kind, self.spec.copy, 1, 1)
        with w.loop("0", images) as i, w.loop("0", channels) as c:
            from_ = w.add(w.mul(i.index, image_pitch), w.mul(c.index, a["plane"]))
            to = w.add(w.mul(i.index, a["area_image"]), w.mul(c.index, a["area_plane"]))
            from_, to = w.at(source, from_, self.element), w.at("%scratch", to, self.element)
            copy_plane(w, copy, from_, to, a, begin, self.spec.flat, self.table(a["middle"]))
        return "%scratch"


def kernel_text(spec: Any, epilogue: Epilogue | None = None, target: Target | None = None, cpu: str = "") -> str:
    """The module of a plan's spec (or of what goes before it). An epilogue's own words come after `len(spec.words)`."""
    if isinstance(spec, DepthwiseSpec):
        return depthwise.kernel_text(spec, epilogue, target, cpu)
    if isinstance(spec, winograd_plan.Spec):
        return winograd.kernel_text(spec, epilogue, target, cpu)
    if isinstance(spec, winograd_plan.WeightsSpec):
        return winograd.weights_text(spec, target, cpu)
    w = kernel()
    a = arguments(w, spec.words)
    unit = _Unit(w, spec, a)
    shape = spec.shape
    emit = epilogue or plain_store(a, shape)
    with w.loop("%begin", "%end") as loop:
        image_block, band, group, block = digits(w, loop.index, a["bands"], a["groups"], a["column_blocks"])
        image = w.mul(image_block, a["images_each"])
        images = w.least(w.sub(a["images"], image), a["images_each"])
        columns, column = unit.columns(block), w.mul(block, shape.width)
        weights = w.add(w.mul(group, a["weight_group"]), w.mul(column, a["weight_column"]))
        with w.loop("0", a["channels"], a["channel_block"]) as first:
            channels = w.least(w.sub(a["channels"], first.index), a["channel_block"])
            base = unit.area(image, images, group, first.index, channels, band)
            at = w.add(weights, w.mul(first.index, a["weight_channel"]))
            source = w.at(a["w"], at, shape.element)
            pack_weights(w, spec.weights, shape, a, source, unit.panel, columns, channels)
            begin = w.let(f"icmp eq i64 {first.index}, 0")
            _phases(unit, base, band, images, channels, begin, weight=False)
        pixel = w.mul(band, a["band_pixels"])
        pixels = w.least(w.sub(a["pixels"], pixel), a["band_pixels"])
        channel = w.add(w.mul(group, a["columns"]), column)
        with w.loop("0", images) as i:
            sums = w.at(unit.sums, w.mul(w.mul(i.index, a["band_pixels"]), shape.width), shape.element)
            finish(
                w, shape, sums, pixels, columns, unit.square,
                lambda value, o, p, mask: emit(w, value, w.add(image, i.index), w.add(channel, o), w.add(pixel, p),
                mask),
            )  # fmt: skip
    return finished_module(w, target, cpu)


def _phases(unit: _Unit, base: str, band: str, images: str, channels: str, fresh: str, weight: bool) -> None:
    """The sums of all phases: tiles of windows, over (channel, tap); for weights the other way round."""
    w, a = unit.w, unit.a
    with w.loop("0", a["phases"]) as phase:
        facts = w.at(unit.table(a["phase_table"]), w.mul(phase.index, PHASE_WORDS), "i64")
        inner, count, rows, results, steps, taps = (
            w.let(f"load i64, ptr {w.at(facts, str(i), 'i64')}, align 8") for i in range(PHASE_WORDS)
        )
        here = w.least(w.sub(count, w.mul(band, a["band"])), a["band"])
        windows, patch = w.mul(w.mul(images, inner), here), w.mul(channels, taps)
        height, depth = (patch, windows) if weight else (windows, patch)
        rows, results, steps = (unit.table(place) for place in (rows, results, steps))
        tiles(w, unit.spec.shape, base, height, rows, results, steps, unit.panel, depth, unit.sums, fresh, unit.zeros)


def weight_text(spec: Any, target: Target | None = None, cpu: str = "") -> str:
    """The module of `convolution_weight_backward` for a plan's spec: `x` is the input, `w` the output's gradient."""
    if isinstance(spec, DepthwiseSpec):
        return depthwise.weight_text(spec, target, cpu)
    if isinstance(spec, winograd_plan.GradientSpec):
        return winograd_gradient.weight_text(spec, target, cpu)
    w = kernel()
    a = arguments(w, spec.words)
    unit = _Unit(w, spec, a)
    shape = spec.shape
    with w.loop("%begin", "%end") as loop:
        block, group, column_block, channel_block = digits(
            w, loop.index, a["groups"], a["column_blocks"], a["channel_blocks"]
        )
        columns, column = unit.columns(column_block), w.mul(column_block, shape.width)
        first = w.mul(channel_block, a["channel_block"])
        channels = w.least(w.sub(a["channels"], first), a["channel_block"])
        rows = w.mul(channels, a["taps"])
        out_channel = w.add(w.mul(group, a["columns"]), column)
        begin = w.mul(w.mul(block, a["block_steps"]), a["images_each"])
        each = w.mul(a["block_steps"], a["images_each"])
        stop = w.least(a["images"], w.add(begin, each))
        # An empty batch has one step too, of no images, which makes zeros.
        once = w.let(f"call i64 @llvm.smax.i64(i64 {stop}, i64 {w.add(begin, 1)})")
        with w.loop(begin, once, a["images_each"]) as step, w.loop("0", a["bands"]) as band:
            images = w.least(w.sub(stop, step.index), a["images_each"])
            base = unit.area(step.index, images, group, first, channels, band.index)
            _pack_gradient(unit, step.index, images, band.index, out_channel, columns)
            fresh = w.let(f"icmp eq i64 {w.add(w.sub(step.index, begin), band.index)}, 0")
            _phases(unit, base, band.index, images, channels, fresh, weight=True)

        def emit(value: str, o: str, row: str, mask: str | None) -> None:
            channel = w.add(out_channel, o)
            at = w.add(w.mul(first, a["taps"]), row)
            plane = w.add(w.mul(block, w.mul(a["groups"], a["columns"])), channel)
            at = w.add(w.mul(plane, w.mul(a["channels"], a["taps"])), at)
            store(w, shape, value, w.at(a["out"], at, shape.element), mask)

        finish(w, shape, unit.sums, rows, columns, unit.square, emit)
    return finished_module(w, target, cpu)


def _pack_gradient(unit: _Unit, image: str, images: str, band: str, channel: str, columns: str) -> None:
    """The output gradient of a band of some images -> panel rows."""
    w, a, shape = unit.w, unit.a, unit.spec.shape
    pixel = w.mul(band, a["band_pixels"])
    pixels = w.least(w.sub(a["pixels"], pixel), a["band_pixels"])
    row = shape.width * shape.size
    with w.loop("0", images) as i:
        plane = w.add(w.mul(w.add(image, i.index), w.mul(a["groups"], a["columns"])), channel)
        source = w.at(a["w"], w.add(w.mul(plane, a["pixels"]), pixel), shape.element)
        before = w.mul(i.index, pixels)
        pack_turned(
            w, shape, source, a["pixels"], columns, pixels, lambda r: w.at(unit.panel, w.mul(w.add(before, r), row))
        )


def combine_text(kind: str, target: Target | None = None, cpu: str = "") -> str:
    """out[i] = Σ over blocks of parts[block · count + i], block after block; a unit is `size` elements."""
    w = kernel()
    a = arguments(w, COMBINE)
    lanes = (target or current()).lanes * 4 // SIZE[kind]
    shape = Shape(kind, lanes, 1, 1)
    wide, element = vector(kind, lanes), REGISTER[kind]
    begin = w.mul("%begin", a["size"])
    end = w.least(w.mul("%end", a["size"]), a["count"])

    def total(at: str, kind_: str) -> str:
        place = w.at(a["parts"], at, element)
        first = w.let(f"load {kind_}, ptr {place}, align {shape.size}")
        with w.loop("1", a["blocks"], 1, [(kind_, first)]) as block:
            place = w.at(a["parts"], w.add(w.mul(block.index, a["count"]), at), element)
            value = w.let(f"load {kind_}, ptr {place}, align {shape.size}")
            block.next = [w.let(f"fadd {kind_} {block.values[0]}, {value}")]
        return block.values[0]

    whole = w.add(begin, w.let(f"and i64 {w.sub(end, begin)}, {-lanes}"))
    with w.loop(begin, whole, lanes) as loop:
        store(w, shape, total(loop.index, wide), w.at(a["out"], loop.index, element))
    with w.loop(whole, end) as loop:
        value = total(loop.index, element)
        w.do(f"store {element} {value}, ptr {w.at(a['out'], loop.index, element)}, align {shape.size}")
    return finished_module(w, target, cpu)
