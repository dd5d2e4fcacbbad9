"""Programs written once against PyTorch's API; each takes the library as `torch` and returns what it prints."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def linear_regression(torch: ModuleType, epochs: int = 100, lr: float = 0.01) -> tuple[float, float]:
    """w * x + b fitted to y = 2 x by hand-written descent."""
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    y = torch.tensor([2.0, 4.0, 6.0, 8.0])
    w = torch.tensor(0.0, requires_grad=True)
    b = torch.tensor(0.0, requires_grad=True)
    for _ in range(epochs):
        loss = ((w * x + b - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= lr * w.grad
            b -= lr * b.grad
        w.grad.zero_()
        b.grad.zero_()
    return w.item(), b.item()


def network(torch: ModuleType, hidden: int = 512) -> Any:
    """784-512-512-10, as a user writes it."""
    nn = torch.nn

    class NeuralNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.flatten = nn.Flatten()
            self.linear_relu_stack = nn.Sequential(
                nn.Linear(28 * 28, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 10)
            )

        def forward(self, x: Any) -> Any:
            return self.linear_relu_stack(self.flatten(x))

    return NeuralNetwork()


def _dataset(torch: ModuleType, pictures: tuple[np.ndarray, np.ndarray]) -> Any:
    images, labels = pictures
    scaled = images.astype(np.float32) / np.float32(255)
    return torch.utils.data.TensorDataset(torch.from_numpy(scaled).unsqueeze(1), torch.from_numpy(labels))


def fashion(
    torch: ModuleType, train: tuple, test: tuple, *, epochs: int, shuffle: bool, every: int, seed: int = 0
) -> list[tuple[str, float]]:
    """The tutorials' training program: batches of 64, SGD 1e-3. A loss each `every` steps, a test per epoch."""
    torch.manual_seed(seed)
    loader = torch.utils.data.DataLoader
    train_dataloader = loader(_dataset(torch, train), batch_size=64, shuffle=shuffle)
    test_dataloader = loader(_dataset(torch, test), batch_size=64)
    model = network(torch)
    loss_fn = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    printed = []
    for _ in range(epochs):
        model.train()
        for batch, (X, y) in enumerate(train_dataloader):
            loss = loss_fn(model(X), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if batch % every == 0:
                printed.append(("loss", loss.item()))
        model.eval()
        test_loss, correct = 0.0, 0.0
        with torch.no_grad():
            for X, y in test_dataloader:
                pred = model(X)
                test_loss += loss_fn(pred, y).item()
                correct += (pred.argmax(1) == y).type(torch.float).sum().item()
        printed.append(("accuracy", 100 * correct / len(test_dataloader.dataset)))
        printed.append(("test loss", test_loss / len(test_dataloader)))
    return printed
