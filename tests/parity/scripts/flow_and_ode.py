"""Densities by changes of variables: a RealNVP of coupling layers, and a continuous flow through a Runge-Kutta solver whose
gradient is found by solving backwards in time."""

import math

import torch
import torch.nn as nn

torch.manual_seed(0)


class Coupling(nn.Module):
    def __init__(self, flip):
        super().__init__()
        self.flip = flip
        self.net = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 2))

    def forward(self, x):
        a, b = x.chunk(2, 1)[:: -1 if self.flip else 1]
        scale, shift = self.net(a).chunk(2, 1)
        scale = torch.tanh(scale)
        b = b * scale.exp() + shift
        return torch.cat((b, a) if self.flip else (a, b), 1), scale.squeeze(1)

    def inverse(self, z):
        a, b = z.chunk(2, 1)[:: -1 if self.flip else 1]
        scale, shift = self.net(a).chunk(2, 1)
        b = (b - shift) * torch.exp(-torch.tanh(scale))
        return torch.cat((b, a) if self.flip else (a, b), 1)


class RealNVP(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.layers = nn.ModuleList(Coupling(bool(n % 2)) for n in range(count))
        self.register_buffer("origin", torch.zeros(2))

    def log_prob(self, x):
        total = 0.0
        for layer in self.layers:
            x, logdet = layer(x)
            total = total + logdet
        base = torch.distributions.Independent(torch.distributions.Normal(self.origin, torch.ones_like(self.origin)), 1)
        return base.log_prob(x) + total

    def sample(self, count):
        z = torch.randn(count, 2)
        for layer in reversed(self.layers):
            z = layer.inverse(z)
        return z


def moons(count):
    t = math.pi * torch.rand(count)
    side = torch.randint(0, 2, (count,)).float()
    x = torch.stack((torch.cos(t) + side, torch.sin(t) * (1 - 2 * side) + side / 2), 1)
    return x + 0.05 * torch.randn(count, 2)


flow = RealNVP(4)
optimizer = torch.optim.Adam(flow.parameters(), lr=1e-2)
data = moons(128)
for step in range(25):
    loss = -flow.log_prob(data).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 12 == 0:
        print(f"flow {step}: {loss.item():.3f}")
with torch.no_grad():
    print(
        "samples",
        tuple(flow.sample(5).shape),
        "there and back:",
        torch.allclose(flow.layers[0].inverse(flow.layers[0](data)[0]), data, atol=1e-5),
    )


class Field(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))

    def forward(self, t, y):
        return self.net(y**3) * torch.cos(t)


def rk4(f, y, t0, t1, steps=4):
    h = (t1 - t0) / steps
    for n in range(steps):
        t = t0 + n * h
        k1 = f(t, y)
        k2 = f(t + h / 2, y + h / 2 * k1)
        k3 = f(t + h / 2, y + h / 2 * k2)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + f(t + h, y + h * k3))
    return y


class Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, field, y, t1, *parameters):
        with torch.no_grad():
            end = rk4(field, y, torch.zeros(()), t1)
        ctx.field, ctx.t1 = field, t1
        ctx.save_for_backward(end, *parameters)
        return end

    @staticmethod
    def backward(ctx, grad):
        end, *parameters = ctx.saved_tensors
        sizes = [end.numel(), end.numel(), *(p.numel() for p in parameters)]

        def backwards(t, state):
            y, a = (part.view_as(end) for part in state.split(sizes)[:2])
            with torch.enable_grad():
                y = y.detach().requires_grad_()
                f = ctx.field(t, y)
                dy, *dp = torch.autograd.grad(f, (y, *parameters), -a, allow_unused=True)
            return torch.cat([f.detach().flatten(), dy.flatten(), *(d.flatten() for d in dp)])

        start = torch.cat([end.flatten(), grad.flatten(), *(torch.zeros_like(p).flatten() for p in parameters)])
        with torch.no_grad():
            _, a, *dp = rk4(backwards, start, ctx.t1, torch.zeros(())).split(sizes)
        return (None, a.view_as(end), None, *(d.view_as(p) for d, p in zip(dp, parameters)))


field = Field()
y0 = torch.randn(6, 2, requires_grad=True)
t1 = torch.tensor(1.0)
Adjoint.apply(field, y0, t1, *field.parameters()).pow(2).sum().backward()
by_adjoint = [y0.grad.clone(), *(p.grad.clone() for p in field.parameters())]
for leaf in (y0, *field.parameters()):
    leaf.grad = None
rk4(field, y0, torch.zeros(()), t1).pow(2).sum().backward()
directly = [y0.grad, *(p.grad for p in field.parameters())]
print("adjoint", [round(g.abs().sum().item(), 2) for g in by_adjoint])
print(
    "close to the direct gradient:",
    all(torch.allclose(a, d, rtol=0.05, atol=0.02) for a, d in zip(by_adjoint, directly)),
)
