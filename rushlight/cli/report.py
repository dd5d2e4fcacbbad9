"""The picture that `quickstart` leaves: loss, accuracy, confusion matrix, sample predictions."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from rushlight.errors import need
from rushlight.serialization.atomic import atomic_write

if TYPE_CHECKING:
    from rushlight.cli.quickstart import History

BLUE, ORANGE, GREEN, RED, GREY = "#2563ab", "#d97706", "#2e7d4f", "#c0392b", "#6b7280"


def draw(path: str, history: History, predictions: list[int], test_data: Any) -> None:
    """Write the PNG at once or not at all. MissingExtraError without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise need("plots", "matplotlib") from None
    targets = [int(t) for t in test_data.targets.tolist()]
    figure = Figure(figsize=(12, 8.4), dpi=110, facecolor="white")
    figure.suptitle(
        f"{type(test_data).__name__}: {history.accuracies[-1]:.2%} of {len(targets):,} test pictures read correctly",
        fontsize=14, fontweight="bold",
    )  # fmt: skip
    parts: Any = figure.subfigures(2, 1, height_ratios=(1, 1.12))
    upper, lower = parts
    loss, accuracy = upper.subplots(1, 2)
    _losses(loss, history)
    _accuracies(accuracy, history)
    left, right = lower.subfigures(1, 2)
    _confusion(left, targets, predictions, test_data.classes)
    _samples(right, targets, predictions, test_data)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
    FigureCanvasAgg(figure)
    image = io.BytesIO()
    figure.savefig(image, format="png")
    with atomic_write(path, "quickstart") as write:
        write(image.getvalue())


def _plain(axes: Any, title: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("epoch")
    axes.set_ylabel(y)
    axes.grid(color="#e5e7eb", linewidth=0.8)
    axes.locator_params(axis="x", integer=True)
    axes.spines[["top", "right"]].set_visible(False)


def _losses(axes: Any, history: History) -> None:
    epochs, steps = len(history.test_losses), len(history.losses)
    losses = np.array(history.losses)
    x = np.arange(1, steps + 1) * epochs / steps
    axes.plot(x, losses, color=BLUE, alpha=0.25, linewidth=0.8)
    width = max(1, steps // 60)
    smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
    axes.plot(x[width - 1 :], smooth, color=BLUE, linewidth=1.8, label="training, each step and running mean")
    ends = range(1, epochs + 1)
    axes.plot(ends, history.test_losses, "o-", color=ORANGE, markersize=4, label="test, after each epoch")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=9)
    _plain(axes, "Cross-entropy", "loss")


def _accuracies(axes: Any, history: History) -> None:
    values = [100 * a for a in history.accuracies]
    axes.plot(range(1, len(values) + 1), values, "o-", color=GREEN, markersize=4)
    axes.annotate(
        f"{values[-1]:.1f} %", (len(values), values[-1]), textcoords="offset points", xytext=(0, -14), ha="right",
        color=GREEN, fontweight="bold",
    )  # fmt: skip
    _plain(axes, "Test accuracy", "correct, %")
    axes.set_xlim(0, 1.03 * len(values))
    axes.set_ylim(max(0, min(values) - 0.3 * (100 - min(values)) - 1), 100.5)


def _confusion(figure: Any, targets: list[int], predictions: list[int], classes: list[str]) -> None:
    count = len(classes)
    matrix = np.zeros((count, count), dtype=int)
    np.add.at(matrix, (targets, predictions), 1)
    axes = figure.subplots()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1)  # the root makes single mistakes visible
    for row, column in zip(*np.nonzero(matrix), strict=True):
        axes.text(
            column, row, matrix[row, column], ha="center", va="center", fontsize=8,
            color="white" if share[row, column] > 0.3 else "#374151",
        )  # fmt: skip
    names = [name.partition(" - ")[0] for name in classes]
    upright = max(map(len, names)) <= 2
    axes.set_xticks(range(count), names, rotation=0 if upright else 40, ha="center" if upright else "right", fontsize=8)
    axes.set_yticks(range(count), names, fontsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    axes.set_title("Confusion matrix", loc="left", fontsize=11)


def _samples(figure: Any, targets: list[int], predictions: list[int], test_data: Any) -> None:
    """Fifteen test pictures: up to five that were misread first, then the first ones of the set."""
    wrong = [i for i, (t, p) in enumerate(zip(targets, predictions, strict=True)) if t != p][:5]
    shown = wrong + [i for i in range(len(targets)) if i not in wrong][: 15 - len(wrong)]
    names = [name.partition(" - ")[0] for name in test_data.classes]
    axes = figure.subplots()  # one for all pictures: each of its own would take as long to draw as everything else
    axes.set_axis_off()
    for place, index in enumerate(shown):
        x, y = place % 5 * 1.6, -(place // 5) * 1.75
        axes.imshow(test_data.data[index].numpy(), cmap="gray_r", extent=(x, x + 1, y, y + 1))
        right = targets[index] == predictions[index]
        text = names[predictions[index]] + ("" if right else f"\nis {names[targets[index]]}")
        axes.text(x + 0.5, y + 1.1, text, fontsize=9, color=GREY if right else RED, ha="center", va="bottom")
    axes.set(xlim=(-0.1, 7.5), ylim=(-3.6, 1.75))
    figure.suptitle("Predictions: misread pictures first" if wrong else "Predictions", fontsize=11)
