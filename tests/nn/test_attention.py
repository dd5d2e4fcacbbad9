"""Scaled dot-product attention as one op: gradients of gradients, masks that learn, and the paths around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")

SHAPES = [
    ((2, 4, 3, 6), (2, 4, 5, 6), (2, 4, 5, 7)),
    ((3, 6), (5, 6), (5, 2)),
    ((1, 2, 4, 4), (3, 1, 4, 4), (3, 2, 4, 4)),
]


def everything(library: Any, shapes: tuple, mask: str, causal: bool) -> list[np.ndarray]:
    rng = np.random.RandomState(0)
    leaves = [library.tensor(rng.randn(*shape), requires_grad=True) for shape in shapes]
    size = shapes[0][-2], shapes[1][-2]
    allowed = rng.rand(*size) > 0.4
    allowed[:, 0] = True
    given = {"bool": allowed, "added": rng.randn(*size), "learned": rng.randn(*size)}.get(mask)
    given = None if given is None else library.tensor(given)
    inputs = tuple(leaves)
    if mask == "learned":
        leaves.append(given.requires_grad_())

    def run() -> Any:
        return library.nn.functional.scaled_dot_product_attention(*inputs, attn_mask=given, is_causal=causal)

    first = library.autograd.grad((run() ** 3).sum(), leaves, create_graph=True)
    second = library.autograd.grad(sum((g * g).sum() for g in first), leaves)
    y = run()
    (y * y).sum().backward()
    return [t.detach().numpy() for t in (y, *first, *second, *(leaf.grad for leaf in leaves))]


@pytest.mark.parametrize("shapes", SHAPES, ids=["heads", "matrices", "broadcast"])
@pytest.mark.parametrize("mask", ["none", "causal", "bool", "added", "learned"])
def test_gradients_of_gradients(shapes: tuple, mask: str) -> None:
    mine = everything(rl, shapes, mask, mask == "causal")
    # PyTorch's kernels for the CPU have no second derivative; its composition has.
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        theirs = everything(torch, shapes, mask, mask == "causal")
    for a, b in zip(mine, theirs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_rows_and_keys_that_are_missing() -> None:
    q, allowed = rl.ones(2, 3, requires_grad=True), rl.tensor([[True, False], [False, False]])
    y = rl.nn.functional.scaled_dot_product_attention(q, rl.ones(2, 3), rl.ones(2, 4), allowed)
    assert y.tolist() == [[1.0] * 4, [0.0] * 4]
    y.sum().backward()
    assert q.grad.tolist() == [[0.0] * 3] * 2
    assert rl.nn.functional.scaled_dot_product_attention(q, rl.ones(0, 3), rl.ones(0, 4)).tolist() == [[0.0] * 4] * 2


def test_weights_are_made_only_where_they_are_needed() -> None:
    rl.manual_seed(0)
    attention = rl.nn.MultiheadAttention(8, 2, dropout=0.0)
    x = rl.randn(5, 3, 8)
    with_weights, weights = attention(x, x, x)
    without, none = attention(x, x, x, need_weights=False)
    assert none is None and weights.shape == (3, 5, 5)
    np.testing.assert_allclose(with_weights.detach().numpy(), without.detach().numpy(), rtol=1e-5, atol=1e-6)
