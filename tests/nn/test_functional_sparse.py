"""Embeddings, dropout, attention and distances against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl
from rushlight.nn import functional as F

torch = pytest.importorskip("torch")
rng = np.random.RandomState(0)


def A(*shape):
    return rng.randn(*shape)


def both(name, *arguments, gradients=(), **options):
    """Run here and on PyTorch; values and gradients of the arguments in `gradients` must agree."""
    found = []
    for m, f in ((rl, F), (torch, torch.nn.functional)):
        tensors = [m.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]
        for i in gradients:
            tensors[i].requires_grad_()
        extra = {k: m.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        out = getattr(f, name)(*tensors, **extra)
        if gradients:
            (out * out).sum().backward()
        found.append([out.detach().numpy()] + [tensors[i].grad.numpy() for i in gradients])
    for ours, theirs in zip(*found, strict=True):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


PAIR, TABLE = np.array([[0, 4], [1, 1]]), A(5, 3)


@pytest.mark.parametrize("options", [{}, {"padding_idx": 1}, {"padding_idx": -1}, {"scale_grad_by_freq": True}])
def test_embedding(options):
    both("embedding", PAIR, TABLE, gradients=(1,), **options)


def test_embedding_renorms_in_place_and_differentiates_twice():
    rows = []
    for m, f in ((rl, F), (torch, torch.nn.functional)):
        weight = m.tensor(TABLE * 3)
        out = f.embedding(m.tensor([0, 2, 0]), weight, max_norm=1.0)
        rows.append((weight.numpy(), out.numpy()))
    np.testing.assert_allclose(rows[0][0], rows[1][0], rtol=1e-6)
    np.testing.assert_allclose(rows[0][1], rows[1][1], rtol=1e-6)
    weight = rl.tensor(TABLE, requires_grad=True)
    assert rl.autograd.gradgradcheck(lambda v: F.embedding(rl.tensor(PAIR), v, padding_idx=1) ** 3, (weight,))


def test_embedding_mistakes():
    with pytest.raises(
        IndexError, match=r"index out of range in self: got index 7 at position \(1,\); expected 0 to 4"
    ):
        F.embedding(rl.tensor([1, 7]), rl.tensor(TABLE)).sum().item()
    with pytest.raises(IndexError, match="got index -1"):
        F.embedding(rl.tensor([-1]), rl.tensor(TABLE)).sum().item()
    with pytest.raises(RuntimeError, match=r"Long, Int.*\.long\(\)"):
        F.embedding(rl.tensor([1.0]), rl.tensor(TABLE))
    with pytest.raises(AssertionError, match="Padding_idx"):
        F.embedding(rl.tensor([1]), rl.tensor(TABLE), padding_idx=9)
    with pytest.raises(RuntimeError, match="scale_grad_by_freq"):
        F.embedding(rl.tensor([1]), rl.tensor(TABLE, requires_grad=True), sparse=True, scale_grad_by_freq=True)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_embedding_bag(mode):
    flat = np.array([0, 4, 4, 1, 2])
    both("embedding_bag", PAIR, TABLE, gradients=(1,), mode=mode)
    both("embedding_bag", flat, TABLE, np.array([0, 2, 2]), gradients=(1,), mode=mode)
    both("embedding_bag", flat, TABLE, np.array([0, 2, 2]), gradients=(1,), mode=mode, padding_idx=4)
    both("embedding_bag", flat, TABLE, np.array([0, 2, 5]), gradients=(1,), mode=mode, include_last_offset=True)
    if mode == "sum":
        both("embedding_bag", PAIR, TABLE, gradients=(1,), mode=mode, per_sample_weights=A(2, 2))
    with pytest.raises(ValueError, match="offsets has to be a 1D Tensor"):
        F.embedding_bag(rl.tensor(flat), rl.tensor(TABLE), mode=mode)


def test_one_hot():
    both("one_hot", np.array([1, 3]))
    both("one_hot", np.array([[1], [0]]), num_classes=4)
    with pytest.raises(RuntimeError, match=r"smaller than num_classes; got 5 with num_classes=3"):
        F.one_hot(rl.tensor([1, 5]), 3).sum().item()
    with pytest.raises(RuntimeError, match="LongTensor"):
        F.one_hot(rl.tensor([1.0]), 3)


SHAPES = {
    "dropout": (40, 7), "alpha_dropout": (40, 7), "feature_alpha_dropout": (5, 6, 2), "dropout1d": (5, 6, 4), "dropout2d": (5, 6, 2, 2),
    "dropout3d": (5, 6, 2, 2, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_dropout_draws_pytorchs_masks(name):
    data = np.abs(rng.randn(*SHAPES[name])).astype(np.float32) + 0.1
    found = []
    for m, f in ((rl, F), (torch, torch.nn.functional)):
        m.manual_seed(7)
        x = m.tensor(data, requires_grad=True)
        y = getattr(f, name)(x, 0.3, training=True)
        y.sum().backward()
        z = x.detach() * 1
        assert getattr(f, name)(z, 0.6, True, True) is z
        found.append((y.detach().numpy(), x.grad.numpy(), z.numpy()))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
        assert np.array_equal(ours == ours.min(), theirs == theirs.min())


def test_dropout_does_nothing_when_it_should():
    x = rl.ones(3, 4)
    assert F.dropout(x, training=False) is x and F.dropout(x, 0.0) is x and F.alpha_dropout(x) is x
    assert F.dropout(x, 1.0).sum().item() == 0
    with pytest.raises(ValueError, match="between 0 and 1, but got 1.5"):
        F.dropout(x, 1.5)
    assert rl.dropout(x, 0.5, False) is x


def test_dropout_of_channels_on_odd_sizes():
    rl.manual_seed(0), torch.manual_seed(0)
    with pytest.warns(UserWarning, match="Received a 2-D input to dropout2d"):
        ours = F.dropout2d(rl.ones(4, 5))
    with pytest.warns(UserWarning):
        assert ours.tolist() == torch.nn.functional.dropout2d(torch.ones(4, 5)).tolist()
    with pytest.warns(UserWarning, match="Received a 3D input"):
        F.dropout2d(rl.ones(2, 3, 4))
    assert F.dropout1d(rl.ones(4, 5)).shape == (4, 5)
    with pytest.raises(RuntimeError, match="Expected 2D or 3D input"):
        F.dropout1d(rl.ones(4))


Q, K, V = A(2, 4, 3, 6), A(2, 4, 5, 6), A(2, 4, 5, 7)
ALLOWED = A(3, 5) > 0
ALLOWED[1] = False


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": 0.3},
        {"attn_mask": A(3, 5)},
        {"attn_mask": ALLOWED},
        {"attn_mask": np.where(ALLOWED, 0.0, -np.inf)},
        {"is_causal": True},
    ],
    ids=["plain", "scale", "added", "bool", "infinite", "causal"],
)
def test_attention(options):
    both("scaled_dot_product_attention", Q, K, V, gradients=(0, 1, 2), **options)


def test_attention_groups_and_mistakes():
    both("scaled_dot_product_attention", Q, K[:, :2], V[:, :2], gradients=(0, 1, 2), enable_gqa=True)
    q = rl.tensor(Q)
    with pytest.raises(RuntimeError, match="is_causal=True"):
        F.scaled_dot_product_attention(q, q, q, rl.ones(3, 3) > 0, is_causal=True)
    with pytest.raises(RuntimeError, match=r"bool or float.*\.bool\(\)"):
        F.scaled_dot_product_attention(q, q, q, rl.ones(3, 3, dtype=rl.int64))
    with pytest.raises(RuntimeError, match="at least 2 dimensional"):
        F.scaled_dot_product_attention(q[0, 0, 0], q, q)


@pytest.mark.parametrize("p", [1, 2, 3, np.inf])
def test_distances(p):
    both("pairwise_distance", TABLE, TABLE[::-1].copy(), gradients=(0, 1), p=p)
    both("pdist", A(4, 3), gradients=(0,), p=p)


def test_distance_of_equal_vectors_and_cosines():
    both("pdist", np.zeros((3, 2)), gradients=(0,))
    both("pairwise_distance", TABLE[0], TABLE[1], gradients=(0, 1), keepdim=True)
    both("cosine_similarity", TABLE, TABLE[::-1].copy(), gradients=(0, 1))
    both("cosine_similarity", TABLE, np.zeros((5, 3)), gradients=(0, 1))
    both("cosine_similarity", TABLE, TABLE[0], gradients=(0, 1), dim=-1)
    with pytest.raises(RuntimeError, match="floating point"):
        F.cosine_similarity(rl.ones(2, 2, dtype=rl.int64), rl.ones(2, 2, dtype=rl.int64))


@pytest.mark.parametrize(
    "options", [{}, {"bias": True}, {"zero": True, "mask": True}, {"padding": True, "average": False}, {"lone": True}]
)
def test_multi_head_attention(options):
    local = np.random.RandomState(1)
    width, heads, length, source, batch = 6, 2, 3, 4, 2
    shape = (lambda n: (n, width)) if options.get("lone") else (lambda n: (n, batch, width))
    q, k = local.randn(*shape(length)), local.randn(*shape(source))
    w, b, ow, ob = local.randn(18, 6), local.randn(18), local.randn(6, 6), local.randn(6)
    bias = [local.randn(1, 1, 6), local.randn(1, 1, 6)] if options.get("bias") else [None, None]
    mask = np.triu(np.ones((length, source)), 2).astype(bool) if options.get("mask") else None
    padding = np.array([[False] * 4, [False, False, True, True]]) if options.get("padding") else None
    found = []
    for m, f in ((rl, F), (torch, torch.nn.functional)):
        t = lambda a, m=m: None if a is None else m.tensor(a)  # noqa: E731
        query = m.tensor(q, requires_grad=True)
        out, weights = f.multi_head_attention_forward(
            query, t(k), t(k), width, heads, t(w), t(b), t(bias[0]), t(bias[1]), options.get("zero", False), 0.0, t(ow), t(ob),
            key_padding_mask=t(padding), attn_mask=t(mask), average_attn_weights=options.get("average", True),
        )  # fmt: skip
        (out * out).sum().backward()
        found.append((out.detach().numpy(), weights.detach().numpy(), query.grad.numpy()))
    for ours, theirs in zip(*found, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
