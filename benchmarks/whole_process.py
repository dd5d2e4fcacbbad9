"""One whole program, from the shell's `python` to the end of the process: train on MNIST, test, save, draw, load, predict.

    python benchmarks/whole_process.py [--root shared/data] [--rounds 3]

A is PyTorch with the program that its tutorials teach (Dataset, ToTensor, DataLoader, the loop with `item()`, `state_dict`);
B is `python -m rushlight quickstart --data mnist --model mlp --epochs 1`. Both read the same files, do the same steps with the
same sizes and draw the same pictures with the same function. They take turns; medians and the ratio are printed.
"""

from __future__ import annotations

import argparse
import gzip
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any


def pytorch_program(root: str, out: str) -> None:
    """The program as a PyTorch user writes it; what torchvision would give is written out, in its way."""
    import numpy as np
    import torch
    from PIL import Image
    from torch import nn
    from torch.utils.data import DataLoader, Dataset

    def read(name: str, header: int) -> Any:
        path = os.path.join(root, "MNIST", "raw", name)
        opened = open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz")
        with opened as file:
            return np.frombuffer(file.read(), np.uint8, offset=header)

    def to_tensor(picture: Any) -> Any:
        array = torch.from_numpy(np.array(picture, np.uint8, copy=True)).view(1, picture.size[1], picture.size[0])
        return array.to(torch.float32).div(255)

    class MNIST(Dataset):
        classes = [f"{n} - {w}" for n, w in enumerate("zero one two three four five six seven eight nine".split())]

        def __init__(self, part: str) -> None:
            self.data = torch.from_numpy(read(f"{part}-images-idx3-ubyte", 16).reshape(-1, 28, 28).copy())
            self.targets = torch.from_numpy(read(f"{part}-labels-idx1-ubyte", 8).astype(np.int64))

        def __len__(self) -> int:
            return len(self.data)

        def __getitem__(self, index: int) -> Any:
            return to_tensor(Image.fromarray(self.data[index].numpy(), mode="L")), int(self.targets[index])

    torch.manual_seed(0)
    training_data, test_data = MNIST("train"), MNIST("t10k")
    train_dataloader = DataLoader(training_data, batch_size=64, shuffle=True)
    test_dataloader = DataLoader(test_data, batch_size=256)

    def build() -> Any:
        return nn.Sequential(
            nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
        )

    model = build()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.004)
    losses, predictions = [], []
    for batch, (X, y) in enumerate(train_dataloader):
        loss = loss_fn(model(X), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if batch % 100 == 0:
            print(f"loss: {losses[-1]:>7f}")
    model.eval()
    test_loss, correct = 0.0, 0.0
    with torch.no_grad():
        for X, y in test_dataloader:
            pred = model(X)
            test_loss += loss_fn(pred, y).item()
            correct += (pred.argmax(1) == y).type(torch.float).sum().item()
            predictions += pred.argmax(1).tolist()
    print(f"Accuracy: {100 * correct / len(test_data):>0.1f}%, Avg loss: {test_loss / len(test_dataloader):>8f}")
    checkpoint = os.path.join(out, "model.pth")
    torch.save({"epoch": 1, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, checkpoint)

    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))
    from rushlight.cli.quickstart import History
    from rushlight.cli.report import draw

    history = History(losses, [test_loss / len(test_dataloader)], [correct / len(test_data)])
    draw(os.path.join(out, "pictures.png"), history, predictions, test_data)
    fresh = build()
    fresh.load_state_dict(torch.load(checkpoint)["model"])
    fresh.eval()
    x, y = test_data[0]
    with torch.no_grad():
        print(f'Predicted: "{fresh(x.unsqueeze(0))[0].argmax(0).item()}", Actual: "{y}"')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--root", default=os.path.join(here, os.pardir, os.pardir, "shared", "data"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--as-pytorch", metavar="OUT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_pytorch:
        pytorch_program(options.root, options.as_pytorch)
        return
    times: dict[str, list[float]] = {"PyTorch": [], "Rushlight": []}
    with tempfile.TemporaryDirectory() as out:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # as users have it
        commands = {
            "PyTorch": [sys.executable, __file__, "--root", options.root, "--as-pytorch", out],
            "Rushlight": [sys.executable, "-m", "rushlight", "quickstart", "--data", "mnist", "--model", "mlp"]
            + ["--epochs", "1", "--root", options.root, "--out", out],
        }
        for _ in range(options.rounds):
            for name, command in commands.items():
                start = time.perf_counter()
                done = subprocess.run(command, capture_output=True, text=True, env=environment)
                times[name].append(time.perf_counter() - start)
                if done.returncode:
                    sys.exit(f"{name} failed:\n{done.stderr}")
                said = [line.strip() for line in done.stdout.splitlines() if "Accuracy" in line]
                print(f"{name:10} {times[name][-1]:6.2f} s   {said[-1] if said else ''}", flush=True)
    a, b = (statistics.median(times[name]) for name in times)
    print(f"median: PyTorch {a:.2f} s, Rushlight {b:.2f} s, ratio {a / b:.2f}")


if __name__ == "__main__":
    main()
