"""torch.FloatTensor and its siblings, against PyTorch."""

from __future__ import annotations

import pytest

import rushlight

torch = pytest.importorskip("torch")
KINDS = ("Float", "Double", "Half", "BFloat16", "Byte", "Char", "Short", "Int", "Long", "Bool")


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_sizes(kind):
    for make in (lambda m, c: c([[1, 0], [2, 3]]), lambda m, c: c((2, 3)), lambda m, c: c([1.5]), lambda m, c: c([])):
        ours, theirs = (make(m, getattr(m, f"{kind}Tensor")) for m in (rushlight, torch))
        assert ours.tolist() == theirs.tolist() and str(ours.dtype) == str(theirs.dtype)
    assert getattr(rushlight, f"{kind}Tensor")(2, 3).shape == (2, 3)
    assert getattr(rushlight, f"{kind}Tensor")().shape == (0,)


def test_instances_are_told_by_dtype():
    x = rushlight.ones(2)
    assert isinstance(x, rushlight.FloatTensor) and not isinstance(x, rushlight.LongTensor)
    assert isinstance(x.long(), rushlight.LongTensor) and not isinstance(3, rushlight.LongTensor)


def test_a_tensor_of_another_dtype_is_refused():
    for m in (rushlight, torch):
        with pytest.raises(TypeError):
            m.FloatTensor(m.ones(2, dtype=m.int64))
