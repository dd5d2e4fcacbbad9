"""The pieces of Winograd's method: the transforms, and images with their channels side by side, cut into squares.

The transforms evaluate polynomials at 0, ±3/4, ±3/2 and ∞. These points cost 1.7 times the rounding errors of the sum
taken directly; the better-known ones (0, ±1, ±2, ∞) cost 4 times as much. The method: S. Winograd, Arithmetic
complexity of computations, 1980; for such layers: A. Lavin and S. Gray, Fast algorithms for convolutional neural
networks, 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rushlight.backend.llvm.conv_common import Shape
from rushlight.backend.llvm.conv_parts import load, pack_turned, store
from rushlight.backend.llvm.text import Writer, constant
from rushlight.backend.llvm.winograd_plan import OUTPUTS

_P, _Q = 0.75, 1.5


class Transforms:
    """The three transforms of one line; a square is transformed line by line, then column by column."""

    def __init__(self, w: Writer, shape: Shape):
        self.w, self.shape = w, shape

    def _op(self, name: str, a: str, b: str) -> str:
        return self.w.let(f"{name} {self.shape.wide} {a}, {b}")

    def _plus(self, a: str, factor: float, b: str) -> str:
        """a + factor · b"""
        wide, number = self.shape.wide, constant(factor, self.shape.kind, self.shape.lanes)
        return self.w.let(f"call {wide} @llvm.fmuladd({wide} {b}, {wide} {number}, {wide} {a})")

    def _times(self, factor: float, a: str) -> str:
        return self._op("fmul", constant(factor, self.shape.kind, self.shape.lanes), a)

    def inputs(self, d: Sequence[str]) -> list[str]:
        """Bᵀ d: 6 -> 6."""
        p, q = _P * _P, _Q * _Q
        ends = [self._plus(self._plus(d[i + 4], -(p + q), d[i + 2]), p * q, d[i]) for i in (0, 1)]
        pairs = []
        for root, other in ((_P, q), (_Q, p)):
            even, odd = self._plus(d[4], -other, d[2]), self._plus(d[3], -other, d[1])
            pairs += [self._plus(even, root, odd), self._plus(even, -root, odd)]
        return [ends[0], *pairs, ends[1]]

    def weights(self, g: Sequence[str]) -> list[str]:
        """G g: 3 -> 6."""
        p, q = _P * _P, _Q * _Q
        pairs = []
        for root, square, other in ((_P, p, q), (_Q, q, p)):
            scale = 1 / (2 * square * (square - other))
            even = self._plus(self._times(scale, g[0]), scale * square, g[2])
            pairs += [self._plus(even, scale * root, g[1]), self._plus(even, -scale * root, g[1])]
        return [self._times(1 / (p * q), g[0]), *pairs, g[2]]

    def outputs(self, m: Sequence[str]) -> list[str]:
        """Aᵀ m: 6 -> 4."""
        p, q = _P * _P, _Q * _Q
        (sum_p, less_p), (sum_q, less_q) = (
            (self._op("fadd", m[i], m[i + 1]), self._op("fsub", m[i], m[i + 1])) for i in (1, 3)
        )
        return [
            self._op("fadd", m[0], self._op("fadd", sum_p, sum_q)),
            self._plus(self._times(_P, less_p), _Q, less_q),
            self._plus(self._times(p, sum_p), q, sum_q),
            self._plus(self._plus(m[5], _P * p, less_p), _Q * q, less_q),
        ]

    def gradients(self, g: Sequence[str]) -> list[str]:
        """A g: 4 -> 6, the outputs' transform turned round."""
        p, q = _P * _P, _Q * _Q
        pairs = []
        for root, square in ((_P, p), (_Q, q)):
            even, odd = self._plus(g[0], square, g[2]), self._plus(g[1], square, g[3])
            pairs += [self._plus(even, root, odd), self._plus(even, -root, odd)]
        return [g[0], *pairs, g[3]]

    def weight_gradients(self, u: Sequence[str]) -> list[str]:
        """Gᵀ u: 6 -> 3, the weights' transform turned round."""
        p, q = _P * _P, _Q * _Q
        scales = [1 / (2 * square * (square - other)) for square, other in ((p, q), (q, p))]
        (sum_p, less_p), (sum_q, less_q) = (
            (self._op("fadd", u[i], u[i + 1]), self._op("fsub", u[i], u[i + 1])) for i in (1, 3)
        )
        return [
            self._plus(self._plus(self._times(1 / (p * q), u[0]), scales[0], sum_p), scales[1], sum_q),
            self._plus(self._times(scales[0] * _P, less_p), scales[1] * _Q, less_q),
            self._plus(self._plus(u[5], scales[0] * p, sum_p), scales[1] * q, sum_q),
        ]

    def square(self, line: str, values: Sequence[Sequence[str]]) -> list[list[str]]:
        """The transform called `line`, of rows and then of columns."""
        transform = getattr(self, line)
        rows = [transform(row) for row in values]
        columns = [transform(column) for column in zip(*rows, strict=True)]
        return [list(row) for row in zip(*columns, strict=True)]


@dataclass(frozen=True)
class Image:
    """The sizes of an image in memory: channels, height, width."""

    channels: str
    height: str
    width: str


@dataclass(frozen=True)
class Lines:
    """A copy of parts of images with channels side by side: copy[image][y][x][channel], `low` zeros before each line
    and image.

    place     its address
    count     lines of an image; length: pixels of a line; pitch: channels of a pixel
    """

    place: str
    count: str
    length: str
    pitch: str
    low: str


def side_by_side(
    w: Writer, shape: Shape, base: str, sizes: Image, copy: Lines, image: str, images: str, first: str, channels: str,
    row: str
) -> None:  # fmt: skip
    """Fill the copy with channels [first, first + channels) of some images, from line `row` on, zeros before line 0."""
    plane = w.mul(sizes.height, sizes.width)
    pixel = w.mul(copy.pitch, shape.size)
    line = w.mul(copy.length, pixel)
    after = w.add(sizes.width, copy.low)
    width = w.least(sizes.width, w.sub(copy.length, copy.low))
    # few channels at a time, so that what is read lies in few places of memory
    with w.loop("0", images) as i, w.loop("0", copy.pitch, shape.lanes) as lane, w.loop("0", copy.count) as y:
        at = w.sub(w.add(y.index, row), copy.low)
        to = w.at(copy.place, w.mul(w.add(w.mul(i.index, copy.count), y.index), line))
        to = w.at(to, lane.index, shape.element)
        inside = w.let(f"icmp ult i64 {at}, {sizes.height}")
        _zero(w, shape, to, pixel, "0", w.let(f"select i1 {inside}, i64 {copy.low}, i64 {copy.length}"))
        _zero(w, shape, to, pixel, w.let(f"select i1 {inside}, i64 {after}, i64 {copy.length}"), copy.length)
        with w.when(inside):
            channel = w.add(w.mul(w.add(image, i.index), sizes.channels), w.add(first, lane.index))
            source = w.at(base, w.add(w.mul(channel, plane), w.mul(at, sizes.width)), shape.element)
            begin, columns = w.at(to, w.mul(copy.low, pixel)), w.sub(channels, lane.index)
            pack_turned(
                w, shape, source, plane, columns, width, lambda x: w.at(begin, w.mul(x, pixel)), str(shape.lanes),
                exact=True
            )  # fmt: skip


def _zero(w: Writer, shape: Shape, line: str, pixel: str, first: str, stop: str) -> None:
    with w.loop(first, stop) as x:
        store(w, shape, constant(0.0, shape.kind, shape.lanes), w.at(line, w.mul(x.index, pixel)))


def turn(
    transforms: Transforms, way: str, copy: Lines, target: str, images: str, rows: str, across: str, squares: str
) -> None:
    """target[position][square][channel] = the transform `way` of each square of the copy; one begins every 4 pixels."""
    w, shape = transforms.w, transforms.shape
    size = 6 if way == "inputs" else OUTPUTS
    line, step = w.mul(copy.length, copy.pitch), w.mul(squares, copy.pitch)
    with w.loop("0", images) as i, w.loop("0", rows) as y, w.loop("0", across) as x:
        number = w.add(w.mul(w.add(w.mul(i.index, rows), y.index), across), x.index)
        top = w.add(w.mul(i.index, copy.count), w.mul(y.index, OUTPUTS))
        at = w.add(w.mul(top, line), w.mul(w.mul(x.index, OUTPUTS), copy.pitch))
        with w.loop("0", copy.pitch, shape.lanes) as lane:
            source = w.at(copy.place, w.add(at, lane.index), shape.element)
            lines = [w.at(source, w.mul(line, j), shape.element) for j in range(size)]
            values = [
                [load(w, shape, w.at(start, w.mul(copy.pitch, k), shape.element)) for k in range(size)]
                for start in lines
            ]
            to = w.at(target, w.add(w.mul(number, copy.pitch), lane.index), shape.element)
            for k, value in enumerate(sum(transforms.square(way, values), [])):
                store(w, shape, value, w.at(to, w.mul(step, k), shape.element))
