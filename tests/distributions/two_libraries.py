"""Both libraries side by side: what the tests of distributions share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight

# Where ours differs on purpose is said in the tests.
torch = pytest.importorskip("torch")


class Side:
    """One library, and the float64 parameters that a case has made with it."""

    def __init__(self, library: Any):
        self.library, self.D = library, library.distributions
        self.parameters: list[Any] = []

    def t(self, values: Any) -> Any:
        """A parameter."""
        self.parameters.append(self.library.tensor(values, dtype=self.library.float64, requires_grad=True))
        return self.parameters[-1]

    def gradients(self, value: Any) -> list[Any]:
        """Of the sum of `value`, with respect to all parameters; None for those that it does not depend on."""
        return self.library.autograd.grad(value.sum(), self.parameters, allow_unused=True, retain_graph=True)


def array(value: Any) -> np.ndarray:
    return np.asarray(value.detach().tolist()) if hasattr(value, "detach") else np.asarray(value)


def attempt(function: Any) -> Any:
    """What the function returns, or the class of what it raises."""
    try:
        return function()
    except Exception as error:
        return type(error)


def same(ours: Any, theirs: Any, rtol: float = 1e-9, atol: float = 1e-12, what: str = "") -> None:
    """Equal: exception classes, plain values, or tensors in shape, dtype and (about) values."""
    if not hasattr(theirs, "detach") or not hasattr(ours, "detach"):
        assert str(ours) == str(theirs), what
        return
    assert str(ours.dtype) == str(theirs.dtype), what
    assert tuple(ours.shape) == tuple(theirs.shape), what
    np.testing.assert_allclose(array(ours), array(theirs), rtol=rtol, atol=atol, err_msg=what)


def seeded(seed: int = 5) -> None:
    torch.manual_seed(seed)
    rushlight.manual_seed(seed)
