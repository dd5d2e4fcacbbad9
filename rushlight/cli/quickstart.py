"""`rushlight quickstart`: the loop everybody starts with, on real pictures, from the data to a prediction."""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import rushlight as torch
from rushlight import nn
from rushlight.cli import CommandError
from rushlight.errors import MissingExtraError
from rushlight.utils.data import DataLoader
from rushlight.vision import datasets
from rushlight.vision.transforms import ToTensor

DATASETS = {"digits": datasets.Digits, "mnist": datasets.MNIST, "fashion_mnist": datasets.FashionMNIST}

LEARNING_RATES = {"adam": 0.004, "adamw": 0.004, "rmsprop": 0.001, "sgd": 0.05}


@dataclass
class History:
    """What the curves show: every step's loss, and after every epoch the test loss and accuracy."""

    losses: list[float] = field(default_factory=list)
    test_losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)


def quickstart(options: argparse.Namespace) -> int:
    """Train, test, save, draw, reload, predict; the exit code."""
    warnings.filterwarnings("ignore", message=r"item: the value is (nan|-?inf)")  # said below, in one line
    start = time.perf_counter()
    checkpoint, picture = _output_files(options.out)
    training_data, test_data = (_pictures(options.data, options.root, train) for train in (True, False))
    small = options.data == "digits"
    epochs = options.epochs or (20 if small else 5)
    batch_size = options.batch_size or (32 if small else 64)
    lr = options.lr or LEARNING_RATES[options.optimizer]

    torch.manual_seed(options.seed)
    try:
        train_dataloader = DataLoader(training_data, batch_size, shuffle=True, num_workers=options.workers)
        test_dataloader = DataLoader(test_data, max(batch_size, 256), num_workers=options.workers)
        side = training_data[0][0].shape[-1]
        model = build_model(options.model, side)
        optimizer = build_optimizer(options.optimizer, model, lr)
        print(f"{options.data}: {len(training_data)} pictures of {side}x{side} to train, {len(test_data)} to test")
        print(model)

        loss_fn = nn.CrossEntropyLoss()
        history = History()
        for t in range(epochs):
            print(f"Epoch {t + 1}\n-------------------------------")
            train(train_dataloader, model, loss_fn, optimizer, history, f"epoch {t + 1}/{epochs}")
            predictions = test(test_dataloader, model, loss_fn, history)
            torch.save({"epoch": t + 1, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, checkpoint)
        print(f"Done in {time.perf_counter() - start:.1f} s. Saved the checkpoint to {checkpoint}")
        _draw(picture, history, predictions, test_data)
    except (MemoryError, OSError) as error:
        raise CommandError(f"quickstart: {str(error) or 'out of memory'}") from error

    fresh = build_model(options.model, side)
    fresh.load_state_dict(torch.load(checkpoint)["model"])
    fresh.eval()
    x, y = test_data[0]
    with torch.no_grad():
        pred = fresh(x.unsqueeze(0))
    classes = test_data.classes
    print(f'Predicted: "{classes[pred[0].argmax(0).item()]}", Actual: "{classes[y]}"')
    return 0


def build_model(name: str, side: int) -> nn.Module:
    """A network for `side` x `side` grey pictures of ten classes."""
    if name == "mlp":
        return nn.Sequential(
            nn.Flatten(), nn.Linear(side * side, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
        )
    width = 16 if side < 16 else 8  # small pictures leave time for more channels
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),  # (N, width, side / 2, side / 2)
        nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),  # (N, 2 width, side / 4, side / 4)
        nn.Flatten(), nn.Linear(2 * width * (side // 4) ** 2, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def build_optimizer(name: str, model: nn.Module, lr: float) -> torch.optim.Optimizer:
    """The optimiser of that name over all parameters."""
    if name == "sgd":
        return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}
    return kinds[name](model.parameters(), lr=lr)


def train(
    dataloader: DataLoader, model: nn.Module, loss_fn: nn.Module, optimizer: Any, history: History, title: str = ""
) -> None:
    """One pass over the training pictures."""
    size, seen = len(dataloader.dataset), 0
    model.train()
    for batch, (X, y) in enumerate(_with_progress(dataloader, title)):
        pred = model(X)
        loss = loss_fn(pred, y)

        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

        history.losses.append(loss.item())
        seen += len(X)
        if not math.isfinite(history.losses[-1]):
            raise CommandError(
                f"quickstart: the loss became {history.losses[-1]} in step {batch + 1} of {title}: "
                f"lr={optimizer.param_groups[0]['lr']:g} is too high. Fix: pass a smaller --lr"
            )
        if batch % 100 == 0:
            _say(f"loss: {history.losses[-1]:>7f}  [{seen:>5d}/{size:>5d}]")


def test(dataloader: DataLoader, model: nn.Module, loss_fn: nn.Module, history: History) -> list[int]:
    """Measure on the test pictures; the predicted classes."""
    predictions: list[int] = []
    test_loss, correct, size = 0.0, 0.0, len(dataloader.dataset)
    model.eval()
    with torch.no_grad():
        for X, y in dataloader:
            pred = model(X)
            test_loss += loss_fn(pred, y).item()
            correct += (pred.argmax(1) == y).type(torch.float).sum().item()
            predictions += pred.argmax(1).tolist()
    test_loss /= len(dataloader)
    correct /= size
    print(f"Test Error: \n Accuracy: {100 * correct:>0.1f}%, Avg loss: {test_loss:>8f} \n", flush=True)
    history.test_losses.append(test_loss)
    history.accuracies.append(correct)
    return predictions


def _output_files(folder: str) -> tuple[str, str]:
    """Where the checkpoint and the picture go; found out before training whether they can be written."""
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CommandError(f"quickstart: cannot write to --out {folder!r}: {error.strerror or error}") from None
    return os.path.join(folder, "quickstart.pth"), os.path.join(folder, "quickstart.png")


def _pictures(name: str, root: str, train: bool) -> Any:
    try:
        return DATASETS[name](root=root, train=train, transform=ToTensor())
    except (OSError, RuntimeError) as error:
        text = str(error).replace("pass download=True", "say with --root where they are")
        raise CommandError(f"quickstart: {text}") from None


def _draw(path: str, history: History, predictions: list[int], test_data: Any) -> None:
    from rushlight.cli.report import draw

    try:
        draw(path, history, predictions, test_data)
    except MissingExtraError as error:
        print(f"No picture of the curves: {error}", file=sys.stderr)
        return
    print(f"Saved the curves, the confusion matrix and sample predictions to {path}")


# --- the progress bar: on a terminal only, so that logs stay readable ------------------------------------------------


def _with_progress(batches: DataLoader, title: str) -> Iterable:
    if not sys.stderr.isatty():
        return batches
    try:
        from tqdm import tqdm
    except ImportError:
        return _counted(batches, title)
    return tqdm(batches, desc=title, leave=False, unit="batch")


def _counted(batches: DataLoader, title: str) -> Iterable:
    total = len(batches)
    for number, batch in enumerate(batches, 1):
        yield batch
        filled = 30 * number // total
        end = "\r" if number < total else "\r\033[K"
        print(f"{title} [{'#' * filled}{'.' * (30 - filled)}] {number}/{total}", end=end, file=sys.stderr, flush=True)


def _say(line: str) -> None:
    """Print a line without tearing the progress bar."""
    if sys.stderr.isatty() and "tqdm" in sys.modules:
        sys.modules["tqdm"].tqdm.write(line)
    else:
        print(line, flush=True)
