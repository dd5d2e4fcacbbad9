"""Compare a function of Rushlight with PyTorch's: values, gradients, and gradients of gradients, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight
from rushlight.autograd.backward import grad

torch = pytest.importorskip("torch")


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers in float64."""
    return np.random.RandomState(seed + sum(shape)).randn(*shape)


def agree(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    *arrays: np.ndarray,
    second: bool = False,
    tolerance: float = 1e-9,
) -> None:
    """Assert that ours(*arrays) equals theirs(*arrays), with the gradients of a curved function of it."""
    a = [rushlight.tensor(v, requires_grad=True) for v in arrays]
    b = [torch.tensor(v, requires_grad=True) for v in arrays]
    out, expected = ours(*a), theirs(*b)
    assert tuple(out.shape) == tuple(expected.shape)
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    weight = draw(*expected.shape, seed=7)
    found = grad((out * rushlight.tensor(weight)).sin().sum(), a, create_graph=second)
    wanted = torch.autograd.grad((expected * torch.tensor(weight)).sin().sum(), b, create_graph=second)
    for p, q in zip(found, wanted, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance)
    if second:
        found = grad(sum((p * p).sum() for p in found), a)
        wanted = torch.autograd.grad(sum((q * q).sum() for q in wanted), b)
        for p, q in zip(found, wanted, strict=True):
            np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=tolerance * 100, atol=tolerance * 100)


def bind(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """The function with everything but its tensors given."""
    return lambda *tensors: function(*tensors, *args, **kwargs)
