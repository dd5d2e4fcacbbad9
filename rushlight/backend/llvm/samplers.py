"""The kernels that fill memory with samples: what the reference (`backend/numpy/sampling.py`) makes of the same words.

They round where it rounds. Every text depends on structure only. Argument words: the engine's state, the memory to
fill, then those named at each sampler. Floats among them are float64.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Sequence

from rushlight.backend.llvm import emit
from rushlight.backend.llvm.logarithm import log1p
from rushlight.backend.llvm.text import Writer
from rushlight.backend.llvm.tile import broadcast
from rushlight.backend.llvm.twister import LANES, in_chunks, in_vectors, uniform, wide, word
from rushlight.backend.llvm.vectors import Vector, fma, fused, select, sqrt
from rushlight.backend.numpy.fused import COS, LN2_HIGH, LN2_LOW, LOG, QUARTER_PI, SIN
from rushlight.ir.loop import ITEMSIZE, register_kind

_LOW32 = 2**32 - 1


def _parameter(w: Writer, index: int, kind: str, lanes: int = LANES) -> Vector:
    """An argument word, an i64 or a float64, in every lane as the given kind."""
    value = w.argument(index, "double" if kind[0] == "f" else "i64")
    if kind == "f32":
        value = w.let(f"fptrunc double {value} to float")
    return Vector(w, kind, lanes, broadcast(w, kind, lanes, value))


def _put(value: Vector, memory: str, index: str, mask: str | None = None) -> None:
    """Store the numbers from `index` on, converted as the reference converts them."""
    w, lanes = value.w, value.lanes
    kind = register_kind(memory)
    name = emit.convert(w, lanes, value.name, value.kind, kind)
    place = w.at(w.argument(1, "ptr"), index, emit.memory_type(memory))
    emit.write(w, memory, lanes, name, place, mask)


def _rounded(value: Vector, memory: str) -> Vector:
    """The value as memory will hold it."""
    w, lanes = value.w, value.lanes
    if memory not in ("f16", "bf16"):
        return value
    stored = emit.to_memory(w, memory, lanes, value.name)
    return Vector(w, "f32", lanes, emit.from_memory(w, memory, lanes, stored))


def _fma(a: Vector, b: Vector | float, c: Vector | float) -> Vector:
    """a b + c of float32: rounded once, or through float64 where the target has no such instruction."""
    if fused():
        return fma(a, b, c)
    product = a.converted("f64") * a.like(b).converted("f64")  # exact
    return (product + a.like(c).converted("f64")).converted("f32")


@functools.cache
def uniform_text(memory: str, scaled: bool) -> str:
    """u (high - low) + low, and low where that is rounded up to high. Without `scaled`: u; halves may round it to 1.

    Words: high - low, low; both bounds as memory holds them.
    """
    kind = "f64" if memory == "f64" else "f32"

    def body(w: Writer, source: str, index: str, mask: str | None) -> None:
        u = uniform(w, kind, source)
        if scaled:
            step, low = (_parameter(w, n, "f64") for n in (2, 3))
            # The reference rounds twice where it makes float32: after the sum in float64, and to float32.
            u = fma(u, step, low) if kind == "f64" else (u.converted("f64") * step + low).converted("f32")
        if scaled or memory in ("f16", "bf16"):
            low, high = (_parameter(w, n, kind) for n in (4, 5))
            u = _rounded(u, memory)
            u = select(u.equals(high), low, u)
        _put(u, memory, index, mask)

    return in_vectors(2 if kind == "f64" else 1, body)


@functools.cache
def bernoulli_text(memory: str) -> str:
    """Whether 53 bits are below a bound. Words: the bound."""

    def body(w: Writer, source: str, index: str, mask: str | None) -> None:
        _put((wide(w, source) & (2**53 - 1)) < _parameter(w, 2, "i64"), memory, index, mask)

    return in_vectors(2, body)


@functools.cache
def bernoulli_each_text(memory: str, kind: str, single: bool) -> str:
    """Whether u is below each number's own probability, or below a single one. Words: where the probabilities are."""

    def body(w: Writer, source: str, index: str, mask: str | None) -> None:
        chances = w.argument(2, "ptr")
        element = emit.memory_type(kind)
        if single:
            p = broadcast(w, kind, LANES, w.let(f"load {element}, ptr {chances}, align 4"))
        else:
            p = emit.read(w, kind, LANES, w.at(chances, index, element), mask)
        _put(uniform(w, kind, source) < Vector(w, kind, LANES, p), memory, index, mask)

    return in_vectors(2 if kind == "f64" else 1, body)


@functools.cache
def exponential_text(memory: str) -> str:
    """-log(1 - u) / rate in float64, rounded to float32 or less. Words: -1 / rate.

    Two functions within an ulp of log1p in float64 round to the same float32, but for about one sample in 2^29.
    """

    def body(w: Writer, source: str, index: str, mask: str | None) -> None:
        sample = log1p(-uniform(w, "f64", source)) * _parameter(w, 2, "f64")
        _put(sample.converted("f32"), memory, index, mask)

    return in_vectors(2, body)


@functools.cache
def integers_text(memory: str, how: str) -> str:
    """low + (bits modulo span). Words: low, span, 2^64 / span rounded up (modulo 2^64).

    how   "word": 32 bits; "wide": 64 bits; "all": 64 bits as they are, with no words
    """

    def body(w: Writer, source: str, index: str, mask: str | None) -> None:
        if how == "word":
            drawn = Vector(w, "i64", LANES, emit.convert(w, LANES, word(w, source).name, "u32", "i64"))
            drawn = _remainder(drawn, _parameter(w, 3, "i64"), _parameter(w, 4, "i64"))
        else:
            drawn = wide(w, source)
        if how == "wide":
            drawn = drawn.made(f"urem {drawn.type} {drawn.name}, {_parameter(w, 3, 'i64').name}")
        if how != "all":
            drawn = drawn + _parameter(w, 2, "i64")
        _put(drawn, memory, index, mask)

    return in_vectors(1 if how == "word" else 2, body)


def _remainder(x: Vector, span: Vector, inverse: Vector) -> Vector:
    """x modulo span, both below 2^32: the fraction of x / span in 64 bits, times span (Lemire and others, 2019)."""
    fraction = x * inverse
    high, low = fraction >> 32, fraction & _LOW32
    span = span & _LOW32  # tells LLVM that 32 bits are enough
    return (high * span + ((low * span) >> 32)) >> 32


@functools.cache
def normal_text(memory: str, scaled: bool) -> str:
    """Normal samples by Box and Muller, in groups of 16: eight radii times the cosines, then the sines of eight angles.

    Words, if `scaled`: deviation, mean. The numbers wanted are a multiple of 16. A multiply-add rounds once; the
    reference's, in NumPy, shows a second rounding in about one case of 2^29.
    """
    half = LANES // 2

    def convert(w: Writer, words: str, first: str, count: str) -> None:
        with w.loop("0", count, LANES) as loop:
            u = uniform(w, "f32", w.at(words, loop.index, "i32"))
            left, right = (_half(u, start) for start in (0, half))
            radius = sqrt(_log(1.0 - left) * -2.0)
            sin, cos = _sincos(right * _f32(2 * math.pi))
            for start, turn in ((0, cos), (half, sin)):
                sample = radius * turn
                if scaled:
                    sample = _fma(sample, _parameter(w, 2, "f32", half), _parameter(w, 3, "f32", half))
                _put(sample, memory, w.add(w.add(first, loop.index), start))

    return in_chunks(1, convert)


def _half(x: Vector, start: int) -> Vector:
    lanes = ", ".join(f"i32 {start + n}" for n in range(LANES // 2))
    text = f"shufflevector {x.type} {x.name}, {x.type} poison, <{LANES // 2} x i32> <{lanes}>"
    return Vector(x.w, x.kind, LANES // 2, x.w.let(text))


def _f32(value: float) -> float:
    """A number as float32 rounds it."""
    return struct.unpack("f", struct.pack("f", value))[0]


def _polynomial(x: Vector, coefficients: Sequence[float]) -> Vector:
    """Horner's rule, highest power first."""
    total = x.like(coefficients[0])
    for c in coefficients[1:]:
        total = _fma(total, x, c)
    return total


def _log(x: Vector) -> Vector:
    """`log32` of the reference: x = m 2^e with m in [√½, √2)."""
    bits = x.bits()
    m = ((bits & 0x7FFFFF) | 0x3F000000).float_of_bits()
    small = m < _f32(math.sqrt(0.5))
    e = ((bits >> 23) - 126).converted("f32") - select(small, m.like(1.0), 0.0)
    m = select(small, m + m, m) - 1.0
    square = m * m
    y = _fma(_polynomial(m, LOG) * m, square, e * LN2_LOW)
    return _fma(e, LN2_HIGH, (y - square * 0.5) + m)


def _sincos(x: Vector) -> tuple[Vector, Vector]:
    """`sincos32` of the reference: angles in [0, 2π], less a multiple of π/4, chosen by quadrant."""
    quadrant = ((x * _f32(4 / math.pi)).converted("i32") + 1) >> 1
    octant = (quadrant << 1).converted("f32")
    x = (x - octant * QUARTER_PI[0]) - octant * QUARTER_PI[1]
    x = _fma(octant, -QUARTER_PI[2], x)
    square = x * x
    cos = _fma(_polynomial(square, COS) * square, square, square * -0.5) + 1.0
    sin = _fma(_polynomial(square, SIN) * square, x, x)
    odd = (quadrant & 1).differs(0)
    signs = ((quadrant & 2) << 30, ((quadrant + 1) & 2) << 30)
    turned = select(odd, cos, sin), select(odd, sin, cos)
    first, second = ((value.bits() ^ sign).float_of_bits() for value, sign in zip(turned, signs, strict=True))
    return first, second


@functools.cache
def permutation_text(memory: str) -> str:
    """Fisher and Yates from the front: place i swaps with i + (word modulo the places left). Words: how many places."""
    element = emit.memory_type(memory)

    def convert(w: Writer, words: str, first: str, count: str) -> None:
        places = w.argument(1, "ptr")
        size = w.argument(2)
        with w.loop("0", count) as loop:
            place = w.add(first, loop.index)
            drawn = w.let(f"load i32, ptr {w.at(words, loop.index, 'i32')}, align 4")
            step = w.let(f"urem i64 {w.let(f'zext i32 {drawn} to i64')}, {w.sub(size, place)}")
            a, b = w.at(places, place, element), w.at(places, w.add(place, step), element)
            here, there = (w.let(f"load {element}, ptr {at}, align {ITEMSIZE[memory]}") for at in (a, b))
            w.do(f"store {element} {there}, ptr {a}, align {ITEMSIZE[memory]}")
            w.do(f"store {element} {here}, ptr {b}, align {ITEMSIZE[memory]}")

    return in_chunks(1, convert)
