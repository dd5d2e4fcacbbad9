"""Bessel functions, incomplete gamma functions, normal quantiles, orthogonal polynomials: against SciPy and PyTorch.

Accuracy is that of SciPy where the two differ: PyTorch's Bessel functions are off by up to 2e-7 beyond 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight
from rushlight.ir.op import TABLE

EDGES = np.array([0.0, -0.0, 1e-300, 1e-8, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 8.0, 30.0, np.nan])
SPREAD = np.concatenate([EDGES, -EDGES, np.linspace(-20, 20, 161), np.geomspace(1e-6, 600, 60), [np.inf, -np.inf]])
ONE = (
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "modified_bessel_k0", "modified_bessel_k1",
    "scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "spherical_bessel_j0", "ndtri",
)  # fmt: skip
CHEBYSHEV = [f"{shifted}chebyshev_polynomial_{kind}" for shifted in ("", "shifted_") for kind in "tuvw"]
POLYNOMIALS = (
    *CHEBYSHEV, "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
)  # fmt: skip
ZEROS = (
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "airy_ai",
)  # compared by absolute error where they are small


def scipy_function(name: str) -> Any:
    special = pytest.importorskip("scipy.special")
    names = {
        "airy_ai": lambda x: special.airy(x)[0], "bessel_j0": special.j0, "bessel_j1": special.j1, "bessel_y0": special.y0,
        "bessel_y1": special.y1, "modified_bessel_k0": special.k0, "modified_bessel_k1": special.k1, "ndtri": special.ndtri,
        "scaled_modified_bessel_k0": special.k0e, "scaled_modified_bessel_k1": special.k1e,
        "spherical_bessel_j0": lambda x: special.spherical_jn(0, x),
    }  # fmt: skip
    return names[name]


def points(name: str) -> np.ndarray:
    if name == "ndtri":
        inside = np.concatenate([np.linspace(0, 1, 101), np.geomspace(1e-300, 1e-3, 40), [1 - 1e-16, 0.075, 0.925]])
        return np.concatenate([inside, [-0.1, 1.1, np.inf, -np.inf, np.nan]])
    if name == "airy_ai":  # SciPy gives NaN at infinity, where the limit is 0
        return SPREAD[SPREAD != np.inf]
    return SPREAD


def natively(name: str, x: np.ndarray) -> np.ndarray:
    return getattr(rushlight.special, name)(rushlight.tensor(x)).numpy()


def by_reference(name: str, x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return TABLE[name].reference(x)


@pytest.mark.parametrize("compute", [natively, by_reference])
@pytest.mark.parametrize("name", ONE)
def test_values(name: str, compute: Any) -> None:
    x = points(name)
    floor = 1e-14 if name in ZEROS else 0
    for kind, rtol, atol in ((np.float64, 3e-14, floor), (np.float32, 3e-7, 1e5 * floor)):
        given = x.astype(kind)
        with np.errstate(all="ignore"):
            expected = scipy_function(name)(given.astype(np.float64)).astype(kind)
        found = compute(name, given)
        wrong = ~np.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
        assert found.dtype == kind and not wrong.any(), np.c_[given, found, expected][wrong]


def test_where_the_arguments_are_huge() -> None:
    """Angles are not rounded: the values are those of 50 digits."""
    x = rushlight.tensor([1e10, 1e30], dtype=rushlight.float64)
    assert np.allclose(
        rushlight.special.bessel_j0(x).numpy(), [2.175591750246891e-06, -5.589003016686146e-16], rtol=1e-12
    )
    assert rushlight.special.airy_ai(rushlight.tensor([float("inf"), 1e300])).tolist() == [0.0, 0.0]
    assert rushlight.special.modified_bessel_k0(rushlight.tensor([float("inf"), 1e30])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", [n for n in ONE if n != "ndtri"])
def test_like_pytorch_no_gradient(name: str) -> None:
    y = getattr(rushlight.special, name)(rushlight.tensor([0.5, 1.5], requires_grad=True))
    assert not y.requires_grad


def test_gradient_of_ndtri() -> None:
    x = rushlight.tensor([0.01, 0.3, 0.5, 0.9], dtype=rushlight.float64, requires_grad=True)
    assert rushlight.autograd.gradcheck(rushlight.special.ndtri, (x,))


@pytest.mark.parametrize("name", [*ONE, *POLYNOMIALS])
def test_dtypes(name: str) -> None:
    function = getattr(rushlight.special, name)
    more = () if name in ONE else (2,)
    for kind in ("int64", "uint8", "bool"):
        assert function(rushlight.ones(2, dtype=getattr(rushlight, kind)), *more).dtype is rushlight.float32
    with pytest.raises(NotImplementedError, match=name):
        function(rushlight.ones(2, dtype=rushlight.complex64), *more)
    out = rushlight.empty(0)
    assert function(rushlight.ones(2), *more, out=out) is out and out.shape == (2,)


# --- incomplete gamma -----------------------------------------------------------------------------------------------


def pairs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(0)
    a = 10 ** rng.uniform(-4, 4, 600)
    near = 10 ** rng.uniform(1, 7, 200)
    a_all = np.concatenate([a, near, 10 ** rng.uniform(-6, 1, 200)])
    x_all = np.concatenate(
        [
            a * 10 ** rng.uniform(-2, 1, 600),
            near * (1 + rng.randn(200) * 1.5 / np.sqrt(near)),
            10 ** rng.uniform(-5, 0.2, 200),
        ]
    )
    edges_a, edges_x = np.meshgrid(
        [0.0, -0.0, -1, 0.3, 1, 7, 250, 1e6, np.inf], [0.0, -1, 0.3, 1, 7, 250, 1e6, np.inf, np.nan]
    )
    return np.concatenate([a_all, edges_a.ravel()]), np.concatenate([x_all, edges_x.ravel()])


@pytest.mark.parametrize(("name", "theirs"), [("igamma", "gammainc"), ("igammac", "gammaincc")])
def test_incomplete_gamma(name: str, theirs: str) -> None:
    special = pytest.importorskip("scipy.special")
    a, x = pairs()
    expected = getattr(special, theirs)(a, x)
    found = getattr(rushlight, name)(rushlight.tensor(a), rushlight.tensor(x)).numpy()
    usual = ~(expected < 1e-100)  # beyond, exp of a large number magnifies its rounding, in SciPy too
    assert np.allclose(found[usual], expected[usual], rtol=5e-12, atol=0, equal_nan=True)
    assert np.allclose(found[~usual], expected[~usual], rtol=1e-9, atol=1e-300)
    single = getattr(rushlight, name)(rushlight.tensor(a[:600].astype("f4")), rushlight.tensor(x[:600].astype("f4")))
    expected = getattr(special, theirs)(a[:600].astype("f4").astype(float), x[:600].astype("f4").astype(float))
    assert single.dtype is rushlight.float32 and np.allclose(single.numpy(), expected, rtol=1e-6, atol=1e-38)


def test_forms_of_igamma() -> None:
    a, x = rushlight.tensor([1.0, 2.0, 3.0]), rushlight.tensor([0.5, 1.5, 4.0])
    expected = rushlight.igamma(a, x).tolist()
    assert a.igamma(x).tolist() == rushlight.special.gammainc(a, x).tolist() == expected
    assert rushlight.special.gammaincc(a, x).tolist() == a.igammac(x).tolist()
    assert a.clone().igamma_(x).tolist() == expected and a.clone().igammac_(x).tolist() == a.igammac(x).tolist()
    assert rushlight.igamma(a.half(), x.half()).dtype is rushlight.float16
    for wrong in ((2.0, x), (a, 2.0)):
        with pytest.raises(TypeError, match="igamma"):
            rushlight.igamma(*wrong)
    with pytest.raises(NotImplementedError, match="igamma"):
        rushlight.igamma(a.int(), x.int())


def test_gradients_of_igamma() -> None:
    a = rushlight.tensor([0.7, 1.0, 3.0], dtype=rushlight.float64)
    x = rushlight.tensor([0.5, 1.5, 4.0], dtype=rushlight.float64, requires_grad=True)
    for function in (rushlight.igamma, rushlight.igammac):
        assert rushlight.autograd.gradcheck(lambda x, function=function: function(a, x), (x,))
        with pytest.raises(NotImplementedError, match="input"):
            function(a.requires_grad_(), x).sum().backward()
        a.requires_grad_(False)


# --- polynomials ------------------------------------------------------------------------------------------------------

DEGREES = np.array([-1.0, -0.5, 0, 1, 2, 2.7, 5, 8, 9, 30, 200, np.nan])[:, None]
ARGUMENTS = np.array([0.0, 1, -1, 0.3, -0.77, 0.9999, -2.5, 7, np.inf, -np.inf])[None]


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials_like_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.special, name)(torch.tensor(ARGUMENTS), torch.tensor(DEGREES)).numpy()
    function = getattr(rushlight.special, name)
    mine = function(rushlight.tensor(ARGUMENTS), rushlight.tensor(DEGREES))
    assert np.allclose(mine.numpy(), theirs, rtol=1e-10, atol=1e-12, equal_nan=True)
    assert np.isnan(function(rushlight.tensor([np.nan]), 2).item())
    x, n = rushlight.tensor([0.3, -2.5]), rushlight.tensor([2, 5])
    assert function(x, 2).tolist() == function(x, rushlight.tensor([2, 2])).tolist()
    assert function(0.5, n).tolist() == function(rushlight.tensor([0.5, 0.5]), n).tolist()
    assert not function(rushlight.tensor([0.5], requires_grad=True), 2).requires_grad
    with pytest.raises(TypeError, match=name):
        function(2, 2)


@pytest.mark.parametrize(
    ("name", "coefficients"),
    [
        ("chebyshev_polynomial_t", [0, 5, 0, -20, 0, 16]), ("chebyshev_polynomial_u", [0, 6, 0, -32, 0, 32]),
        ("hermite_polynomial_h", [0, 120, 0, -160, 0, 32]), ("hermite_polynomial_he", [0, 15, 0, -10, 0, 1]),
        ("legendre_polynomial_p", [0, 15 / 8, 0, -70 / 8, 0, 63 / 8]),
        ("laguerre_polynomial_l", [1, -5, 5, -5 / 3, 5 / 24, -1 / 120]),
    ],
)  # fmt: skip
def test_degree_five_written_out(name: str, coefficients: list[float]) -> None:
    x = np.linspace(-2, 2, 9)
    found = getattr(rushlight.special, name)(rushlight.tensor(x), 5).numpy()
    assert np.allclose(found, np.polynomial.polynomial.polyval(x, coefficients), rtol=1e-12, atol=1e-12)
