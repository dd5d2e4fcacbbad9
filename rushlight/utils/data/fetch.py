"""Read one batch: indices in, collated batch out. The same code runs in the main process and in workers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from rushlight.lazy.macro import flush
from rushlight.lazy.record import local
from rushlight.lessons import say
from rushlight.utils.data.collate import UnequalSamples, default_collate
from rushlight.utils.data.dataset import read_each, read_samples, whole_batch_reader

Fetch = Callable[[Any], Any]


_PATIENCE = 3  # batches in a row that are new programs, before samples are computed one by one


class _Work:
    """Computes what was recorded while a batch was read and collated, so that the batch is a plain input of what uses it.

    All of it is one program, and the same one batch after batch, if the samples are made alike. If they are not (random
    transforms), every batch would be a new program: then each sample is computed by itself.
    """

    def __init__(self) -> None:
        self._new = 0

    def __enter__(self) -> _Work:
        self._before = local.trace.node
        return self

    @property
    def after_sample(self) -> Callable[[], None] | None:
        """What to call after each sample that was read."""
        return flush if self._new >= _PATIENCE else None

    def __exit__(self, kind: Any, *error: Any) -> None:
        node = local.trace.node
        if kind is not None or node is self._before:
            return
        if self._new < _PATIENCE:
            self._new = 0 if node.programs else self._new + 1
        flush()


def make_fetch(dataset: Any, *, iterable: bool, batched: bool, collate_fn: Callable, drop_last: bool) -> Fetch:
    """The function that turns what the index sampler yields into a batch; it raises StopIteration at a stream's end."""
    if iterable:
        return _stream_fetch(iter(dataset), batched, collate_fn, drop_last)
    if not batched:
        return lambda index: collate_fn(read_each(dataset, [index])[0])
    return _batch_fetch(dataset, collate_fn)


def _batch_fetch(dataset: Any, collate_fn: Callable) -> Fetch:
    whole = whole_batch_reader(dataset) if collate_fn is default_collate else None
    work = _Work()

    def fetch(indices: list[Any]) -> Any:
        # A sampler of one's own may yield anything; only lists of plain ints go the quick way.
        if whole is not None and type(indices) is list and indices and type(indices[0]) is int:
            batch = whole(indices)
            if batch is not None:
                return batch
        with work:
            samples = read_samples(dataset, indices, work.after_sample)
            try:
                batch = collate_fn(samples)
            except UnequalSamples as error:
                # Told apart here because only here the dataset's own indices are known.
                message = error.describe(indices[0], indices[error.position], *_transform_of(dataset))
                raise RuntimeError(message) from None
            except Exception as error:
                error.add_note(say("note/collating", indices=shorten(indices)))
                raise
            del samples  # of what was recorded only the batch is wanted
        return batch

    return fetch


def _stream_fetch(stream: Any, batched: bool, collate_fn: Callable, drop_last: bool) -> Fetch:
    if not batched:
        return lambda _: collate_fn(next(stream))

    work = _Work()

    def fetch(slots: list[Any]) -> Any:
        with work:
            samples = list(islice(stream, len(slots)))
            if not samples or (drop_last and len(samples) < len(slots)):
                raise StopIteration
            batch = collate_fn(samples)
            del samples  # of what was recorded only the batch is wanted
        return batch

    return fetch


def _transform_of(dataset: Any) -> tuple[Any, str | None]:
    """The transform of the dataset, or of the one that it wraps, and which step of it makes the sizes differ."""
    while dataset is not None:
        for name in ("transform", "transforms"):
            transform = getattr(dataset, name, None)
            if transform is not None:
                explain = getattr(dataset, "explain_shapes", None) or getattr(transform, "explain_shapes", None)
                return transform, explain() if explain is not None else None
        dataset = getattr(dataset, "dataset", None)
    return None, None


def shorten(indices: Any) -> str:
    """Indices for a message, cut after eight."""
    if not isinstance(indices, list) or len(indices) <= 8:
        return str(indices)
    return f"[{', '.join(map(str, indices[:8]))}, ... {len(indices)} in all]"
