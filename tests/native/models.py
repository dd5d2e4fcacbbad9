"""Training steps and other programs whose graphs the tests of the native compiler look at. Each is a function without arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import rushlight as torch
from rushlight import nn
from rushlight.nn import functional as F

PROGRAMS: dict[str, Callable[[], Any]] = {}


def program(function: Callable[[], Any]) -> Callable[[], Any]:
    PROGRAMS[function.__name__] = function
    return function


def tensor(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return torch.tensor((np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32))


def labels(count: int, classes: int) -> torch.Tensor:
    return torch.tensor(np.arange(count) * 7 % classes)


def train(model: nn.Module, optimizer: Any, loss: Callable[[], torch.Tensor], steps: int = 2) -> list[float]:
    found = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        found.append(value.item())
    return found


def perceptron(hidden: int = 20) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, hidden), nn.ReLU(), nn.Linear(hidden, 5))


def _perceptron(make: Callable[..., Any]) -> list[float]:
    model = perceptron()
    x, y = tensor(9, 12), labels(9, 5)
    return train(model, make(model.parameters()), lambda: F.cross_entropy(model(x), y), 3)


@program
def sgd():
    return _perceptron(lambda p: torch.optim.SGD(p, lr=0.1))


@program
def momentum():
    return _perceptron(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3))


@program
def adam():
    return _perceptron(lambda p: torch.optim.Adam(p, lr=0.01))


@program
def amsgrad():
    return _perceptron(lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True))


@program
def rmsprop():
    return _perceptron(lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True))


@program
def adagrad():
    return _perceptron(lambda p: torch.optim.Adagrad(p, lr=0.01))


@program
def clipped():
    model = perceptron()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = tensor(9, 12), labels(9, 5)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
    return [p.sum() for p in model.parameters()]


@program
def images():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 4, 3, stride=2), nn.GELU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(4, 3),
    )  # fmt: skip
    x, y = tensor(4, 2, 12, 12), labels(4, 3)
    return train(model, torch.optim.Adam(model.parameters()), lambda: F.cross_entropy(model(x), y))


@program
def upsampled():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1, groups=1), nn.Tanh(), nn.ConvTranspose2d(3, 3, 2, stride=2), nn.AvgPool2d(2), nn.Conv2d(3, 3, 3, groups=3),
    )  # fmt: skip
    x = tensor(2, 1, 8, 8)
    return train(
        model, torch.optim.SGD(model.parameters(), lr=0.01), lambda: F.mse_loss(model(x), torch.ones(2, 3, 6, 6))
    )


class Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm, self.norm_too = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, c = x.shape
        q, k, v = (a.reshape(b, t, self.heads, -1).transpose(1, 2) for a in self.qkv(self.norm(x)).chunk(3, -1))
        scores = (q @ k.transpose(-1, -2)) / (c // self.heads) ** 0.5
        scores = scores.masked_fill(torch.ones(t, t).triu(1).bool(), float("-inf"))
        x = x + self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, t, c))
        return x + self.down(F.gelu(self.up(self.norm_too(x))))


@program
def language():
    torch.manual_seed(0)
    embedding, position, block, head = nn.Embedding(11, 16), nn.Embedding(6, 16), Block(16, 2), nn.Linear(16, 11)
    parts = nn.ModuleList([embedding, position, block, head])
    tokens = torch.tensor(np.arange(18).reshape(3, 6) * 5 % 11)

    def loss() -> torch.Tensor:
        logits = head(block(embedding(tokens) + position(torch.arange(6))))
        return F.cross_entropy(logits.reshape(-1, 11), tokens.roll(-1, 1).reshape(-1))

    return train(parts, torch.optim.AdamW(parts.parameters()), loss)


@program
def attention():
    q, k, v = (tensor(2, 3, 7, 8, seed=s).requires_grad_() for s in range(3))
    F.scaled_dot_product_attention(q, k, v, is_causal=True).square().sum().backward()
    return q.grad, k.grad, v.grad


@program
def recurrent():
    torch.manual_seed(0)
    model, head = nn.LSTM(5, 8, batch_first=True), nn.Linear(8, 2)
    parts = nn.ModuleList([model, head])
    x, y = tensor(3, 6, 5), labels(3, 2)
    return train(parts, torch.optim.Adam(parts.parameters()), lambda: F.cross_entropy(head(model(x)[0][:, -1]), y))


@program
def gated():
    torch.manual_seed(0)
    model = nn.GRU(4, 6, num_layers=2)
    x = tensor(5, 2, 4)
    return train(model, torch.optim.SGD(model.parameters(), lr=0.1), lambda: model(x)[0].square().mean())


@program
def autoencoder():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 4), nn.Sigmoid(), nn.Linear(4, 10), nn.Softplus())
    x = tensor(7, 10)
    return train(
        model,
        torch.optim.Adam(model.parameters()),
        lambda: F.smooth_l1_loss(model(x), x) + 0.1 * model[0](x).abs().mean(),
    )


@program
def half_precision():
    torch.manual_seed(0)
    model = perceptron().bfloat16()
    x, y = tensor(9, 12).bfloat16(), labels(9, 5)
    return train(model, torch.optim.SGD(model.parameters(), lr=0.1), lambda: F.cross_entropy(model(x), y).float())


@program
def losses():
    x, y = tensor(8, 5).requires_grad_(), tensor(8, 5, seed=1)
    total = (
        F.mse_loss(x, y) + F.l1_loss(x, y) + F.huber_loss(x, y) + F.binary_cross_entropy_with_logits(x, y.sigmoid())
        + F.kl_div(x.log_softmax(1), y.softmax(1), reduction="batchmean") + F.nll_loss(x.log_softmax(1), labels(8, 5))
    )  # fmt: skip
    total.backward()
    return total, x.grad


@program
def normalised():
    x = tensor(6, 8, 5).requires_grad_()
    y = F.layer_norm(x, (5,)) + F.group_norm(x, 4) + F.normalize(x, dim=-1)
    y.square().mean((0, 2)).sum().backward()
    return y, x.grad, x.grad.std(0), x.grad.var((1, 2))


@program
def indexing():
    x = tensor(6, 7).requires_grad_()
    rows, columns = torch.tensor([0, 5, 5, 2]), torch.tensor([1, 1, 6, 0])
    y = (
        x[rows]
        + x[rows, columns][:, None]
        + x.gather(1, columns[:, None].expand(4, 3) if False else torch.tensor(np.arange(28).reshape(4, 7) % 7))
    )
    z = torch.where(y > 0, y, 0.1 * y).index_select(1, columns)
    z.sum().backward()
    return y, z, x.grad, x.detach().tril(-1), x.detach().triu(1)


@program
def written():
    x = tensor(5, 6)
    y = x.clone()
    y[1:3] = 2.0
    y[:, 0] += x[:, 1]
    y[y > 1] = 0.5
    y.t()[2] = x[:, 2] * 3
    z = torch.cat([x, y], 1)
    w = torch.stack([x, y, x + y], 1)
    return y, z, w, w.flip(0), z.cumsum(1), z.argmax(1), z.sort(1)[0]


@program
def totals():
    x = tensor(300, 200)
    y = (x - x.mean()) / x.std()
    return y, y.square().sum(), y.amax() - y.amin(), (y > 0).any(), (y == y).all(), y.sum(0), y.sum(1)


@program
def numbers():
    x = torch.tensor(np.arange(24).reshape(4, 6))
    return (
        x // 5,
        x % 7,
        (x * 2).sum(0),
        x.double().mean(),
        x.float().softmax(0),
        (x > 3) & (x < 9),
        x.to(torch.uint8) + 250,
        x.prod(1),
    )


@program
def samples():
    torch.manual_seed(3)
    x = torch.randn(5, 6)
    return (
        x,
        torch.rand(4),
        F.dropout(x, 0.4),
        torch.randperm(9),
        torch.bernoulli(x.sigmoid()),
        torch.randint(0, 9, (3,)),
        torch.normal(0.0, 2.0, (2, 3)),
    )


@program
def empty():
    x = torch.zeros(0, 5)
    return x + 1, x.sum(0), x.sum(), torch.cat([x, torch.ones(2, 5)]), x.t() @ x, torch.zeros(3, 0).sum(1)
