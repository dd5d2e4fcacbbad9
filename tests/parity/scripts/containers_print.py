"""Modules that hold modules: lists, dictionaries, parameter lists, buffers, shared parts, and how they print and travel."""

from collections import OrderedDict

import torch
import torch.nn as nn

torch.manual_seed(9)


class Expert(nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = layer(x) if i == len(self.layers) - 1 else torch.tanh(layer(x))
        return x


class Mixture(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.experts = nn.ModuleDict({"shallow": Expert(width, 1), "deep": Expert(width, 3)})
        self.activations = nn.ModuleDict(
            [["lrelu", nn.LeakyReLU(0.1)], ["prelu", nn.PReLU(num_parameters=width, init=0.3)]]
        )
        self.scales = nn.ParameterList([nn.Parameter(torch.full((width,), 0.5 + i)) for i in range(2)])
        self.shifts = nn.ParameterDict(
            {"left": nn.Parameter(torch.zeros(width)), "right": nn.Parameter(torch.ones(width, 1))}
        )
        self.gate = nn.Sequential(
            OrderedDict([("norm", nn.LayerNorm(width)), ("project", nn.Linear(width, 2, bias=False))])
        )
        self.temperature = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.register_buffer("scratch", torch.zeros(3), persistent=False)
        self.nothing = None

    def forward(self, x):
        self.calls += 1
        gate = torch.softmax(self.gate(x) / self.temperature, dim=-1)
        out = 0
        for i, expert in enumerate(self.experts.values()):
            out = out + gate[:, i : i + 1] * expert(x) * self.scales[i]
        out = self.activations["prelu"](out + self.shifts["left"])
        return self.activations["lrelu"](out) @ self.shifts["right"]


model = Mixture()
print(model)
print(len(model.experts), list(model.experts.keys()), "deep" in model.experts, len(model.scales))
for name, parameter in model.named_parameters():
    print(name, tuple(parameter.shape))
print([name for name, _ in model.named_buffers()], list(model.state_dict())[-1], len(model.state_dict()))
print([name for name, _ in model.named_children()])

x, y = torch.randn(16, 6), torch.randn(16, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for step in range(6):
    loss = (model(x) - y).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{step} {loss.item():.4f} {model.temperature.item():.4f}")
print(model.calls)

# --- lists and dictionaries change
blocks = nn.ModuleList([nn.Linear(2, 2), nn.ReLU()])
blocks.append(nn.Linear(2, 3)).extend([nn.Sigmoid(), nn.Linear(3, 1)])
blocks.insert(1, nn.Dropout(0.25))
del blocks[0]
print(blocks, blocks[-1], blocks[1:3], sep="\n")
repeated = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
print(repeated)
last = model.activations.pop("prelu")
model.activations.update({"gelu": nn.GELU(approximate="tanh"), "softplus": nn.Softplus(beta=2)})
print(last, model.activations, sep="\n")
print(nn.Sequential(*blocks) + nn.Sequential(nn.Flatten(), nn.Unflatten(1, (1, 1))))
print(model.scales)
print(model.shifts)

# --- shared parts, freezing, and applying
shared = nn.Linear(4, 4)
tied = nn.Sequential(shared, nn.ReLU(), shared)
print(len(list(tied.parameters())), len(list(tied.named_parameters(remove_duplicate=False))), sorted(tied.state_dict()))
tied.apply(lambda m: nn.init.constant_(m.weight, 0.5) if isinstance(m, nn.Linear) else None)
tied.requires_grad_(False)
print(tied(torch.ones(1, 4)).shape, [p.requires_grad for p in tied.parameters()], tied.training, tied.eval().training)
print(model.get_submodule("experts.deep.layers.1"), model.get_parameter("gate.project.weight").shape)
print(model.double().temperature.dtype, model.calls.dtype, model.float().temperature)
