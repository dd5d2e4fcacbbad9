"""Normalisations against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from functional_oracle import agree, bind, draw, torch

import rushlight
from rushlight.autograd.backward import grad
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record
from rushlight.nn import functional as F

TF = torch.nn.functional
SHAPES = [(5, 4), (3, 4, 5), (3, 4, 2, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(shape, training):
    ours, theirs = [], []

    def run(functional, tensor, seen):
        def call(x, *parameters):
            seen[:] = [tensor(draw(4)), tensor(np.abs(draw(4)) + 0.5)]
            return functional.batch_norm(x, *seen, *parameters, training=training, momentum=0.3, eps=1e-3)

        return call

    for parameters in ((), (draw(4), draw(4, seed=1))):
        agree(run(F, rushlight.tensor, ours), run(TF, torch.tensor, theirs), draw(*shape), *parameters, second=True)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy())


def test_running_statistics_are_updated_in_place_and_without_gradient():
    mean, var = rushlight.zeros(2), rushlight.ones(2)
    alias = mean.view(2)
    F.batch_norm(rushlight.tensor([[1.0, 2.0], [3.0, 6.0]], requires_grad=True), mean, var, training=True, momentum=0.5)
    assert alias.tolist() == [1.0, 2.0]
    assert var.tolist() == [1.5, 4.5]
    assert not mean.requires_grad and not var.requires_grad


def test_batch_norm_without_running_statistics():
    agree(
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: TF.batch_norm(x, None, None, training=True),
        draw(3, 4, 5),
    )
    with pytest.raises(RuntimeError, match="Expected running_mean"):
        F.batch_norm(rushlight.ones(2, 3), None, None)


def test_batch_norm_in_half_precision():
    x = rushlight.tensor(draw(8, 3)).to(rushlight.bfloat16)
    out = F.batch_norm(x, rushlight.zeros(3), rushlight.ones(3), rushlight.ones(3), rushlight.zeros(3), training=True)
    assert out.dtype is rushlight.bfloat16
    np.testing.assert_allclose(out.float().numpy().std(0), 1, atol=0.02)


def test_the_gradient_is_named_after_the_op():
    x = rushlight.ones(3, 4, requires_grad=True)
    assert F.batch_norm(x, None, None, training=True).grad_fn.name() == "NativeBatchNormBackward0"
    assert F.layer_norm(x, (4,)).grad_fn.name() == "NativeLayerNormBackward0"
    assert F.group_norm(x, 2).grad_fn.name() == "NativeGroupNormBackward0"


def test_far_from_zero_nothing_is_lost():
    x = (draw(64, 3) + 1000).astype(np.float32)
    out = F.batch_norm(rushlight.tensor(x), None, None, training=True)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(out.numpy(), (exact - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-5), atol=2e-4)


@pytest.mark.parametrize("op", ["batch_norm_op", "layer_norm_op", "group_norm_op"])
def test_statistics_have_gradients_of_both_orders(op):
    """Through out, mean and variance at once, against the formula written out."""
    form, dims, wide = {
        "batch_norm_op": (None, (0, 2), (1, 4, 1)),
        "layer_norm_op": ((4, 5), (1, 2), (1, 4, 5)),
        "group_norm_op": (4, (2,), (1, 4, 1)),
    }[op]

    def formula(x, w, b):
        mean, var = x.mean(dims, True), x.var(dims, correction=0, keepdim=True)
        return (x - mean) / (var + 0.1).sqrt() * w.view(wide) + b.view(wide), mean, var

    def gradients(results, leaves):
        total = sum((r * r.sin()).sum() for r in results)
        first = grad(total, leaves, create_graph=True)
        return [*first, *grad(sum((p * p).sum() for p in first), leaves)]

    size = (4, 5) if op == "layer_norm_op" else (4,)
    leaves = [rushlight.tensor(v, requires_grad=True) for v in (draw(3, 4, 5), draw(*size), draw(*size, seed=1))]
    found = gradients(record(TABLE[op], (*leaves, 0.1), (form,)), leaves)
    for p, q in zip(found, gradients(formula(*leaves), leaves), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("shape", SHAPES[1:])
@pytest.mark.parametrize("own", [True, False])
def test_instance_norm(shape, own):
    ours, theirs = [], []

    def run(functional, tensor, seen):
        def call(x, w, b):
            seen[:] = [tensor(draw(4)), tensor(np.abs(draw(4)) + 0.5)]
            return functional.instance_norm(x, *seen, w, b, own, 0.3)

        return call

    agree(run(F, rushlight.tensor, ours), run(TF, torch.tensor, theirs), draw(*shape), draw(4), draw(4, seed=1))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy())


@pytest.mark.parametrize("shape", SHAPES)
def test_layer_group_and_rms_norm(shape):
    x, last = draw(*shape), shape[1:]
    agree(
        lambda x, w, b: F.layer_norm(x, last, w, b),
        lambda x, w, b: TF.layer_norm(x, last, w, b),
        x,
        draw(*last),
        draw(*last, seed=1),
        second=True,
    )
    agree(lambda x: F.layer_norm(x, last[-1:]), lambda x: TF.layer_norm(x, last[-1:]), x, second=True)
    agree(
        lambda x, w, b: F.group_norm(x, 2, w, b),
        lambda x, w, b: TF.group_norm(x, 2, w, b),
        x,
        draw(4),
        draw(4, seed=1),
        second=True,
    )
    agree(
        lambda x, w: F.rms_norm(x, last, w, 1e-3),
        lambda x, w: TF.rms_norm(x, last, w, 1e-3),
        x,
        draw(*last),
        second=True,
    )
    agree(lambda x: F.rms_norm(x, last), lambda x: TF.rms_norm(x, last), x)


@pytest.mark.parametrize("shape", [(2, 5, 4), (2, 5, 3, 4), (2, 5, 2, 2, 3)])
def test_local_response_norm(shape):
    agree(bind(F.local_response_norm, 3, 0.1), bind(TF.local_response_norm, 3, 0.1), draw(*shape))
    agree(bind(F.local_response_norm, 2, 0.1, 0.5, 2.0), bind(TF.local_response_norm, 2, 0.1, 0.5, 2.0), draw(*shape))


def test_normalize():
    agree(F.normalize, TF.normalize, draw(3, 4))
    agree(bind(F.normalize, 1.0, 0), bind(TF.normalize, 1.0, 0), draw(3, 4))
    assert F.normalize(rushlight.zeros(2, 3)).tolist() == [[0.0] * 3] * 2


def test_bad_input():
    with pytest.raises(
        ValueError, match=r"Expected more than 1 value per channel when training, got input size .*\[1, 4\].*drop_last"
    ):
        F.batch_norm(rushlight.ones(1, 4), None, None, training=True)
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        F.instance_norm(rushlight.ones(2, 4, 1))
    with pytest.raises(RuntimeError, match=r"weight of shape \[3\].*\[4\]"):
        F.batch_norm(rushlight.ones(2, 4), None, None, rushlight.ones(3), training=True)
    with pytest.raises(RuntimeError, match="running_mean should contain 4 elements not 3"):
        F.batch_norm(rushlight.ones(2, 4), rushlight.ones(3), rushlight.ones(3))
    with pytest.raises(RuntimeError, match=r"Given normalized_shape=\[3\], expected input with shape \[\*, 3\]"):
        F.layer_norm(rushlight.ones(2, 4), (3,))
    with pytest.raises(RuntimeError, match="divisible by num_groups"):
        F.group_norm(rushlight.ones(2, 4), 3)
    with pytest.raises(RuntimeError, match="integer tensor"):
        F.layer_norm(rushlight.ones(2, 4, dtype=rushlight.int64), (4,))
