"""What users see is PyTorch's: no name of the op table leaks that PyTorch does not have."""

from __future__ import annotations

import pytest

from rushlight.functional import FUNCTIONS, METHODS

torch = pytest.importorskip("torch")

# In-place siblings of unary ops are functions in PyTorch too, with these gaps.
GAPS = {"bitwise_not_", "digamma_", "erfinv_", "lgamma_", "logical_not_", "positive_", "sgn_", "sign_"}


def test_every_function_is_one_of_pytorchs():
    assert {name for name in FUNCTIONS if not hasattr(torch, name)} <= GAPS


def test_every_method_is_one_of_pytorchs():
    assert {name for name in METHODS if not hasattr(torch.Tensor, name)} <= {"hardshrink_", "positive_"}
