"""The gradient of the weights of 3×3 convolutions of stride 1, by Winograd's method: `winograd.py` turned round.

    dw[o, c] = Gᵀ [ Σ over squares of (A g[o] Aᵀ) ⊙ (Bᵀ d[c] B) ] G      g: 4×4 gradients, d: 6×6 inputs

A unit takes a block of channels and a block of columns (output channels) over some images; the sums over squares are 36
products.
"""

from __future__ import annotations

from rushlight.backend.llvm.conv_common import arguments, digits, finished_module
from rushlight.backend.llvm.conv_parts import finish, load, store, tiles, zero_row
from rushlight.backend.llvm.target import Target
from rushlight.backend.llvm.text import kernel
from rushlight.backend.llvm.winograd_parts import Image, Lines, Transforms, side_by_side, turn
from rushlight.backend.llvm.winograd_plan import INPUTS, OUTPUTS, POSITIONS, TAPS, GradientSpec

_PLACES = ("area", "turned", "gradient_area", "gradients", "products", "sums", "square", "zeros")


def weight_text(spec: GradientSpec, target: Target | None = None, cpu: str = "") -> str:
    """The module of the weight's gradient: `x` is the input, `w` the output's gradient.

    `out` gets a part for each block of images.
    """
    w, shape = kernel(), spec.shape
    a = arguments(w, spec.words)
    place = {name: w.at("%scratch", a[name]) for name in _PLACES}
    transforms, row = Transforms(w, shape), str(shape.width)
    zero_row(w, shape, place["zeros"])
    inputs = Lines(place["area"], a["area_rows"], a["area_line"], a["channel_pitch"], a["low"])
    gradients = Lines(place["gradient_area"], a["gradient_rows"], a["gradient_line"], row, "0")
    input_sizes = Image(a["channels"], a["height"], a["width"])
    gradient_sizes = Image(a["columns"], a["out_height"], a["out_width"])
    with w.loop("%begin", "%end") as loop:
        block, column_block, channel_block = digits(w, loop.index, a["column_blocks"], a["channel_blocks"])
        column, first = w.mul(column_block, shape.width), w.mul(channel_block, a["channel_block"])
        columns = w.least(w.sub(a["columns"], column), shape.width)
        channels = w.least(w.sub(a["channels"], first), a["channel_block"])
        each = w.mul(a["block_steps"], a["images_each"])
        begin = w.mul(block, each)
        stop = w.least(a["images"], w.add(begin, each))
        with w.loop(begin, stop, a["images_each"]) as step, w.loop("0", a["bands"]) as band:
            images = w.least(w.sub(stop, step.index), a["images_each"])
            first_row = w.mul(band.index, a["band"])
            rows, line = w.least(w.sub(a["down"], first_row), a["band"]), w.mul(first_row, OUTPUTS)
            side_by_side(w, shape, a["x"], input_sizes, inputs, step.index, images, first, channels, line)
            turn(transforms, "inputs", inputs, place["turned"], images, rows, a["across"], a["squares"])
            side_by_side(w, shape, a["w"], gradient_sizes, gradients, step.index, images, column, columns, line)
            turn(transforms, "gradients", gradients, place["gradients"], images, rows, a["across"], a["squares"])
            count = w.mul(w.mul(images, rows), a["across"])
            fresh = w.let(f"icmp eq i64 {w.add(w.sub(step.index, begin), band.index)}, 0")
            channel_table, numbers, steps = (
                w.at(a["tables"], a[name], "i64") for name in ("channel_table", "number_table", "step_table")
            )
            with w.loop("0", str(POSITIONS)) as position:
                at = w.mul(position.index, a["squares"])
                base = w.at(place["turned"], w.mul(at, a["channel_pitch"]), shape.element)
                panel = w.at(place["gradients"], w.mul(at, row), shape.element)
                sums = w.at(place["products"], w.mul(w.mul(position.index, a["channel_block"]), row), shape.element)
                tiles(
                    w, shape, base, channels, channel_table, numbers, steps, panel, count, sums, fresh, place["zeros"]
                )
        _turn_back(transforms, place, a, channels)

        def emit(value: str, o: str, tap: str, mask: str | None) -> None:
            plane = w.add(w.mul(block, a["columns"]), w.add(column, o))
            at = w.add(w.mul(w.add(w.mul(plane, a["channels"]), first), TAPS), tap)
            store(w, shape, value, w.at(a["out"], at, shape.element), mask)

        finish(w, shape, place["sums"], w.mul(channels, TAPS), columns, place["square"], emit)
    return finished_module(w, target, cpu)


def _turn_back(transforms: Transforms, place: dict[str, str], a: dict[str, str], channels: str) -> None:
    """sums[channel, tap][column] = Gᵀ u G."""
    w, shape = transforms.w, transforms.shape
    step = w.mul(a["channel_block"], shape.width)
    with w.loop("0", channels) as channel, w.loop("0", str(shape.width), shape.lanes) as lane:
        source = w.at(place["products"], w.add(w.mul(channel.index, shape.width), lane.index), shape.element)
        found = [load(w, shape, w.at(source, w.mul(step, k), shape.element)) for k in range(POSITIONS)]
        rows = [found[k : k + INPUTS] for k in range(0, POSITIONS, INPUTS)]
        to = w.at(place["sums"], w.add(w.mul(channel.index, TAPS * shape.width), lane.index), shape.element)
        for tap, value in enumerate(sum(transforms.square("weight_gradients", rows), [])):
            store(w, shape, value, w.at(to, str(tap * shape.width), shape.element))
