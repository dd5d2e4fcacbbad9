"""Depthwise convolutions, where every output channel reads one input channel: window by window, with vectors of pixels.

    out[n, o, p] = Σ over taps of w[o, tap] · x[n, o // m, window p at tap]      m: outputs of an input channel

There is no sum over channels to share, so panels would not pay; the work is that of a pool (pooling.py), with weights.
It serves transposed convolutions of stride 1 too. Its specs and plans take the place of those of conv_plan.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rushlight.backend.llvm.conv_common import Epilogue, Plan
from rushlight.backend.llvm.conv_parts import load, store
from rushlight.backend.llvm.pooling import Windows
from rushlight.backend.llvm.pooling_plan import WINDOWS, Spec, finished, window_facts
from rushlight.backend.llvm.target import Target
from rushlight.backend.llvm.text import constant
from rushlight.backend.llvm.tile import broadcast

Ints = Sequence[int]

FORWARD = ("x", "w", "out", *WINDOWS, "channels", "each")
WEIGHT = (*FORWARD, "images", "sums")


@dataclass(frozen=True)
class DepthwiseSpec(Spec):
    """The structure of a depthwise kernel; `words` and `shape` mean what they do in `conv_plan.Spec`."""


def plan(
    x: Ints, weight: Ints, out: Ints, stride: Ints, padding: Ints, dilation: Ints, transposed: bool, groups: int,
    kind: str, target: Target | None = None,
) -> Plan | None:  # fmt: skip
    """The plan of a convolution with one input channel a group, one plane of the output a unit.

    None where it is not such a convolution, or is transposed with a stride.
    """
    if x[1] != groups or (transposed and set(stride) != {1}):
        return None
    found, words, tables, scratch = window_facts(
        FORWARD, x, out[2:], weight[2:], stride, padding, dilation, kind, target, transposed
    )
    words |= {"channels": out[1], "each": out[1] // groups}
    return finished(_depthwise(found), out[0] * out[1], scratch, words, tables, FORWARD[:3])


def weight_plan(
    x: Ints, grad: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int, kind: str,
    target: Target | None = None
) -> Plan | None:  # fmt: skip
    """The plan of the weight's gradient, one output channel a unit; None where it is not depthwise."""
    if x[1] != groups:
        return None
    found, words, tables, scratch = window_facts(WEIGHT, x, grad[2:], kernel, stride, padding, dilation, kind, target)
    sums = -(-scratch // 64) * 64
    words |= {"channels": grad[1], "each": grad[1] // groups, "images": x[0], "sums": sums}
    scratch = sums + math.prod(kernel) * found.shape.lanes * found.shape.size
    return finished(_depthwise(found), grad[1], scratch, words, tables, FORWARD[:3])


def _depthwise(spec: Spec) -> DepthwiseSpec:
    return DepthwiseSpec(spec.shape, spec.words, spec.step, spec.copied, spec.flat)


def kernel_text(spec: DepthwiseSpec, epilogue: Epilogue | None, target: Target | None = None, cpu: str = "") -> str:
    """The module of the convolution; `epilogue` as in `conv.kernel_text`."""
    p = Windows(spec)
    w, a, shape = p.w, p.words, p.shape
    with w.loop("%begin", "%end") as unit:
        image = w.let(f"sdiv i64 {unit.index}, {a['channels']}")
        channel = w.let(f"srem i64 {unit.index}, {a['channels']}")
        inputs = w.let(f"sdiv i64 {a['channels']}, {a['each']}")
        source = w.add(w.mul(image, inputs), w.let(f"sdiv i64 {channel}, {a['each']}"))
        area, out = p.area(source, 0.0, target), p.plane("out", unit.index, "pixels")
        weights = p.plane("w", channel, "taps")
        rows, taps = p.table("row_table"), p.table("tap_table")
        with w.loop("0", a["rows"]) as row, w.loop("0", a["columns"], shape.lanes) as column:
            at = w.at(area, p.word(rows, w.mul(row.index, 2)))
            base = w.at(at, w.mul(column.index, a["step"]), shape.element)
            masks = p.masks(w.sub(a["columns"], column.index))
            with w.loop("0", a["taps"], 1, [(shape.wide, constant(0.0, shape.kind, shape.lanes))]) as tap:
                value = p.elements(w.at(base, p.word(taps, w.mul(tap.index, 2))), masks)
                place = w.at(weights, tap.index, shape.element)
                number = w.let(f"load {shape.element}, ptr {place}, align {shape.size}")
                tap.next = [_multiply_add(p, broadcast(w, shape.kind, shape.lanes, number), value, tap.values[0])]
            pixel = w.add(w.mul(row.index, a["columns"]), column.index)
            if epilogue is None:
                store(w, shape, tap.values[0], w.at(out, pixel, shape.element), masks[-1])
            else:
                epilogue(w, tap.values[0], image, channel, pixel, masks[-1])
    return p.module(target, cpu)


def _multiply_add(p: Windows, a: str, b: str, c: str) -> str:
    wide = p.shape.wide
    return p.w.let(f"call {wide} @llvm.fmuladd({wide} {a}, {wide} {b}, {wide} {c})")


def weight_text(spec: DepthwiseSpec, target: Target | None = None, cpu: str = "") -> str:
    """The module of the weight's gradient: `x` is the input, `w` the output's gradient.

    There is a sum in each lane; they are added up at the end.
    """
    p = Windows(spec)
    w, a, shape = p.w, p.words, p.shape
    lanes, wide, element = shape.lanes, shape.wide, shape.element
    sums = w.at("%scratch", a["sums"])
    place = lambda tap: w.at(sums, w.mul(tap, lanes), element)  # noqa: E731
    with w.loop("%begin", "%end") as channel:
        with w.loop("0", a["taps"]) as tap:
            store(w, shape, constant(0.0, shape.kind, lanes), place(tap.index))
        inputs = w.let(f"sdiv i64 {a['channels']}, {a['each']}")
        source = w.let(f"sdiv i64 {channel.index}, {a['each']}")
        with w.loop("0", a["images"]) as image:
            area = p.area(w.add(w.mul(image.index, inputs), source), 0.0, target)
            gradient = p.plane("w", w.add(w.mul(image.index, a["channels"]), channel.index), "pixels")
            rows, taps = p.table("row_table"), p.table("tap_table")
            with w.loop("0", a["taps"]) as tap:
                first = w.at(area, p.word(taps, w.mul(tap.index, 2)))
                total = load(w, shape, place(tap.index))
                with w.loop("0", a["rows"], 1, [(wide, total)]) as row:
                    at = w.at(first, p.word(rows, w.mul(row.index, 2)))
                    line = w.at(gradient, w.mul(row.index, a["columns"]), element)
                    with w.loop("0", a["columns"], lanes, [(wide, row.values[0])]) as column:
                        masks = p.masks(w.sub(a["columns"], column.index))
                        value = p.elements(w.at(at, w.mul(column.index, a["step"]), element), masks)
                        factor = load(w, shape, w.at(line, column.index, element), masks[-1])
                        column.next = [_multiply_add(p, factor, value, column.values[0])]
                    row.next = column.values
                store(w, shape, row.values[0], place(tap.index))
        with w.loop("0", a["taps"]) as tap:
            total = load(w, shape, place(tap.index))
            whole = w.let(f"call {element} @llvm.vector.reduce.fadd({element} 0.0, {wide} {total})")
            at = w.add(w.mul(channel.index, a["taps"]), tap.index)
            w.do(f"store {element} {whole}, ptr {w.at(a['out'], at, element)}, align {shape.size}")
    return p.module(target, cpu)
