"""`torch.signal.windows`. M elements, n = 0 ... M - 1; the period D is M - 1, or M with `sym=False`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from rushlight.functional.windows import BLACKMAN, bessel_bell, cosines, signal_window, triangle

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann",
    "kaiser", "nuttall",
]  # fmt: skip

_NUTTALL = (0.3635819, 0.4891775, 0.1365995, 0.0106411)


def _span(M: int, sym: bool) -> int:
    return M - 1 if sym else M


def _centre(M: int, sym: bool) -> float:
    return _span(M, sym) / 2


def general_cosine(
    M: int, *, a: Iterable[float], sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """a[0] - a[1] cos(x) + a[2] cos(2x) - ..., x = 2 pi n / D.

    >>> import rushlight as torch
    >>> torch.signal.windows.general_cosine(5, a=[0.5, 0.5])
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    if not isinstance(a, Iterable):
        raise TypeError(f"general_cosine: Coefficients must be a list/tuple, got {type(a).__name__}.")
    coefficients = tuple(a)
    if not coefficients:
        raise ValueError("general_cosine: Coefficients cannot be empty.")
    return signal_window(
        "general_cosine", M, cosines(coefficients, _span(M, sym)), dtype, layout, device, requires_grad
    )


def general_hamming(
    M: int, *, alpha: float = 0.54, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """alpha - (1 - alpha) cos(2 pi n / D)."""
    formula = cosines((alpha, 1 - alpha), _span(M, sym))
    return signal_window("general_hamming", M, formula, dtype, layout, device, requires_grad)


def hamming(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """0.54 - 0.46 cos(2 pi n / D)."""
    return signal_window("hamming", M, cosines((0.54, 0.46), _span(M, sym)), dtype, layout, device, requires_grad)


def hann(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """0.5 - 0.5 cos(2 pi n / D)."""
    return signal_window("hann", M, cosines((0.5, 0.5), _span(M, sym)), dtype, layout, device, requires_grad)


def blackman(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """0.42 - 0.5 cos(2 pi n / D) + 0.08 cos(4 pi n / D)."""
    return signal_window("blackman", M, cosines(BLACKMAN, _span(M, sym)), dtype, layout, device, requires_grad)


def nuttall(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """Nuttall's four cosines with the least side lobes: 0.3635819, 0.4891775, 0.1365995, 0.0106411."""
    return signal_window("nuttall", M, cosines(_NUTTALL, _span(M, sym)), dtype, layout, device, requires_grad)


def bartlett(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """1 - |2n / D - 1|."""
    return signal_window("bartlett", M, triangle(_span(M, sym)), dtype, layout, device, requires_grad)


def cosine(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """sin(pi (n + 1/2) / (D + 1))."""
    step = math.pi / (_span(M, sym) + 1) if M > 0 else 0.0
    return signal_window("cosine", M, lambda n: ((n + 0.5) * step).sin(), dtype, layout, device, requires_grad)


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """exp(-|n - center| / tau), center D / 2 unless said otherwise."""
    if tau <= 0:
        raise ValueError(f"exponential: Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError(f"exponential: Center must be None for symmetric windows, got: {center}. Fix: sym=False.")
    middle = _centre(M, sym) if center is None else center
    return signal_window(
        "exponential", M, lambda n: ((n - middle).abs() / -tau).exp(), dtype, layout, device, requires_grad
    )


def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """exp(-(n - D / 2)^2 / (2 std^2))."""
    if std <= 0:
        raise ValueError(f"gaussian: Standard deviation must be positive, got: {std} instead.")
    middle = _centre(M, sym)
    return signal_window(
        "gaussian", M, lambda n: (((n - middle) / std).square() * -0.5).exp(), dtype, layout, device, requires_grad
    )


def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """I0(beta sqrt(1 - (2n / D - 1)^2)) / I0(beta)."""
    if beta < 0:
        raise ValueError(f"kaiser: beta must be non-negative, got: {beta} instead.")
    return signal_window("kaiser", M, bessel_bell(beta, _span(M, sym)), dtype, layout, device, requires_grad)
