"""`DataLoader`: batches out of a dataset."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import TYPE_CHECKING, Any

import rushlight
from rushlight.errors import explain_error
from rushlight.lessons import say
from rushlight.utils.data.collate import default_collate, default_convert
from rushlight.utils.data.dataset import IterableDataset
from rushlight.utils.data.iterator import LoaderIterator, SerialIterator
from rushlight.utils.data.randomness import check_transforms
from rushlight.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

if TYPE_CHECKING:
    from rushlight import Generator

_FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}


class _Endless(Sampler):
    """The index sampler of a stream, whose samples have no index."""

    def __iter__(self) -> Iterator[None]:
        return repeat(None)


class DataLoader:
    """Read a dataset in batches, shuffled or in order, in this process or in worker processes.

    * `batch_size=None` yields single samples; `shuffle`, `sampler` and `batch_sampler` choose the order.
    * `num_workers` processes read ahead `prefetch_factor` batches each (2 by default); batches arrive in order unless
      `in_order=False`. `persistent_workers` keeps them between epochs, `timeout` (seconds) bounds the wait for a batch.
    * `worker_init_fn(worker_id)` runs once in each worker; `multiprocessing_context` is `'fork'`, `'spawn'`,
      `'forkserver'` or a context object.
    * `pin_memory` and `pin_memory_device` are accepted and have no effect.

    An exception of the dataset is raised here with its class; a worker that dies raises RuntimeError. Wrong
    combinations of arguments raise ValueError.

    >>> import rushlight as torch
    >>> loader = torch.utils.data.DataLoader(range(5), batch_size=2)
    >>> len(loader), [batch.tolist() for batch in loader]
    (3, [[0, 1], [2, 3], [4]])
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        iterable = isinstance(dataset, IterableDataset)
        if iterable:
            _check_stream(shuffle, sampler, batch_sampler)
        _check_batching(batch_size, bool(shuffle), sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        elif sampler is None and not iterable:
            _check_length(dataset)
        if sampler is None:
            if iterable:
                sampler = _Endless()
            else:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)

        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self.persistent_workers = persistent_workers
        self._promised_length: int | None = None  # what len() has told, for a stream
        self._iterator: Any = None
        self._ready = True
        _warn_of_many_workers(num_workers)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and getattr(self, "_ready", False):
            raise ValueError(
                explain_error(
                    "DataLoader",
                    got=f"an assignment to {name}",
                    expected=f"{name} as the constructor was given it",
                    fix=f"make a new DataLoader(..., {name}=...)",
                )
            )
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        """The context given for starting workers, or None."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        self._context = None if context is None else _find_context(context, self.num_workers)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def __iter__(self) -> LoaderIterator:
        if self.pin_memory and not rushlight.cuda.is_available():
            warnings.warn(
                "DataLoader: pin_memory=True has no effect, no accelerator was found.", UserWarning, stacklevel=2
            )
        check_transforms(self)
        if self.num_workers == 0:
            return SerialIterator(self)
        from rushlight.utils.data.pool import ProcessIterator  # multiprocessing is slow to import

        if not self.persistent_workers:
            return ProcessIterator(self)
        if self._iterator is not None and self._iterator.alive:
            self._iterator.restart(self)
        else:
            self._iterator = ProcessIterator(self)
        return self._iterator

    def __len__(self) -> int:
        """Batches in one pass; TypeError when the dataset or sampler has no length."""
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        length = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is not None:
            length = length // self.batch_size if self.drop_last else -(-length // self.batch_size)
        self._promised_length = length
        return length


def _check_workers(num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool) -> None:
    if num_workers < 0:
        raise ValueError(
            explain_error("DataLoader", got=f"num_workers={num_workers}", expected="0 (read in this process) or more")
        )
    if timeout < 0:
        raise ValueError(explain_error("DataLoader", got=f"timeout={timeout}", expected="0 (no limit) or more seconds"))
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            explain_error(
                "DataLoader",
                got=f"prefetch_factor={prefetch_factor} with num_workers=0",
                expected="workers that read ahead",
                fix="set num_workers, or leave prefetch_factor out",
            )
        )
    if prefetch_factor is not None and prefetch_factor < 1:
        raise ValueError(explain_error("DataLoader", got=f"prefetch_factor={prefetch_factor}", expected="1 or more"))
    if num_workers == 0 and persistent_workers:
        raise ValueError(
            explain_error(
                "DataLoader",
                got="persistent_workers=True with num_workers=0",
                expected="workers to keep",
                fix="set num_workers",
            )
        )


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
        if value is not None:
            raise ValueError(
                explain_error(
                    "DataLoader",
                    got=f"{name}={value!r} with an IterableDataset",
                    expected="no order from outside, a stream has no indices",
                    fix="shuffle inside the dataset's __iter__",
                )
            )


def _check_batching(batch_size: Any, shuffle: bool, sampler: Any, batch_sampler: Any, drop_last: bool) -> None:
    if sampler is not None and shuffle:
        raise ValueError(
            explain_error(
                "DataLoader",
                got="both sampler and shuffle=True",
                expected="one of them, both choose the order",
                fix="leave shuffle out, or use SubsetRandomSampler",
            )
        )
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError(
            explain_error(
                "DataLoader",
                got="batch_sampler together with batch_size, shuffle, sampler or drop_last",
                expected="batch_sampler alone, it decides all of them",
            )
        )
    if batch_size is None and batch_sampler is None and drop_last:
        raise ValueError(
            explain_error("DataLoader", got="drop_last=True with batch_size=None", expected="a batch_size to drop from")
        )


def _check_length(dataset: Any) -> None:
    if isinstance(dataset, type):
        raise TypeError(
            explain_error(
                "DataLoader",
                got=f"the class {dataset.__name__}",
                expected="a dataset object",
                fix=f"call it: DataLoader({dataset.__name__}(...))",
            )
        )
    if not hasattr(type(dataset), "__len__"):
        raise TypeError(say("dataset-without-len", kind=type(dataset).__name__))


def _find_context(context: Any, num_workers: int) -> Any:
    import multiprocessing
    from multiprocessing.context import BaseContext

    if num_workers == 0:
        raise ValueError(
            explain_error(
                "DataLoader",
                got=f"multiprocessing_context={context!r} with num_workers=0",
                expected="workers to start",
                fix="set num_workers",
            )
        )
    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(
                explain_error("DataLoader", got=f"multiprocessing_context={context!r}", expected=f"one of {methods}")
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, BaseContext):
        raise TypeError(
            explain_error(
                "DataLoader",
                got=f"multiprocessing_context={context!r}",
                expected="the name of a start method, or multiprocessing.get_context(...)",
            )
        )
    return context


def _warn_of_many_workers(num_workers: int) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores and num_workers > cores:
        warnings.warn(
            f"DataLoader: num_workers={num_workers}, but this program may use {cores} cores; more workers than cores "
            "slow each other down.",
            UserWarning,
            stacklevel=3,
        )
