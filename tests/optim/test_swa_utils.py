"""Averaged models, their schedule and their batch-norm statistics, against real PyTorch."""

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")


def model(lib):
    net = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.BatchNorm1d(3))
    fill(lib, net, 0)
    return net


def fill(lib, net, step):
    rng = np.random.default_rng(step)
    with lib.no_grad():
        for param in net.parameters():
            param.copy_(lib.tensor(rng.standard_normal(tuple(param.shape)).tolist()))
        net[1].running_mean.fill_(float(step))


@pytest.mark.parametrize("kind", ["mean", "avg_fn", "multi_avg_fn", "buffers"])
def test_averaged_model(kind):
    def run(lib):
        swa = lib.optim.swa_utils
        options = {
            "mean": {},
            "avg_fn": {"avg_fn": swa.get_ema_avg_fn(0.8)},
            "multi_avg_fn": {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.8)},
            "buffers": {"use_buffers": True, "avg_fn": swa.get_swa_avg_fn()},
        }[kind]
        net = model(lib)
        averaged = swa.AveragedModel(net, **options)
        for step in range(1, 5):
            fill(lib, net, step)
            averaged.update_parameters(net)
        return {name: value.tolist() for name, value in averaged.state_dict().items()}

    ours, theirs = run(rushlight), run(torch)
    assert list(ours) == list(theirs)
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, err_msg=name)


def test_update_bn():
    data = [np.random.default_rng(i).standard_normal((6, 2)).tolist() for i in range(3)]

    def run(lib):
        net = model(lib).eval()
        lib.optim.swa_utils.update_bn([(lib.tensor(batch), 0) for batch in data], net)
        assert net.training is False and net[1].momentum == 0.1
        return net[1].running_mean.tolist() + net[1].running_var.tolist()

    np.testing.assert_allclose(run(rushlight), run(torch), rtol=1e-5)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 7])
def test_swalr(strategy, epochs):
    def run(lib):
        weight = lib.zeros(1, requires_grad=True)
        weight.grad = lib.ones(1)
        optimizer = lib.optim.SGD([weight], lr=0.3)
        scheduler = lib.optim.swa_utils.SWALR(optimizer, 0.05, epochs, strategy)
        rates = []
        for _ in range(12):
            optimizer.step()
            scheduler.step()
            rates += scheduler.get_last_lr()
        return rates

    np.testing.assert_allclose(run(rushlight), run(torch), rtol=1e-12)


def test_bad_options():
    swa = rushlight.optim.swa_utils
    optimizer = rushlight.optim.SGD([rushlight.zeros(1, requires_grad=True)])
    with pytest.raises(ValueError, match="anneal_strategy"):
        swa.SWALR(optimizer, 0.1, anneal_strategy="square")
    with pytest.raises(ValueError, match="anneal_epochs"):
        swa.SWALR(optimizer, 0.1, anneal_epochs=-1)
    with pytest.raises(ValueError, match="decay"):
        swa.get_ema_avg_fn(2.0)
    with pytest.raises(TypeError, match="Optimizer"):
        swa.SWALR(3, 0.1)
