"""Creation: values, dtypes, shapes and errors as PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

CALLS = [
    "torch.tensor(3)", "torch.tensor(3.5)", "torch.tensor(True)", "torch.tensor(1j)", "torch.tensor([1, 2.5])", "torch.tensor([True, 2])",
    "torch.tensor([])", "torch.tensor([[]])", "torch.tensor([[1, 2], [3, 4]], dtype=torch.float16)", "torch.tensor((1, 2))",
    "torch.tensor(np.arange(3))", "torch.tensor(np.float32(2))", "torch.tensor([np.int64(1), 2])", "torch.tensor(range(3))",
    "torch.tensor([torch.tensor(1), torch.tensor(2)])", "torch.tensor(np.ones((2, 2), np.float32).T)", "torch.tensor([1, 2], dtype=torch.bool)",
    "torch.zeros(2, 3)", "torch.zeros((2, 3), dtype=torch.int8)", "torch.ones(())", "torch.ones(0, 3)", "torch.full((2,), 7)",
    "torch.full((2,), 7.0)", "torch.full((2,), True)", "torch.full((2, 2), 1 + 1j)", "torch.zeros_like(torch.ones(2, dtype=torch.int16))",
    "torch.ones_like(torch.ones(2), dtype=torch.int64)", "torch.full_like(torch.ones(2), 3)", "torch.eye(3)", "torch.eye(2, 3)", "torch.arange(5)",
    "torch.arange(1, 5, 2)", "torch.arange(0, 1, 0.25)", "torch.arange(5.0)", "torch.arange(5, 0, -2)", "torch.arange(0, 3, dtype=torch.float64)",
    "torch.linspace(0, 1, 5)", "torch.linspace(3, -3, 7, dtype=torch.float64)", "torch.linspace(0, 1, 1)", "torch.logspace(0, 2, 3)",
    "torch.tensor([1.0, 2.0]).new_zeros(3)", "torch.tensor([1, 2]).new_ones((2, 2))", "torch.tensor([1.0]).new_tensor([1, 2])",
    "torch.tensor([1.0]).new_full((2,), 3.5)", "torch.as_tensor([1, 2])", "torch.as_tensor(np.arange(2.0))", "torch.from_numpy(np.arange(3))",
    "torch.asarray([1.5])", "torch.tril_indices(3, 3)", "torch.triu_indices(2, 3)", "torch.complex(torch.ones(2), torch.zeros(2))",
    "torch.empty(2, 0).sum(0)", "torch.meshgrid(torch.arange(2), torch.arange(3), indexing='ij')[1]", "torch.vander(torch.arange(3.0))",
    "torch.cartesian_prod(torch.arange(2), torch.arange(2))", "torch.combinations(torch.arange(3))", "torch.range(1, 3)",
]  # fmt: skip
BAD = [
    "torch.tensor([1, [2, 3]])", "torch.tensor('a')", "torch.tensor(['a'])", "torch.tensor(None)", "torch.tensor([[1, 2], [3]])", "torch.zeros(-1)",
    "torch.tensor([1, 2], requires_grad=True)", "torch.arange(0, 5, 0)", "torch.arange(5, 0)", "torch.zeros('a')", "torch.tensor({1: 2})",
    "torch.linspace(0, 1, -1)", "torch.eye(-1)", "torch.zeros(2, requires_grad=True, dtype=torch.int64)",
]  # fmt: skip


@pytest.mark.parametrize("text", CALLS)
@pytest.mark.filterwarnings("ignore")
def test_like_pytorch(text: str) -> None:
    mine, theirs = (eval(text, {"torch": library, "np": np}) for library in (rushlight, torch))
    assert str(mine.dtype) == str(theirs.dtype)
    assert tuple(mine.shape) == tuple(theirs.shape)
    assert mine.stride() == theirs.stride()
    assert np.allclose(np.array(mine.tolist()), np.array(theirs.tolist()), rtol=1e-6)


@pytest.mark.parametrize("text", BAD)
def test_refusals_like_pytorch(text: str) -> None:
    with pytest.raises(Exception) as expected:
        eval(text, {"torch": torch})
    with pytest.raises(expected.type):
        eval(text, {"torch": rushlight})


def test_copies_and_aliases() -> None:
    array = np.ones(3)
    copied, shared = rushlight.tensor(array), rushlight.as_tensor(array)
    array[0] = 5
    assert copied.tolist() == [1, 1, 1] and shared.tolist() == [5, 1, 1]
    t = rushlight.ones(2)
    assert rushlight.as_tensor(t) is t
    with pytest.warns(UserWarning, match="clone"):
        other = rushlight.tensor(t)
    other.zero_()
    assert t.tolist() == [1, 1]


def test_out_is_written() -> None:
    out = rushlight.empty(3)
    assert rushlight.add(rushlight.ones(3), 1, out=out) is out
    assert out.tolist() == [2, 2, 2]
    assert rushlight.zeros(3, out=out) is out and out.tolist() == [0, 0, 0]
