"""Clipping of gradients against real PyTorch."""

import numpy as np
import pytest

import rushlight
from rushlight.nn.utils.clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm

torch = pytest.importorskip("torch")


def params(lib, scale=1.0):
    rng = np.random.default_rng(0)
    result = []
    for shape in [(3, 2), (4,), ()]:
        param = lib.zeros(shape, requires_grad=True)
        param.grad = lib.tensor((rng.standard_normal(shape) * scale).tolist())
        result.append(param)
    return [*result, lib.zeros(2, requires_grad=True)]  # one without a gradient


def grads(parameters):
    return np.concatenate([np.ravel(param.grad.tolist()) for param in parameters if param.grad is not None])


@pytest.mark.parametrize("norm_type", [2.0, 1, 3.5, float("inf"), 0])
@pytest.mark.parametrize("scale", [0.01, 10.0])
def test_norm(norm_type, scale):
    ours, theirs = params(rushlight, scale), params(torch, scale)
    total = clip_grad_norm_(iter(ours), 1.5, norm_type)
    their_total = torch.nn.utils.clip_grad_norm_(iter(theirs), 1.5, norm_type)
    np.testing.assert_allclose(total.item(), their_total.item(), rtol=1e-6)
    np.testing.assert_allclose(grads(ours), grads(theirs), rtol=2e-6)


def test_one_tensor_and_no_gradients():
    weight = rushlight.zeros(2, requires_grad=True)
    assert clip_grad_norm_(weight, 1.0).item() == 0.0
    weight.grad = rushlight.tensor([3.0, 4.0])
    assert clip_grad_norm_(weight, 1.0).item() == 5.0
    np.testing.assert_allclose(weight.grad.tolist(), [0.6, 0.8], rtol=1e-6)
    assert get_total_norm(weight.grad).item() == pytest.approx(1.0)


def test_not_finite():
    weight = rushlight.zeros(2, requires_grad=True)
    weight.grad = rushlight.tensor([1.0, float("nan")])
    with pytest.raises(RuntimeError, match="nan"):
        clip_grad_norm_([weight], 1.0, error_if_nonfinite=True)
    assert np.isnan(clip_grad_norm_([weight], 1.0).item())


def test_value():
    ours, theirs = params(rushlight), params(torch)
    clip_grad_value_(ours, 0.3)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    np.testing.assert_allclose(grads(ours), grads(theirs), rtol=1e-7)


def test_norm_given():
    weight = rushlight.zeros(2, requires_grad=True)
    weight.grad = rushlight.tensor([3.0, 4.0])
    clip_grads_with_norm_([weight], 1.0, rushlight.tensor(10.0))
    np.testing.assert_allclose(weight.grad.tolist(), [0.3, 0.4], rtol=1e-6)
