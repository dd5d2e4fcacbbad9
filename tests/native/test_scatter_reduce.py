"""Products and extremes scattered by native code are the reference's, bit for bit: NumPy's own loops."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight
from rushlight import config

KINDS = ["float32", "float64", "float16", "int64", "int8", "uint8", "bool"]


@pytest.mark.parametrize("how", ["prod", "amax", "amin"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [0, 1])
def test_as_the_reference(monkeypatch, how, kind, dim):
    source = np.random.default_rng(0)
    x, src = (rushlight.tensor(source.normal(size=(17, 23)) * 3).to(getattr(rushlight, kind)) for _ in range(2))
    if kind.startswith("float"):
        x[2, 3], src[5, 5] = float("nan"), float("nan")
    index = rushlight.tensor(source.integers(0, 17, size=(16, 20)))
    monkeypatch.setattr(config, "reference_runs", 0)
    found = x.scatter_reduce(dim, index, src, how).numpy()
    expected = x.numpy().astype(np.float32 if kind == "float16" else x.numpy().dtype)
    places = [np.arange(16)[:, None], np.arange(20)]
    places[dim] = index.numpy()
    ufunc = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[how]
    with np.errstate(over="ignore"):
        ufunc.at(expected, tuple(places), src.numpy()[:16, :20].astype(expected.dtype))
        np.testing.assert_array_equal(found, expected.astype(found.dtype))
