"""The Mersenne Twister MT19937 as LLVM IR, and the skeleton of every kernel that draws from it.

    k < 624    x'[k] = x[k + 397] ^ (y >> 1) ^ (M if y is odd),   y = top bit of x[k], other bits of x[k + 1]

with indices modulo 624. A kernel draws the numbers [begin, end) of a sequence. The stream is serial, so one thread runs
them in order; how they are split into calls does not matter. Its first argument is the address of the state as NumPy
keeps it: 624 words, then how many of them are used up.
"""

from __future__ import annotations

from collections.abc import Callable

from rushlight.backend.llvm.target import current, host_cpu
from rushlight.backend.llvm.text import Writer, kernel, module, vector
from rushlight.backend.llvm.vectors import Vector

LANES = 16  # numbers made at a time, on every target: 624 is a multiple of it
WORDS = 624
CHUNK = 1024  # numbers whose words are drawn before they are converted: both stay in the first cache
_AHEAD = 397
_MATRIX, _TOP = 0x9908B0DF, 0x80000000
_MIX = (0x9D2C5680, 0xEFC60000)

# What makes numbers of words: body(w, source, index, mask) reads the words of LANES numbers from `source` on, and
# writes the numbers from `index` on, those of the mask if there is one.
Body = Callable[[Writer, str, str, str | None], None]


def _words(w: Writer, place: str) -> Vector:
    return Vector(w, "i32", LANES, w.let(f"load <{LANES} x i32>, ptr {place}, align 4"))


def _keep(w: Writer, words: Vector, place: str) -> None:
    w.do(f"store {words.type} {words.name}, ptr {place}, align 4")


def _advance(w: Writer, state: str, k: str, ahead: int) -> Vector:
    """The new words k, k + 1, ..., which need old words from k on, and others that lie `ahead` of them."""
    place = w.at(state, k, "i32")
    here, following, other = (_words(w, w.at(place, str(n), "i32")) for n in (0, 1, ahead))
    both = (here & _TOP) | (following & (_TOP - 1))
    new = other ^ (both >> 1) ^ (-(following & 1) & _MATRIX)
    _keep(w, new, place)
    return new


def _twist(w: Writer, state: str) -> None:
    """The next 624 words, in place. The state has room for 16 more: the first ones again, where indices wrap around."""
    _keep(w, _advance(w, state, "0", _AHEAD), w.at(state, str(WORDS), "i32"))
    behind = WORDS - _AHEAD
    for start, stop, ahead in ((LANES, behind, _AHEAD), (behind // LANES * LANES + LANES, WORDS, -behind)):
        with w.loop(str(start), str(stop), LANES) as loop:
            _advance(w, state, loop.index, ahead)


def _tempered(y: Vector) -> Vector:
    y = y ^ (y >> 11)
    y = y ^ ((y << 7) & _MIX[0])
    y = y ^ ((y << 15) & _MIX[1])
    return y ^ (y >> 18)


def _fill(w: Writer, state: str, used: str, buffer: str, need: str) -> str:
    """The next `need` words into the buffer; how many words of the state are used then.

    A state that is used up is renewed when the next word is wanted, not before: a saved state shows the difference.
    """
    states = w.let(f"udiv i64 {w.add(w.add(used, need), WORDS - 1)}, {WORDS}")
    with w.loop("0", states, 1, [("i64", used), ("i64", "0")]) as loop:
        start, done = loop.values
        renew = w.let(f"icmp ne i64 {loop.index}, 0")
        with w.when(renew):
            _twist(w, state)
        start = w.let(f"select i1 {renew}, i64 0, i64 {start}")
        count = w.least(w.sub(str(WORDS), start), w.sub(need, done))
        source, target = w.at(state, start, "i32"), w.at(buffer, done, "i32")
        with w.loop("0", count, LANES) as copy:
            _keep(w, _tempered(_words(w, w.at(source, copy.index, "i32"))), w.at(target, copy.index, "i32"))
        loop.next = [w.add(start, count), w.add(done, count)]
    return loop.values[0]


def _copy(w: Writer, source: str, target: str) -> None:
    with w.loop("0", str(WORDS), LANES) as loop:
        _keep(w, _words(w, w.at(source, loop.index, "i32")), w.at(target, loop.index, "i32"))


def in_chunks(per: int, convert: Callable[[Writer, str, str, str], None]) -> str:
    """A kernel's text: convert(w, words, first, count) makes `count` numbers from `first` on, of `per` words each."""
    w = kernel()
    engine = w.argument(0, "ptr")
    # Both are written a whole vector at a time and may be overrun by less than one.
    state = w.once(f"alloca [{WORDS + LANES} x i32], align 64")
    buffer = w.once(f"alloca [{CHUNK * per + LANES} x i32], align 64")
    _copy(w, engine, state)
    place = w.at(engine, str(WORDS), "i32")
    used = w.let(f"zext i32 {w.let(f'load i32, ptr {place}, align 4')} to i64")
    with w.loop("%begin", "%end", CHUNK, [("i64", used)]) as loop:
        count = w.least(w.sub("%end", loop.index), CHUNK)
        loop.next = [_fill(w, state, loop.values[0], buffer, w.mul(count, per))]
        convert(w, buffer, loop.index, count)
    w.do(f"store i32 {w.let(f'trunc i64 {loop.values[0]} to i32')}, ptr {place}, align 4")
    _copy(w, state, engine)
    return module([w.text()], current().function_attributes(host_cpu()))


def in_vectors(per: int, body: Body) -> str:
    """A kernel's text, for numbers that are made LANES at a time."""

    def convert(w: Writer, words: str, first: str, count: str) -> None:
        whole = w.let(f"and i64 {count}, -{LANES}")
        with w.loop("0", whole, LANES) as loop:
            body(w, w.at(words, w.mul(loop.index, per), "i32"), w.add(first, loop.index), None)
        rest = w.sub(count, whole)
        with w.when(w.let(f"icmp ne i64 {rest}, 0")):
            mask = w.let(f"call <{LANES} x i1> @llvm.get.active.lane.mask(i64 0, i64 {rest})")
            body(w, w.at(words, w.mul(whole, per), "i32"), w.add(first, whole), mask)

    return in_chunks(per, convert)


# -- what a number is made of ------------------------------------------------------------------------------------------


def word(w: Writer, source: str) -> Vector:
    """One word a number."""
    return _words(w, source)


def wide(w: Writer, source: str) -> Vector:
    """64 bits a number, of two words, the high half first."""
    pairs = w.let(f"load <{2 * LANES} x i32>, ptr {source}, align 4")
    kind = vector("i64", LANES)
    low_first = w.let(f"bitcast <{2 * LANES} x i32> {pairs} to {kind}")
    return Vector(
        w, "i64", LANES, w.let(f"call {kind} @llvm.fshl({kind} {low_first}, {kind} {low_first}, {kind} splat (i64 32))")
    )


def uniform(w: Writer, kind: str, source: str) -> Vector:
    """Floats in [0, 1): 53 bits of two words, or 24 bits of one."""
    if kind == "f64":
        return (wide(w, source) & (2**53 - 1)).converted("f64") * 2.0**-53
    return (word(w, source) & (2**24 - 1)).converted("f32") * 2.0**-24
