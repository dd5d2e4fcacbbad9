"""`torch.random`: generators, seeds and saved states. The engine itself is the backend's.

Random ops are recorded like any other, and draw when they run. So whatever looks at a generator's state, or changes it,
first runs what this thread has recorded with it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from rushlight.backend.numpy.mt19937 import DEFAULT_SEED, Engine
from rushlight.device import device as Device
from rushlight.device import resolve
from rushlight.dtype import uint8
from rushlight.errors import explain_error
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import local
from rushlight.lazy.step import flush, realise

_LEAST, _LIMIT = -(2**63), 2**64


class Generator:
    """A stream of random numbers, PyTorch's own: the same seed gives the same numbers.

    >>> import rushlight as torch
    >>> torch.rand(2, generator=torch.Generator().manual_seed(0))
    tensor([0.4963, 0.7682])
    """

    def __init__(self, device: Any = "cpu"):
        self._device = resolve(device)
        self.engine = Engine(DEFAULT_SEED)

    @property
    def device(self) -> Device:
        """Where it draws: the CPU."""
        return self._device

    def _settle(self) -> None:
        """Run what this thread has recorded with this generator."""
        if any(known is self for known, _ in local.trace.generators):
            flush()

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream again from `seed`, any integer in [-2**63, 2**64)."""
        if not isinstance(seed, (int, np.integer)):
            raise RuntimeError(
                explain_error("manual_seed", got=f"a {type(seed).__name__}", expected="an int", fix="int(seed)")
            )
        seed = int(seed)
        if not _LEAST <= seed < _LIMIT:
            raise ValueError(
                explain_error("manual_seed", got=f"{seed}", expected="an integer of 64 bits", fix="seed % 2**64")
            )
        self._settle()
        self.engine.seed(seed)
        return self

    def seed(self) -> int:
        """Start again from a seed of the operating system, which is returned."""
        seed = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed that the stream was last started from."""
        return self.engine.initial_seed

    def get_state(self) -> Any:
        """The 5056 bytes of the state, as PyTorch lays them out, in a uint8 tensor."""
        from rushlight.functional.creation import wrap

        self._settle()
        return wrap(self.engine.get_state())

    def set_state(self, new_state: Any) -> None:
        """Go on from a state that `get_state` returned, here or in PyTorch."""
        if not isinstance(new_state, Handle) or new_state._meta.dtype is not uint8:
            kind = new_state._meta.dtype if isinstance(new_state, Handle) else type(new_state).__name__
            raise TypeError(
                explain_error(
                    "set_state",
                    got=f"{kind}",
                    expected="RNG state must be a torch.ByteTensor",
                    fix="pass what get_state() returned",
                )
            )
        self._settle()
        self.engine.set_state(realise(new_state).reshape(-1))

    def clone_state(self) -> Generator:
        """An independent generator at the same place of the same stream."""
        self._settle()
        return self.clone_at(self.get_state_raw())

    # What the recorder uses: nothing here runs a trace.

    def get_state_raw(self) -> np.ndarray:
        """The state at this moment."""
        return self.engine.get_state()

    def set_state_raw(self, state: np.ndarray) -> None:
        """Go back to a state."""
        self.engine.set_state(state)

    def clone_at(self, state: np.ndarray) -> Generator:
        """An independent generator at a state."""
        other = Generator()
        other.engine.set_state(state)
        return other

    def __reduce__(self) -> tuple:
        self._settle()
        return (_unpickle, (self.engine.get_state().tobytes(),))


def _unpickle(state: bytes) -> Generator:
    return Generator().clone_at(np.frombuffer(state, np.uint8))


default_generator = Generator()


def enter_generator(generator: Generator | None) -> int:
    """The index of a generator (None: the default one) in this thread's trace; ask for it right before `record`."""
    if generator is None:
        generator = default_generator
    elif not isinstance(generator, Generator):
        raise TypeError(
            explain_error(
                "generator",
                got=f"a {type(generator).__name__}",
                expected="a torch.Generator",
                fix="torch.Generator().manual_seed(seed)",
            )
        )
    return local.trace.enter_generator(generator)


def manual_seed(seed: Any) -> Generator:
    """Seed the default generator, and return it.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0); torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seed the default generator from the operating system; the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator was last started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Any:
    """The default generator's state, a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Put the default generator into a state that `get_rng_state` returned."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, device_type: str = "cpu") -> Iterator[None]:
    """Leave the default generator, after the block, where it was before.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0)
    >>> with torch.random.fork_rng():
    ...     _ = torch.rand(5)
    >>> torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
