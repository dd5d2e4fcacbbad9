"""The standard's extension for Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight import fft as _fft

__all__ = [
    "fft",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfftn",
    "rfft",
    "rfftfreq",
    "rfftn",
]


def _of_one(name: str) -> Callable[..., Any]:
    function = getattr(_fft, name)

    def apply(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
        return function(x, n, axis, norm)

    apply.__name__, apply.__doc__ = name, function.__doc__
    return apply


def _of_several(name: str) -> Callable[..., Any]:
    function = getattr(_fft, name)

    def apply(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Any:
        return function(x, s, axes, norm)

    apply.__name__, apply.__doc__ = name, function.__doc__
    return apply


fft, ifft, rfft, irfft, hfft, ihfft = map(_of_one, ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"))
fftn, ifftn, rfftn, irfftn = map(_of_several, ("fftn", "ifftn", "rfftn", "irfftn"))


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of the places of `fft`."""
    return _fft.fftfreq(n, d, dtype=dtype, device=device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of the places of `rfft`."""
    return _fft.rfftfreq(n, d, dtype=dtype, device=device)


def fftshift(x: Any, /, *, axes: Any = None) -> Any:
    """Frequency 0 in the middle."""
    return _fft.fftshift(x, axes)


def ifftshift(x: Any, /, *, axes: Any = None) -> Any:
    """Undoes `fftshift`."""
    return _fft.ifftshift(x, axes)
