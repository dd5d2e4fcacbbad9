"""Calls as old optimisers make them: numbers before tensors, and `x.new(…)`."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

OLD = [
    lambda m, a, b, c: a.add(2, b),
    lambda m, a, b, c: m.add(a, 2, b),
    lambda m, a, b, c: a.clone().add_(0.5, b),
    lambda m, a, b, c: a.sub(2, b),
    lambda m, a, b, c: a.clone().mul_(0.9).addcmul_(0.1, b, c),
    lambda m, a, b, c: m.addcmul(a, 2, b, c),
    lambda m, a, b, c: a.clone().addcdiv_(-0.1, b, c),
    lambda m, a, b, c: m.addmm(2, a, 3, b, c),
    lambda m, a, b, c: a.addmm(2, b, c),
    lambda m, a, b, c: a.clone().addmm_(2, 3, b, c),
    lambda m, a, b, c: a[0].addmv(2, b, c[0]),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", OLD)
def test_a_number_before_the_tensors(call):
    results = []
    for m in (rushlight, torch):
        operands = [
            m.tensor(rows) for rows in ([[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]], [[0.5, 2.0], [4.0, 1.0]])
        ]
        results.append(call(m, *operands).tolist())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


def test_the_first_such_call_warns():
    from rushlight.functional import old_forms

    old_forms._warned.clear()
    x = rushlight.ones(2)
    with pytest.warns(UserWarning, match="add_.*Fix: write alpha="):
        x.add_(2, x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x.add_(2, x)
        x.addcmul_(x, x, value=2)


def test_calls_with_too_much():
    x = rushlight.ones(2)
    for call in (
        lambda: x.add(x, x),
        lambda: x.add(1, 2),
        lambda: x.addcmul_(1, 2, x),
        lambda: x.addmm(1, x),
        lambda: x.sub_(2, "3"),
    ):
        with pytest.raises((TypeError, RuntimeError)):
            call()


def test_new():
    for m in (rushlight, torch):
        x = m.ones(2, dtype=m.float64)
        assert x.new(2, 3).shape == (2, 3) and x.new().shape == (0,) and x.new(x.size()).shape == (2,)
        assert x.new([1, 2]).tolist() == [1, 2] and x.new((3,)).tolist() == [3] and x.new(np.ones(2)).dtype == m.float64
        assert m.tensor([1]).new([1.7]).tolist() == [1] and x.new(x * 2).tolist() == [2, 2]
        assert not m.nn.Parameter(x).new(2).requires_grad
        assert x.new().resize_as_(x).zero_().tolist() == [0, 0]
        for wrong in (2.5, True, m.ones(1)):
            with pytest.raises(TypeError):
                x.new(wrong)
