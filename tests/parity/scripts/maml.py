"""Learning to learn sine waves: an inner loop of differentiable steps, its first-order form, and functional calls."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call

torch.manual_seed(18)


def task():
    amplitude, phase = torch.rand(1) * 4 + 0.5, torch.rand(1) * 3.14

    def sample(count):
        x = torch.rand(count, 1) * 10 - 5
        return x, amplitude * torch.sin(x + phase)

    return sample


net = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1))


def forward(x, w):
    x = torch.tanh(F.linear(x, w[0], w[1]))
    x = torch.tanh(F.linear(x, w[2], w[3]))
    return F.linear(x, w[4], w[5])


def adapt(weights, x, y, lr=0.02, steps=2, first_order=False):
    for _ in range(steps):
        loss = F.mse_loss(forward(x, weights), y)
        grads = torch.autograd.grad(loss, weights, create_graph=not first_order)
        weights = [w - lr * g for w, g in zip(weights, grads)]
    return weights


weights = list(net.parameters())
x, y = task()(6)
print(torch.allclose(net(x), forward(x, weights)))
for first_order in (False, True):
    net.zero_grad()
    F.mse_loss(forward(x, adapt(weights, x, y, first_order=first_order)), y).backward()
    print("first order" if first_order else "second order", [round(w.grad.norm().item(), 3) for w in weights])

optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for iteration in range(15):
    total = 0.0
    optimizer.zero_grad()
    for _ in range(3):
        sample = task()
        support, query = sample(8), sample(8)
        fast = adapt(weights, *support)
        loss = F.mse_loss(forward(query[0], fast), query[1]) / 3
        loss.backward()
        total += loss.item()
    optimizer.step()
    if iteration % 5 == 4:
        print(f"iteration {iteration} {total:.3f}")

# --- the same by names
params = dict(net.named_parameters())
x, y = task()(5)
loss = F.mse_loss(functional_call(net, params, (x,)), y)
grads = torch.autograd.grad(loss, params.values(), create_graph=True)
moved = {name: p - 0.02 * g for (name, p), g in zip(params.items(), grads)}
after = F.mse_loss(functional_call(net, moved, (x,)), y)
print(list(moved), f"{loss.item():.3f} -> {after.item():.3f}")
meta = torch.autograd.grad(after, list(params.values()))
print([round(g.norm().item(), 2) for g in meta])


# --- a learned step size, and Reptile
rate = torch.full((6,), 0.01, requires_grad=True)
x, y = task()(8)
start = [w.detach().clone().requires_grad_() for w in weights]
first = torch.autograd.grad(F.mse_loss(forward(x, start), y), start, create_graph=True)
F.mse_loss(forward(x, [w - r * g for w, r, g in zip(start, rate, first)]), y).backward()
print("rates", [round(v, 2) for v in rate.grad.tolist()], start[0].grad is not None)
before = torch.cat([w.detach().flatten() for w in weights])
for _ in range(2):
    old = [w.detach().clone() for w in weights]
    inner = torch.optim.SGD(net.parameters(), lr=0.02)
    sample = task()
    for _ in range(4):
        inner.zero_grad()
        F.mse_loss(net(sample(8)[0]), sample(8)[1]).backward()
        inner.step()
    with torch.no_grad():
        for w, o in zip(weights, old):
            w.copy_(o + 0.5 * (w - o))
print(f"reptile moved {(torch.cat([w.detach().flatten() for w in weights]) - before).norm().item():.3f}")
