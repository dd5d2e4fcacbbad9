"""Activations against PyTorch: values, gradients, names of graph nodes, in-place forms, mistakes."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl
from rushlight.nn import functional as F

torch = pytest.importorskip("torch")

X = np.random.RandomState(0).randn(3, 6) * 3

CASES = [
    *[(name, (), {}) for name in (
        "relu relu6 leaky_relu elu selu celu gelu silu mish hardtanh hardsigmoid hardswish hardshrink softshrink softplus "
        "softsign tanhshrink logsigmoid sigmoid tanh glu"
    ).split()],
    ("leaky_relu", (0.3,), {}), ("elu", (0.3,), {}), ("celu", (0.3,), {}), ("threshold", (0.2, 7.0), {}), ("hardtanh", (-0.5, 2.0), {}),
    ("softplus", (2, 3), {}), ("hardshrink", (1.0,), {}), ("softshrink", (1.0,), {}), ("glu", (1,), {}), ("rrelu", (), {}),
    ("gelu", (), {"approximate": "tanh"}), ("softmax", (1,), {}), ("softmin", (0,), {}), ("log_softmax", (1,), {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "options"), CASES)
def test_values_gradients_and_second_derivatives(name, args, options):
    found = []
    for m, f in ((rl, F), (torch, torch.nn.functional)):
        x = m.tensor(X, requires_grad=True)
        y = getattr(f, name)(x, *args, **options)
        (g,) = m.autograd.grad((y * y).sum(), x, create_graph=True)
        h = (
            g if name == "hardsigmoid" else m.autograd.grad((g * g).sum(), x)[0]
        )  # PyTorch stops at the first derivative there
        found.append([y.detach().numpy(), g.detach().numpy(), h.detach().numpy(), y.grad_fn.name()])
    for ours, theirs in zip(found[0][:3], found[1][:3], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)
    if name != "rrelu":
        assert found[0][3] == found[1][3]


@pytest.mark.parametrize("name", "relu relu6 leaky_relu elu selu celu silu mish hardtanh hardsigmoid hardswish".split())
def test_in_place_forms_write_and_differentiate(name):
    found = []
    for m, f in ((rl, F), (torch, torch.nn.functional)):
        x = m.tensor(X, requires_grad=True)
        y = x * 1.5
        assert getattr(f, name)(y, inplace=True) is y
        (y * y).sum().backward()
        found.append((y.detach().numpy(), x.grad.numpy()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-7)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["relu_", "selu_", "celu_", "rrelu_", "threshold_"])
def test_top_level_in_place_names(name):
    args = (0.1, 2.0) if name == "threshold_" else ()
    x, y = rl.tensor(X), torch.tensor(X)
    assert getattr(rl, name)(x, *args) is x
    np.testing.assert_allclose(x.numpy(), getattr(torch, name)(y, *args).numpy(), rtol=1e-7)


@pytest.mark.parametrize(("shape", "count"), [((3, 5), 1), ((3, 5), 5), ((2, 5, 3), 5), ((4,), 1)])
def test_prelu(shape, count):
    found = []
    for m, f in ((rl, F), (torch, torch.nn.functional)):
        x = m.tensor(
            X.ravel()[: int(np.prod(shape))].reshape(shape) if np.prod(shape) <= 18 else np.resize(X, shape),
            requires_grad=True,
        )
        w = m.tensor(np.linspace(0.1, 0.5, count), requires_grad=True)
        y = f.prelu(x, w)
        (y * y).sum().backward()
        found.append((y.detach().numpy(), x.grad.numpy(), w.grad.numpy()))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7)
    with pytest.raises(RuntimeError, match="channel size = 5"):
        F.prelu(rl.ones(2, 5), rl.ones(3))


def test_rrelu_in_training_keeps_positives_and_scales_negatives():
    x = rl.tensor(X, requires_grad=True)
    y = F.rrelu(x, 0.1, 0.3, training=True)
    slope = y.detach().numpy() / X
    assert np.all(slope[X > 0] == 1) and np.all((slope[X < 0] >= 0.1) & (slope[X < 0] <= 0.3))
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), slope)


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax_sums_to_one(hard):
    x = rl.tensor(X, requires_grad=True)
    y = F.gumbel_softmax(x, tau=0.7, hard=hard, dim=1)
    np.testing.assert_allclose(y.detach().numpy().sum(1), 1, rtol=1e-6)
    if hard:
        assert np.isclose(np.sort(y.detach().numpy(), 1)[:, :-1], 0, atol=1e-12).all()
    (y * rl.arange(6)).sum().backward()
    assert np.abs(x.grad.numpy()).sum() > 0


def test_half_precision_computes_in_float32():
    x = rl.tensor([-1.0, 0.5, 3.0], dtype=rl.bfloat16)
    theirs = torch.tensor([-1.0, 0.5, 3.0], dtype=torch.bfloat16)
    for name in ("gelu", "silu", "elu", "hardswish", "softplus"):
        ours = getattr(F, name)(x)
        assert ours.dtype is rl.bfloat16
        assert ours.float().tolist() == getattr(torch.nn.functional, name)(theirs).float().tolist()


def test_mistakes():
    with pytest.raises(NotImplementedError, match=r"silu.*Long.*\.float\(\)"):
        F.silu(rl.tensor([1]))
    with pytest.raises(RuntimeError, match="Boolean inputs"):
        F.relu(rl.tensor([True]))
    with pytest.raises(ValueError, match="min_val cannot be greater"):
        F.hardtanh(rl.ones(1), 2, 1)
    with pytest.raises(RuntimeError, match="Halving dimension must be even"):
        F.glu(rl.ones(2, 3))
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        F.softmax(rl.ones(2, 2))
    with pytest.raises(RuntimeError, match="leaf Variable"):
        F.relu(rl.ones(1, requires_grad=True), inplace=True)
    assert F.relu(rl.tensor([-1, 2])).tolist() == [0, 2]
