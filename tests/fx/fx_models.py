"""Models that are traced under both libraries: each a function of the library, with the shapes of its inputs."""

from __future__ import annotations

import math
from typing import NamedTuple


def residual(t):
    nn = t.nn

    class Block(nn.Module):
        def __init__(self, cin, cout, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(cout)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(cout)
            self.downsample = None
            if stride != 1 or cin != cout:
                self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

        def forward(self, x):
            identity = x if self.downsample is None else self.downsample(x)
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            out += identity
            return self.relu(out)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
            self.layer1 = nn.Sequential(Block(4, 4, 1), Block(4, 8, 2))
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(8, 5)

        def forward(self, x):
            x = self.layer1(self.stem(x))
            x = t.flatten(self.avgpool(x), 1)
            return self.fc(x)

    return Net().eval(), [(2, 3, 8, 8)]


def unet(t):
    nn, F = t.nn, t.nn.functional

    class Double(nn.Sequential):
        def __init__(self, cin, cout):
            super().__init__(
                nn.Conv2d(cin, cout, 3, padding=1), nn.ReLU(), nn.Conv2d(cout, cout, 3, padding=1), nn.ReLU()
            )

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.down1, self.down2, self.bottom = Double(1, 4), Double(4, 8), Double(8, 8)
            self.up2, self.up1 = nn.ConvTranspose2d(8, 8, 2, stride=2), nn.ConvTranspose2d(8, 4, 2, stride=2)
            self.conv2, self.conv1 = Double(16, 8), Double(8, 4)
            self.last = nn.Conv2d(4, 2, 1)

        def forward(self, x):
            a = self.down1(x)
            b = self.down2(F.max_pool2d(a, 2))
            c = self.bottom(F.max_pool2d(b, kernel_size=2))
            u = self.conv2(t.cat([self.up2(c), b], dim=1))
            u = self.conv1(t.cat((self.up1(u), a), 1))
            big = F.interpolate(self.last(u), scale_factor=2.0, mode="nearest")
            return F.pad(big, (1, 1, 0, 0))

    return Net(), [(1, 1, 8, 8)]


def transformer(t):
    nn, F = t.nn, t.nn.functional

    class Layer(nn.Module):
        def __init__(self, d=8, heads=2):
            super().__init__()
            self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
            self.linear1, self.linear2 = nn.Linear(d, 16), nn.Linear(16, d)
            self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
            self.dropout = nn.Dropout(0.1)
            self.heads = heads

        def forward(self, x):
            B, T, C = x.shape
            q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
            q, k, v = (y.view(B, T, self.heads, C // self.heads).transpose(1, 2) for y in (q, k, v))
            scores = q @ k.transpose(-2, -1) / math.sqrt(4.0)
            weights = F.softmax(scores, dim=-1)
            y = (weights @ v).transpose(1, 2).contiguous().view(B, T, C)
            x = x + self.dropout(self.proj(y))
            return x + self.dropout(self.linear2(F.gelu(self.linear1(self.norm2(x)))))

    return Layer().eval(), [(2, 3, 8)]


def encoder_layer_as_leaf(t):
    return t.nn.Sequential(t.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), t.nn.Linear(8, 3)).eval(), [
        (2, 3, 8)
    ]


def lstm(t):
    nn = t.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(4, 6, num_layers=2, batch_first=True)
            self.head = nn.Linear(6, 2)

        def forward(self, x):
            out, (h, c) = self.lstm(x)
            return {"logits": self.head(out[:, -1]), "state": (h, c), "last": out[:, -1, 0]}

    return Net(), [(2, 5, 4)]


def functional(t):
    nn, F = t.nn, t.nn.functional

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(t.ones(4, 6) / 10)
            self.register_buffer("scale", t.full((4,), 2.0))
            self.table = t.ones(4)

        def forward(self, x, y):
            h = F.linear(x, self.weight) * self.scale + self.table
            h = F.layer_norm(F.dropout(h, 0.5, training=False), (4,))
            h = F.leaky_relu(h) + F.elu(h, alpha=0.5) - F.hardtanh(h, -0.5, 0.5)
            h = t.where(h > 0, h, -h).clamp(min=0.1, max=2)
            total = t.sum(h, dim=1, keepdim=True) + t.log_softmax(h, 1) + F.normalize(h) + y
            return total.mean(), F.mse_loss(h, y.expand_as(h)), t.std(h)

    return Net(), [(3, 6), (3, 1)]


def keywords(t):
    def net(x, scale: float = 2.0, *rest, bias=0.5, **options):
        return x * scale + bias - x.sum(dim=-1, keepdim=True)

    return net, [(3, 4)]


def twice(t):
    nn = t.nn

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x, flip=False):
            y = self.fc(x).relu()
            return -y if flip else y

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.blocks = Inner(), nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])
            self.same = self.inner

        def forward(self, x):
            x = self.inner(x) + self.same(x, flip=True)
            for n, block in enumerate(self.blocks):
                x = block(x) * (n + 1)
            return self.inner.fc(x), x[0], x.shape[0]

    return Net(), [(2, 4)]


def operators(t):
    def net(x, y):
        a = x + 1 - y * 2 / (abs(y) + 3)
        b = (x > y) & ~(x < 0) | (y >= 1) ^ (x == y)
        c = -(a**2) % 3 // 0.5 + 2**x
        d = 1 - c.T.t() @ y.mT if False else 1 - c
        e = d[..., None, 0:2].squeeze(-2)[:, t.tensor([0, 1])]
        return e.to(t.float64), b.sum().item(), (x != y).any(), c.masked_fill(b, 0.0).type(t.float32), +a

    def plain(x, y):
        first, _, *rest = net(x, y)
        return (first, *rest)

    return plain, [(3, 4), (3, 4)]


def parameters_of_children(t):
    nn = t.nn

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(7, 4)
            self.norm = nn.LayerNorm(4)

        def forward(self, x):
            h = self.norm(x) * self.norm.weight + self.norm.bias
            return t.nn.functional.linear(h, self.embed.weight)

    return Tied(), [(2, 4)]


class Pair(NamedTuple):
    left: object
    right: int


def containers(t):
    nn = t.nn

    class Inner(nn.Module):
        def forward(self, x):
            return x.relu()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.traced, self.layers = t.fx.symbolic_trace(Inner()), nn.ModuleList([nn.Linear(4, 4)])
            self.named, self.scales = nn.ModuleDict({"k": nn.Tanh()}), nn.ParameterList([nn.Parameter(t.ones(4))])
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
            self.tail = nn.Sequential(nn.Identity(), nn.Sequential(nn.ReLU(True), nn.Linear(4, 2)))

        def forward(self, x):
            x = self.named["k"](self.layers[0](self.traced(x))) * self.scales[0]
            x, weights = self.attention(x, x, x, need_weights=False)
            return Pair(self.tail[1](x) + self.tail(x), 3)

    return Net().eval(), [(2, 3, 4)]


def contexts(t):
    def net(x):
        with t.no_grad():
            y = x * 2
        z = t.zeros_like(x, dtype=t.float64) + t.full((4,), 3.0)
        for n in range(2):
            z = z + n
        return (
            t.where(y > 0, y, z),
            t.einsum("ij,kj->ik", x, x),
            x.new_tensor([1.0]),
            x.shape[-1] // 2,
            x.reshape(x.shape[0], -1),
        )

    return net, [(3, 4)]


MODELS = (
    containers, contexts,
    residual, unet, transformer, encoder_layer_as_leaf, lstm, functional, keywords, twice, operators, parameters_of_children,
)  # fmt: skip
