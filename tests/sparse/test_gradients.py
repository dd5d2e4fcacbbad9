"""Sparse gradients of embeddings, and the optimisers that take them, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl
from tests.sparse.common import agree, print_alike, same, torch

INDEX = [[1, 3, 1], [0, 5, 3]]


def table(m, **options):
    return m.nn.Embedding(6, 2, sparse=True, _weight=m.arange(12.0).reshape(6, 2) / 7, **options)


def gradient(m, loss=lambda e, i: (e(i) ** 2).sum(), **options):
    e = table(m, **options)
    loss(e, m.tensor(INDEX)).backward()
    return e.weight.grad


def bag(m, mode, weights=None, **options):
    e = m.nn.EmbeddingBag(6, 2, mode=mode, sparse=True, _weight=m.arange(12.0).reshape(6, 2) / 7, **options)
    weights = None if weights is None else m.arange(6.0)
    (e(m.tensor([1, 3, 1, 0, 5, 3]), m.tensor([0, 2, 3]), per_sample_weights=weights) ** 2).sum().backward()
    return e.weight.grad


def hooked(m):
    e, seen = table(m), []
    e.weight.register_hook(lambda g: seen.append(g))
    e(m.tensor(INDEX)).sum().backward()
    return seen


def after_a_flush(m):
    e = table(m)
    h = e(m.tensor(INDEX)) ** 2
    h.sum().item()
    (h.sum() + e(m.tensor([4])).sum()).backward()
    return e.weight.grad.to_dense()


def again(m):
    e = table(m)
    loss = (e(m.tensor(INDEX)) ** 2).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    return e.weight.grad.to_dense()


def zeroed(m):
    e = table(m)
    e(m.tensor(INDEX)).sum().backward()
    e.weight.grad.zero_()
    e(m.tensor(INDEX)).sum().backward()
    return e.weight.grad.to_dense()


GRADIENTS = {
    "rows": gradient,
    "coalesced": lambda m: gradient(m).coalesce(),
    "without padding": lambda m: gradient(m, padding_idx=3),
    "used twice": lambda m: gradient(m, lambda e, i: (e(i) * e(i)).sum()).to_dense(),
    "and dense": lambda m: gradient(m, lambda e, i: (e(i) @ e.weight.t()).sum()),
    "dense and": lambda m: gradient(m, lambda e, i: e.weight.sum() + e(i).sum()),
    "function": lambda m: m.autograd.grad(*(lambda e: (e(m.tensor(INDEX)).sum(), e.weight))(table(m)))[0],
    "hook": hooked, "after a flush": after_a_flush, "again": again, "zeroed": zeroed,
    "bag sum": lambda m: bag(m, "sum"), "bag mean": lambda m: bag(m, "mean"), "bag max": lambda m: bag(m, "max"),
    "bag weights": lambda m: bag(m, "sum", True), "bag padding": lambda m: bag(m, "mean", padding_idx=3).to_dense(),
    "by frequency": lambda m: gradient(m, scale_grad_by_freq=True),
    "no gradient": lambda m: m.no_grad()(lambda: table(m)(m.tensor(INDEX)))().requires_grad,
    "frozen": lambda m: m.nn.Embedding.from_pretrained(m.ones(6, 2), sparse=True)(m.tensor(INDEX)),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name):
    agree(GRADIENTS[name], name)


def test_printing():
    print_alike(gradient)
    print_alike(lambda m: table(m)(m.tensor(INDEX)))


OPTIMISERS = [
    ("SGD", {"lr": 0.1}), ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.1}), ("SGD", {"lr": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}), ("SGD", {"lr": 0.1, "weight_decay": 0.1}), ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}), ("Adagrad", {"weight_decay": 0.1}),
    ("SparseAdam", {"lr": 0.1}), ("SparseAdam", {"lr": 0.01, "betas": (0.8, 0.95), "maximize": True}), ("Adam", {}), ("AdamW", {}),
    ("RMSprop", {}), ("Adadelta", {}), ("Adamax", {}), ("NAdam", {}), ("RAdam", {}), ("ASGD", {}), ("Rprop", {}),
]  # fmt: skip


@pytest.mark.parametrize("padding", [None, 3])
@pytest.mark.parametrize(("name", "options"), OPTIMISERS)
def test_optimisers(name, options, padding):
    def code(m):
        e = table(m, padding_idx=padding)
        optimizer = getattr(m.optim, name)(e.parameters(), **options)
        for step in range(4):
            optimizer.zero_grad()
            (e((m.tensor(INDEX) + step) % 6) ** 2).sum().backward()
            optimizer.step()
        return e.weight

    agree(code, name)


def test_sparse_and_dense_parameters_in_one_optimiser():
    def code(m):
        e, layer = table(m), m.nn.Linear(2, 1)
        m.nn.init.ones_(layer.weight)
        m.nn.init.zeros_(layer.bias)
        optimizer = m.optim.SGD([*e.parameters(), *layer.parameters()], lr=0.01)
        losses = []
        for _ in range(4):
            optimizer.zero_grad()
            loss = (layer(e(m.tensor(INDEX))) ** 2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss)
        return [e.weight, layer.weight, layer.bias, losses]

    agree(code)


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "SparseAdam"])
def test_two_large_tables_with_many_repeats(name):
    """Large enough for all kernels; rows that are not used keep their bits."""

    def code(m):
        start = np.random.RandomState(0).randn(2, 500, 24).astype(np.float32)
        tables = [m.nn.Embedding(500, 24, sparse=True, _weight=m.tensor(w)) for w in start]
        optimizer = getattr(m.optim, name)([p for t in tables for p in t.parameters()], lr=0.01)
        draw = np.random.RandomState(1)
        for _ in range(3):
            i, j = (m.tensor(draw.randint(0, 200, 300)) for _ in range(2))
            optimizer.zero_grad()
            ((tables[0](i) * tables[1](j)).sum(1) ** 2).mean().backward()
            optimizer.step()
        found = [t.weight.detach().numpy() for t in tables]
        for before, after in zip(start, found, strict=True):
            np.testing.assert_array_equal(before[200:], after[200:])
        return found

    ours, theirs = code(rl), code(torch)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


def test_a_step_is_one_program_whatever_the_rows():
    e = rl.nn.Embedding(50, 4, sparse=True)
    optimizer = rl.optim.SparseAdam(e.parameters())
    for step in range(3):
        e(rl.tensor([step, 7, 7 + step, 9])).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    from rushlight.lazy.step import _programs

    known = len(_programs)
    e(rl.tensor([3, 3, 3, 3])).sum().backward()
    optimizer.step()
    assert len(_programs) == known


def test_state_is_saved_and_loaded():
    def code(m):
        e = table(m)
        first = m.optim.SparseAdam(e.parameters(), lr=0.1)
        e(m.tensor(INDEX)).sum().backward()
        first.step()
        second = m.optim.SparseAdam(e.parameters())
        second.load_state_dict(first.state_dict())
        second.step()
        state = second.state_dict()["state"][0]
        return [e.weight, state["step"], state["exp_avg"], state["exp_avg_sq"]]

    agree(code)


def test_mistakes():
    w = rl.ones(3, requires_grad=True)
    w.sum().backward()
    with pytest.raises(RuntimeError, match=r"SparseAdam.step: got a dense gradient.*sparse=True"):
        rl.optim.SparseAdam([w]).step()
    with pytest.raises(
        RuntimeError, match=r"Adam.step: got a sparse gradient; expected a dense one. Fix: .*SparseAdam"
    ):
        e = table(rl)
        e(rl.tensor(INDEX)).sum().backward()
        rl.optim.Adam(e.parameters()).step()
    p = rl.zeros(3, 2, requires_grad=True)
    p.grad = rl.sparse_coo_tensor([[7]], [[1.0, 1.0]], (3, 2))
    with pytest.raises(IndexError, match="index 7 in dimension 0 of size 3"):
        rl.optim.SGD([p], lr=1.0).step()
    with pytest.raises(IndexError, match="got index 9"):
        rl.nn.Embedding(4, 2, sparse=True)(rl.tensor([9])).sum().item()
    p.grad = rl.sparse_coo_tensor([[1], [1]], [1.0], (3, 2))
    with pytest.raises(NotImplementedError, match="one sparse dimension"):
        rl.optim.SGD([p], lr=1.0).step()


def test_rows_that_are_not_there_are_left_out():
    from rushlight.sparse.gradients import add_rows_, take_rows

    x = rl.arange(40.0).reshape(10, 4)
    index = rl.tensor([3, -1, 12, 3])
    found = take_rows(x, index)
    same([found.numpy()], [np.array([[12, 13, 14, 15], [0] * 4, [0] * 4, [12, 13, 14, 15]], np.float32)], "take")
    add_rows_(x, index, rl.ones(4, 4))
    expected = np.arange(40, dtype=np.float32).reshape(10, 4)
    expected[3] += 2
    np.testing.assert_array_equal(x.numpy(), expected)


def test_a_table_is_updated_where_it_lies():
    e = rl.nn.Embedding(300, 8, sparse=True)
    optimizer = rl.optim.SGD(e.parameters(), lr=0.1)
    for _ in range(2):
        place = e.weight.data_ptr()
        e(rl.tensor([3, 299, 3])).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert e.weight.data_ptr() == place and "1 outputs in place" in str(rl.explain("plan"))
