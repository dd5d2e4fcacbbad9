"""Short-time Fourier transforms: windowed pieces of a signal, transformed one by one; and the way back."""

from __future__ import annotations

from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error, warn_user
from rushlight.functional.creation import ones
from rushlight.functional.nn_pad import pad
from rushlight.functional.registry import apply, as_int, public
from rushlight.functional.spectral import fft, ifft, irfft, rfft
from rushlight.lazy.handle import Handle

_SMALLEST = 1e-11  # what the windows' squares must add up to where a signal is divided by it


def _check(name: str, n_fft: int, hop: int, win: int, window: Any) -> None:
    """The arguments that both directions share."""
    if hop <= 0:
        raise RuntimeError(f"{name}: expected hop_length > 0, but got hop_length={hop}.")
    if not 0 < win <= n_fft:
        raise RuntimeError(f"{name}: expected 0 < win_length <= n_fft = {n_fft}, but got win_length={win}.")
    if isinstance(window, Handle) and tuple(window._meta.shape) != (win,):
        raise RuntimeError(
            f"{name}: expected a 1D window tensor of size equal to win_length={win}, but got window with size "
            f"{list(window._meta.shape)}."
        )


def _centred(window: Any, n_fft: int) -> Any:
    """The window with zeros on both sides, up to n_fft."""
    missing = n_fft - window.shape[0]
    return pad(window, (missing // 2, missing - missing // 2)) if missing else window


def _norm(normalized: bool) -> str:
    return "ortho" if normalized else "backward"


@public(method=True)
def stft(
    input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None,
    center: bool = True, pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None,
    return_complex: bool | None = None, align_to_window: bool | None = None,
) -> Any:  # fmt: skip
    """X[f, t] = sum over k of window[k] input[t hop + k] exp(-2 pi i f k / n_fft): (L) -> (F, T), (B, L) -> (B, F, T).

    Pieces of n_fft samples start every `hop_length` (a quarter of n_fft); with `center` the signal is first padded by half
    a piece at both ends. A window shorter than n_fft is filled up with zeros on both sides. F is n_fft // 2 + 1 for real
    signals and windows (`onesided`), else n_fft.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, 0.0, -1.0, 0.0, 1.0, 0.0, -1.0, 0.0])
    >>> torch.stft(x, 4, window=torch.ones(4), center=False, return_complex=True).abs()
    tensor([[0., 0., 0., 0., 0.],
            [2., 2., 2., 2., 2.],
            [0., 0., 0., 0., 0.]])
    """
    n_fft = as_int(n_fft)
    hop = n_fft // 4 if hop_length is None else as_int(hop_length)
    win = n_fft if win_length is None else as_int(win_length)
    complex_result = input.is_complex() or (window is not None and window.is_complex())
    if return_complex is None and not complex_result:
        raise RuntimeError(
            "stft: requires the return_complex parameter be given for real inputs. Fix: return_complex=True."
        )
    if center and align_to_window is not None:
        raise RuntimeError("stft: align_to_window should only be set when center = false.")
    if input.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            explain_error("stft", got=f"a tensor of {input.dtype}", expected="floating point or complex values")
        )
    if input.ndim not in (1, 2):
        raise RuntimeError(f"stft: expected a 1D or 2D tensor, but got {input.ndim}D.")
    x = input if input.ndim == 2 else input.unsqueeze(0)
    if center:
        x = pad(x.unsqueeze(0), (n_fft // 2, n_fft // 2), pad_mode).squeeze(0)
    elif align_to_window and 0 < win < n_fft:
        x = pad(x, ((n_fft - win) // 2, n_fft - win - (n_fft - win) // 2))
    if not 0 < n_fft <= x.shape[-1]:
        raise RuntimeError(f"stft: expected 0 < n_fft <= {x.shape[-1]} samples, but got n_fft={n_fft}.")
    _check("stft", n_fft, hop, win, window)
    if onesided and complex_result:
        raise RuntimeError("stft: Cannot have onesided output if window or input is complex.")
    pieces = x.unfold(-1, n_fft, hop)
    if window is not None or win < n_fft:
        weights = ones(win, dtype=input.dtype.to_real()) if window is None else window
        pieces = pieces * _centred(weights, n_fft)
    half = not complex_result if onesided is None else onesided
    found = (rfft if half else fft)(pieces, norm=_norm(normalized)).transpose(1, 2)
    found = found if input.ndim == 2 else found.squeeze(0)
    return found if return_complex or return_complex is None else apply("view_as_real", (found,), {})


@public(method=True)
def istft(
    input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None,
    center: bool = True, normalized: bool = False, onesided: bool | None = None, length: int | None = None,
    return_complex: bool = False,
) -> Any:  # fmt: skip
    """The signal whose `stft` with the same arguments is nearest to the input: (F, T) -> (L), (B, F, T) -> (B, L).

    The pieces are windowed again and added up where they overlap, then divided by the sum of the squared windows, which
    must not vanish anywhere. `length` cuts the signal, or fills it up with zeros.

    >>> import rushlight as torch
    >>> x, w = torch.arange(8.0), torch.ones(4)
    >>> torch.istft(torch.stft(x, 4, window=w, return_complex=True), 4, window=w, length=8).round()
    tensor([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    n_fft = as_int(n_fft)
    hop = n_fft // 4 if hop_length is None else as_int(hop_length)
    win = n_fft if win_length is None else as_int(win_length)
    if window is None:
        warn_user(
            "istft: got no window; the one given to stft is needed. Fix: window=torch.ones(win_length) if it was none."
        )
    if not input.is_complex():
        raise RuntimeError("istft: requires a complex-valued input tensor, as stft returns with return_complex=True.")
    if input.ndim not in (2, 3) or not input.numel():
        raise RuntimeError(f"istft: expected a 2D or 3D tensor that is not empty, but got shape {list(input.shape)}.")
    size = input.shape[-2]
    half = size != n_fft if onesided is None else onesided
    if size != (n_fft // 2 + 1 if half else n_fft):
        raise RuntimeError(
            f"istft: expected the frequency dimension (3rd to the last) of the input tensor to match n_fft={n_fft} with "
            f"onesided={half}, but got {size}."
        )
    _check("istft", n_fft, hop, win, window)
    if hop > win:
        raise RuntimeError(f"istft: expected hop_length <= win_length = {win}, but got hop_length={hop}.")
    if window is not None and window.is_complex() and not return_complex:
        raise RuntimeError("istft: Complex windows are incompatible with return_complex=False.")
    if return_complex and half:
        raise RuntimeError("istft: Cannot have onesided output if window or input is complex. Fix: onesided=False.")
    weights = _centred(ones(win, dtype=input.dtype.to_real()) if window is None else window, n_fft)
    x = (input if input.ndim == 3 else input.unsqueeze(0)).transpose(1, 2)  # (B, T, F)
    if return_complex:
        pieces = ifft(x, norm=_norm(normalized))
    else:
        pieces = irfft(x[..., : n_fft // 2 + 1], n_fft, norm=_norm(normalized))
    signal = _overlapped(pieces * weights, hop)
    envelope = _overlapped((weights * weights).expand(1, x.shape[1], n_fft), hop)
    first = n_fft // 2 if center else 0
    count = signal.shape[1] - (2 * first if length is None else first)
    kept = count if length is None else min(count, as_int(length))
    signal, envelope = signal[:, first : first + kept], envelope[:, first : first + kept]
    smallest = float(envelope.abs().min())
    if not smallest > _SMALLEST:
        raise RuntimeError(
            f"istft: window overlap add min: {smallest:g}: the windows must cover every sample. Fix: a smaller hop_length, "
            "center=True, or a window without zeros at its ends."
        )
    signal = signal / envelope
    if length is not None and length > kept:
        warn_user(f"istft: the pieces end after {kept} of {length} samples; the rest is filled up with zeros.")
        signal = pad(signal, (0, length - kept))
    return signal if input.ndim == 3 else signal.squeeze(0)


def _overlapped(pieces: Any, hop: int) -> Any:
    """(B, T, K) pieces that start every `hop` samples, added up: (B, K + hop (T - 1))."""
    batch, count, size = pieces.shape
    static = {"input_sizes": (batch, size + hop * (count - 1)), "dim": 1, "size": size, "step": hop}
    return apply("unfold_backward", (pieces,), static)
