"""One pass over a `DataLoader`: what both kinds share, and the kind that reads in this process."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import rushlight
from rushlight.utils.data.dataset import IterableDataset
from rushlight.utils.data.fetch import make_fetch

if TYPE_CHECKING:
    from rushlight.utils.data.loader import DataLoader


class LoaderIterator(Iterator):
    """Draws the base seed and walks the index sampler, in PyTorch's order; a subclass reads the batches."""

    def __init__(self, loader: DataLoader) -> None:
        self._iterable = isinstance(loader.dataset, IterableDataset)
        self._base_seed = int(rushlight.empty((), dtype=rushlight.int64).random_(generator=loader.generator).item())
        self._dataset = loader.dataset
        self._rewind(loader)

    def _rewind(self, loader: DataLoader) -> None:
        self._index_sampler = loader._index_sampler
        self._index_iter = iter(self._index_sampler)
        self._promised = loader._promised_length
        self._num_yielded = 0

    def _fetch_next(self) -> Any:
        raise NotImplementedError

    def __next__(self) -> Any:
        batch = self._fetch_next()
        self._num_yielded += 1
        if self._promised is not None and self._num_yielded > self._promised:
            warnings.warn(
                f"DataLoader: len(loader) was {self._promised}, but batch {self._num_yielded} came from the "
                f"{type(self._dataset).__name__}. With workers, each one holds a copy of the stream: share it out "
                "with get_worker_info().",
                UserWarning,
                stacklevel=2,
            )
        return batch

    def __iter__(self) -> LoaderIterator:
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)


class SerialIterator(LoaderIterator):
    """One pass with `num_workers=0`."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        self._fetch = make_fetch(
            loader.dataset,
            iterable=self._iterable,
            batched=loader._auto_collation,
            collate_fn=loader.collate_fn,
            drop_last=loader.drop_last,
        )

    def _fetch_next(self) -> Any:
        return self._fetch(next(self._index_iter))
