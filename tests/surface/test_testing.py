"""`torch.testing`: what passes, and the classes of what does not, as in PyTorch."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rushlight as torch
from rushlight.testing import assert_close, make_tensor

CASES = [
    ("t.tensor([1.0]), t.tensor([1.0 + 5e-6])", {}),
    ("t.tensor([1.0]), t.tensor([1.0 + 5e-5])", {}),
    ("t.tensor([1.0]).double(), t.tensor([1.0 + 1e-6]).double()", {}),
    ("t.tensor([1.0]).half(), t.tensor([1.001]).half()", {}),
    ("t.tensor([1.0]).bfloat16(), t.tensor([1.0078125]).bfloat16()", {}),
    ("t.tensor([1.0]).bfloat16(), t.tensor([1.03]).bfloat16()", {}),
    ("t.tensor([1]), t.tensor([2])", {}),
    ("t.tensor([1]), t.tensor([2])", {"rtol": 0, "atol": 1}),
    ("t.tensor([1]), t.tensor([1.0])", {}),
    ("t.tensor([1]), t.tensor([1.0])", {"check_dtype": False}),
    ("t.tensor([1.0]).half(), t.tensor([1.0005]).double()", {"check_dtype": False}),
    ("t.tensor([float('nan')]), t.tensor([float('nan')])", {}),
    ("t.tensor([float('nan')]), t.tensor([float('nan')])", {"equal_nan": True}),
    ("t.tensor([float('inf')]), t.tensor([float('inf')])", {}),
    ("t.tensor([float('inf')]), t.tensor([-float('inf')])", {}),
    ("t.tensor([True]), t.tensor([False])", {}),
    ("t.tensor([1j]), t.tensor([1.000001j])", {}),
    ("t.ones(2), t.ones(3)", {}),
    ("t.ones(2, 2), t.ones(2, 2).T", {"check_stride": True}),
    ("t.ones(2, 3), t.ones(3, 2).T", {"check_stride": True}),
    ("t.ones(0), t.ones(0)", {}),
    ("[t.ones(2), 1.0], [t.ones(2), 1.0]", {}),
    ("[t.ones(2), 1.0], (t.ones(2), 1.1)", {}),
    ("[1], [1, 2]", {}),
    ("{'a': t.ones(1)}, {'a': t.ones(1)}", {}),
    ("{'a': t.ones(1)}, {'b': t.ones(1)}", {}),
    ("{'a': [1, {'b': 2.0}]}, {'a': [1, {'b': 3.0}]}", {}),
    ("1, 1.0", {}),
    ("1, 1.0", {"check_dtype": False}),
    ("1.0, 1.0 + 1e-8", {}),
    ("True, True", {}),
    ("None, None", {}),
    ("None, 1", {}),
    ("t.ones(1), 1.0", {}),
    ("t.ones(1), [1.0]", {}),
    ("'a', 'a'", {}),
    ("np.ones(2), np.ones(2)", {}),
    ("np.ones(2), t.ones(2)", {}),
    ("t.ones(1), t.ones(1)", {"rtol": 0.1}),
    ("t.ones(2), t.ones(2) + 1", {"msg": "mine"}),
    ("t.ones(2), t.ones(2) + 1", {"msg": lambda text: "before " + text}),
]


def outcome(t, text, options):
    try:
        t.testing.assert_close(*eval(text, {"t": t, "np": np}), **options)
    except Exception as error:
        return type(error).__name__
    return "close"


@pytest.mark.parametrize("text,options", CASES)
def test_assert_close_decides_as_pytorch(oracle, text, options):
    assert outcome(torch, text, options) == outcome(oracle, text, options)


def test_messages_say_how_many_how_far_and_where():
    with pytest.raises(AssertionError) as caught:
        assert_close(torch.tensor([[1.0, 2.0], [3.0, 4.5]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    text = str(caught.value)
    assert "1 of 4 (25.0%)" in text and "0.5 at index (1, 1)" in text and "0.125" in text
    with pytest.raises(AssertionError, match=r"at \['a'\]\[1\]"):
        assert_close({"a": [1, 2]}, {"a": [1, 3]})
    with pytest.raises(AssertionError, match="^mine$"):
        assert_close(1, 2, msg="mine")
    with pytest.raises(AssertionError, match="dtype.*check_dtype=False"):
        assert_close(torch.ones(1), torch.ones(1).double())
    with pytest.warns(FutureWarning):
        torch.testing.assert_allclose(torch.tensor([1]), [1.0])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int8", "uint8", "bool"])
def test_make_tensor_draws_pytorchs_numbers(oracle, dtype):
    found = []
    for t in (torch, oracle):
        t.manual_seed(3)
        found.append(t.testing.make_tensor(3, 5, dtype=getattr(t, dtype), device="cpu").numpy())
    np.testing.assert_array_equal(*found)


def test_make_tensor_options():
    x = make_tensor((4, 3), dtype=torch.float32, device="cpu", low=-1, high=1, requires_grad=True, noncontiguous=True)
    assert x.shape == (4, 3) and not x.is_contiguous() and x.requires_grad and bool((x.abs() <= 1).all())
    x = make_tensor(500, dtype=torch.int8, device="cpu", low=-1, high=2, exclude_zero=True)
    assert set(x.tolist()) == {-1, 1}
    assert make_tensor(2, 2, dtype=torch.complex64, device="cpu").dtype is torch.complex64
    for bad in ({"low": 2, "high": 1}, {"low": float("nan")}, {"requires_grad": True}, {"low": 300, "high": 400}):
        with pytest.raises(ValueError, match="make_tensor"):
            make_tensor(2, dtype=torch.int8, device="cpu", **bad)
    with warnings.catch_warnings(), pytest.raises(ValueError, match="noncontiguous"):
        make_tensor(2, dtype=torch.float32, device="cpu", noncontiguous=True, memory_format=torch.contiguous_format)
