"""`axis=` for `dim=` and `keepdims=` for `keepdim=`, and sizes by name."""

from __future__ import annotations

import pytest

import rushlight

torch = pytest.importorskip("torch")

CALLS = [
    lambda m, x: m.sum(x, axis=0, keepdims=True),
    lambda m, x: x.mean(axis=1, keepdims=True),
    lambda m, x: x.max(axis=1).values,
    lambda m, x: m.max(x, axis=1, keepdims=True)[1],
    lambda m, x: x.argmax(axis=1),
    lambda m, x: m.argmin(x, axis=0, keepdims=True),
    lambda m, x: x.std(axis=0),
    lambda m, x: x.var(axis=0, unbiased=False, keepdims=True),
    lambda m, x: m.softmax(x, axis=1),
    lambda m, x: x.log_softmax(axis=0),
    lambda m, x: m.stack([x, x], axis=1),
    lambda m, x: m.cat([x, x], axis=1),
    lambda m, x: x.cumsum(axis=1),
    lambda m, x: m.unsqueeze(x, axis=0),
    lambda m, x: x.unsqueeze(axis=-1).squeeze(axis=-1),
    lambda m, x: x.sort(axis=0, descending=True)[0],
    lambda m, x: x.topk(2, axis=1)[0],
    lambda m, x: x.unbind(axis=1)[2],
    lambda m, x: x.chunk(2, axis=1)[1],
    lambda m, x: (x > 0).any(axis=1),
    lambda m, x: x.logsumexp(axis=1, keepdims=True),
    lambda m, x: x.median(axis=0).values,
    lambda m, x: m.quantile(x, 0.5, axis=1),
    lambda m, x: x.view(size=(4, 3)),
    lambda m, x: x.view(dtype=m.int32),
    lambda m, x: m.reshape(x, shape=(2, 6)),
    lambda m, x: x.expand(size=(2, 3, 4)),
    lambda m, x: x.repeat(repeats=(2, 1)),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_names(number):
    ours, theirs = (
        CALLS[number](m, m.tensor([[1.0, -2, 3, 0], [4, 5, -6, 1], [0, 7, 8, -9]])) for m in (rushlight, torch)
    )
    assert str(ours.dtype) == str(theirs.dtype)
    assert (
        ours.tolist() == pytest.approx(theirs.tolist())
        if theirs.ndim == 1
        else tuple(ours.shape) == tuple(theirs.shape)
    )
    assert ours.flatten().tolist() == pytest.approx(theirs.flatten().tolist(), rel=1e-6)


def test_a_function_in_front_is_the_function_itself():
    x = rushlight.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert rushlight.argmax.__name__ == "argmax" and rushlight.argmax.__doc__
    for _ in range(2):  # the first call compiles
        assert x.argmax(1).tolist() == x.argmax(dim=1).tolist() == x.argmax(axis=1).tolist() == [1, 1]
        assert x.argmax().item() == 3 and x.max().item() == 4 and x.unsqueeze(0).shape == (1, 2, 2)
    for call in (lambda: x.unsqueeze(), lambda: x.cumsum(), lambda: x.cumsum(0, keepdims=True), lambda: x.max(axes=1)):
        with pytest.raises(TypeError):
            call()


def test_gradients_go_through():
    x = rushlight.tensor([[1.0, 5.0], [3.0, 2.0]], requires_grad=True)
    x.amax(axis=1, keepdims=True).sum().backward()
    assert x.grad.tolist() == [[0, 1], [1, 0]]
