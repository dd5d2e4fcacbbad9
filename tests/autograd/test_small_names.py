"""Names around autograd and torch.func that scripts use: Variable, modules of modes, debug_unwrap and others."""

import importlib
import warnings

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("t", [rl, torch], ids=["rushlight", "torch"])
def test_variable(t):
    Variable = t.autograd.Variable
    data = t.ones(2)
    x = Variable(data, requires_grad=True)
    assert x.requires_grad and x.is_leaf and not data.requires_grad and x is not data
    assert isinstance(x, Variable) and isinstance(data, Variable) and not isinstance(3, Variable)
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    Variable(data).add_(1)
    assert data.tolist() == [2.0, 2.0] and x.tolist() == [2.0, 2.0]  # the same memory
    assert Variable().shape == (0,)
    with pytest.warns(UserWarning, match="volatile"):
        Variable(data, volatile=True)
    assert importlib.import_module(f"{t.__name__}.autograd.variable").Variable is Variable


@pytest.mark.parametrize("t", [rl, torch], ids=["rushlight", "torch"])
def test_modules_of_modes(t):
    mode = importlib.import_module(f"{t.__name__}.autograd.grad_mode")
    assert mode.no_grad is t.no_grad and mode.set_grad_enabled is t.set_grad_enabled
    assert importlib.import_module(f"{t.__name__}.autograd.anomaly_mode").detect_anomaly is t.autograd.detect_anomaly
    asked = t.autograd.is_multithreading_enabled
    assert asked()
    with t.autograd.set_multithreading_enabled(False):
        assert not asked()
    assert asked()
    t.autograd.set_multithreading_enabled(False)
    assert not asked()
    t.autograd.set_multithreading_enabled(True)


@pytest.mark.parametrize("t", [rl, torch], ids=["rushlight", "torch"])
def test_batch_norms_without_running_statistics(t):
    net = t.nn.Sequential(t.nn.Linear(2, 3), t.nn.Sequential(t.nn.BatchNorm1d(3), t.nn.ReLU()), t.nn.LayerNorm(3))
    assert t.func.replace_all_batch_norm_modules_(net) is net
    norm = net[1][0]
    assert norm.running_mean is None and norm.running_var is None and norm.num_batches_tracked is None
    assert not norm.track_running_stats and sorted(norm.state_dict()) == ["bias", "weight"]
    x = t.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    for training in (True, False):  # the batch's own statistics in both
        found = norm.train(training)(x).tolist()
        np.testing.assert_allclose(found, [[-1, 0, 1], [1, 0, -1]], atol=1e-4)


def test_per_sample_gradients_through_a_batch_norm():
    rl.manual_seed(0)
    net = rl.func.replace_all_batch_norm_modules_(rl.nn.Sequential(rl.nn.Linear(2, 3), rl.nn.BatchNorm1d(3)))
    state = dict(net.named_parameters())

    def loss(params, x):
        return rl.func.functional_call(net, params, (x,)).square().sum()

    batches = rl.linspace(0, 1, 24).reshape(3, 4, 2) ** 2
    together = rl.func.vmap(rl.func.grad(loss), in_dims=(None, 0))(state, batches)
    alone = [rl.func.grad(loss)(state, x) for x in batches]
    for name, found in together.items():
        np.testing.assert_allclose(found.tolist(), [a[name].tolist() for a in alone], atol=1e-4)


def test_debug_unwrap():
    seen = []

    def f(t):
        def inside(x):
            seen.append(t.func.debug_unwrap(x).tolist())
            return (x**3).sum()

        return inside

    for t in (rl, torch):
        t.func.grad(f(t))(t.tensor([1.0, 2.0]))
        t.func.jvp(f(t), (t.tensor([3.0]),), (t.tensor([1.0]),))
    assert seen == [[1.0, 2.0], [3.0]] * 2
    with pytest.raises(NotImplementedError, match="vmap"):
        rl.func.vmap(f(rl))(rl.ones(2, 2))
    with pytest.raises(TypeError):
        torch.func.debug_unwrap(3)
    with pytest.raises(TypeError):
        rl.func.debug_unwrap(3)


def test_leaving_anomaly_mode_out_says_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with rl.autograd.set_detect_anomaly(True):
            assert rl.is_anomaly_enabled()
    assert not rl.is_anomaly_enabled()


def test_selective_checkpoints_say_what_to_do():
    with pytest.raises(NotImplementedError, match="context_fn"):
        rl.utils.checkpoint.create_selective_checkpoint_contexts([])
