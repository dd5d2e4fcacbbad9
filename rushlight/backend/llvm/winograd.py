"""3×3 convolutions of stride 1 by Winograd's method F(4×4, 3×3): 36 products instead of 144 for a square of outputs.

    out = Aᵀ [ Σ over c of (G w[o, c] Gᵀ) ⊙ (Bᵀ d[c] B) ] A      d: a square of 6×6 inputs, ⊙: element by element

Two kernels, one after the other: `weights_text` transforms the weights once, `kernel_text` does the rest. Everything
lies with channels side by side, so that the transforms work on vectors of channels, and the sums over channels are 36
products of `conv_parts.tiles`.
"""

from __future__ import annotations

from rushlight.backend.llvm.conv_common import Epilogue, arguments, digits, finished_module
from rushlight.backend.llvm.conv_parts import finish, load, pack_weights, plain_store, store, tiles, zero_row
from rushlight.backend.llvm.target import Target
from rushlight.backend.llvm.text import kernel
from rushlight.backend.llvm.winograd_parts import Image, Lines, Transforms, side_by_side, turn
from rushlight.backend.llvm.winograd_plan import INPUTS, OUTPUTS, POSITIONS, Spec, WeightsSpec


def weights_text(spec: WeightsSpec, target: Target | None = None, cpu: str = "") -> str:
    """The module that transforms the weights: out[column block][position][channel][column]."""
    w = kernel()
    a, shape = arguments(w, spec.words), spec.shape
    transforms = Transforms(w, shape)
    with w.loop("%begin", "%end") as loop:
        block, part = digits(w, loop.index, a["channel_blocks"])
        first, column = w.mul(part, a["channel_block"]), w.mul(block, shape.width)
        channels = w.least(w.sub(a["channels"], first), a["channel_block"])
        columns = w.least(w.sub(a["columns"], column), shape.width)
        at = w.add(w.mul(column, a["weight_column"]), w.mul(first, a["weight_channel"]))
        pack_weights(w, spec.weights, shape, a, w.at(a["w"], at, shape.element), "%scratch", columns, channels)
        with w.loop("0", channels) as channel, w.loop("0", str(shape.width), shape.lanes) as lane:
            taps = w.at("%scratch", w.add(w.mul(channel.index, 9 * shape.width), lane.index), shape.element)
            values = [
                [load(w, shape, w.at(taps, str((3 * i + j) * shape.width), shape.element)) for j in range(3)]
                for i in range(3)
            ]
            if spec.weights == "taps":  # a transposed convolution reads the other way round
                values = [row[::-1] for row in values[::-1]]
            turned = transforms.square("weights", values)
            row = w.add(w.mul(w.mul(block, POSITIONS), a["channels"]), w.add(first, channel.index))
            to = w.at(a["out"], w.add(w.mul(row, shape.width), lane.index), shape.element)
            step = w.mul(a["channels"], shape.width)
            for number, value in enumerate(sum(turned, [])):
                store(w, shape, value, w.at(to, w.mul(step, number), shape.element))
    return finished_module(w, target, cpu)


class _Main:
    """The second kernel being written. A unit: some rows of squares of some images, and a block of columns."""

    def __init__(self, spec: Spec):
        self.spec, self.shape, self.w = spec, spec.shape, kernel()
        self.a = arguments(self.w, spec.words)
        self.transforms = Transforms(self.w, self.shape)
        self.place = {
            name: self.w.at("%scratch", self.a[name])
            for name in ("area", "turned", "products", "sums", "square", "zeros")
        }

    def inputs(self, image: str, images: str, first: str, channels: str, row: str, rows: str) -> None:
        """turned[position][square][channel] = Bᵀ d B of each square."""
        a = self.a
        sizes = Image(a["channels"], a["height"], a["width"])
        area = Lines(self.place["area"], a["area_rows"], a["area_line"], a["channel_pitch"], a["low"])
        side_by_side(self.w, self.shape, a["x"], sizes, area, image, images, first, channels, self.w.mul(row, OUTPUTS))
        turn(self.transforms, "inputs", area, self.place["turned"], images, rows, a["across"], a["squares"])

    def multiply(self, block: str, first: str, channels: str, count: str, fresh: str) -> None:
        """products[position][square][column] += Σ over channels of turned · weights."""
        w, a, shape = self.w, self.a, self.shape
        squares, numbers, steps = (
            w.at(a["tables"], a[name], "i64") for name in ("square_table", "number_table", "step_table")
        )
        with w.loop("0", str(POSITIONS)) as position:
            turned = w.at(
                self.place["turned"], w.mul(w.mul(position.index, a["squares"]), a["channel_pitch"]), shape.element
            )
            row = w.add(w.mul(w.add(w.mul(block, POSITIONS), position.index), a["channels"]), first)
            panel = w.at(a["w"], w.mul(row, shape.width), shape.element)
            sums = w.at(self.place["products"], w.mul(w.mul(position.index, a["squares"]), shape.width), shape.element)
            tiles(w, shape, turned, count, squares, numbers, steps, panel, channels, sums, fresh, self.place["zeros"])

    def turn_outputs(self, images: str, rows: str, pixels: str) -> None:
        """sums[pixel][column] = Aᵀ m A of each square; what lies beyond the output goes to the row after the last."""
        w, a, shape = self.w, self.a, self.shape
        step = w.mul(a["squares"], shape.width)
        tall = w.let(f"sdiv i64 {pixels}, {a['out_width']}")
        spare = w.mul(a["images_each"], a["band_pixels"])
        with w.loop("0", images) as i, w.loop("0", rows) as y, w.loop("0", a["across"]) as x:
            number = w.add(w.mul(w.add(w.mul(i.index, rows), y.index), a["across"]), x.index)
            top, left = w.mul(y.index, OUTPUTS), w.mul(x.index, OUTPUTS)
            base = w.mul(i.index, a["band_pixels"])
            places = []
            for j in range(OUTPUTS):
                down = w.add(top, j)
                there = w.let(f"icmp slt i64 {down}, {tall}")
                line = w.add(base, w.mul(down, a["out_width"]))
                for k in range(OUTPUTS):
                    across = w.add(left, k)
                    within = w.let(f"icmp slt i64 {across}, {a['out_width']}")
                    both = w.let(f"and i1 {there}, {within}")
                    pixel = w.let(f"select i1 {both}, i64 {w.add(line, across)}, i64 {spare}")
                    places.append(w.at(self.place["sums"], w.mul(pixel, shape.width), shape.element))
            with w.loop("0", str(shape.width), shape.lanes) as lane:
                at = w.add(w.mul(number, shape.width), lane.index)
                source = w.at(self.place["products"], at, shape.element)
                found = [load(w, shape, w.at(source, w.mul(step, k), shape.element)) for k in range(POSITIONS)]
                rows_ = [found[k : k + INPUTS] for k in range(0, POSITIONS, INPUTS)]
                values = sum(self.transforms.square("outputs", rows_), [])
                for place, value in zip(places, values, strict=True):
                    store(w, shape, value, w.at(place, lane.index, shape.element))


def kernel_text(spec: Spec, epilogue: Epilogue | None = None, target: Target | None = None, cpu: str = "") -> str:
    """The module of the convolution proper, of transformed weights `w`; epilogues as in `conv.kernel_text`."""
    m = _Main(spec)
    w, a, shape = m.w, m.a, m.shape
    emit = epilogue or plain_store(a, shape)
    zero_row(w, shape, m.place["zeros"])
    with w.loop("%begin", "%end") as loop:
        image_block, band, block = digits(w, loop.index, a["bands"], a["column_blocks"])
        image, first_row, column = (
            w.mul(image_block, a["images_each"]),
            w.mul(band, a["band"]),
            w.mul(block, shape.width),
        )
        images = w.least(w.sub(a["images"], image), a["images_each"])
        rows = w.least(w.sub(a["down"], first_row), a["band"])
        columns = w.least(w.sub(a["columns"], column), shape.width)
        pixel = w.mul(band, a["band_pixels"])
        pixels = w.least(w.sub(a["pixels"], pixel), a["band_pixels"])
        count = w.mul(w.mul(images, rows), a["across"])
        with w.loop("0", a["channels"], a["channel_block"]) as first:
            channels = w.least(w.sub(a["channels"], first.index), a["channel_block"])
            m.inputs(image, images, first.index, channels, first_row, rows)
            m.multiply(block, first.index, channels, count, w.let(f"icmp eq i64 {first.index}, 0"))
        m.turn_outputs(images, rows, pixels)
        with w.loop("0", images) as i:
            sums = w.at(m.place["sums"], w.mul(w.mul(i.index, a["band_pixels"]), shape.width), shape.element)
            finish(
                w, shape, sums, pixels, columns, m.place["square"],
                lambda value, o, p, mask: emit(w, value, w.add(image, i.index), w.add(column, o), w.add(pixel, p),
                mask),
            )  # fmt: skip
    return finished_module(w, target, cpu)
