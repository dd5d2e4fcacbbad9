"""Assigning `.data`: what a parameter stands for afterwards, and what older views see."""

from __future__ import annotations

import rushlight


def program(torch):
    seen = []
    layer = torch.nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        layer.bias.zero_()
    layer.to("cpu")  # assigns each parameter its own data
    seen.append(layer(torch.ones(1, 2)).tolist())
    w = layer.weight
    before = w.data
    w.data = w.data.t()
    before[0, 1] = 9
    seen.append((w.tolist(), before.tolist()))
    new = torch.zeros(2, 2)
    w.data = new
    new[0, 0] = 5
    seen.append((w.tolist(), before.tolist(), w.requires_grad, w.is_leaf))
    optimizer = torch.optim.SGD([w], lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        layer(torch.ones(1, 2)).sum().backward()
        optimizer.step()
    seen.append((w.tolist(), new.tolist()))
    w.data = w.data[0:1]
    seen.append((w.tolist(), tuple(w.shape)))
    return seen


def test_same_as_pytorch(oracle):
    assert program(rushlight) == program(oracle)


def test_hooks_run_in_backward_only():
    """A flush before the backward looks for what the backward will need; hooks must not notice."""
    calls = []
    x = rushlight.ones(3, requires_grad=True)
    y = x * x
    y.register_hook(lambda grad: calls.append(grad.tolist()))
    loss = (y * y).sum()
    assert loss.item() == 3
    assert calls == []
    loss.backward()
    assert calls == [[2.0, 2.0, 2.0]]
