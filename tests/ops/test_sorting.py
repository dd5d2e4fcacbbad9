"""Ordering, ranking, searching and counting against PyTorch: values, indices, gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")
nan = float("nan")

A = np.random.RandomState(0).permutation(24).reshape(4, 6).astype(np.float64) / 7
TIES = np.array([[1, 2, 2, 3, 3, 2.0], [3, 3, 1, 1, 5, 6]])
HOLES = np.array([[1, nan, 3, 2.0], [nan, nan, 0, 5]])


def flat(value):
    return [value] if hasattr(value, "numpy") else [leaf for v in value for leaf in flat(v)]


def agree(ours, theirs):
    for a, b in zip(flat(ours), flat(theirs), strict=True):
        assert str(a.dtype) == str(b.dtype)
        assert tuple(a.shape) == tuple(b.shape)
        if a.dtype.is_floating_point:
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-6, atol=1e-9)
        else:
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def both(call, *arrays):
    """Values and gradients of `call(module, *tensors)`."""
    results = []
    for m in (rushlight, torch):
        inputs = [m.from_numpy(a.copy()) for a in arrays]
        for x in inputs:
            if x.is_floating_point():
                x.requires_grad_()
        out = call(m, *inputs)
        total = [(o * m.arange(1, o.numel() + 1).reshape(o.shape)).sum() for o in flat(out) if o.requires_grad]
        if total:
            sum(total).backward()
        results.append((flat(out), [x.grad for x in inputs if x.is_floating_point() and x.grad is not None]))
    agree(*[r[0] for r in results])
    agree(*[r[1] for r in results])


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: x.sort(), lambda m, x: m.sort(x, 0, True), lambda m, x: x.sort(dim=0, stable=True),
        lambda m, x: x.argsort(descending=True), lambda m, x: m.msort(x), lambda m, x: x.topk(3), lambda m, x: m.topk(x, 2, 0, False),
        lambda m, x: x.topk(0), lambda m, x: x.kthvalue(2), lambda m, x: m.kthvalue(x, 3, 0, True), lambda m, x: x.median(),
        lambda m, x: x.median(1), lambda m, x: m.median(x, 0, True), lambda m, x: m.nanmedian(x, 1), lambda m, x: x.quantile(0.3),
        lambda m, x: x.quantile(0.3, 1), lambda m, x: x.quantile(m.tensor([0.1, 0.5, 1.0], dtype=m.float64), 0, True),
        lambda m, x: x.quantile(m.tensor([0.2, 0.7], dtype=m.float64)), lambda m, x: x.quantile(0.6, keepdim=True),
        lambda m, x: x.quantile(0.3, 0, interpolation="lower"), lambda m, x: x.quantile(0.3, 0, interpolation="higher"),
        lambda m, x: x.quantile(0.3, 0, interpolation="nearest"), lambda m, x: x.quantile(0.3, 0, interpolation="midpoint"),
        lambda m, x: x[0, 0].sort(), lambda m, x: x[0, 0].median(0), lambda m, x: x[0, 0].topk(1), lambda m, x: x[0, 0].quantile(0.4, 0),
        lambda m, x: m.combinations(x[0], 3), lambda m, x: m.combinations(x[0, :3], with_replacement=True),
        lambda m, x: m.cartesian_prod(x[0], x[1], x[2]), lambda m, x: m.cartesian_prod(x[0]), lambda m, x: x.histc(5),
        lambda m, x: x.reshape(2, 2, 6).quantile(m.tensor([0.1, 0.5], dtype=m.float64), 1),
    ],
)  # fmt: skip
def test_values_and_gradients(call):
    both(call, A)


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: x.sort(stable=True), lambda m, x: x.sort(descending=True, stable=True), lambda m, x: x.mode(),
        lambda m, x: m.mode(x, 0, True), lambda m, x: x.median(1).values, lambda m, x: x.median(),
        lambda m, x: m.unique(x), lambda m, x: x.unique(return_inverse=True, return_counts=True),
        lambda m, x: x.unique(dim=1, return_inverse=True, return_counts=True),
        lambda m, x: m.unique_consecutive(x, return_inverse=True, return_counts=True),
        lambda m, x: x.unique_consecutive(dim=1, return_counts=True), lambda m, x: x[0].unique_consecutive(return_counts=True),
    ],
)  # fmt: skip
def test_ties(call):
    both(lambda m, x: call(m, x.detach()), TIES)


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: x.sort(), lambda m, x: x.sort(descending=True), lambda m, x: x[0].topk(2), lambda m, x: x.median(),
        lambda m, x: x.nanmedian(), lambda m, x: x.median(1), lambda m, x: x.nanmedian(1), lambda m, x: x.quantile(0.4, 1),
        lambda m, x: x.nanquantile(0.4, 1), lambda m, x: x.nanquantile(0.4), lambda m, x: x.quantile(0.4),
        lambda m, x: x.nanquantile(m.tensor([0.1, 0.9], dtype=m.float64), 0), lambda m, x: m.unique(x[0]),
    ],
)  # fmt: skip
def test_nan_sorts_last(call):
    both(lambda m, x: call(m, x.detach()), HOLES)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.searchsorted(m.tensor([1, 2, 3.0]), 2), lambda m: m.searchsorted(m.tensor([1, 2, 3.0]), m.tensor([2, 0, 9])),
        lambda m: m.searchsorted(m.tensor([[1, 2, 3.0], [4, 5, 6]]), m.tensor([[2.0], [9]]), right=True),
        lambda m: m.searchsorted(m.tensor([1, 2, 3.0]), m.tensor([[2.0, nan]]), side="right", out_int32=True),
        lambda m: m.searchsorted(m.tensor([3, 1, 2]), m.tensor([2]), sorter=m.tensor([1, 2, 0])),
        lambda m: m.bucketize(m.tensor([1, 5.0]), m.tensor([1, 2, 3.0]), right=True), lambda m: m.bucketize(2, m.tensor([1, 2, 3])),
        lambda m: m.isin(m.tensor([[1, 2]]), 1), lambda m: m.isin(1, m.tensor([1, 2])),
        lambda m: m.isin(m.tensor([1, 2, 3]), m.tensor([3, 1]), invert=True), lambda m: m.bincount(m.tensor([1, 2, 2])),
        lambda m: m.bincount(m.tensor([1, 2]), weights=m.tensor([0.5, 1.0])), lambda m: m.tensor([1]).bincount(minlength=5),
        lambda m: m.histc(m.tensor([1, 2, 3, 9.0]), 4, min=1, max=3), lambda m: m.histc(m.tensor([2.0, 2.0]), 4),
        lambda m: m.histogram(m.tensor([1.0, 2, 3]), 4), lambda m: m.histogram(m.tensor([1.0, 2, 3]), m.tensor([0, 1.5, 3])),
        lambda m: m.histogram(m.tensor([1.0, 2, 3]), 3, range=(0, 3), density=True), lambda m: m.tril_indices(3, 4, -1),
        lambda m: m.triu_indices(3, 4, 1, dtype=m.int32), lambda m: m.tensor([True, False, True]).sort(stable=True),
        lambda m: m.tensor([3, 1, 2]).median(), lambda m: m.tensor([5, 1, 2], dtype=m.uint8).sort(descending=True),
        lambda m: m.zeros(0).sort(), lambda m: m.zeros(0).unique(), lambda m: m.zeros(0).unique_consecutive(return_counts=True),
        lambda m: m.tensor([2.5, 1.5], dtype=m.bfloat16).sort().values.float(), lambda m: m.zeros(0).median(),
    ],
)  # fmt: skip
def test_searching_and_counting(call):
    agree(flat(call(rushlight)), flat(call(torch)))


def test_named_results():
    found = rushlight.tensor([2.0, 1.0]).sort()
    assert found.values.tolist() == [1, 2] and found.indices.tolist() == [1, 0]
    values, indices = rushlight.tensor([2.0, 1.0]).topk(1)
    assert (values.item(), indices.item()) == (2.0, 0)
    out = (rushlight.empty(2), rushlight.empty(2, dtype=rushlight.int64))
    rushlight.sort(rushlight.tensor([2.0, 1.0]), out=out)
    assert out[0].tolist() == [1, 2]


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.zeros(3).topk(9), lambda m: m.zeros(3).kthvalue(0), lambda m: m.zeros(0).median(0), lambda m: m.zeros(0).mode(),
        lambda m: m.tensor([1 + 1j]).sort(), lambda m: m.zeros(3).sort(1), lambda m: m.zeros(3).quantile(1.5),
        lambda m: m.tensor([1, 2]).quantile(0.5), lambda m: m.zeros(3).quantile(m.tensor([0.5], dtype=m.float64)),
        lambda m: m.zeros(3).quantile(0.5, interpolation="cubic"), lambda m: m.bincount(m.tensor([-1])),
        lambda m: m.bincount(m.tensor([1.0])), lambda m: m.bincount(m.tensor([[1]])), lambda m: m.histc(m.tensor([1, 2, 3]), 4),
        lambda m: m.histc(m.tensor([1.0, nan]), 4).tolist(), lambda m: m.histc(m.tensor([2.0]), 0),
        lambda m: m.histc(m.tensor([2.0]), 3, min=5, max=1), lambda m: m.searchsorted(m.tensor([[1.0]]), m.tensor([2.0])),
        lambda m: m.searchsorted(m.tensor([1.0]), m.tensor([2.0]), side="left", right=True),
        lambda m: m.tensor([True]).median(), lambda m: m.zeros(3).quantile(m.tensor([2.0])),
        lambda m: m.bucketize(m.zeros(2), m.zeros(2, 2)), lambda m: m.combinations(m.zeros(2, 2)), lambda m: m.tril_indices(-1, 2),
    ],
)  # fmt: skip
def test_errors_are_torchs(call):
    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(type(theirs.value)):
        call(rushlight)
