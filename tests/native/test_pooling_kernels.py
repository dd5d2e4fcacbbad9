"""Pooling kernels against the reference."""

from __future__ import annotations

import direct
import numpy as np
import pytest

from rushlight.backend.llvm import pooling, pooling_plan
from rushlight.backend.llvm.target import by_name, current
from rushlight.ops import avgpool, pool
from rushlight.ops.windows import window_count

DTYPES = {"f32": np.float32, "f64": np.float64}
CPU = {"avx2": "x86-64-v3", "sse": "x86-64"}
# shape, kernel, stride, padding, dilation, ceil_mode
WINDOWS = [
    ((2, 3, 4, 6), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((3, 2, 24, 24), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((2, 2, 35, 37), (3, 3), (2, 2), (1, 1), (1, 1), False),
    ((2, 2, 17, 40), (3, 2), (1, 1), (1, 0), (1, 2), False),
    ((2, 2, 33, 50), (5, 3), (3, 3), (0, 1), (1, 1), True),
    ((2, 7), (3,), (2,), (1,), (1,), True),
    ((4, 100), (4,), (1,), (2,), (1,), False),
    ((1, 2, 9, 6, 33), (2, 3, 2), (2, 1, 2), (1, 1, 0), (1, 1, 1), False),
    ((2, 3, 8, 8), (8, 8), (8, 8), (0, 0), (1, 1), False),
    ((2, 1, 5, 1), (2, 1), (2, 1), (1, 0), (1, 1), False),
]


def run(text, plan, **arrays):
    words = list(plan.words)
    for name, array in arrays.items():
        words[plan.buffers[name]] = array
    direct.run(text, words, plan.units, plan.scratch, parts=2)


def counts_of(shape, kernel, stride, padding, dilation, ceil_mode):
    space = shape[len(shape) - len(kernel) :]
    return tuple(window_count(*s, ceil_mode) for s in zip(space, kernel, stride, padding, dilation, strict=True))


def numbers(shape, kind):
    """Random numbers in steps of a half, so that some are equal."""
    return np.round(np.random.default_rng(0).standard_normal(shape) * 2).astype(DTYPES[kind]) / 2


def largest(x, kernel, stride, padding, dilation, ceil_mode, target=None):
    counts = counts_of(x.shape, kernel, stride, padding, dilation, ceil_mode)
    kind = "f32" if x.dtype == np.float32 else "f64"
    plan = pooling_plan.max_plan(x.shape, counts, kernel, stride, padding, dilation, kind, target)
    shape = (*x.shape[: x.ndim - len(kernel)], *counts)
    out, index = np.full(shape, 99, x.dtype), np.full(shape, -99, np.int64)
    run(pooling.max_text(plan.spec, target, CPU[target.name] if target else ""), plan, x=x, out=out, index=index)
    return out, index


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("case", WINDOWS, ids=str)
def test_max_pool(case, kind):
    shape, *geometry = case
    x = numbers(shape, kind)
    for got, expected in zip(largest(x, *geometry), pool._max_pool(x, *geometry), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("case", WINDOWS, ids=str)
def test_max_pool_of_strange_values(case):
    shape, *geometry = case
    x = numbers(shape, "f32")
    x[np.random.default_rng(1).random(shape) < 0.2] = np.nan
    x[np.random.default_rng(2).random(shape) < 0.5] = -np.inf
    for got, expected in zip(largest(x, *geometry), pool._max_pool(x, *geometry), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", ["avx2", "sse"])
@pytest.mark.parametrize("case", WINDOWS[1:5], ids=str)
def test_max_pool_on_other_processors(case, name):
    if current().arch != "x86_64":
        pytest.skip("runs x86 code")
    shape, *geometry = case
    x = numbers(shape, "f32")
    for got, expected in zip(largest(x, *geometry, by_name(name)), pool._max_pool(x, *geometry), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("include_pad, override", [(True, None), (False, None), (True, 3)])
@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("case", [case for case in WINDOWS if set(case[4]) == {1}], ids=str)
def test_avg_pool(case, kind, include_pad, override):
    shape, kernel, stride, padding, dilation, ceil_mode = case
    x = numbers(shape, kind)
    counts = counts_of(shape, kernel, stride, padding, dilation, ceil_mode)
    rest = (kernel, stride, padding, include_pad, override, kind)
    plan = pooling_plan.mean_plan(shape, counts, *rest)
    out = np.full((*shape[: len(shape) - len(kernel)], *counts), 99, x.dtype)
    run(pooling.mean_text(plan.spec), plan, x=x, out=out)
    static = (kernel, stride, padding, ceil_mode, include_pad, override)
    np.testing.assert_allclose(out, avgpool._avg_pool(x, *static), rtol=1e-6, atol=1e-6)

    size = shape[len(shape) - len(kernel) :]
    gradient, spread = numbers(out.shape, kind), np.full(shape, 99, x.dtype)
    plan = pooling_plan.share_plan(out.shape, size, *rest)
    run(pooling.share_text(plan.spec), plan, x=gradient, out=spread)
    np.testing.assert_allclose(spread, avgpool._avg_back(gradient, size, *static), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("add", [False, True])
def test_scatter(add):
    g = numbers((2, 3, 4, 5), "f32")
    index = np.random.default_rng(3).integers(0, 63, g.shape)
    out, status = np.full((2, 3, 7, 9), 99, np.float32), np.zeros(1, np.int64)
    plan = pooling_plan.scatter_plan(g.shape, (7, 9), add)
    text = pooling.scatter_text(plan.spec)
    run(text, plan, x=g, index=index, out=out, status=status)
    np.testing.assert_array_equal(out, pool._scatter(g, index, (7, 9), add))
    assert status[0] == 0
    for bad in (-1, 63):
        index[1, 2, 3, 4], status[0] = bad, 0
        run(text, plan, x=g, index=index, out=out, status=status)
        assert status[0] == 1
