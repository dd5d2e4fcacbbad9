"""Modules called with other tensors than their own, against PyTorch."""

from __future__ import annotations

import pytest

import rushlight as rl
from rushlight.nn.utils.stateless import functional_call

torch = pytest.importorskip("torch")
from torch.nn.utils.stateless import functional_call as theirs  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def test_values_gradients_and_what_stays() -> None:
    found = []
    for library, call in ((rl, functional_call), (torch, theirs)):
        library.manual_seed(0)
        net = library.nn.Sequential(library.nn.Linear(3, 2), library.nn.BatchNorm1d(2))
        weight = library.ones(2, 3).requires_grad_()
        mean = library.zeros(2)
        x = library.randn(4, 3)
        before = net[0].weight
        out = call(net, {"0.weight": weight * 2, "1.running_mean": mean, "0.nothing": library.ones(1)}, (x,))
        out.pow(3).sum().backward()
        assert net[0].weight is before and before.grad is None and net[0].bias.grad is not None
        found.append(
            [t.detach().flatten().tolist() for t in (out, weight.grad, mean, net[1].running_mean, net[1].running_var)]
        )
    for mine, wanted in zip(*found, strict=True):
        assert mine == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_tied_weights() -> None:
    for library, call in ((rl, functional_call), (torch, theirs)):
        net = library.nn.Sequential(library.nn.Linear(2, 2, bias=False), library.nn.Linear(2, 2, bias=False))
        net[1].weight = net[0].weight
        two, x = 2 * library.eye(2), library.ones(1, 2)
        assert call(net, {"0.weight": two}, x).tolist() == [[4, 4]]
        apart = call(net, {"0.weight": two, "1.weight": 3 * two}, x, tie_weights=False)
        assert apart.tolist() == [[12, 12]]
        with pytest.raises(ValueError):
            call(net, {"0.weight": two, "1.weight": 3 * two}, x)
        assert call(net, {"1.weight": two}, x, strict=True).tolist() == [[4, 4]]


def test_mistakes_and_keywords() -> None:
    for library, call in ((rl, functional_call), (torch, theirs)):
        layer = library.nn.Linear(2, 2)
        with pytest.raises(RuntimeError, match="(?i)unexpected.*foo"):
            call(layer, {"foo": library.ones(1)}, library.ones(1, 2), strict=True)
        with pytest.raises(TypeError):
            call(layer, {"weight": 3}, library.ones(1, 2))
        with pytest.raises(RuntimeError):
            call(layer, {"weight": library.ones(3, 3)}, library.ones(1, 2))
        assert tuple(layer.weight.shape) == (2, 2)
        values = {"weight": library.eye(2), "bias": library.zeros(2)}
        assert call(layer, values, None, {"input": library.ones(2)}).tolist() == [1, 1]
