"""PyTorch's CPU random stream: the Mersenne Twister MT19937, its saved state, and the plain draws from it."""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from rushlight.backend.numpy.fused import libm
from rushlight.errors import explain_error

DEFAULT_SEED = 67280421310721
_WORDS = 624
BLOCK = 1 << 16  # words drawn at a time: keeps the intermediate arrays in cache
MASK53 = np.uint64(2**53 - 1)
_LAYOUT = np.dtype(
    {
        "names": ["seed", "left", "seeded", "next", "key", "normal", "normal_valid"],
        "formats": ["<u8", "<i4", "<i4", "<u8", ("<u8", _WORDS), "<f8", "<i4"],
        "offsets": [0, 8, 12, 16, 24, 5024, 5040],
        "itemsize": 5056,
    }
)
_making = threading.Lock()


class Engine:
    """MT19937 with PyTorch's seeding, 64-bit pairing, cached second normal and byte layout of the saved state.

    >>> engine = Engine(0)
    >>> [int(word) % 100 for word in engine.words(3)]
    [44, 39, 33]
    """

    def __init__(self, seed: int = DEFAULT_SEED):
        self._bits: np.random.MT19937 | None = None  # made on first use: importing numpy.random costs 15 ms
        self.seed(seed)

    def seed(self, value: int) -> None:
        """Start the stream again. The twister itself sees the low 32 bits only."""
        self.initial_seed = int(value) % 2**64
        self._spent = False  # no word drawn since seeding, which the saved state tells apart
        self._cached: float | None = None
        if self._bits is not None:
            np.random.RandomState(self._bits).seed(self.initial_seed % 2**32)

    def _twister(self) -> np.random.MT19937:
        with _making:  # threads that draw from one engine for the first time must not each make a stream
            if self._bits is None:
                bits = np.random.MT19937(0)
                np.random.RandomState(bits).seed(self.initial_seed % 2**32)
                # NumPy's own memory: 624 words, then how many of them are used. Its `state` property takes 60 us.
                address = bits.ctypes.state_address
                self._memory = np.ctypeslib.as_array((ctypes.c_uint32 * (_WORDS + 1)).from_address(address))
                self._bits = bits
        return self._bits

    def get_state(self) -> np.ndarray:
        """The 5056 bytes of `torch.get_rng_state()`: seed, words left, position, 624 words, cached normal."""
        self._twister()
        raw = np.zeros(_LAYOUT.itemsize, np.uint8)
        record = raw.view(_LAYOUT)[0]
        position = int(self._memory[_WORDS])
        record["seed"] = self.initial_seed
        record["left"] = _WORDS + 1 - position
        record["seeded"] = 1
        record["next"] = position if self._spent else 0
        record["key"] = self._memory[:_WORDS]
        if self._cached is not None:
            record["normal"], record["normal_valid"] = self._cached, 1
        return raw

    def set_state(self, state: np.ndarray) -> None:
        """Go on from the bytes of `get_state`, this engine's or PyTorch's. Raises RuntimeError if they are not one."""
        raw = np.ascontiguousarray(state)
        if raw.dtype != np.uint8 or raw.size != _LAYOUT.itemsize:
            got = f"{raw.size} elements of {raw.dtype}"
            fix = "pass what get_rng_state() returned"
            raise RuntimeError(explain_error("set_rng_state", got=got, expected="5056 bytes (uint8)", fix=fix))
        record = raw.reshape(-1).view(_LAYOUT)[0]
        left, position = int(record["left"]), int(record["next"])
        fits = left + position == _WORDS + 1 and 0 < left <= _WORDS + 1
        if record["seeded"] != 1 or not (fits or (left, position) == (1, 0)):
            got = f"a state with seeded={record['seeded']}, left={left}, next={position}"
            raise RuntimeError(explain_error("set_rng_state", got=got, expected="seeded=1 and left + next = 625"))
        self._twister()
        self._memory[:_WORDS] = record["key"]
        self._memory[_WORDS] = position or _WORDS
        self.initial_seed = int(record["seed"])
        self._spent = position != 0
        self._cached = float(record["normal"]) if record["normal_valid"] else None

    def clone(self) -> Engine:
        """An independent engine at the same place of the same stream."""
        other = Engine(self.initial_seed)
        other.set_state(self.get_state())
        return other

    def __getstate__(self) -> bytes:
        return self.get_state().tobytes()

    def __setstate__(self, state: bytes) -> None:
        self._bits = None
        self.seed(0)
        self.set_state(np.frombuffer(state, np.uint8))

    def words(self, n: int) -> np.ndarray:
        """The next n 32-bit words, as uint64."""
        bits = self._bits or self._twister()
        if n:
            self._spent = True
        return bits.random_raw(n)

    def lent(self) -> tuple[int, AbstractContextManager]:
        """For native code that draws words: the address of the twister's memory, and the lock to hold meanwhile."""
        bits = self._bits or self._twister()
        self._spent = True
        return bits.ctypes.state_address, bits.lock

    def words64(self, n: int) -> np.ndarray:
        """n 64-bit words, each from two 32-bit words, the high half first."""
        halves = self.words(2 * n)
        wide = halves[0::2] << np.uint64(32)
        wide |= halves[1::2]
        return wide

    def singles(self, n: int) -> np.ndarray:
        """n float32 in [0, 1): the low 24 bits of one word each."""
        return in_blocks(n, np.float32, lambda k: _scaled(self.words(k) & np.uint64(2**24 - 1), np.float32, 2.0**-24))

    def doubles(self, n: int) -> np.ndarray:
        """n float64 in [0, 1): the low 53 bits of two words each."""
        return in_blocks(n, np.float64, lambda k: _scaled(self.words64(k) & MASK53, np.float64, 2.0**-53))

    def normals(self, n: int) -> np.ndarray:
        """n standard normal float64 by Box-Muller, in pairs; an unused second one opens the next call."""
        held = [] if self._cached is None or n == 0 else [self._cached]
        pairs = (n - len(held) + 1) // 2
        if held:
            self._cached = None
        u = self.doubles(2 * pairs)
        radius = np.sqrt(-2.0 * libm(math.log1p, -u[1::2]))
        turn = np.exp(1j * (2.0 * math.pi * u[0::2]))
        fresh = np.stack([radius * turn.real, radius * turn.imag], axis=1).ravel()
        out = np.concatenate([held, fresh]) if held else fresh
        if out.size > n:
            self._cached = float(out[-1])
        return out[:n]


def in_blocks(n: int, dtype: Any, draw: Callable[[int], np.ndarray]) -> np.ndarray:
    """One array of n elements, drawn in order and a cache-sized block at a time."""
    if n <= BLOCK:
        return draw(n)
    out = np.empty(n, dtype)
    for start in range(0, n, BLOCK):
        out[start : start + BLOCK] = draw(min(BLOCK, n - start))
    return out


def _scaled(integers: np.ndarray, dtype: Any, unit: float) -> np.ndarray:
    out = integers.astype(dtype)
    out *= dtype(unit)
    return out
