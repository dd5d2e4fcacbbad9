"""Silent-wrong results that random programs brought to light, and must not give again; natively from the first run on."""

from __future__ import annotations

import pytest

import rushlight as rl
from rushlight import config


@pytest.fixture(autouse=True)
def native_at_once(monkeypatch):
    monkeypatch.setattr(config, "reference_runs", 0)


def test_a_saved_value_is_checked_at_each_backward_of_a_step() -> None:
    """The first backward brings it in, then it is written, then a second backward of the same step asks for it."""
    x = rl.tensor([1.81, -0.89], dtype=rl.float64, requires_grad=True)
    y = x * x
    z = y @ y
    x.sum().item()  # y and z have values
    z.backward(retain_graph=True)
    y.sigmoid_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


WRITES = {
    "index_fill_": lambda v: v.index_fill_(0, rl.tensor([0]), 1.5),
    "index_add_": lambda v: v.index_add_(0, rl.tensor([0]), rl.full((1, 2, 3), 0.5, dtype=rl.float64)),
    "uniform_": lambda v: v.uniform_(1.5, 1.5),
    "add_": lambda v: v.add_(0.5),
}
VIEWS = {
    "data": lambda v: v.data, "detach": lambda v: v.detach(), "slice": lambda v: v[:, 0:], "mT": lambda v: v.mT, "view": lambda v: v.view(6),
    "select": lambda v: v[0], "diagonal": lambda v: v.diagonal(0, 1, 2),
}  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("write", WRITES)
def test_views_of_a_window_that_was_written_begin_where_it_does(write, view) -> None:
    """The window lies at offset 6 of its base; what is written to it is a value of its own, from offset 0 on."""
    base = rl.ones((2, 2, 3), dtype=rl.float64)
    window = base[1:3]
    WRITES[write](window)
    part = VIEWS[view](window)
    assert set((part * 2).flatten().tolist()) == {3.0}
    part.mul_(2)
    assert base[0].flatten().tolist() == [1.0] * 6
    assert sorted(base[1].flatten().tolist()) == [1.5] * (6 - part.numel()) + [3.0] * part.numel()


def test_equal_values_in_another_layout_are_two_values() -> None:
    """The result in place keeps the target's strides, its sibling's has its own: views of one are none of the other."""
    x = rl.arange(6.0).reshape(2, 3)
    turned = x.t()
    apart = turned.index_fill(0, rl.tensor([0]), 9.0)
    turned.index_fill_(0, rl.tensor([0]), 9.0)
    assert apart[1].tolist() == turned[1].tolist() == [1.0, 4.0]
    assert apart.reshape(-1).tolist() == turned.reshape(-1).tolist() == [9.0, 9.0, 1.0, 4.0, 2.0, 5.0]


def test_a_write_before_a_line_that_fails_is_done() -> None:
    """The tensor had a value before the step; the write was recorded in the step that fails, before what fails."""
    x = rl.tensor([1.0, 2.0, 3.0])
    y = x + 1
    y.tolist()
    y.mul_(10)
    wrong = rl.nn.functional.embedding(rl.tensor([9]), rl.ones(4, 3))
    with pytest.raises(IndexError):
        wrong.tolist()
    assert y.tolist() == [20.0, 30.0, 40.0]


@pytest.mark.parametrize("name", ["index_select", "index_add", "index_copy", "embedding"])
def test_indices_below_zero_do_not_count_from_the_end_where_they_do_not_in_pytorch(name) -> None:
    x, i = rl.arange(12.0).reshape(4, 3), rl.tensor([0, -1])
    calls = {
        "index_select": lambda: x.index_select(0, i),
        "index_add": lambda: x.index_add(0, i, rl.ones(2, 3)),
        "index_copy": lambda: x.index_copy(0, i, rl.ones(2, 3)),
        "embedding": lambda: rl.nn.functional.embedding(i, x),
    }
    with pytest.raises(IndexError, match="-1"):
        calls[name]().tolist()


@pytest.mark.parametrize("name", ["index_select", "embedding"])
def test_indices_are_checked_where_rows_have_no_elements(name) -> None:
    x, i = rl.ones(5, 0), rl.tensor([9])
    with pytest.raises(IndexError, match="9"):
        (x.index_select(0, i) if name == "index_select" else rl.nn.functional.embedding(i, x)).tolist()


@pytest.mark.parametrize("runs", [0, 1000], ids=["native", "reference"])
def test_doubles_become_half_precision_in_two_roundings(runs, monkeypatch) -> None:
    """By way of float32, as processors and PyTorch do it: 1 + 2**-11 + 2**-40 is a tie there."""
    monkeypatch.setattr(config, "reference_runs", runs)
    near = rl.tensor([1 + 2**-11 + 2**-40], dtype=rl.float64)
    held = rl.ones(1, dtype=rl.float16)
    held *= near
    assert near.half().item() == held.item() == rl.tensor(near.tolist(), dtype=rl.float16).item() == 1.0


@pytest.mark.parametrize("runs", [0, 1000], ids=["native", "reference"])
def test_relu_keeps_the_sign_of_a_zero_wherever_it_stands(runs, monkeypatch) -> None:
    monkeypatch.setattr(config, "reference_runs", runs)
    assert set(map(str, rl.relu(rl.full((33,), -0.0)).tolist())) == {"-0.0"}


def test_derivatives_of_high_order_need_no_deep_formula(oracle) -> None:
    for n in (20, 21, 150, 200):
        found = rl.polygamma(n, rl.tensor([1.5, 3.0], dtype=rl.float64)).tolist()
        assert found == pytest.approx(oracle.polygamma(n, oracle.tensor([1.5, 3.0], dtype=oracle.float64)).tolist())
