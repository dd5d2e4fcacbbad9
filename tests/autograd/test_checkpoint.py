"""Checkpointing gives the gradients of the plain run, random numbers included."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl
from rushlight.nn import functional as F
from rushlight.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


def leaf(*values):
    return rl.tensor(values, requires_grad=True)


@pytest.mark.parametrize("use_reentrant", [False, True])
@pytest.mark.parametrize("read_first", [False, True])
def test_same_gradients_as_the_plain_run_with_dropout(use_reentrant, read_first):
    w, x = leaf(1.0, 2.0, 3.0, 4.0), leaf(0.5, -1.0, 2.0, 0.1)

    def block(t):
        return F.dropout(rl.sin(t * w) * w, 0.5)

    results = []
    for run in (lambda t: checkpoint(block, t, use_reentrant=use_reentrant), block):
        rl.manual_seed(5)
        w.grad = x.grad = None
        y = run(x * 2)
        if read_first:
            y.sum().item()
        (y * y).sum().backward()
        results.append((y.tolist(), w.grad.tolist(), x.grad.tolist(), rl.rand(2).tolist()))
    assert results[0] == results[1]


def test_parameters_only():
    w = leaf(1.0, 2.0)
    checkpoint(lambda t: (t * w * w).sum(), rl.ones(2), use_reentrant=False).backward()
    assert w.grad.tolist() == [2.0, 4.0]
    with pytest.warns(UserWarning, match="None of the inputs"):
        assert not checkpoint(lambda t: t * w, rl.ones(2), use_reentrant=True).requires_grad


def test_runs_again_in_backward_and_only_then():
    calls = []
    x = leaf(1.0, 2.0)

    def f(t):
        calls.append(rl.is_grad_enabled())
        return t * t

    y = checkpoint(f, x, use_reentrant=False)
    assert len(calls) == 1
    y.sum().backward()
    assert len(calls) == 2
    with rl.no_grad():
        checkpoint(f, x, use_reentrant=False)
    assert calls[2] is False


def test_second_derivative_keywords_and_structures():
    x, w = leaf(1.0, -2.0), leaf(0.5, 2.0)
    found = checkpoint(lambda t, *, k: {"a": (t * t * w * k, t.long()), "b": 3}, x, use_reentrant=False, k=2.0)
    assert found["b"] == 3 and not found["a"][1].requires_grad
    (g,) = rl.autograd.grad(found["a"][0].sum(), x, create_graph=True)
    h = rl.autograd.grad(g.sum(), (x, w))
    assert h[0].tolist() == [2.0, 8.0] and h[1].tolist() == [4.0, -8.0]


def test_hooks_run_once():
    w, calls = leaf(1.0, 2.0), []
    w.register_hook(lambda g: calls.append(1))
    checkpoint(lambda t: (t * w).sum(), rl.ones(2), use_reentrant=False).backward()
    assert calls == [1]


def test_mistakes():
    x = leaf(1.0)
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint(lambda t: t, x)
    with pytest.raises(ValueError, match="Unexpected keyword"):
        checkpoint(lambda t, k: t, x, use_reentrant=True, k=1)
    sizes = iter([1, 2])
    y = checkpoint(lambda t: t.expand(next(sizes)) * 2, x, use_reentrant=False)
    with pytest.raises(CheckpointError, match="different metadata"):
        y.sum().backward()
    z = x * 2
    y = checkpoint(lambda t: t * t, z, use_reentrant=False)
    z.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_sequential():
    w = [leaf(0.5, 1.5) for _ in range(4)]
    layers = [lambda t, p=p: rl.tanh(t * p) for p in w]
    grads = []
    for run in (
        lambda t: checkpoint_sequential(layers, 2, t, use_reentrant=False),
        lambda t: layers[3](layers[2](layers[1](layers[0](t)))),
    ):
        for p in w:
            p.grad = None
        run(leaf(1.0, 2.0)).sum().backward()
        grads.append([p.grad.tolist() for p in w])
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-6)
