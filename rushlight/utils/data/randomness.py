"""M28: augmentation on data for evaluation. Looked for once an epoch, where a loader is asked for its batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import rushlight
from rushlight.errors import show_line, user_line
from rushlight.lazy.record import local
from rushlight.lessons import say, warn

_ALSO_RANDOM = ("AugMix", "AutoAugment", "ColorJitter", "RandAugment", "TrivialAugmentWide")
_trained_on: WeakSet = WeakSet()  # data sets that were read with gradients on


def check_transforms(loader: Any) -> None:
    """Warn when a data set with random transforms is read under no_grad, after training, on other data.

    The training set itself may be read so, for the accuracy on it.
    """
    dataset = loader.dataset
    if rushlight.is_grad_enabled():
        with suppress(TypeError):  # a list, say: it has no transform either
            _trained_on.add(dataset)
        return
    names: list[str] = []
    with suppress(Exception):  # a data set may answer as it likes when it is asked for its transform
        if local.backwards and dataset not in _trained_on:
            names = sorted(set(_random_steps(dataset)))
    if names:
        line, kind, transforms = user_line(), type(dataset).__name__, say("comma").join(names)
        facts = {"line": show_line(line), "dataset": kind, "transforms": transforms}
        warn("random-transforms-in-evaluation", once=line, **facts)


def _random_steps(dataset: Any) -> Iterator[str]:
    """The names of the random transforms of a data set, or of those that it wraps."""
    while dataset is not None:
        for name in ("transform", "transforms"):
            yield from _random_parts(getattr(dataset, name, None))
        dataset = getattr(dataset, "dataset", None)


def _random_parts(transform: Any) -> Iterator[str]:
    if transform is None or getattr(transform, "p", 1) == 0:
        return
    kind = type(transform)
    if "transforms" in kind.__module__ and (kind.__name__.startswith("Random") or kind.__name__ in _ALSO_RANDOM):
        yield kind.__name__
        return
    parts = getattr(transform, "transforms", None)
    if parts is None and isinstance(transform, rushlight.nn.Module):
        parts = transform.children()
    for name in ("transform", "target_transform"):  # of the pair that datasets make of both
        yield from _random_parts(getattr(transform, name, None))
    for part in parts if parts is not None and not callable(parts) else ():
        yield from _random_parts(part)
