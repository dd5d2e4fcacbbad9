"""Winograd's method against the reference in float64, and against what the direct kernels make of the same operands."""

from __future__ import annotations

import direct
import numpy as np
import pytest

from rushlight.backend.llvm import conv, winograd_plan
from rushlight.backend.llvm.target import by_name, current
from rushlight.ops import conv as reference

CPU = {"avx2": "x86-64-v3", "sse": "x86-64"}
# x, weight, padding, transposed
SHAPES = [
    ((2, 16, 8, 8), (16, 16, 3, 3), 1, False),
    ((2, 64, 32, 32), (64, 64, 3, 3), 1, False),
    ((2, 64, 32, 32), (64, 40, 3, 3), 1, True),
    ((3, 32, 26, 26), (64, 32, 3, 3), 0, False),
    ((3, 64, 24, 24), (64, 32, 3, 3), 0, True),
    ((3, 70, 17, 19), (90, 70, 3, 3), 1, False),
    ((3, 20, 17, 30), (33, 20, 3, 3), 2, False),
    ((5, 130, 5, 4), (33, 130, 3, 3), 1, False),
    ((2, 20, 9, 9), (20, 20, 3, 3), 2, True),
]


def convolve(x, w, padding, transposed, target=None, parts=1, threads=2):
    pads = (padding, padding)
    size = tuple(n + (2 - 2 * padding) * (1 if transposed else -1) for n in x.shape[2:])
    out = np.full((x.shape[0], w.shape[transposed], *size), np.nan, np.float32)
    cpu = CPU[target.name] if target else ""
    plan = winograd_plan.plan(x.shape, w.shape, out.shape, pads, transposed, threads, target or current())
    turned = np.full(plan.before.room, np.nan, np.float32)
    run(conv.kernel_text(plan.before.spec, None, target, cpu), plan.before, parts, w=w, out=turned)
    run(conv.kernel_text(plan.spec, None, target, cpu), plan, parts, x=x, w=turned, out=out)
    return out


def run(text, plan, parts, **arrays):
    words = list(plan.words)
    for name, array in arrays.items():
        words[plan.buffers[name]] = array
    direct.run(text, words, plan.units, plan.scratch, parts)


def operands(x, w):
    random = np.random.default_rng(sum(x) + sum(w))
    return (random.standard_normal(shape).astype(np.float32) for shape in (x, w))


def expected(x, w, padding, transposed):
    one = (1, 1)
    exact = (x.astype(np.float64), w.astype(np.float64))
    return reference._convolution(*exact, None, one, (padding, padding), one, transposed, (0, 0), 1)


@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_against_the_reference(case):
    x_shape, w_shape, padding, transposed = case
    x, w = operands(x_shape, w_shape)
    exact = expected(x, w, padding, transposed)
    got = convolve(x, w, padding, transposed)
    assert np.abs(got - exact).max() < 4e-6 * np.abs(exact).max()


@pytest.mark.parametrize("name", ["avx2", "sse"])
def test_other_processors(name):
    if current().arch != "x86_64":
        pytest.skip("runs x86 code")
    x, w = operands((2, 20, 9, 9), (24, 20, 3, 3))
    exact = expected(x, w, 1, False)
    assert np.abs(convolve(x, w, 1, False, by_name(name)) - exact).max() < 4e-6 * np.abs(exact).max()


def test_bits_do_not_depend_on_how_the_work_is_shared():
    x, w = operands((5, 70, 16, 16), (40, 70, 3, 3))
    one = convolve(x, w, 1, False)
    for parts, threads in ((2, 2), (5, 8), (3, 64)):
        np.testing.assert_array_equal(convolve(x, w, 1, False, parts=parts, threads=threads), one)


def test_rounding_errors_are_about_those_of_the_sum_taken_directly():
    x, w = operands((4, 256, 8, 8), (64, 256, 3, 3))
    exact = expected(x, w, 1, False)
    straight = reference.conv_forward(x, w, (1, 1), (1, 1), (1, 1), 1)
    rms = lambda out: np.sqrt(np.mean((out - exact) ** 2))  # noqa: E731
    # one sum after another, as the direct kernels add
    products = np.zeros_like(straight)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for c in range(256):
        for i in range(3):
            for j in range(3):
                products += w[None, :, c, i, j, None, None] * padded[:, c, None, i : i + 8, j : j + 8]
    assert rms(convolve(x, w, 1, False)) < 2.5 * rms(products)


def test_when_it_pays():
    pays = lambda x, w, out, stride=1, padding=1: winograd_plan.pays(  # noqa: E731
        x, w, out, (stride, stride), (padding, padding), (1, 1), 1, "f32", by_name("avx512")
    )
    assert pays((16, 64, 32, 32), (64, 64, 3, 3), (16, 64, 32, 32))
    assert not pays((1, 512, 4, 4), (512, 512, 3, 3), (1, 512, 4, 4))  # 9.4 million weights for one square
    assert not pays((16, 3, 32, 32), (64, 3, 3, 3), (16, 64, 32, 32))  # hardly any sum to take
    assert not pays((16, 64, 32, 32), (128, 64, 3, 3), (16, 128, 16, 16), stride=2)


GRADIENTS = [
    ((2, 16, 32, 32), (16, 16, 32, 32), 1),
    ((16, 64, 8, 8), (16, 70, 8, 8), 1),
    ((40, 33, 4, 4), (40, 20, 4, 4), 1),
    ((5, 20, 19, 30), (5, 33, 17, 28), 0),
    ((3, 50, 12, 9), (3, 100, 14, 11), 2),
]


@pytest.mark.parametrize("case", GRADIENTS, ids=str)
def test_gradient_of_the_weights(case):
    x_shape, g_shape, padding = case
    x, g = operands(x_shape, g_shape)
    pads, one, target = (padding, padding), (1, 1), current()
    assert winograd_plan.gradient_pays(x_shape, g_shape, (3, 3), one, pads, one, 1, "f32", target)
    exact = reference.conv_weight_gradient(g.astype(np.float64), x.astype(np.float64), (3, 3), one, pads, one, 1)
    found = []
    for parts in (1, 3):
        plan = winograd_plan.gradient_plan(x_shape, g_shape, pads, target)
        out = np.full((plan.parts, *exact.shape), np.nan, np.float32)
        run(conv.weight_text(plan.spec), plan, parts, x=x, w=g, out=out)
        found.append(out)
    np.testing.assert_array_equal(*found)
    assert np.abs(found[0].sum(0) - exact).max() < 4e-6 * np.abs(exact).max()
