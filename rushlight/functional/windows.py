"""Window functions: weights that fall off towards the ends of a piece of signal. Computed in double precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.conversion import to
from rushlight.functional.creation import ones
from rushlight.functional.registry import FUNCTIONS, as_int, public
from rushlight.functional.sequences import arange
from rushlight.layout import check_strided

Formula = Callable[[Any], Any]  # of the positions 0, 1, ... in double precision


def _sampled(
    formula: Formula, size: int, *, dtype: Any, device: Any, requires_grad: bool, least: int = 1
) -> Any:  # fmt: skip
    """The window of this size; one that has a single element is 1."""
    kind = dtype or dtypes.get_default_dtype()
    if size <= least:
        return ones(size, dtype=kind, device=device, requires_grad=requires_grad)
    found = to(formula(arange(size, dtype=dtypes.float64, device=device)), kind)
    return found.requires_grad_() if requires_grad else found


# --- formulas: `span` is the distance that is one period --------------------------------------------------------------


def cosines(coefficients: Iterable[float], span: int) -> Formula:
    """a0 - a1 cos(x) + a2 cos(2x) - ..., x = 2 pi n / span."""
    first, *rest = coefficients
    turn = 2 * math.pi / span if span else 0.0

    def formula(n: Any) -> Any:
        total = n * 0 + first
        for k, a in enumerate(rest, 1):
            total = total + (-1) ** k * a * (n * (k * turn)).cos()
        return total

    return formula


def triangle(span: int) -> Formula:
    """1 - |2n / span - 1|."""
    return lambda n: 1 - (n * (2 / span) - 1).abs()


def bessel_bell(beta: float, span: int) -> Formula:
    """I0(beta sqrt(1 - (2n / span - 1)^2)) / I0(beta)."""

    def formula(n: Any) -> Any:
        across = n * (2 / span) - 1
        i0 = FUNCTIONS["i0"]
        return i0((1 - across * across).clamp(0).sqrt() * beta) / i0(n[:1] * 0 + beta)

    return formula


# --- torch.NAME_window ------------------------------------------------------------------------------------------------


def _periodic(
    name: str, formula: Callable[[int], Formula], size: Any, periodic: bool, layout: Any, **options: Any
) -> Any:
    """PyTorch's older windows: a periodic one is the symmetric one of one more element, without the last."""
    size = as_int(size)
    kind = options["dtype"]
    if size < 0:
        raise RuntimeError(f"{name}: requires non-negative window_length, got window_length={size}.")
    check_strided(name, layout, RuntimeError)
    if kind is not None and kind.category != dtypes.FLOATING:
        raise RuntimeError(explain_error(name, got=f"dtype={kind}", expected="a floating-point dtype"))
    return _sampled(formula(size if periodic else size - 1), size, **options)


@public()
def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """1/2 - 1/2 cos(2 pi n / N), N = window_length, or one less if not periodic.

    >>> import rushlight as torch
    >>> torch.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    options = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
    return _periodic("hann_window", lambda span: cosines((0.5, 0.5), span), window_length, periodic, layout, **options)


@public()
def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """alpha - beta cos(2 pi n / N)."""
    options = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
    return _periodic(
        "hamming_window", lambda span: cosines((alpha, beta), span), window_length, periodic, layout, **options
    )


@public()
def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N)."""
    options = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
    return _periodic(
        "blackman_window", lambda span: cosines(BLACKMAN, span), window_length, periodic, layout, **options
    )


BLACKMAN = (0.42, 0.5, 0.08)


@public()
def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """1 - |2n / N - 1|."""
    options = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
    return _periodic("bartlett_window", triangle, window_length, periodic, layout, **options)


@public()
def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """I0(beta sqrt(1 - (2n / N - 1)^2)) / I0(beta)."""
    options = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
    return _periodic("kaiser_window", lambda span: bessel_bell(beta, span), window_length, periodic, layout, **options)


# --- torch.signal.windows.NAME ----------------------------------------------------------------------------------------


def signal_window(
    name: str, M: int, formula: Formula, dtype: Any, layout: Any, device: Any, requires_grad: bool
) -> Any:
    """The newer ones check their arguments with other exceptions."""
    if M < 0:
        raise ValueError(f"{name}: requires non-negative window length, got M={M}.")
    check_strided(name, layout, ValueError)
    kind = dtype or dtypes.get_default_dtype()
    if kind not in (dtypes.float32, dtypes.float64):
        raise ValueError(f"{name}: expects float32 or float64 dtypes, got: {kind}.")
    return _sampled(formula, as_int(M), dtype=kind, device=device, requires_grad=requires_grad)
