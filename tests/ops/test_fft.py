"""Fourier transforms: values, gradients and refusals against PyTorch; complex helpers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight
from rushlight import config

torch = pytest.importorskip("torch")

RNG = np.random.RandomState(0)
REAL, COMPLEX = RNG.randn(3, 4, 5), RNG.randn(3, 4, 5) + 1j * RNG.randn(3, 4, 5)
ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
FROM_REAL = ("rfft", "ihfft", "rfftn", "ihfftn", "rfft2", "ihfft2")
ONE_CASES: list[dict[str, Any]] = [
    {}, {"n": 3, "dim": 0}, {"n": 8, "norm": "ortho"}, {"dim": 1, "norm": "forward"}, {"n": 7, "norm": "backward"}, {"n": 1},
]  # fmt: skip
MANY_CASES: list[dict[str, Any]] = [
    {}, {"dim": (0, 1), "norm": "ortho"}, {"s": (6, 3), "norm": "forward"}, {"s": (2, -1), "dim": (2, 0)},
]  # fmt: skip
CASES = [(name, case) for name in ONE for case in ONE_CASES]
CASES += [(f"{name}{suffix}", case) for name in ONE for suffix in "n2" for case in MANY_CASES]
CASES += [(f"{name}n", {"s": 4}) for name in ONE]


def of(library: Any, array: np.ndarray, grad: bool = False) -> Any:
    return library.tensor(array, requires_grad=grad)


def function(library: Any, name: str) -> Any:
    for part in name.split("."):
        library = getattr(library, part)
    return library


def agree(mine: Any, theirs: Any, tolerance: float = 1e-12) -> None:
    assert str(mine.dtype) == str(theirs.dtype) and tuple(mine.shape) == tuple(theirs.shape)
    x, y = mine.detach().numpy(), theirs.detach().resolve_conj().numpy()
    assert np.allclose(x, y, rtol=tolerance, atol=tolerance, equal_nan=True)


def with_gradient(library: Any, name: str, array: np.ndarray, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """The result, and the gradient of a weighted sum of it."""
    x = of(library, array, grad=True)
    y = function(library, name)(x, **kwargs)
    rng = np.random.RandomState(1)
    weight = rng.randn(*y.shape) + (1j * rng.randn(*y.shape) if y.is_complex() else 0)
    (grad,) = library.autograd.grad(y, x, of(library, weight))
    return y, grad


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_values_and_gradients(name: str, kwargs: dict[str, Any]) -> None:
    for array in (REAL,) if name in FROM_REAL else (REAL, COMPLEX):
        for mine, theirs in zip(
            *(with_gradient(t, f"fft.{name}", array, kwargs) for t in (rushlight, torch)), strict=True
        ):
            agree(mine, theirs)


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fftn", "irfftn"])
def test_second_gradients(name: str) -> None:
    """Of pairs of real numbers, since finite differences are of real inputs."""
    transform = getattr(rushlight.fft, name)
    real = name in FROM_REAL

    def run(x: Any) -> Any:
        y = transform(x if real else rushlight.view_as_complex(x))
        y = y * y
        return rushlight.view_as_real(y) if y.is_complex() else y

    x = of(rushlight, REAL[0, :3, :3] if real else REAL[0, :2, :4].reshape(2, 2, 2), grad=True)
    assert rushlight.autograd.gradcheck(run, (x,))
    assert rushlight.autograd.gradgradcheck(run, (x,))


def test_dtypes() -> None:
    for kind in ("int64", "bool", "uint8", "float32", "complex64"):
        array = REAL.astype(kind) if kind != "complex64" else COMPLEX.astype(kind)
        agree(rushlight.fft.fft(of(rushlight, array)), torch.fft.fft(torch.tensor(array)), 1e-5)
    assert rushlight.fft.irfft(of(rushlight, REAL.astype("float32"))).dtype is rushlight.float32


def test_inverses() -> None:
    f, x, z = rushlight.fft, of(rushlight, REAL), of(rushlight, COMPLEX)
    for norm in ("backward", "ortho", "forward"):
        assert np.allclose(f.ifftn(f.fftn(z, norm=norm), norm=norm).numpy(), COMPLEX)
        assert np.allclose(f.irfft(f.rfft(x, norm=norm), n=5, norm=norm).numpy(), REAL)
        assert np.allclose(f.hfft(f.ihfft(x, norm=norm), n=5, norm=norm).numpy(), REAL)


def test_out() -> None:
    out = rushlight.empty(1, dtype=rushlight.complex128)
    assert rushlight.fft.fft(of(rushlight, REAL), out=out) is out
    agree(out, torch.fft.fft(torch.tensor(REAL)))
    with pytest.raises(RuntimeError, match="complex output"):
        rushlight.fft.fft(of(rushlight, REAL), out=rushlight.empty(3))


@pytest.mark.parametrize("n", [0, 1, 4, 5])
def test_frequencies_and_shifts(n: int) -> None:
    for d in (1.0, 0.25):
        for name in ("fftfreq", "rfftfreq"):
            agree(getattr(rushlight.fft, name)(n, d), getattr(torch.fft, name)(n, d), 1e-7)
    agree(rushlight.fft.fftfreq(n, dtype=rushlight.float64), torch.fft.fftfreq(n, dtype=torch.float64))
    assert rushlight.fft.rfftfreq(4, requires_grad=True).requires_grad
    for name in ("fftshift", "ifftshift"):
        for dim in (None, 1, (0, 2)):
            mine, theirs = (getattr(t.fft, name)(of(t, REAL), dim=dim) for t in (rushlight, torch))
            agree(mine, theirs)


REFUSED: list[tuple[str, tuple, dict[str, Any]]] = [
    ("fft", (REAL,), {"n": 0}), ("fft", (REAL,), {"n": -1}), ("fft", (REAL,), {"dim": 3}), ("fft", (REAL,), {"norm": "other"}),
    ("fft", (REAL,), {"norm": 3}), ("fft", (np.float64(1),), {}), ("fft", (np.zeros((0, 3)),), {"dim": 0}),
    ("rfft", (COMPLEX,), {}), ("ihfft", (COMPLEX,), {}), ("rfft2", (COMPLEX,), {}), ("irfft", (COMPLEX[..., :1],), {}),
    ("fftn", (REAL,), {"s": (2,), "dim": (0, 1)}), ("fftn", (REAL,), {"dim": (0, -3)}), ("fftn", (REAL,), {"s": (1, 2, 3, 4)}),
    ("rfftn", (REAL,), {"dim": ()}), ("irfftn", (COMPLEX,), {"dim": ()}), ("fft2", (REAL[0, 0],), {}),
    ("irfftn", (COMPLEX,), {"s": (2, 0)}), ("fft", (REAL.astype("float16"),), {}), ("fftshift", (np.float64(1),), {}),
    ("fft", (REAL,), {"n": 2.5}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "kwargs"), REFUSED)
def test_refusals(name: str, args: tuple, kwargs: dict[str, Any]) -> None:
    with pytest.raises(Exception) as theirs:
        getattr(torch.fft, name)(*map(torch.tensor, args), **kwargs)
    with pytest.raises(Exception) as mine:
        getattr(rushlight.fft, name)(*map(rushlight.tensor, args), **kwargs)
    assert isinstance(mine.value, type(theirs.value)), (mine.value, theirs.value)
    assert name.rstrip("n2") in str(mine.value) or kwargs.get("n") == 2.5


def test_arguments_that_are_no_tensors() -> None:
    with pytest.raises(TypeError):
        rushlight.fft.fft([1.0])
    with pytest.raises(RuntimeError, match="fftfreq"):
        rushlight.fft.fftfreq(-1)
    with pytest.raises(RuntimeError, match="floating point"):
        rushlight.fft.fftfreq(4, dtype=rushlight.int64)


def test_explain_names_the_transform() -> None:
    rushlight.fft.fft(of(rushlight, REAL)).tolist()
    assert "fft_r2c_op" in repr(rushlight.explain())


# --- complex numbers ------------------------------------------------------------------------------------------------


def test_polar() -> None:
    length, angle = np.abs(REAL), REAL * 3
    mine = rushlight.polar(of(rushlight, length), of(rushlight, angle))
    agree(mine, torch.polar(torch.tensor(length), torch.tensor(angle)))
    a, b = of(rushlight, REAL[0, 0], grad=True), of(rushlight, REAL[1, 0], grad=True)
    assert rushlight.autograd.gradcheck(lambda a, b: rushlight.view_as_real(rushlight.polar(a, b)), (a, b))
    with pytest.raises(RuntimeError, match="polar"):
        rushlight.polar(a, b.float())
    with pytest.raises(TypeError, match="polar"):
        rushlight.polar(1.0, b)


def test_parts_and_questions() -> None:
    z, x = of(rushlight, COMPLEX), of(rushlight, REAL)
    assert np.array_equal(rushlight.real(z).numpy(), COMPLEX.real)
    assert np.array_equal(rushlight.imag(z).numpy(), COMPLEX.imag)
    assert rushlight.real(x) is x
    rushlight.imag(z).zero_()  # a view
    assert rushlight.isreal(z).all() and z.isreal().dtype is rushlight.bool
    assert x.int().isreal().all() and not of(rushlight, COMPLEX).isreal().any()
    with pytest.raises(RuntimeError):
        rushlight.imag(x)
    with pytest.raises(TypeError):
        rushlight.real(3)
    assert rushlight.resolve_conj(z) is z and rushlight.resolve_neg(z) is z
    assert not rushlight.is_conj(z) and not rushlight.is_neg(z)


def test_complex_views_leave_native_programs_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs that are views of complex values are copied as pairs."""
    monkeypatch.setattr(config, "reference_runs", 0)
    z = of(rushlight, COMPLEX) * 2
    turned, part = z.transpose(0, 2), z[1:, ::2]
    assert np.array_equal(turned.numpy(), 2 * COMPLEX.transpose(2, 1, 0))
    assert np.array_equal(part.numpy(), 2 * COMPLEX[1:, ::2])
