"""Windows, and short-time Fourier transforms with their inverse, against PyTorch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

OLD = {
    "hann_window": [()], "hamming_window": [(), (0.5,), (0.6, 0.3)], "blackman_window": [()], "bartlett_window": [()],
    "kaiser_window": [(), (3.0,), (0.0,)],
}  # fmt: skip
NEW: dict[str, list[dict[str, Any]]] = {
    "bartlett": [{}], "blackman": [{}], "cosine": [{}], "exponential": [{}, {"tau": 2.5}], "gaussian": [{}, {"std": 3}],
    "general_cosine": [{"a": [1.0]}, {"a": (0.4, 0.3, 0.2, 0.1)}], "general_hamming": [{}, {"alpha": 0.7}], "hamming": [{}],
    "hann": [{}], "kaiser": [{}, {"beta": 0}, {"beta": 5.0}], "nuttall": [{}],
}  # fmt: skip


def same(mine: Any, theirs: Any, tolerance: float = 1e-12) -> None:
    assert str(mine.dtype) == str(theirs.dtype) and tuple(mine.shape) == tuple(theirs.shape)
    assert np.allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize("name", OLD)
@pytest.mark.parametrize("size", [0, 1, 2, 7, 10])
def test_older_windows(name: str, size: int) -> None:
    for more in OLD[name]:
        for periodic in (True, False):
            mine, theirs = (getattr(t, name)(size, periodic, *more, dtype=t.float64) for t in (rushlight, torch))
            same(mine, theirs)
    assert getattr(rushlight, name)(size).dtype is rushlight.float32
    assert getattr(rushlight, name)(size, dtype=rushlight.float16).dtype is rushlight.float16


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("size", [0, 1, 2, 7, 10])
def test_newer_windows(name: str, size: int) -> None:
    for more in NEW[name]:
        for sym in (True, False):
            mine, theirs = (
                getattr(t.signal.windows, name)(size, **more, sym=sym, dtype=t.float64) for t in (rushlight, torch)
            )
            same(mine, theirs)
    assert getattr(rushlight.signal.windows, name)(size, **more, requires_grad=True).requires_grad


def test_exponential_window_around_another_centre() -> None:
    mine, theirs = (t.signal.windows.exponential(5, center=1, sym=False, dtype=t.float64) for t in (rushlight, torch))
    same(mine, theirs)


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("hann_window", (-1,), {}), ("hann_window", (4,), {"dtype": "int64"}), ("hann_window", (4.5,), {}),
        ("signal.windows.hann", (-1,), {}), ("signal.windows.hann", (3,), {"dtype": "int64"}),
        ("signal.windows.hann", (3,), {"dtype": "float16"}), ("signal.windows.exponential", (3,), {"tau": -1}),
        ("signal.windows.exponential", (3,), {"center": 1}), ("signal.windows.gaussian", (3,), {"std": 0}),
        ("signal.windows.kaiser", (3,), {"beta": -1}), ("signal.windows.general_cosine", (3,), {"a": None}),
        ("signal.windows.general_cosine", (3,), {"a": []}),
    ],
)  # fmt: skip
def test_refused_windows(name: str, args: tuple, kwargs: dict[str, Any]) -> None:
    raised = []
    for t in (rushlight, torch):
        function: Any = t
        for part in name.split("."):
            function = getattr(function, part)
        with pytest.raises((RuntimeError, ValueError, TypeError)) as info:
            function(*args, **{k: getattr(t, v) if k == "dtype" else v for k, v in kwargs.items()})
        raised.append(info.value)
    assert isinstance(raised[0], type(raised[1])), raised


# --- stft ---------------------------------------------------------------------------------------------------------------

RNG = np.random.RandomState(0)
SIGNAL, WINDOW = RNG.randn(2, 40), RNG.rand(8) + 0.5
COMPLEX_SIGNAL, COMPLEX_WINDOW = SIGNAL + 1j * RNG.randn(2, 40), WINDOW + 1j * RNG.rand(8)
CASES: list[tuple[np.ndarray, np.ndarray | None, dict[str, Any]]] = [
    (SIGNAL, None, {}), (SIGNAL[0], WINDOW, {"hop_length": 3}), (SIGNAL, WINDOW, {"center": False, "normalized": True}),
    (SIGNAL, WINDOW[:5], {"win_length": 5, "pad_mode": "constant"}), (SIGNAL, None, {"win_length": 4, "onesided": False}),
    (SIGNAL, WINDOW[:4], {"win_length": 4, "center": False, "align_to_window": True}),
    (SIGNAL, WINDOW[:4], {"win_length": 4, "center": False, "align_to_window": False}),
    (COMPLEX_SIGNAL, WINDOW, {}), (SIGNAL, COMPLEX_WINDOW, {}), (COMPLEX_SIGNAL, COMPLEX_WINDOW, {"hop_length": 1}),
]  # fmt: skip


def of(library: Any, array: np.ndarray | None, grad: bool = False) -> Any:
    return None if array is None else library.tensor(array, requires_grad=grad)


def gradients(library: Any, y: Any, inputs: list[Any]) -> list[Any]:
    rng = np.random.RandomState(1)
    weight = rng.randn(*y.shape) + (1j * rng.randn(*y.shape) if y.is_complex() else 0)
    return [y, *library.autograd.grad(y, [x for x in inputs if x is not None], of(library, weight))]


@pytest.mark.parametrize(("signal", "window", "kwargs"), CASES)
def test_stft(signal: np.ndarray, window: np.ndarray | None, kwargs: dict[str, Any]) -> None:
    found = []
    for t in (rushlight, torch):
        x, w = of(t, signal, True), of(t, window, True)
        found.append(gradients(t, t.stft(x, 8, window=w, return_complex=True, **kwargs), [x, w]))
    for mine, theirs in zip(*found, strict=True):
        same(mine, theirs.resolve_conj(), 1e-11)


def test_stft_as_pairs_and_as_a_method() -> None:
    mine, theirs = (of(t, SIGNAL).stft(8, return_complex=False) for t in (rushlight, torch))
    same(mine, theirs)


INVERSE: list[tuple[np.ndarray | None, dict[str, Any]]] = [
    (WINDOW, {}), (WINDOW, {"length": 33}), (WINDOW, {"normalized": True, "center": False}),
    (WINDOW[:6], {"win_length": 6}), (WINDOW, {"onesided": False}), (WINDOW, {"onesided": False, "return_complex": True}),
    (COMPLEX_WINDOW, {"onesided": False, "return_complex": True}), (WINDOW, {"hop_length": 3}),
]  # fmt: skip


@pytest.mark.parametrize(("window", "kwargs"), INVERSE)
def test_istft(window: np.ndarray, kwargs: dict[str, Any]) -> None:
    found = []
    for t in (rushlight, torch):
        rows = 8 if kwargs.get("onesided") is False else 5
        x, w = of(t, COMPLEX_SIGNAL.reshape(2, 8, 5)[:, :rows], True), of(t, window, True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.append(gradients(t, t.istft(x, 8, window=w, **kwargs), [x, w]))
    for mine, theirs in zip(*found, strict=True):
        same(mine, theirs.resolve_conj(), 1e-10)


def test_istft_undoes_stft() -> None:
    w = rushlight.hann_window(8, dtype=rushlight.float64)
    x = of(rushlight, SIGNAL)
    back = rushlight.stft(x, 8, window=w, return_complex=True).istft(8, window=w, length=40)
    assert np.allclose(back.numpy(), SIGNAL)


FLOATS, SPECTRUM, FLAT = SIGNAL[0], COMPLEX_SIGNAL.reshape(2, 8, 5)[0, :5], np.ones(8)
REFUSED: list[tuple[str, np.ndarray, int, dict[str, Any]]] = [
    ("stft", FLOATS, 8, {}), ("stft", FLOATS, 60, {"return_complex": True, "center": False}),
    ("stft", FLOATS, 100, {"return_complex": True}), ("stft", FLOATS, 8, {"return_complex": True, "hop_length": 0}),
    ("stft", FLOATS, 0, {"return_complex": True}), ("stft", FLOATS, 8, {"return_complex": True, "win_length": 9}),
    ("stft", FLOATS, 8, {"return_complex": True, "window": FLAT[:7]}), ("stft", FLOATS.astype(int), 8, {"return_complex": True}),
    ("stft", FLOATS, 8, {"return_complex": True, "window": FLAT[:, None]}),
    ("stft", FLOATS[None, None], 8, {"return_complex": True}), ("stft", SPECTRUM[0], 8, {"onesided": True, "center": False}),
    ("stft", FLOATS, 8, {"return_complex": True, "align_to_window": True}), ("stft", FLOATS, 8, {"return_complex": True, "pad_mode": "x"}),
    ("istft", SPECTRUM.real, 8, {"window": FLAT}), ("istft", SPECTRUM, 9, {"window": FLAT}),
    ("istft", SPECTRUM, 8, {"window": FLAT, "hop_length": 9}), ("istft", SPECTRUM, 8, {"window": FLAT, "hop_length": 0}),
    ("istft", SPECTRUM, 8, {"window": FLAT, "win_length": 9}), ("istft", SPECTRUM, 8, {"window": FLAT[:7]}),
    ("istft", SPECTRUM, 8, {"window": FLAT * 0}), ("istft", SPECTRUM, 8, {"window": FLAT, "return_complex": True}),
    ("istft", SPECTRUM, 8, {"window": FLAT + 0j}), ("istft", SPECTRUM[:, :0], 8, {"window": FLAT}),
    ("istft", SPECTRUM, 8, {"window": FLAT, "onesided": False}),
    ("istft", SPECTRUM, 8, {"window": np.hanning(9)[:8], "center": False}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "x", "n_fft", "kwargs"), REFUSED)
def test_refused_transforms(name: str, x: np.ndarray, n_fft: int, kwargs: dict[str, Any]) -> None:
    raised = []
    for t in (rushlight, torch):
        with pytest.raises((RuntimeError, NotImplementedError)) as info:
            getattr(t, name)(of(t, x), n_fft, **{k: of(t, v) if k == "window" else v for k, v in kwargs.items()})
        raised.append(info.value)
    assert isinstance(raised[0], type(raised[1])), raised


def test_warnings_of_istft() -> None:
    with pytest.warns(UserWarning, match="window"):
        rushlight.istft(of(rushlight, SPECTRUM), 8)
    with pytest.warns(UserWarning, match="filled up"):
        assert rushlight.istft(of(rushlight, SPECTRUM), 8, window=of(rushlight, FLAT), length=50).shape == (50,)
