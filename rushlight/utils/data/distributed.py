"""`DistributedSampler`: each process of a group reads its own share of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import rushlight
from rushlight.errors import explain_error
from rushlight.utils.data.sampler import Sampler


class DistributedSampler(Sampler[int]):
    """Indices `rank, rank + num_replicas, ...` of one order that all processes share.

    The order is a permutation seeded with `seed + epoch` (call `set_epoch` before each epoch, or every epoch is alike).
    It is padded by repetition to a multiple of `num_replicas`, or cut to one with `drop_last=True`.

    >>> import rushlight as torch
    >>> list(torch.utils.data.DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
    [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        num_replicas = rushlight.distributed.get_world_size() if num_replicas is None else num_replicas
        rank = rushlight.distributed.get_rank() if rank is None else rank
        if not 0 <= rank < num_replicas:
            raise ValueError(
                explain_error("DistributedSampler", got=f"rank={rank}", expected=f"a rank in [0, {num_replicas - 1}]")
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.seed = seed
        count = len(dataset)
        self.num_samples = count // num_replicas if drop_last else -(-count // num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        if self.shuffle:
            generator = rushlight.Generator()
            generator.manual_seed(self.seed + self.epoch)
            order = rushlight.randperm(count, generator=generator).tolist()
        else:
            order = list(range(count))
        if count < self.total_size:
            order *= -(-self.total_size // count)
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation of the next pass."""
        self.epoch = epoch
