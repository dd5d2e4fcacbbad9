"""Datasets and samplers, compared with PyTorch's for the same seeds."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rushlight
from rushlight.utils import data

torch = pytest.importorskip("torch")


class Stream(data.IterableDataset):
    def __iter__(self):
        return iter(range(5))


def both(build):
    """The values of `build(module)` under Rushlight and under PyTorch, with the default generators seeded alike."""
    results = []
    for module in (rushlight, torch):
        module.manual_seed(11)
        results.append((build(module), module.rand(2).tolist()))
    return results


SAMPLERS = {
    "sequential": lambda m, d: d.SequentialSampler(range(7)),
    "random": lambda m, d: d.RandomSampler(range(70)),
    "random longer": lambda m, d: d.RandomSampler(range(7), num_samples=17),
    "replacement": lambda m, d: d.RandomSampler(range(70), replacement=True, num_samples=75),
    "replacement 64": lambda m, d: d.RandomSampler(range(70), replacement=True, num_samples=64),
    "subset": lambda m, d: d.SubsetRandomSampler([5, 7, 9, 2]),
    "weighted": lambda m, d: d.WeightedRandomSampler([0.1, 0.7, 2.0, 0.0], 9),
    "weighted once": lambda m, d: d.WeightedRandomSampler([0.1, 0.7, 2.0, 1.0], 4, replacement=False),
    "batch": lambda m, d: d.BatchSampler(d.RandomSampler(range(10)), 3, False),
    "batch drop": lambda m, d: d.BatchSampler(range(10), 3, True),
    "distributed": lambda m, d: d.DistributedSampler(range(11), 3, 1, seed=4),
    "distributed drop": lambda m, d: d.DistributedSampler(range(11), 3, 2, drop_last=True),
    "distributed small": lambda m, d: d.DistributedSampler(range(2), 5, 4, shuffle=False),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_sampler_yields_pytorchs_indices(name):
    def build(module):
        sampler = SAMPLERS[name](module, module.utils.data)
        return [list(sampler), list(sampler), len(sampler)]

    ours, theirs = both(build)
    assert ours == theirs


@pytest.mark.parametrize("count", [None, 14, 15])
def test_a_callers_generator_moves_as_pytorchs(count):
    def build(module):
        generator = module.Generator()
        generator.manual_seed(5)
        order = list(module.utils.data.RandomSampler(range(7), num_samples=count, generator=generator))
        return order, module.rand(3, generator=generator).tolist()

    ours, theirs = both(build)
    assert ours == theirs


@pytest.mark.parametrize(
    "build",
    [
        lambda d: d.RandomSampler([1], replacement=3),
        lambda d: d.RandomSampler([1], num_samples=0),
        lambda d: d.RandomSampler([]),
        lambda d: d.WeightedRandomSampler([1.0], 0),
        lambda d: d.WeightedRandomSampler([1.0], 1, 2),
        lambda d: d.WeightedRandomSampler([[1.0, 2.0]], 1),
        lambda d: d.BatchSampler([1], 0, False),
        lambda d: d.BatchSampler([1], True, False),
        lambda d: d.BatchSampler([1], 1, 2),
        lambda d: d.DistributedSampler([1], 2, 2),
        lambda d: iter(d.Sampler()),
        lambda d: d.StackDataset(),
        lambda d: d.StackDataset([1], [1, 2]),
        lambda d: d.StackDataset([1], a=[1]),
        lambda d: d.ConcatDataset([]),
        lambda d: d.ConcatDataset([[1], [2]])[-3],
        lambda d: d.ConcatDataset([[1], [2]])[2],
        lambda d: list(d.ChainDataset([[1]])),
        lambda d: d.random_split(range(4), [1, 2]),
        lambda d: d.random_split(range(4), [1.5, -0.5]),
        lambda d: d.Dataset()[0],
        lambda d: iter(d.IterableDataset()),
    ],
)
def test_bad_input_raises_pytorchs_class(build):
    with pytest.raises(Exception) as theirs:
        build(torch.utils.data)
    with pytest.raises(theirs.type) as ours:
        build(data)
    assert len(str(ours.value)) > 20


def test_tensor_dataset():
    x, y = rushlight.arange(12).reshape(4, 3), rushlight.arange(4)
    dataset = data.TensorDataset(x, y)
    assert len(dataset) == 4
    row, label = dataset[2]
    assert row.tolist() == [6, 7, 8] and label.item() == 2
    with pytest.raises(AssertionError, match=r"\[4, 3\]"):
        data.TensorDataset(x, y[:3])


def test_combined_datasets():
    assert data.StackDataset([1, 2], [3, 4])[1] == (2, 4)
    assert data.StackDataset([1, 2], [3, 4]).__getitems__([1, 0]) == [(2, 4), (1, 3)]
    assert data.StackDataset(a=[1, 2], b=[3, 4]).__getitems__([1]) == [{"a": 2, "b": 4}]
    joined = data.ConcatDataset([[1, 2], [3], [], [4]])
    assert [joined[i] for i in range(-4, 4)] == [1, 2, 3, 4] * 2
    assert joined.cumulative_sizes == [2, 3, 3, 4]
    with pytest.warns(FutureWarning):
        assert joined.cummulative_sizes == [2, 3, 3, 4]
    with pytest.raises(AssertionError, match="ChainDataset"):
        data.ConcatDataset([Stream()])
    chained = Stream() + Stream()
    assert isinstance(chained, data.ChainDataset) and list(chained) == [0, 1, 2, 3, 4] * 2
    subset = data.Subset(np.arange(10) * 10, [4, 2, 0])
    assert subset[1] == 20 and len(subset) == 3 and subset[[0, 2]].tolist() == [40, 0]
    assert subset.__getitems__([2, 0]) == [0, 40]


@pytest.mark.parametrize("lengths", [[3, 7], [0.5, 0.3, 0.2], [0.33, 0.33, 0.34], [10]])
@pytest.mark.parametrize("seeded", [False, True])
def test_random_split(lengths, seeded):
    def build(module):
        generator = module.Generator().manual_seed(2) if seeded else None
        extra = {"generator": generator} if seeded else {}
        return [list(part.indices) for part in module.utils.data.random_split(range(10), lengths, **extra)]

    ours, theirs = both(build)
    assert ours == theirs


def test_random_split_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match="part 1"):
        data.random_split(range(3), [0.99, 0.01])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.random_split(range(3), [3, 0])
