"""Pooling against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from functional_oracle import agree, bind, draw, torch

import rushlight
from rushlight.nn import functional as F

TF = torch.nn.functional

MAX = [(2,), (3, 2, 1), ((3, 2), (1, 2), (1, 0), (1, 2)), (3, 2, 1, 1, True), (2, 3, 0, 1, True), (3, 1, 1, 2)]


@pytest.mark.parametrize("arguments", MAX)
def test_max_pool2d(arguments):
    agree(bind(F.max_pool2d, *arguments), bind(TF.max_pool2d, *arguments), draw(2, 3, 7, 8), second=True)


@pytest.mark.parametrize("arguments", MAX)
@pytest.mark.parametrize("values", ["ties", "nan", "minus infinity"])
def test_max_pool2d_indices(arguments, values):
    x = np.round(draw(2, 3, 7, 8)).astype(np.float32)
    if values == "nan":
        x[0, 0, 3, 3] = np.nan
    elif values == "minus infinity":
        x[1] = -np.inf
    out, index = F.max_pool2d(rushlight.tensor(x), *arguments, return_indices=True)
    expected, where = TF.max_pool2d(torch.tensor(x), *arguments, return_indices=True)
    np.testing.assert_array_equal(out.numpy(), expected.numpy())
    np.testing.assert_array_equal(index.numpy(), where.numpy())


def test_max_pool_of_integers_and_other_ranks():
    x = np.arange(24).reshape(1, 2, 3, 4)
    np.testing.assert_array_equal(
        F.max_pool2d(rushlight.tensor(x), 2).numpy(), TF.max_pool2d(torch.tensor(x), 2).numpy()
    )
    agree(bind(F.max_pool1d, 3, 2), bind(TF.max_pool1d, 3, 2), draw(2, 3, 8))
    agree(bind(F.max_pool1d, 2), bind(TF.max_pool1d, 2), draw(3, 8))
    agree(bind(F.max_pool3d, 2), bind(TF.max_pool3d, 2), draw(2, 2, 4, 4, 5))
    agree(bind(rushlight.max_pool2d, 2), bind(torch.max_pool2d, 2), draw(2, 3, 4, 4))


def test_max_unpool():
    x = draw(2, 3, 6, 8)
    out, index = F.max_pool2d(rushlight.tensor(x), 2, return_indices=True)
    where = torch.tensor(index.numpy())
    agree(lambda v: F.max_unpool2d(v, index, 2), lambda v: TF.max_unpool2d(v, where, 2), out.numpy(), second=True)
    agree(
        lambda v: F.max_unpool2d(v, index, 2, output_size=(7, 8)),
        lambda v: TF.max_unpool2d(v, where, 2, output_size=(7, 8)),
        out.numpy(),
    )
    line, at = F.max_pool1d(rushlight.tensor(draw(2, 8)), 2, return_indices=True)
    assert F.max_unpool1d(line, at, 2).shape == (2, 8)
    with pytest.raises(ValueError, match="output_size"):
        F.max_unpool2d(out, index, 2, output_size=(20, 20))
    with pytest.raises(RuntimeError, match="invalid max index: 99"):
        F.max_unpool2d(out, index * 0 + 99, 2).sum().item()


@pytest.mark.parametrize(
    "arguments",
    [
        (2,),
        (3, 2, 1),
        (3, 2, 1, True, False),
        (3, 2, 1, True, True),
        ((3, 2), (2, 1), (1, 0), True, True, 5),
        (2, 3, 0, True, False),
    ],
)
def test_avg_pool2d(arguments):
    agree(bind(F.avg_pool2d, *arguments), bind(TF.avg_pool2d, *arguments), draw(2, 3, 6, 7), second=True)


def test_avg_pool_of_other_ranks():
    agree(bind(F.avg_pool1d, 3, 2, 1), bind(TF.avg_pool1d, 3, 2, 1), draw(2, 3, 8))
    agree(
        bind(F.avg_pool3d, 2, None, 1, False, False), bind(TF.avg_pool3d, 2, None, 1, False, False), draw(2, 2, 4, 4, 5)
    )


@pytest.mark.parametrize("size", [1, 2, (2, 3), (4, 5), (9, 9), (None, 3)])
def test_adaptive_pools(size):
    agree(bind(F.adaptive_avg_pool2d, size), bind(TF.adaptive_avg_pool2d, size), draw(2, 3, 6, 7))
    agree(bind(F.adaptive_max_pool2d, size), bind(TF.adaptive_max_pool2d, size), draw(2, 3, 6, 7))


def test_adaptive_pools_of_other_ranks():
    agree(bind(F.adaptive_avg_pool1d, 3), bind(TF.adaptive_avg_pool1d, 3), draw(2, 3, 7), second=True)
    agree(bind(F.adaptive_max_pool1d, 3), bind(TF.adaptive_max_pool1d, 3), draw(2, 3, 7), second=True)
    agree(bind(F.adaptive_avg_pool3d, (2, 1, 3)), bind(TF.adaptive_avg_pool3d, (2, 1, 3)), draw(1, 2, 3, 4, 5))
    agree(bind(F.adaptive_max_pool3d, (2, 1, 3)), bind(TF.adaptive_max_pool3d, (2, 1, 3)), draw(1, 2, 3, 4, 5))


def test_fractional_max_pool():
    u, v = np.random.RandomState(0).rand(2, 3, 2), np.random.RandomState(1).rand(2, 3, 3)
    agree(
        lambda x: F.fractional_max_pool2d(x, (2, 3), (3, 4), _random_samples=rushlight.tensor(u)),
        lambda x: TF.fractional_max_pool2d(x, (2, 3), (3, 4), _random_samples=torch.tensor(u)), draw(2, 3, 7, 9),
    )  # fmt: skip
    agree(
        lambda x: F.fractional_max_pool3d(x, 2, output_ratio=0.5, _random_samples=rushlight.tensor(v)),
        lambda x: TF.fractional_max_pool3d(x, 2, output_ratio=0.5, _random_samples=torch.tensor(v)), draw(2, 3, 7, 9, 6),
    )  # fmt: skip
    assert F.fractional_max_pool2d(rushlight.ones(1, 2, 6, 6), 2, 3).shape == (1, 2, 3, 3)
    with pytest.raises(ValueError, match="neither"):
        F.fractional_max_pool2d(rushlight.ones(1, 2, 6, 6), 2)


def test_lp_pool():
    x = np.abs(draw(2, 3, 6, 7)) + 0.3
    agree(bind(F.lp_pool2d, 2, 3, 2), bind(TF.lp_pool2d, 2, 3, 2), x, second=True)
    agree(bind(F.lp_pool1d, 3, 2), bind(TF.lp_pool1d, 3, 2), x[0])
    agree(bind(F.lp_pool3d, 2, 2), bind(TF.lp_pool3d, 2, 2), x)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: F.max_pool2d(rushlight.ones(4, 4), 2), "max_pool2d: got an input of shape"),
        (lambda: F.max_pool2d(rushlight.ones(1, 1, 4, 4), 2, padding=2), "at most half"),
        (lambda: F.max_pool2d(rushlight.ones(1, 1, 4, 4), 5), "Output size is too small"),
        (lambda: F.avg_pool2d(rushlight.ones(1, 1, 4, 4), 0), "greater than zero"),
        (lambda: F.avg_pool2d(rushlight.ones(1, 1, 4, 4), 2, divisor_override=0), "divisor must be not zero"),
        (lambda: F.adaptive_max_pool2d(rushlight.ones(1, 1, 0, 4), 2), "non-zero spatial"),
        (lambda: F.max_pool2d(rushlight.ones(1, 1, 4, 4, dtype=rushlight.complex64), 2), "complex"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(RuntimeError, match=words):
        call()
