"""Sorting and its relatives in native code give the reference's bits: order of equal elements, NaN, signed zeros and all."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight import config
from rushlight.ops.sort import _order

DTYPES = ("float32", "float64", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")
SHAPES = [
    ((7,), 0),
    ((3, 100), 1),
    ((100, 3), 0),
    ((2, 5, 70), -1),
    ((4, 300, 2), 1),
    ((1, 5000), 1),
    ((2, 1), 1),
    ((6, 64), 1),
    ((6, 65), 1),
]


@pytest.fixture(autouse=True)
def native(monkeypatch):
    monkeypatch.setattr(config, "reference_runs", 0)


def numbers(dtype: str, shape: tuple, seed: int = 0) -> np.ndarray:
    """Many equal elements and, of floats, everything special."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) > 0.5
    if dtype.startswith("f"):
        x = (np.round(rng.standard_normal(shape) * 8) / 8).astype(dtype)
        flat = x.reshape(-1)
        for start, value in enumerate((0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1e-45)):
            flat[start :: 11 + 2 * start] = value
        return x
    limits = np.iinfo(dtype)
    x = rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    x[rng.random(shape) > 0.5] = 3
    return x


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sort_and_topk_follow_the_stable_order(dtype, descending):
    for shape, dim in SHAPES:
        x = numbers(dtype, shape)
        order = _order(x.astype("float32") if dtype == "float16" else x, dim, descending)
        values, index = torch.from_numpy(x.copy()).sort(dim, descending)
        assert np.array_equal(index.numpy(), order)
        assert values.numpy().tobytes() == np.take_along_axis(x, order, dim).tobytes()
        for k in {1, min(5, x.shape[dim]), x.shape[dim]}:
            found = torch.from_numpy(x.copy()).topk(k, dim, descending)
            assert np.array_equal(found.indices.numpy(), np.take(order, np.arange(k), dim)), (shape, k)


def test_the_short_list_and_the_long_sort_agree():
    x = torch.from_numpy(numbers("float32", (3, 4000)))
    whole = x.sort(1, descending=True)
    for k in (1, 60, 122, 123, 2000):  # the list serves up to 122 of 4,000
        found = x.topk(k)
        assert np.array_equal(found.indices.numpy(), whole.indices[:, :k].numpy())


def test_elements_that_do_not_lie_side_by_side():
    x = torch.from_numpy(numbers("int32", (40, 50)))
    expected = np.sort(x.numpy()[::2, 10:40].T, axis=0)
    assert np.array_equal(x[::2, 10:40].t().sort(0).values.numpy(), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_ranks_are_those_of_the_reference(dtype, monkeypatch):
    for shape, dim in SHAPES[:5]:
        x = np.random.default_rng(2).integers(0, 9, shape).astype(dtype)
        if dtype[0] == "f":
            x.reshape(-1)[::13] = np.nan
        for name, more in (("median", {}), ("nanmedian", {}), ("mode", {}), ("kthvalue", {"k": 2})):
            for keepdim in (False, True):
                answers = []
                for runs in (0, 100):  # native, reference
                    monkeypatch.setattr(config, "reference_runs", runs)
                    found = getattr(torch.from_numpy(x).clone(), name)(dim=dim, keepdim=keepdim, **more)
                    answers.append([(t.numpy().tobytes(), tuple(t.shape)) for t in found])
                assert answers[0] == answers[1], (shape, name, keepdim)


def test_gradients_go_to_the_elements_chosen():
    x = torch.tensor([[3.0, 1.0, 2.0], [4.0, 6.0, 5.0]], requires_grad=True)
    (x.topk(2).values * torch.tensor([1.0, 10.0])).sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0, 10.0], [0.0, 1.0, 10.0]]


@pytest.mark.parametrize("dtype", ["int64", "float32", "uint8", "bool"])
def test_unique_and_nonzero(dtype):
    for shape in ((), (0,), (2, 0, 3), (50,), (3, 4, 5)):
        x = np.random.default_rng(3).integers(0, 5, shape).astype(dtype)
        t = torch.from_numpy(x.copy()) if shape else torch.tensor(x.item(), dtype=getattr(torch, dtype))
        values, inverse, counts = torch.unique(t, return_inverse=True, return_counts=True)
        expected = np.unique(x, return_inverse=True, return_counts=True)
        assert values.tolist() == expected[0].tolist() and counts.tolist() == expected[2].tolist()
        assert inverse.shape == t.shape and np.array_equal(inverse.numpy().reshape(-1), expected[1].reshape(-1))
        assert t.unique().tolist() == expected[0].tolist()
        if shape:
            assert np.array_equal(t.nonzero().numpy(), np.argwhere(x))
            assert all(map(np.array_equal, [p.numpy() for p in t.nonzero(as_tuple=True)], np.nonzero(x)))


def test_every_nan_is_a_value_of_its_own():
    found = torch.unique(torch.tensor([float("nan"), 1.0, float("nan"), -0.0, 0.0]))
    assert found[:2].tolist() == [0.0, 1.0] and found[2:].isnan().tolist() == [True, True]
