"""Silent-wrong results that native programs once gave, and must not give again. Every step runs natively here from its first time on."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl
from rushlight import config, nn


@pytest.fixture(autouse=True)
def native_at_once(monkeypatch):
    monkeypatch.setattr(config, "reference_runs", 0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_value_of_half_precision_is_rounded_even_when_it_is_never_stored(dtype) -> None:
    x = rl.tensor([1.001, 3.14159, -0.3333])
    half = x.to(getattr(rl, dtype))
    stored = half.clone()
    stored.tolist()
    assert x.to(getattr(rl, dtype)).float().tolist() == stored.float().tolist()
    assert (x.to(getattr(rl, dtype)) + 0).float().tolist() == stored.float().tolist()


def test_a_step_that_fails_a_check_has_written_over_nothing() -> None:
    table, p = rl.randn(4, 3), rl.full((3,), 4.0)
    p.tolist()
    out = nn.functional.embedding(rl.tensor([9]), table)
    p.mul_(2)
    with pytest.raises(IndexError, match="got index 9"):
        out.tolist()
    assert p.tolist() == [4.0, 4.0, 4.0]


def test_weights_are_updated_after_everything_that_reads_them() -> None:
    """The product that sends the gradient back reads the weight that the update writes over, in the same launch."""
    rl.manual_seed(0)
    x, y = rl.randn(64, 300), rl.randint(0, 10, (64,))

    def train(threads: int) -> list[float]:
        rl.manual_seed(1)
        rl.set_num_threads(threads)
        model = nn.Sequential(nn.Linear(300, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
        optimizer = rl.optim.SGD(model.parameters(), lr=0.5)
        losses = []
        for _ in range(12):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    before = rl.get_num_threads()
    try:
        assert train(1) == train(2) == train(4)
    finally:
        rl.set_num_threads(before)


def test_a_gradient_that_is_one_number_everywhere_has_all_its_elements() -> None:
    v = rl.zeros(3, requires_grad=True)
    v.sum().backward()
    v.grad[1] = 5.0
    (v.sum() * 1).backward()
    assert v.grad.tolist() == [2.0, 6.0, 2.0]


def test_values_kept_for_a_backward_keep_their_layout() -> None:
    """The gradient of a row's sum is an expanded view; the second derivative reads it again."""
    x = rl.linspace(-1, 1, 12, dtype=rl.float64).reshape(3, 4).requires_grad_()
    assert rl.autograd.gradgradcheck(lambda t: rl.logsumexp(t, 1), (x,))


def test_a_row_kernel_is_chosen_by_what_is_large() -> None:
    """Statistics of a batch over all but the channels, with parameters that lie along the channels."""
    x = rl.randn(4, 3, 8, 8, dtype=rl.float64)
    bn = nn.BatchNorm2d(3).double()
    found = bn(x).detach().numpy()
    a = x.numpy()
    mean, var = a.mean((0, 2, 3), keepdims=True), a.var((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(found, (a - mean) / np.sqrt(var + bn.eps), rtol=1e-10, atol=1e-12)


def test_a_result_that_somebody_holds_is_not_written_again() -> None:
    """Memory of large results is used again only when nobody refers to it."""
    x = rl.randn(300, 300)
    kept = [(x * float(i)).exp() for i in range(1, 4)]
    copies = [k.numpy().copy() for k in kept]
    views = [k.numpy() for k in kept]
    del kept
    for i in range(20):
        ((x * float(i)).exp()).sum().item()
    for view, copy in zip(views, copies, strict=True):
        np.testing.assert_array_equal(view, copy)
