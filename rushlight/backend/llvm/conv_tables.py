"""Where a convolution reads: every window of every kind of convolution as sums of offsets, found in NumPy once a shape.

Along one dimension, output position q reads input positions; both directions have one form, with `t` counting the
positions of a phase:

    plain        q = t                reads t·stride + tap·dilation − padding
    transposed   q = t·stride + r     reads t + (r + padding − tap·dilation) / stride

The plain one has a single phase; the transposed one has a phase for each residue r, with the taps for which the
division is exact. So an element of a patch lies at `row[t] + step[channel, tap]`, whatever the stride, the dilation and
the number of dimensions.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

Ints = Sequence[int]


@dataclass(frozen=True)
class AxisPhase:
    """Output positions `start + t·step`, t < count, of one dimension.

    Each reads the inputs `t·stride + offset` for (tap, offset) in taps.
    """

    start: int
    step: int
    count: int
    stride: int
    taps: tuple[tuple[int, int], ...]

    def split(self, size: int) -> list[AxisPhase]:
        """The same windows as phases of which each reads nothing outside the input: taps that would are left out."""
        parts: list[AxisPhase] = []
        for t in range(self.count):
            taps = tuple((i, at + t * self.stride) for i, at in self.taps if 0 <= at + t * self.stride < size)
            last = parts[-1] if parts else None
            if last and tuple((i, at + last.count * self.stride) for i, at in last.taps) == taps:
                parts[-1] = replace(last, count=last.count + 1)
            else:
                parts.append(AxisPhase(self.start + t * self.step, self.step, 1, self.stride, taps))
        return parts


@dataclass(frozen=True)
class Axis:
    """One dimension: sizes of input and output, and its phases. Its windows read `reach` positions, from `low` on."""

    size: int
    out: int
    kernel: int
    phases: tuple[AxisPhase, ...]

    @property
    def low(self) -> int:
        return min((offset for phase in self.phases for _, offset in phase.taps), default=0)

    @property
    def reach(self) -> int:
        return self.band_reach(self.count)

    def band_reach(self, band: int) -> int:
        """How many positions the windows of a band of `band` positions of every phase read."""
        ends = (at + (min(band, phase.count) - 1) * phase.stride for phase in self.phases for _, at in phase.taps)
        return max(ends, default=0) - self.low + 1

    @property
    def count(self) -> int:
        """Positions of the longest phase."""
        return max(phase.count for phase in self.phases)

    @property
    def step(self) -> int:
        return self.phases[0].step

    @property
    def stride(self) -> int:
        return self.phases[0].stride

    @property
    def inside(self) -> bool:
        """Whether no window leaves the input."""
        return self.low >= 0 and self.low + self.reach <= self.size

    def split(self) -> Axis:
        """The same windows without reads outside the input."""
        return replace(self, phases=tuple(part for phase in self.phases for part in phase.split(self.size)))


def axis(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int, transposed: bool) -> Axis:
    """The reads along one dimension."""
    if not transposed:
        taps = tuple((i, i * dilation - padding) for i in range(kernel))
        return Axis(size, out, kernel, (AxisPhase(0, 1, out, stride, taps),))
    phases = []
    for r in range(min(stride, out)):
        at = ((i, r + padding - i * dilation) for i in range(kernel))
        taps = tuple((i, value // stride) for i, value in at if value % stride == 0)
        phases.append(AxisPhase(r, stride, -(-(out - r) // stride), 1, taps))
    return Axis(size, out, kernel, tuple(phases))


def axes(
    space: Ints, out: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, transposed: bool
) -> tuple[Axis, ...]:
    """All dimensions; those that do nothing are left out, and a convolution of single points has one dimension."""
    pointwise = max(kernel) == 1 and max(stride) == 1 and max(padding) == 0 and tuple(space) == tuple(out)
    if pointwise:
        size = math.prod(space)
        return (axis(size, size, 1, 1, 0, 1, transposed),)
    sizes = list(zip(space, out, kernel, stride, padding, dilation, strict=True))
    kept = [s for s in sizes if s[:3] != (1, 1, 1) or s[4]] or sizes[:1]
    return tuple(axis(n, o, k, s, p, d, transposed) for n, o, k, s, p, d in kept)


@dataclass(frozen=True)
class Area:
    """What a unit of work reads: some images and channels, and a band of positions of the first dimension; in elements.

    copied    whether it is a copy with zeros around (else the input as it lies)
    sizes     its size in each dimension; lows: where it begins in the input
    pitches   from one position to the next, in each dimension
    plane, image    from one channel to the next, from one image to the next
    """

    copied: bool
    sizes: tuple[int, ...]
    lows: tuple[int, ...]
    pitches: tuple[int, ...]
    plane: int
    image: int

    @property
    def lines(self) -> int:
        """Rows of the last dimension under one position of the first."""
        return math.prod(self.sizes[1:-1])


def pitches(sizes: Ints) -> tuple[int, ...]:
    """Elements from one position to the next in each dimension of a contiguous array."""
    return tuple(math.prod(sizes[d + 1 :]) for d in range(len(sizes)))


def area(axes: tuple[Axis, ...], band: int, channels: int, all_channels: int) -> Area:
    """The area for bands of `band` positions, `channels` channels at a time."""
    if all(a.inside for a in axes):
        sizes = tuple(a.size for a in axes)
        plane = math.prod(sizes)
        return Area(False, sizes, (0,) * len(axes), pitches(sizes), plane, all_channels * plane)
    sizes = (axes[0].band_reach(band), *(a.reach for a in axes[1:]))
    # an odd number of cache lines: channels that lay a power of two apart would fight for the same places of the cache
    plane = (-(-math.prod(sizes) // 16) | 1) * 16
    return Area(True, sizes, tuple(a.low for a in axes), pitches(sizes), plane, channels * plane)


@dataclass(frozen=True)
class Phase:
    """Windows that read with the same taps. Windows go by image, then by position.

    inner     windows under one position of the first dimension
    count     positions of the first dimension, in the whole output
    windows   where each begins in the area; pixels: where its result goes in the unit's output
    taps      numbers of the taps; places: where they lie from a window's beginning
    """

    inner: int
    count: int
    windows: np.ndarray
    pixels: np.ndarray
    taps: np.ndarray
    places: np.ndarray


def grid(*lists: np.ndarray) -> np.ndarray:
    """All sums of one number of each list, the last list quickest."""
    return functools.reduce(lambda a, b: (a[:, None] + b).reshape(-1), lists, np.zeros(1, np.int64))


def phases(axes: tuple[Axis, ...], area: Area, band: int, images: int) -> list[Phase]:
    """The phases of a unit of `images` images and a band of positions; pixels are counted from the band's first."""
    out = (min(band * axes[0].step, axes[0].out), *(a.out for a in axes[1:]))
    kernel, each = tuple(a.kernel for a in axes), np.arange(images, dtype=np.int64)
    steps = list(zip(area.pitches, pitches(out), pitches(kernel), area.lows, strict=True))
    made = []
    for parts in itertools.product(*(a.phases for a in axes)):
        counts = [min(band, parts[0].count), *(p.count for p in parts[1:])]
        at = [np.arange(c, dtype=np.int64) for c in counts]
        taps = [np.array(p.taps, np.int64).reshape(-1, 2) for p in parts]
        joined = list(zip(parts, at, taps, steps, strict=True))
        made.append(Phase(
            math.prod(counts[1:]), parts[0].count,
            grid(each * area.image, *(t * p.stride * pitch for p, t, _, (pitch, _, _, _) in joined)),
            grid(each * math.prod(out), *((p.start + t * p.step) * pitch for p, t, _, (_, pitch, _, _) in joined)),
            grid(*(tap[:, 0] * pitch for _, _, tap, (_, _, pitch, _) in joined)),
            grid(*((tap[:, 1] - low) * pitch for _, _, tap, (pitch, _, _, low) in joined)),
        ))  # fmt: skip
    return made


def tap_phases(axes: tuple[Axis, ...], area: Area, band: int, images: int) -> list[Phase]:
    """The phases of a plain convolution tap by tap: each with the windows for which that tap is inside the input."""
    singles: list[list[Axis]] = []
    for a in axes:
        (phase,) = a.phases
        singles.append([])
        for tap in phase.taps:
            inside = [part for part in replace(phase, taps=(tap,)).split(a.size) if part.taps]
            nowhere = AxisPhase(0, phase.step, 0, phase.stride, ((tap[0], 0),))
            singles[-1].append(replace(a, phases=tuple(inside) or (nowhere,)))
    return [phases(one, area, band, images)[0] for one in itertools.product(*singles)]


def middle_lines(axes: tuple[Axis, ...], area: Area) -> np.ndarray:
    """For each line under one position of the first dimension: its place in the input, or −1 if all is padding."""
    input_pitches = pitches([a.size for a in axes])
    places = np.zeros(1, np.int64)
    for a, size, pitch in list(zip(axes, area.sizes, input_pitches, strict=True))[1:-1]:
        at = np.arange(size) + a.low
        inside = (at >= 0) & (at < a.size)
        both = (places >= 0)[:, None] & inside
        places = np.where(both, places[:, None] + at * pitch, -1).reshape(-1)
    return places
