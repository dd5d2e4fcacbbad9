"""The same program under PyTorch and under Rushlight, on real pictures, to the printed digit."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import parity_programs as programs
import pytest

import rushlight
from rushlight.vision import datasets

ROOT = os.environ.get("RUSHLIGHT_DATA", str(Path(__file__).parents[3] / "shared" / "data"))


def pictures(kind: type, train: bool, count: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    try:
        data = kind(ROOT, train=train)
    except (OSError, RuntimeError) as error:
        pytest.skip(f"needs real pictures (RUSHLIGHT_DATA=DIR says where): {error}")
    return data.data.numpy()[:count], data.targets.numpy()[:count]


def test_linear_regression_ends_where_arithmetic_says():
    w, b = programs.linear_regression(rushlight)
    assert w == pytest.approx(1.846347, abs=1e-6)
    assert b == pytest.approx(0.451757, abs=1e-6)


def test_linear_regression_is_bit_equal_to_pytorch(oracle):
    assert programs.linear_regression(rushlight, 300) == programs.linear_regression(oracle, 300)


def assert_same(ours: list, theirs: list) -> None:
    assert [name for name, _ in ours] == [name for name, _ in theirs]
    for (name, a), (_, b) in zip(ours, theirs, strict=True):
        # a picture between two classes may fall to either side: two in ten thousand
        assert a == pytest.approx(b, abs=0.02 if name == "accuracy" else 5e-5), name


@pytest.mark.parametrize("shuffle", [False, True], ids=["quickstart", "optimization"])
def test_fashion_programs_print_the_same(oracle, shuffle):
    train, test = pictures(datasets.FashionMNIST, True, 1280), pictures(datasets.FashionMNIST, False, 640)
    ours, theirs = (
        programs.fashion(library, train, test, epochs=2, shuffle=shuffle, every=5) for library in (rushlight, oracle)
    )
    assert_same(ours, theirs)
    assert ours[0][1] == pytest.approx(np.log(10), abs=0.05)  # a fresh ten-class network
    assert ours[-1][1] < ours[0][1]


@pytest.mark.nightly
@pytest.mark.parametrize("kind", [datasets.FashionMNIST, datasets.MNIST])
@pytest.mark.parametrize("shuffle", [False, True], ids=["quickstart", "optimization"])
def test_five_epochs_print_the_same(oracle, kind, shuffle):
    train, test = pictures(kind, True), pictures(kind, False)
    every = 100 if len(train[0]) > 10_000 else 10
    ours, theirs = (
        programs.fashion(library, train, test, epochs=5, shuffle=shuffle, every=every)
        for library in (rushlight, oracle)
    )
    assert_same(ours, theirs)
