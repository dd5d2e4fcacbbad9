"""Small autograd programs, run here and on PyTorch: the same values, the same gradients."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def leaf(m, *values):
    return m.tensor(values, dtype=m.float64, requires_grad=True)


@program
def write_an_element(m):
    x = leaf(m, 1.0, 2.0, 3.0)
    y = x * 2
    y[0] = x[2] * x[1]
    y[1:] *= 3
    (y * y).sum().backward()
    return y, x.grad


@program
def write_through_a_chain_of_views(m):
    x = leaf(m, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    y = (x * x).view(2, 3)
    y.t()[1:].select(1, 0).mul_(x[:2])
    y[0].add_(1)
    (y * y).sum().backward()
    return y, x.grad


@program
def write_the_base_and_read_an_older_view(m):
    x = leaf(m, 1.0, 2.0)
    y = x * 3
    v = y[1:]
    y.mul_(x)
    (v * v).sum().backward()
    return v, x.grad


@program
def write_a_leaf_value_into_zeros(m):
    x = leaf(m, 1.0, 2.0)
    z = m.zeros(4, dtype=m.float64)
    z[1:3] = x
    z[0] = x[0] * x[1]
    (z * m.arange(4, dtype=m.float64)).sum().backward()
    return z, x.grad


@program
def copy_into_a_view(m):
    x = leaf(m, 1.0, 2.0)
    z = m.ones(2, 2, dtype=m.float64)
    z[0].copy_(x)
    z.diagonal().mul_(x)
    z.sum().backward()
    return z, x.grad


@program
def index_put_and_masks(m):
    x = leaf(m, 1.0, -2.0, 3.0)
    y = x * 1
    y[y < 0] = 0.5
    y[m.tensor([0, 2])] = y[m.tensor([2, 0])] * x[1]
    y.pow(2).sum().backward()
    return y, x.grad


@program
def forward_read_before_backward(m):
    x = leaf(m, 0.3, -0.7)
    loss = (x.sin() * x.exp()).sum()
    value = loss.item()
    loss.backward()
    return m.tensor(value), x.grad


@program
def hidden_state_over_several_reads(m):
    w = leaf(m, 0.5, -0.3)
    h = m.zeros(2, dtype=m.float64)
    seen = []
    for step in range(5):
        h = (h * w + 0.1 * step).tanh()
        seen.append(h.sum().item())
    (h * h).sum().backward()
    return m.tensor(seen), w.grad


@program
def truncated_through_time(m):
    w = leaf(m, 0.5, -0.3)
    h = m.ones(2, dtype=m.float64)
    for _ in range(3):
        h = (h.detach() * w).tanh()
        h.sum().backward()
    return h, w.grad


@program
def accumulate_over_backwards(m):
    w = leaf(m, 0.5, -0.3)
    for scale in (1.0, 2.0, -0.5):
        (w * w * scale).sum().backward()
    return (w.grad,)


@program
def update_without_grad_between(m):
    w = leaf(m, 0.5, -0.3)
    for _ in range(4):
        loss = ((w * 2 - 1) ** 2).sum()
        loss.backward()
        with m.no_grad():
            w -= 0.05 * w.grad
            w.grad.zero_()
    return w, w.grad


@program
def total_of_losses(m):
    w = leaf(m, 0.5, -0.3)
    total = 0
    for i in range(3):
        total += (w * i).sin().sum()
    total.backward()
    return total, w.grad


@program
def retained_graph_twice(m):
    w = leaf(m, 0.5, -0.3)
    loss = (w.exp() * w).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    return (w.grad,)


@program
def two_losses_share_a_trunk(m):
    w = leaf(m, 0.5, -0.3)
    trunk = (w * 3).tanh()
    trunk.sum().backward(retain_graph=True)
    trunk.pow(2).sum().item()
    trunk.pow(2).sum().backward()
    return (w.grad,)


@program
def double_backward(m):
    x = leaf(m, 0.4, 1.2)
    (g,) = m.autograd.grad((x**3).sum(), x, create_graph=True)
    (g * g).sum().backward()
    return g, x.grad


@program
def third_derivative(m):
    x = leaf(m, 0.4, 1.2)
    y = x.sin().sum()
    for _ in range(3):
        (y,) = m.autograd.grad(y.sum(), x, create_graph=True)
    return (y,)


@program
def gradient_penalty(m):
    w = leaf(m, 0.5, -0.3)
    x = leaf(m, 1.0, 2.0)
    score = (w * x).tanh().sum()
    (g,) = m.autograd.grad(score, x, create_graph=True)
    penalty = (g.pow(2).sum().sqrt() - 1) ** 2
    (score + penalty).backward()
    return w.grad, x.grad


@program
def create_graph_accumulates_a_graph(m):
    x = leaf(m, 0.4, 1.2)
    (x**3).sum().backward(create_graph=True)
    (h,) = m.autograd.grad(x.grad.sum(), x)
    return x.grad, h


@program
def grad_with_inner_and_unused_inputs(m):
    x, unused = leaf(m, 0.4, 1.2), leaf(m, 1.0)
    inner = x * 2
    y = (inner * inner).sum()
    found = m.autograd.grad(y, (inner, x, unused), allow_unused=True)
    return found[0], found[1], m.tensor(float(found[2] is None))


@program
def grad_after_the_forward_was_read(m):
    x = leaf(m, 0.4, 1.2)
    inner = x * 2
    y = (inner * inner).sum()
    y.item()
    return m.autograd.grad(y, (inner, x))


@program
def grad_outputs_and_materialised_zeros(m):
    x, unused = leaf(m, 0.4, 1.2), leaf(m, 1.0)
    v = m.tensor([2.0, -1.0], dtype=m.float64)
    return m.autograd.grad((x * x,), (x, unused), (v,), materialize_grads=True)


@program
def grad_of_a_value_written_in_place(m):
    x = leaf(m, 0.4, 1.2)
    y = x * 2
    y.mul_(3)
    z = (y * y).sum()
    return m.autograd.grad(z, (y, x))


@program
def detach_cuts_and_shares(m):
    x = leaf(m, 0.4, 1.2)
    y = x * 2
    d = y.detach()
    (y + d * x).sum().backward()
    return d, x.grad


@program
def vector_jacobian_product(m):
    x = leaf(m, 0.4, 1.2)
    (x * x).backward(m.tensor([1.0, -2.0], dtype=m.float64))
    return (x.grad,)


@program
def backward_to_chosen_inputs(m):
    x, w = leaf(m, 0.4, 1.2), leaf(m, 0.5, -0.3)
    (x * w).sum().backward(inputs=[w])
    return w.grad, m.tensor(float(x.grad is None))


@program
def hooks_change_gradients(m):
    x = leaf(m, 0.4, 1.2)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    handle = y.register_hook(lambda g: g * 100)
    handle.remove()
    x.register_hook(lambda g: g + 1)
    (y * y).sum().backward()
    return (x.grad,)


@program
def hooks_after_the_forward_was_read(m):
    x = leaf(m, 0.4, 1.2)
    y = x * 2
    z = (y * y).sum()
    z.item()
    y.register_hook(lambda g: g * 10)
    z.backward()
    return (x.grad,)


@program
def retained_gradients(m):
    x = leaf(m, 0.4, 1.2)
    y = x * 2
    y.retain_grad()
    z = (y * y).sum()
    z.retain_grad()
    z.backward()
    return y.grad, z.grad, x.grad


@program
def hook_after_accumulation(m):
    x = leaf(m, 0.4, 1.2)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.clone()))
    for _ in range(2):
        (x * x).sum().backward()
    return (*seen, x.grad)


@program
def frozen_and_thawed(m):
    x, w = leaf(m, 0.4, 1.2), leaf(m, 0.5, -0.3)
    w.requires_grad_(False)
    (x * w).sum().backward()
    w.requires_grad_(True)
    (x * w).sum().backward()
    return x.grad, w.grad


@program
def set_to_none_then_again(m):
    x = leaf(m, 0.4, 1.2)
    (x * x).sum().backward()
    x.grad = None
    (x * 3).sum().backward()
    return (x.grad,)


@program
def control_flow_on_values(m):
    x = leaf(m, 0.4, 1.2)
    y = x
    while y.abs().sum() < 10:
        y = y * 2
    y.sum().backward()
    return y, x.grad


@program
def same_tensor_in_two_roots(m):
    x = leaf(m, 0.4, 1.2)
    y = x.exp()
    m.autograd.backward([y.sum(), (y * y).sum()])
    return (x.grad,)


@program
def clone_contiguous_and_expand(m):
    x = leaf(m, 0.4, 1.2)
    y = x.expand(3, 2).clone().t().contiguous()
    y[0] *= 2
    (y * y).sum().backward()
    return y, x.grad


@program
def data_is_outside_the_graph(m):
    w = leaf(m, 0.5, -0.3)
    y = w * 2
    w.data.mul_(2)
    w.data = w.data - 1
    y.sum().backward()
    return w, w.grad


@program
def inner_no_grad_and_enable_grad(m):
    x = leaf(m, 0.4, 1.2)
    with m.no_grad():
        a = x * 2
        with m.enable_grad():
            b = x * 3
    (a * b).sum().backward()
    return m.tensor([float(a.requires_grad), float(b.requires_grad)]), x.grad


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    for _ in range(2):  # the second time the structure is known
        ours, theirs = PROGRAMS[name](rushlight), PROGRAMS[name](torch)
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert a.requires_grad == b.requires_grad
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-12)
