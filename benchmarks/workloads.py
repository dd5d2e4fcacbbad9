"""Workloads written once against PyTorch's API.

Each is a function of the library under test and gives `step`: one unit of a user's work, returning a number that forces
the result.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Step = Callable[[], float]


def load(library: str) -> ModuleType:
    """Import the library under test, and the parts that the workloads name."""
    torch = importlib.import_module(library)
    for part in ("nn", "nn.functional", "optim", "utils", "utils.data"):
        importlib.import_module(f"{library}.{part}")
    torch.manual_seed(0)
    return torch


def _training(model: Any, x: Any, y: Any, loss_fn: Any, optimizer: Any) -> Step:
    def step() -> float:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def mlp_quickstart(torch: ModuleType, batch: int = 64) -> Step:
    """The tutorial's 784-512-512-10 network, one SGD step on 64 pictures."""
    nn = torch.nn
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    x, y = torch.rand(batch, 1, 28, 28), torch.randint(0, 10, (batch,))
    return _training(model, x, y, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=1e-3))


def mlp_tiny(torch: ModuleType) -> Step:
    """10-5-1 with a sigmoid, Adam."""
    nn = torch.nn
    model = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 1), nn.Sigmoid())
    x, y = torch.rand(32, 10), torch.randint(0, 2, (32, 1)).float()
    return _training(model, x, y, nn.BCELoss(), torch.optim.Adam(model.parameters(), lr=1e-3))


def linreg(torch: ModuleType) -> Step:
    """Linear regression with a hand-written update."""
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    y = torch.tensor([2.0, 4.0, 6.0, 8.0])
    w = torch.tensor(0.0, requires_grad=True)
    b = torch.tensor(0.0, requires_grad=True)

    def step() -> float:
        loss = ((w * x + b - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w.sub_(0.01 * w.grad)
            b.sub_(0.01 * b.grad)
            w.grad.zero_()
            b.grad.zero_()
        return loss.item()

    return step


def cnn_mnist(torch: ModuleType, batch: int = 64) -> Step:
    """Convolutions of 32 and 64 channels, dropout, a 9216-128-10 classifier."""
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10), nn.LogSoftmax(dim=1),
    )  # fmt: skip
    x, y = torch.rand(batch, 1, 28, 28), torch.randint(0, 10, (batch,))
    return _training(model, x, y, nn.NLLLoss(), torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9))


def simple_cnn(torch: ModuleType, batch: int = 100) -> Step:
    """LeNet on 32x32."""
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2, 2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2, 2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    x, y = torch.rand(batch, 1, 32, 32), torch.randint(0, 10, (batch,))
    return _training(model, x, y, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9))


def _resnet18(torch: ModuleType) -> Any:
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, inputs: int, outputs: int, stride: int):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
            self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
            self.shortcut = nn.Sequential()
            if stride != 1 or inputs != outputs:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                )

        def forward(self, x: Any) -> Any:
            y = F.relu(self.bn1(self.conv1(x)))
            return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))

    layers: list[Any] = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    inputs = 64
    for outputs, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        layers.append(Block(inputs, outputs, stride))
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def resnet18_cifar(torch: ModuleType, batch: int = 16) -> Step:
    """ResNet-18 for 32x32 pictures, a training step."""
    model = _resnet18(torch)
    x, y = torch.rand(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    return _training(model, x, y, torch.nn.CrossEntropyLoss(), optimizer)


def resnet18_infer(torch: ModuleType, batch: int = 1) -> Step:
    """The same network reading one picture."""
    model = _resnet18(torch).eval()
    x = torch.rand(batch, 3, 32, 32)

    def step() -> float:
        with torch.no_grad():
            return model(x).sum().item()

    return step


def lstm(torch: ModuleType, batch: int = 32, length: int = 50) -> Step:
    """One LSTM layer of 128 over 50 steps."""
    nn = torch.nn

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.fc = nn.LSTM(64, 128, batch_first=True), nn.Linear(128, 10)

        def forward(self, x: Any) -> Any:
            return self.fc(self.rnn(x)[0][:, -1])

    model = Net()
    x, y = torch.rand(batch, length, 64), torch.randint(0, 10, (batch,))
    return _training(model, x, y, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=1e-3))


def gpt_tiny(torch: ModuleType, batch: int = 8, length: int = 64, width: int = 128, heads: int = 4) -> Step:
    """Four transformer blocks of width 128 on 64 characters."""
    nn, F = torch.nn, torch.nn.functional
    words = 65

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            B, T, C = x.shape
            q, k, v = (
                t.view(B, T, heads, C // heads).transpose(1, 2)  # (B, nh, T, hs)
                for t in self.qkv(self.ln1(x)).split(C, dim=2)
            )
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.proj(y.transpose(1, 2).contiguous().view(B, T, C))
            return x + self.down(F.gelu(self.up(self.ln2(x))))

    class GPT(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.tok, self.pos = nn.Embedding(words, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(4)])
            self.ln, self.head = nn.LayerNorm(width), nn.Linear(width, words, bias=False)

        def forward(self, tokens: Any) -> Any:
            x = self.tok(tokens) + self.pos(torch.arange(length))
            return self.head(self.ln(self.blocks(x))).view(-1, words)

    model = GPT()
    x, y = torch.randint(0, words, (batch, length)), torch.randint(0, words, (batch * length,))
    return _training(model, x, y, nn.CrossEntropyLoss(), torch.optim.AdamW(model.parameters(), lr=1e-3))


def pointwise_chain(torch: ModuleType, n: int = 4_000_000) -> Step:
    """tanh(2x + 1) sigmoid(x) + exp(-x^2) over 4 M floats."""
    x = torch.randn(n)
    return lambda: (torch.tanh(x * 2.0 + 1.0) * torch.sigmoid(x) + torch.exp(-x * x)).sum().item()


def softmax_norm(torch: ModuleType, rows: int = 4096, columns: int = 1024) -> Step:
    """Softmax, then layer norm, over rows of 1024."""
    x = torch.randn(rows, columns)
    layer_norm = torch.nn.functional.layer_norm
    return lambda: layer_norm(x + torch.softmax(x, dim=-1), (columns,)).sum().item()


def adam_10m(torch: ModuleType, n: int = 10) -> Step:
    """Adam alone, over 10 M parameters."""
    parameters = [torch.nn.Parameter(torch.randn(1_000_000)) for _ in range(n)]
    for p in parameters:
        p.grad = torch.randn(1_000_000)
    optimizer = torch.optim.Adam(parameters, lr=1e-3)

    def step() -> float:
        optimizer.step()
        return parameters[0][0].item()

    return step


def gemm_1024(torch: ModuleType, n: int = 1024) -> Step:
    """One product of 1024 x 1024 matrices."""
    a, b = torch.randn(n, n), torch.randn(n, n)
    return lambda: (a @ b)[0, 0].item()


def small_ops(torch: ModuleType, count: int = 200) -> Step:
    """400 dependent ops on four numbers, and their backward: nothing but overhead."""
    x = torch.randn(4, requires_grad=True)

    def step() -> float:
        y = x
        for _ in range(count):
            y = y * 1.001 + 0.1
        y.sum().backward()
        x.grad = None
        return y[0].item()

    return step


def loader_mnist(torch: ModuleType, n: int = 6000, batch: int = 64) -> Step:
    """A user's Dataset read sample by sample, collated and shuffled, without workers."""
    images = np.random.default_rng(0).integers(0, 256, (n, 28, 28), dtype=np.uint8)
    labels = np.arange(n) % 10

    class Pictures(torch.utils.data.Dataset):  # type: ignore[misc, name-defined]
        def __len__(self) -> int:
            return n

        def __getitem__(self, i: int) -> tuple:
            return torch.from_numpy(images[i]).unsqueeze(0).float().div(255), int(labels[i])

    loader = torch.utils.data.DataLoader(Pictures(), batch_size=batch, shuffle=True)
    return lambda: float(sum(x.shape[0] for x, _ in loader))


ALL = (
    mlp_quickstart, mlp_tiny, linreg, cnn_mnist, simple_cnn, resnet18_cifar, resnet18_infer, lstm, gpt_tiny,
    pointwise_chain, softmax_norm, adam_10m, gemm_1024, small_ops, loader_mnist,
)  # fmt: skip
