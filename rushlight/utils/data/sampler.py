"""Samplers: in which order samples are read. The same seed gives PyTorch's order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import rushlight
from rushlight.errors import explain_error

if TYPE_CHECKING:
    from rushlight import Generator, Tensor

T = TypeVar("T", covariant=True)


class Sampler(Generic[T]):
    """Base of samplers: override `__iter__` (yields indices) and, where it is known, `__len__`."""

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(
            explain_error(type(self).__name__, got="no __iter__ method", expected="a method that yields indices")
        )


class SequentialSampler(Sampler[int]):
    """0, 1, ..., len(data_source) - 1."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """A new random order every time: a permutation, or draws with replacement.

    Without a `generator` a seed is drawn from the default one, so `manual_seed` fixes the order.

    >>> import rushlight as torch
    >>> sorted(torch.utils.data.RandomSampler(range(4)))
    [0, 1, 2, 3]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(
                explain_error("RandomSampler", got=f"replacement={replacement!r}", expected="True or False")
            )
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            empty = num_samples is None
            raise ValueError(
                explain_error(
                    "RandomSampler",
                    got="a dataset without samples" if empty else f"num_samples={num_samples!r}",
                    expected="at least one sample" if empty else "a positive int",
                    fix="check the folder or the filter that the dataset is made from" if empty else None,
                )
            )

    @property
    def num_samples(self) -> int:
        """How many indices one pass yields; the dataset's length unless given."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self._draws())

    def _draws(self) -> Iterator[list[int]]:
        generator = self.generator
        if generator is None:
            generator = rushlight.Generator()
            generator.manual_seed(int(rushlight.empty((), dtype=rushlight.int64).random_().item()))
        size = len(self.data_source)
        if self.replacement:
            # PyTorch draws 32 at a time; the same chunks keep the generator in step with it.
            for left in range(self.num_samples, 0, -32):
                shape = (min(32, left),)
                yield rushlight.randint(high=size, size=shape, dtype=rushlight.int64, generator=generator).tolist()
            return
        for _ in range(self.num_samples // size):
            yield rushlight.randperm(size, generator=generator).tolist()
        rest = self.num_samples % size
        if rest or self.generator is not None:  # a caller's generator also moves for an empty rest
            yield rushlight.randperm(size, generator=generator).tolist()[:rest]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for position in rushlight.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[position]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """`num_samples` indices drawn with probability proportional to `weights` (they need not add up to 1).

    >>> import rushlight as torch
    >>> list(torch.utils.data.WeightedRandomSampler([0.0, 3.0], 4))
    [1, 1, 1, 1]
    """

    def __init__(
        self,
        weights: Sequence[float] | Tensor,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(
                explain_error("WeightedRandomSampler", got=f"num_samples={num_samples!r}", expected="a positive int")
            )
        if not isinstance(replacement, bool):
            raise ValueError(
                explain_error("WeightedRandomSampler", got=f"replacement={replacement!r}", expected="True or False")
            )
        self.weights = rushlight.as_tensor(weights, dtype=rushlight.double)
        if self.weights.dim() != 1:
            raise ValueError(
                explain_error(
                    "WeightedRandomSampler",
                    got=f"weights of shape {tuple(self.weights.shape)}",
                    expected="one weight for each sample, a sequence of numbers",
                )
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = rushlight.multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list]):
    """Lists of `batch_size` indices of another sampler; `drop_last` leaves out a shorter last one.

    >>> import rushlight as torch
    >>> list(torch.utils.data.BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Sampler | Iterable, batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(explain_error("BatchSampler", got=f"batch_size={batch_size!r}", expected="a positive int"))
        if not isinstance(drop_last, bool):
            raise ValueError(explain_error("BatchSampler", got=f"drop_last={drop_last!r}", expected="True or False"))
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[Any]]:
        indices = iter(self.sampler)
        size = self.batch_size
        while len(batch := list(islice(indices, size))) == size:
            yield batch
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
