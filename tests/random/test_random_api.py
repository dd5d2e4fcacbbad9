"""Random tensors, generators and seeds against PyTorch: the same numbers, the same state afterwards."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest

import rushlight
from rushlight import config
from rushlight.functional.random import dropout_mask

torch = pytest.importorskip("torch")

FRESH = [
    lambda m: m.rand(3, 4), lambda m: m.rand(()), lambda m: m.rand((0, 3)), lambda m: m.rand(size=(2, 3)),
    lambda m: m.rand(3, dtype=m.bfloat16), lambda m: m.rand(3, dtype=m.complex128), lambda m: m.randn(40),
    lambda m: m.randn(3, dtype=m.float64), lambda m: m.randn(30, dtype=m.float16), lambda m: m.randn(3, dtype=m.complex64),
    lambda m: m.randint(10, (5,)), lambda m: m.randint(-3, 10, (5,)), lambda m: m.randint(high=4, size=(2,)),
    lambda m: m.randint(low=1, high=4, size=(2,)), lambda m: m.randint(3, high=7, size=(4,)),
    lambda m: m.randint(0, 200, (4,), dtype=m.uint8), lambda m: m.randperm(10), lambda m: m.randperm(5, dtype=m.float32),
    lambda m: m.normal(0.0, 2.0, (3,)), lambda m: m.normal(m.zeros(20), m.ones(20) * 2), lambda m: m.normal(m.zeros(20), 3.0),
    lambda m: m.normal(2.0, m.ones(3)), lambda m: m.normal(m.zeros(3, 2)),
    lambda m: m.rand_like(m.zeros(3, 4).t()), lambda m: m.randn_like(m.zeros(5, 6).t()),
    lambda m: m.randn_like(m.zeros(2, 3, 4).permute(2, 0, 1)), lambda m: m.randint_like(m.zeros(3), 5),
    lambda m: m.randint_like(m.zeros(3), 2, 5), lambda m: m.rand_like(m.zeros(2), dtype=m.float64),
    lambda m: m.rand_like(m.zeros(2, 3, 4, 5).permute(0, 2, 3, 1)[:, ::2]), lambda m: m.rand(2, out=m.zeros(1)),
]  # fmt: skip
FROM_TENSORS = [
    lambda m: m.bernoulli(m.full((5,), 0.3)), lambda m: m.bernoulli(m.full((5, 3), 0.3, dtype=m.float64).t()),
    lambda m: m.bernoulli(m.full((5, 3), 0.3).t(), 0.4), lambda m: m.full((3, 1), 0.5).expand(3, 4).bernoulli(),
    lambda m: m.multinomial(m.tensor([0.1, 0.3, 0.6]), 2), lambda m: m.tensor([[0.1, 0.3, 0.6]] * 2).multinomial(5, True),
    lambda m: m.multinomial(m.tensor([0.1, 0.3, 0.6], dtype=m.bfloat16), 2), lambda m: m.poisson(m.full((6,), 4.0)),
]  # fmt: skip
FILLS = [
    lambda m: m.zeros(5, 7).t().uniform_(2, 3), lambda m: m.zeros(5, 7).t().normal_(), lambda m: m.zeros(9).uniform_(to=3),
    lambda m: m.zeros(5, 40)[:, ::2].normal_(1, 2), lambda m: m.zeros(8, 40)[::2, ::2].t().uniform_(),
    lambda m: m.empty(2, 20)[0].normal_(), lambda m: m.zeros(20, dtype=m.bfloat16).normal_(1, 2),
    lambda m: m.zeros(3, 1, 4, 5).permute(2, 1, 0, 3).uniform_(), lambda m: m.zeros(5).random_(),
    lambda m: m.zeros(5, dtype=m.int64).random_(), lambda m: m.zeros(5, dtype=m.int64).random_(0, None),
    lambda m: m.zeros(5, dtype=m.int64).random_(-(2**63), None), lambda m: m.zeros(5, dtype=m.int16).random_(7),
    lambda m: m.zeros(5, dtype=m.uint8).random_(2, 9), lambda m: m.zeros(5, dtype=m.bool).random_(),
    lambda m: m.zeros(5, 3).t().bernoulli_(0.3), lambda m: m.zeros(5, 3).bernoulli_(m.full((3,), 0.3)),
    lambda m: m.zeros(5, 3).t().bernoulli_(m.full((3, 5), 0.3, dtype=m.float64)), lambda m: m.zeros(4).exponential_(2.0),
    lambda m: m.zeros(4).log_normal_(), lambda m: m.zeros(4).cauchy_(), lambda m: m.zeros(4).geometric_(0.2),
    lambda m: m.zeros(4, dtype=m.int64).geometric_(0.2),
]  # fmt: skip


def seeded(seed=3):
    torch.manual_seed(seed)
    rushlight.manual_seed(seed)


def array(t):
    return t.detach().numpy() if t.is_complex() else t.detach().double().numpy()


def same(ours, theirs):
    assert str(ours.dtype) == str(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert tuple(ours.stride()) == tuple(theirs.stride())
    np.testing.assert_array_equal(array(ours), array(theirs))


@pytest.mark.parametrize("make", FRESH + FROM_TENSORS + FILLS)
def test_same_numbers_and_state(make):
    seeded()
    for _ in range(2):
        same(make(rushlight), make(torch))
    np.testing.assert_array_equal(rushlight.get_rng_state().numpy(), torch.get_rng_state().numpy())


def test_draws_that_nobody_reads_still_advance_the_stream():
    seeded()
    for m in (rushlight, torch):
        m.rand(5)
        m.zeros(3).normal_()
    same(rushlight.rand(2), torch.rand(2))


def test_generators_are_independent_and_survive_the_trace_limit():
    seeded()
    own, theirs = rushlight.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    a, b = rushlight.zeros(3), torch.zeros(3)
    for i in range(config.trace_limit // 2 + 50):
        a = a + rushlight.rand(3, generator=own if i % 3 else None)
        b = b + torch.rand(3, generator=theirs if i % 3 else None)
    same(a, b)
    np.testing.assert_array_equal(own.get_state().numpy(), theirs.get_state().numpy())


def test_state_can_be_saved_restored_cloned_and_pickled():
    g = rushlight.Generator().manual_seed(11)
    rushlight.rand(3, generator=g)
    state, clone, pickled = g.get_state(), g.clone_state(), pickle.loads(pickle.dumps(g))
    expected = rushlight.randn(5, generator=g).tolist()
    for other in (clone, pickled, copy.deepcopy(clone)):
        assert rushlight.randn(5, generator=other).tolist() == expected if other is not clone else True
    g.set_state(state)
    assert rushlight.randn(5, generator=g).tolist() == expected
    assert state.shape == (5056,) and state.dtype is rushlight.uint8
    assert str(g.device) == "cpu" and g.initial_seed() == 11


def test_state_of_torch_is_understood():
    torch.manual_seed(1)
    torch.randn(3)
    rushlight.set_rng_state(rushlight.from_numpy(torch.get_rng_state().numpy()))
    same(rushlight.randn(4), torch.randn(4))


def test_seeding_after_recording_does_not_change_what_was_recorded():
    rushlight.manual_seed(0)
    first = rushlight.rand(3)
    rushlight.manual_seed(0)
    second = rushlight.rand(3)
    assert first.tolist() == second.tolist()
    assert rushlight.manual_seed(4) is rushlight.default_generator
    assert rushlight.initial_seed() == 4
    assert rushlight.seed() == rushlight.initial_seed()


def test_fork_rng_restores_the_stream():
    seeded()
    with rushlight.random.fork_rng():
        rushlight.rand(100)
    same(rushlight.rand(3), torch.rand(3))


def test_dropout_mask_is_torchs():
    seeded()
    for shape, flip in (((3, 50), False), ((3, 50), True), ((7,), False)):
        ours, theirs = rushlight.ones(*shape), torch.ones(*shape)
        ours, theirs = (ours.t(), theirs.t()) if flip else (ours, theirs)
        kept = torch.nn.functional.dropout(theirs, 0.3) != 0
        np.testing.assert_array_equal(dropout_mask(ours, 0.7).numpy() == 1, kept.numpy())
    whole = torch.nn.functional.dropout2d(torch.ones(4, 5, 2, 2), 0.5)[:, :, :1, :1] != 0
    np.testing.assert_array_equal(dropout_mask(rushlight.ones(1), 0.5, (4, 5, 1, 1)).numpy() == 1, whole.numpy())


def test_fills_of_parameters_and_of_intermediate_values():
    seeded()
    leaf, their_leaf = rushlight.empty(3, requires_grad=True), torch.empty(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        leaf.uniform_()
    with rushlight.no_grad(), torch.no_grad():
        same(leaf.uniform_(), their_leaf.uniform_())
    assert leaf.requires_grad and leaf.is_leaf
    x = rushlight.ones(3, requires_grad=True)
    (x * 2).uniform_().sum().backward()
    assert x.grad.tolist() == [0, 0, 0]
    mean = rushlight.ones(3, requires_grad=True)
    rushlight.normal(mean, 1.0).sum().backward()
    assert mean.grad.tolist() == [0, 0, 0]


def test_requires_grad_and_meta():
    assert rushlight.rand(2, requires_grad=True).is_leaf
    seeded()
    assert rushlight.rand(2, 3, device="meta").shape == (2, 3)
    rushlight.empty(3, device="meta").normal_()
    same(rushlight.rand(3), torch.rand(3))  # nothing was drawn


def test_another_thread_reads_a_pending_draw():
    rushlight.manual_seed(0)
    x = rushlight.rand(3)
    seen = []
    worker = threading.Thread(target=lambda: seen.append((x + 0).tolist()))
    worker.start()
    worker.join()
    assert seen == [x.tolist()]


ERRORS = [
    (lambda m: m.rand(3, dtype=m.int64), NotImplementedError), (lambda m: m.randn(3, dtype=m.int64), NotImplementedError),
    (lambda m: m.zeros(3, dtype=m.int64).uniform_(), NotImplementedError),
    (lambda m: m.zeros(3, dtype=m.int64).exponential_(), RuntimeError), (lambda m: m.rand(-1), RuntimeError),
    (lambda m: m.randint(0, 300, (2,), dtype=m.uint8), RuntimeError), (lambda m: m.randint(5, 5, (2,)), RuntimeError),
    (lambda m: m.randint(5), TypeError), (lambda m: m.randint(2.5, (2,)), TypeError), (lambda m: m.randperm(-1), RuntimeError),
    (lambda m: m.randperm(300, dtype=m.uint8), RuntimeError), (lambda m: m.bernoulli(m.tensor([1.5])).tolist(), RuntimeError),
    (lambda m: m.bernoulli(m.tensor([1])), NotImplementedError), (lambda m: m.zeros(2).bernoulli_(1.5), RuntimeError),
    (lambda m: m.multinomial(m.tensor([1.0, 2]), 3), RuntimeError), (lambda m: m.multinomial(m.tensor([1, 2]), 1), RuntimeError),
    (lambda m: m.multinomial(m.tensor([[[1.0]]]), 1), RuntimeError), (lambda m: m.poisson(m.tensor([-1.0])).tolist(), RuntimeError),
    (lambda m: m.normal(0.0, -1.0, (2,)), RuntimeError), (lambda m: m.normal(m.zeros(2), m.ones(3)), RuntimeError),
    (lambda m: m.set_rng_state(m.zeros(3, dtype=m.uint8)), RuntimeError), (lambda m: m.set_rng_state(m.zeros(3)), TypeError),
    (lambda m: m.set_rng_state([1]), TypeError), (lambda m: m.manual_seed(2**64), ValueError),
    (lambda m: m.manual_seed("a"), ValueError), (lambda m: m.Generator().manual_seed(1.7), RuntimeError),
    (lambda m: m.rand(2, generator=5), TypeError), (lambda m: m.zeros(3).uniform_(2, 1), RuntimeError),
    (lambda m: m.zeros(3).exponential_(0), RuntimeError), (lambda m: m.zeros(3).geometric_(1.5), RuntimeError),
    (lambda m: m.zeros(3).cauchy_(0, -1), RuntimeError), (lambda m: m.zeros(3).log_normal_(0, -1), RuntimeError),
    (lambda m: m.zeros(3).random_(5, 2), RuntimeError), (lambda m: m.zeros(3, dtype=m.uint8).random_(-1, 5), RuntimeError),
    (lambda m: m.zeros(2).bernoulli_(m.zeros(3)), RuntimeError), (lambda m: m.rand(2, dytpe=m.float32), TypeError),
]  # fmt: skip


@pytest.mark.parametrize("call, error", ERRORS)
def test_errors(call, error):
    with pytest.raises(error):
        call(torch)
    with pytest.raises(error):
        call(rushlight)
