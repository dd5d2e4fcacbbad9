"""Datasets: where samples come from.

A map-style dataset has `__getitem__` and `__len__`. Two optional methods let the loader read a batch at a time:

* `__getitems__(indices) -> list of samples` (PyTorch's), used whenever it exists;
* `collated_batch(indices) -> batch`, which takes a list of ints and returns what `default_collate` would make of those
  samples (None: read them one by one), used only when the loader's `collate_fn` is the default one. A subclass that
  overrides `__getitem__` or `__getitems__` further down switches it off, see `whole_batch_reader`.
"""

from __future__ import annotations

import bisect
import math
import warnings
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

import rushlight
from rushlight.errors import explain_error
from rushlight.lessons import say

if TYPE_CHECKING:
    from rushlight import Generator, Tensor

T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """Base of map-style datasets: override `__getitem__` and `__len__`.

    >>> import rushlight as torch
    >>> class Squares(torch.utils.data.Dataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return index * index
    >>> (Squares() + Squares())[4]
    1
    """

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError(say("dataset-without-getitem", kind=type(self).__name__, index=repr(index)))

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T], Iterable[T]):
    """Base of datasets that are streams: define `__iter__` (TypeError when an object is made without it).

    In a worker process each worker holds a copy; use `get_worker_info()` in `__iter__` to share the work out.
    """

    def __add__(self, other: Dataset) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset):
    """Sample `i` is `(t[i] for t in tensors)`; all tensors have the same first dimension (AssertionError otherwise).

    >>> import rushlight as torch
    >>> data = torch.utils.data.TensorDataset(torch.arange(4), torch.arange(4) * 10)
    >>> [value.item() for value in data[3]]
    [3, 30]
    """

    def __init__(self, *tensors: Tensor) -> None:
        sizes = [tensor.size(0) for tensor in tensors]
        if len(set(sizes)) > 1:
            raise AssertionError(
                explain_error(
                    "TensorDataset",
                    got=f"tensors whose first dimensions are {sizes}",
                    expected="one and the same number of samples in each",
                    fix="check how inputs and targets were sliced",
                )
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].size(0)

    def collated_batch(self, indices: list[int]) -> list[Tensor]:
        """The batch of these samples, one gather a tensor."""
        rows = np.frombuffer(array("q", indices), dtype=np.int64)
        return [_gather(tensor, rows) for tensor in self.tensors]


def _gather(tensor: Tensor, rows: np.ndarray) -> Tensor:
    """`tensor[rows]`, read at once where that can be: the batch is then a plain input of the step that uses it."""
    if tensor.requires_grad or tensor.device.type != "cpu" or tensor.dtype == rushlight.bfloat16:
        return tensor[rushlight.from_numpy(rows)]
    return rushlight.from_numpy(tensor.numpy().take(rows, axis=0))


class StackDataset(Dataset):
    """Several datasets of one length side by side: samples are tuples (positional) or dicts (keywords).

    >>> import rushlight as torch
    >>> torch.utils.data.StackDataset(image=["a", "b"], label=[0, 1])[1]
    {'image': 'b', 'label': 1}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            got = "both positional and keyword datasets" if args else "no dataset"
            raise ValueError(
                explain_error(
                    "StackDataset",
                    got=got,
                    expected="either positional datasets (tuples) or keyword datasets (dicts)",
                )
            )
        self.datasets: tuple[Any, ...] | dict[str, Any] = args or kwargs
        lengths = [len(dataset) for dataset in self._parts()]
        if len(set(lengths)) > 1:
            raise ValueError(
                explain_error("StackDataset", got=f"datasets of lengths {lengths}", expected="equal lengths")
            )
        self._length = lengths[0]

    def _parts(self) -> Iterable[Any]:
        return self.datasets.values() if isinstance(self.datasets, dict) else self.datasets

    def _sample(self, values: Iterable[Any]) -> Any:
        return dict(zip(self.datasets, values, strict=True)) if isinstance(self.datasets, dict) else tuple(values)

    def __getitem__(self, index: Any) -> Any:
        return self._sample(part[index] for part in self._parts())

    def __getitems__(self, indices: list[int]) -> list[Any]:
        columns = [read_samples(part, indices) for part in self._parts()]
        return [self._sample(row) for row in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset):
    """The samples of several map-style datasets, one dataset after the other.

    >>> import rushlight as torch
    >>> torch.utils.data.ConcatDataset([[1, 2], [3]])[2]
    3
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError(explain_error("ConcatDataset", got="no dataset", expected="at least one"))
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError(
                explain_error(
                    "ConcatDataset",
                    got="an IterableDataset, which has no indices",
                    expected="map-style datasets",
                    fix="use ChainDataset for streams",
                )
            )
        self.cumulative_sizes = self.cumsum(self.datasets)

    @staticmethod
    def cumsum(sequence: Iterable[Any]) -> list[int]:
        """Running total of the lengths."""
        return list(accumulate(len(part) for part in sequence))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        if index < 0:
            if -index > len(self):
                raise ValueError(
                    explain_error(
                        "ConcatDataset", got=f"index {index}", expected=f"an index in [{-len(self)}, {len(self) - 1}]"
                    )
                )
            index += len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        if which == len(self.datasets):
            raise IndexError(explain_error("ConcatDataset", got=f"index {index}", expected=f"one below {len(self)}"))
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]

    @property
    def cummulative_sizes(self) -> list[int]:
        """Old spelling of `cumulative_sizes`."""
        warnings.warn("cummulative_sizes is now spelt cumulative_sizes", FutureWarning, stacklevel=2)
        return self.cumulative_sizes


class ChainDataset(IterableDataset):
    """The samples of several `IterableDataset`s, one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        super().__init__()
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for dataset in self.datasets:
            self._check(dataset)
            yield from dataset

    def __len__(self) -> int:
        total = 0
        for dataset in self.datasets:
            self._check(dataset)
            total += len(dataset)
        return total

    @staticmethod
    def _check(dataset: Any) -> None:
        if not isinstance(dataset, IterableDataset):
            raise AssertionError(
                explain_error(
                    "ChainDataset",
                    got=f"a {type(dataset).__name__}",
                    expected="IterableDatasets",
                    fix="use ConcatDataset for map-style datasets",
                )
            )


class Subset(Dataset):
    """The samples of `dataset` at `indices`.

    >>> import rushlight as torch
    >>> torch.utils.data.Subset([10, 11, 12], [2, 0])[0]
    12
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        return read_samples(self.dataset, [self.indices[i] for i in indices])

    def collated_batch(self, indices: list[int]) -> Any:
        """The wrapped dataset's own `collated_batch`; `whole_batch_reader` checks that there is one."""
        return self.dataset.collated_batch([self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None) -> list[Subset]:
    """Split a dataset at random into parts of these lengths, or of these fractions when they add up to 1.

    Fractions are rounded down and the samples left over go one each to the parts in order. ValueError when the lengths
    do not add up to `len(dataset)`.

    >>> import rushlight as torch
    >>> [len(part) for part in torch.utils.data.random_split(range(10), [0.75, 0.25])]
    [8, 2]
    """
    total = len(dataset)
    sizes: Sequence[int | float] = list(lengths)
    if math.isclose(sum(sizes), 1) and sum(sizes) <= 1:
        sizes = _sizes_of_fractions(sizes, total)
    if sum(sizes) != total:
        raise ValueError(
            explain_error(
                "random_split",
                got=f"lengths {list(lengths)} for {total} samples",
                expected="lengths that add up to the number of samples, or fractions that add up to 1",
            )
        )
    order = rushlight.randperm(total, generator=generator).tolist()
    ends = list(accumulate(int(size) for size in sizes))
    return [Subset(dataset, order[end - int(size) : end]) for end, size in zip(ends, sizes, strict=True)]


def _sizes_of_fractions(fractions: Sequence[float], total: int) -> list[int]:
    for position, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(
                explain_error("random_split", got=f"fraction {fraction} at position {position}", expected="0 to 1")
            )
    sizes = [math.floor(total * fraction) for fraction in fractions]
    for position in range(total - sum(sizes)):
        sizes[position % len(sizes)] += 1
    for position, size in enumerate(sizes):
        if size == 0:
            warnings.warn(
                f"random_split: part {position} of fractions {list(fractions)} is empty ({total} samples).",
                UserWarning,
                stacklevel=3,
            )
    return sizes


def read_samples(dataset: Any, indices: Sequence[Any], after: Callable[[], None] | None = None) -> list[Any]:
    """The samples at these indices, in one call where the dataset offers it; `after` as in `read_each`."""
    read_many = getattr(dataset, "__getitems__", None)
    return read_many(indices) if read_many else read_each(dataset, indices, after)


def read_each(dataset: Any, indices: Sequence[Any], after: Callable[[], None] | None = None) -> list[Any]:
    """`[dataset[i] for i in indices]`; an exception carries a note with the index at which it was raised.

    `after`, if given, is called after each sample.
    """
    samples: list[Any] = []
    append = samples.append
    try:
        for index in indices:
            append(dataset[index])
            if after is not None:
                after()
    except StopIteration as error:
        # Let through, it would look like the end of the epoch.
        raise RuntimeError(f"{_where(dataset, indices, samples)} raised StopIteration.") from error
    except Exception as error:
        what = say("note/sample", index=indices[len(samples)], dataset=type(dataset).__name__)
        error.add_note(say("note/reading", what=what))
        raise
    return samples


def _where(dataset: Any, indices: Sequence[Any], done: list[Any]) -> str:
    return f"index {indices[len(done)]} of {type(dataset).__name__}"


def whole_batch_reader(dataset: Any) -> Callable[[list[int]], Any] | None:
    """`dataset.collated_batch`, unless a class nearer to the object redefines how its samples are read."""
    classes = type(dataset).__mro__

    def depth(name: str) -> int:
        return next((level for level, cls in enumerate(classes) if name in vars(cls)), len(classes))

    own = depth("collated_batch")
    if own == len(classes) or own > min(depth("__getitem__"), depth("__getitems__")):
        return None
    if isinstance(dataset, Subset) and vars(classes[own]).get("collated_batch") is Subset.collated_batch:
        if whole_batch_reader(dataset.dataset) is None:
            return None
    return dataset.collated_batch
