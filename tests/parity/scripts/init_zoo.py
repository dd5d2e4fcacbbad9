"""Every initializer, and what it does: spread, range, gain, and the signal through a deep network."""

import torch
import torch.nn as nn
from torch.nn import init

torch.manual_seed(19)

fillers = {
    "uniform_": lambda w: init.uniform_(w, -0.3, 0.3),
    "normal_": lambda w: init.normal_(w, mean=1.0, std=0.02),
    "trunc_normal_": lambda w: init.trunc_normal_(w, std=0.5, a=-0.6, b=0.6),
    "constant_": lambda w: init.constant_(w, 0.25),
    "ones_": init.ones_,
    "zeros_": init.zeros_,
    "eye_": init.eye_,
    "xavier_uniform_": lambda w: init.xavier_uniform_(w, gain=init.calculate_gain("relu")),
    "xavier_normal_": init.xavier_normal_,
    "kaiming_uniform_": lambda w: init.kaiming_uniform_(w, a=0.2, mode="fan_in", nonlinearity="leaky_relu"),
    "kaiming_normal_": lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"),
    "sparse_": lambda w: init.sparse_(w, sparsity=0.25, std=0.1),
}
for name, fill in fillers.items():
    w = torch.empty(24, 40)
    same = fill(w) is w
    print(
        f"{name:17s} mean {w.mean().item():8.4f} std {w.std().item():.4f} min {w.min().item():8.4f} "
        f"max {w.max().item():7.4f} zeros {(w == 0).sum().item():3d} {same}"
    )

for nonlinearity in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
    print(nonlinearity, f"{init.calculate_gain(nonlinearity):.5f}", end="; ")
print(f"{init.calculate_gain('leaky_relu', 0.3):.5f}")

# --- orthogonal and identity-like ones
for shape in ((6, 6), (4, 9), (9, 4)):
    q = init.orthogonal_(torch.empty(*shape))
    gram = q @ q.T if shape[0] <= shape[1] else q.T @ q
    print(shape, torch.allclose(gram, torch.eye(min(shape)), atol=1e-5), f"{q.abs().sum().item():.3f}")
kernel = init.dirac_(torch.empty(4, 4, 3, 3))
x = torch.randn(1, 4, 5, 5)
print(torch.allclose(nn.functional.conv2d(x, kernel, padding=1), x), kernel.sum())
print(init.dirac_(torch.empty(4, 2, 3), groups=2).nonzero().tolist())

# --- the defaults of modules
for module in (
    nn.Linear(10, 20),
    nn.Conv2d(3, 8, 3),
    nn.ConvTranspose1d(4, 6, 3),
    nn.LSTM(5, 7),
    nn.GRUCell(3, 4),
    nn.Embedding(9, 5),
    nn.Bilinear(3, 4, 5),
    nn.MultiheadAttention(8, 2),
):
    line = [f"{p.mean().item():.4f}/{p.std().item():.4f}" for p in module.parameters()]
    print(type(module).__name__, *line)

# --- the signal through thirty layers
for name, fill in (
    ("small normal", lambda w: init.normal_(w, std=0.01)),
    ("xavier", init.xavier_normal_),
    ("kaiming", lambda w: init.kaiming_normal_(w, nonlinearity="relu")),
    ("orthogonal", lambda w: init.orthogonal_(w, gain=2**0.5)),
):
    torch.manual_seed(20)
    net = nn.Sequential(*[layer for _ in range(15) for layer in (nn.Linear(64, 64, bias=False), nn.ReLU())])
    for layer in net:
        if isinstance(layer, nn.Linear):
            fill(layer.weight)
    x = torch.randn(32, 64)
    y = net(x)
    y.square().mean().backward()
    print(f"{name:13s} output {y.std().item():.2e} first gradient {net[0].weight.grad.norm().item():.2e}")


# --- initialization by module, as models do it
def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        init.normal_(m.weight.data, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        init.normal_(m.weight.data, 1.0, 0.02)
        init.constant_(m.bias.data, 0)


torch.manual_seed(21)
generator = nn.Sequential(
    nn.ConvTranspose2d(8, 6, 4, bias=False),
    nn.BatchNorm2d(6),
    nn.ReLU(True),
    nn.ConvTranspose2d(6, 1, 4, 2, 1),
    nn.Tanh(),
)
generator.apply(weights_init)
print([f"{p.sum().item():.4f}" for p in generator.parameters()], generator(torch.randn(2, 8, 1, 1)).shape)
for wrong in (
    lambda: init.eye_(torch.empty(3)),
    lambda: init.xavier_uniform_(torch.empty(3)),
    lambda: init.calculate_gain("nothing"),
    lambda: init.dirac_(torch.empty(2, 2)),
):
    try:
        wrong()
    except ValueError:
        print("refused", end=" ")
print()
