"""Physics-informed networks: a damped oscillator and the heat equation, from derivatives of the network itself."""

import math

import torch
import torch.nn as nn
from torch.autograd import grad

torch.manual_seed(16)


class FCN(nn.Module):
    def __init__(self, n_input, n_output, n_hidden, n_layers):
        super().__init__()
        self.fcs = nn.Sequential(nn.Linear(n_input, n_hidden), nn.Tanh())
        self.fch = nn.Sequential(
            *[nn.Sequential(nn.Linear(n_hidden, n_hidden), nn.Tanh()) for _ in range(n_layers - 1)]
        )
        self.fce = nn.Linear(n_hidden, n_output)

    def forward(self, x):
        return self.fce(self.fch(self.fcs(x)))


def derivative(y, x):
    return grad(y, x, torch.ones_like(y), create_graph=True)[0]


# --- u'' + mu u' + k u = 0, u(0) = 1, u'(0) = 0, with mu to be found
pinn = FCN(1, 1, 16, 2)
print(pinn)
mu = nn.Parameter(torch.zeros(1))
omega0, damping = 4.0, 1.0
omega = math.sqrt(omega0**2 - damping**2)
t_obs = torch.linspace(0, 1, 12).view(-1, 1)
u_obs = torch.exp(-damping * t_obs) * (torch.cos(omega * t_obs) + damping / omega * torch.sin(omega * t_obs))
t_boundary = torch.tensor(0.0).view(-1, 1).requires_grad_(True)
t_physics = torch.linspace(0, 1, 30).view(-1, 1).requires_grad_(True)
optimizer = torch.optim.Adam([*pinn.parameters(), mu], lr=1e-2)
for i in range(41):
    optimizer.zero_grad()
    u = pinn(t_boundary)
    loss1 = (torch.squeeze(u) - 1) ** 2
    loss2 = torch.squeeze(derivative(u, t_boundary)) ** 2
    u = pinn(t_physics)
    dudt = derivative(u, t_physics)
    d2udt2 = derivative(dudt, t_physics)
    loss3 = torch.mean((d2udt2 + mu * dudt + omega0**2 * u) ** 2)
    loss4 = torch.mean((pinn(t_obs) - u_obs) ** 2)
    loss = loss1 + 1e-1 * loss2 + 1e-4 * loss3 + loss4
    loss.backward()
    optimizer.step()
    if i % 10 == 0:
        print(f"{i} loss {loss.item():.3f} physics {loss3.item():.2f} mu {mu.item():.3f}")

# --- u_t = a u_xx on the unit interval, zero at the ends
net = FCN(2, 1, 16, 2)
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
for i in range(25):
    xt = torch.rand(40, 2, requires_grad=True)
    u = net(xt)
    first = derivative(u, xt)
    u_t, u_x = first[:, 1:], first[:, :1]
    u_xx = derivative(u_x, xt)[:, :1]
    residual = (u_t - 0.1 * u_xx).pow(2).mean()
    ends = net(torch.stack([torch.tensor([0.0, 1.0]).repeat(8), torch.rand(16)], 1)).pow(2).mean()
    start = torch.rand(16, 1)
    initial = (net(torch.cat([start, torch.zeros_like(start)], 1)) - torch.sin(math.pi * start)).pow(2).mean()
    loss = residual + ends + initial
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if i % 8 == 0:
        print(f"heat {i} {residual.item():.4f} {ends.item():.4f} {initial.item():.4f}")

# --- higher derivatives of known functions; Hessians and Laplacians
x = torch.tensor([0.3, 1.1], requires_grad=True)
y = torch.sin(x)
for order in range(1, 5):
    y = derivative(y, x)
    print(order, [round(v, 4) for v in y.tolist()])
f = lambda p: (p[0] ** 2 * p[1] + torch.exp(p[1]) * p[2]).sum()  # noqa: E731
point = torch.tensor([1.0, 0.5, -2.0])
hessian = torch.autograd.functional.hessian(f, point)
print([[round(v, 3) + 0.0 for v in row] for row in hessian.tolist()])
print([round(v, 3) for v in torch.autograd.functional.jacobian(lambda p: p.cumsum(0) ** 2, point).sum(1).tolist()])
print([round(v, 3) for v in torch.autograd.functional.vhp(f, point, torch.ones(3))[1].tolist()])
