"""DataLoader: arguments, order, seeds and batches, compared with PyTorch's."""

from __future__ import annotations

import multiprocessing
import random
import warnings

import numpy as np
import pytest

import rushlight
from rushlight.utils import data

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:.*num_workers=.*cores", "ignore:.*worker processes in total")


class Stream(data.IterableDataset):
    """0 .. n-1, shared out over the workers or (`copies`) whole in each."""

    def __init__(self, n, copies=False):
        self.n, self.copies = n, copies

    def __iter__(self):
        info = data.get_worker_info()
        if info is None or self.copies:
            return iter(range(self.n))
        return iter(range(info.id, self.n, info.num_workers))

    def __len__(self):
        return self.n


class TorchStream(torch.utils.data.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        return iter(range(self.n) if info is None else range(info.id, self.n, info.num_workers))


class Dice:
    """What the three random number generators give at each sample."""

    def __init__(self, module):
        self.module = module

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return random.random(), float(np.random.rand()), self.module.rand(1)


class Unsized(data.Dataset):
    def __getitem__(self, index):
        return index


def values(batches):
    """Batches as nested lists."""
    return [
        [values([part])[0] for part in b] if isinstance(b, (list, tuple)) else b.tolist() if hasattr(b, "tolist") else b
        for b in batches
    ]


def test_defaults_and_attributes():
    dataset = data.TensorDataset(rushlight.arange(10))
    ours = data.DataLoader(dataset)
    theirs = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.arange(10)))
    names = "num_workers prefetch_factor pin_memory pin_memory_device timeout worker_init_fn batch_size drop_last \
        generator persistent_workers in_order multiprocessing_context".split()
    for name in names:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.dataset is dataset and len(ours) == 10 and ours.collate_fn is data.default_collate
    assert isinstance(ours.sampler, data.SequentialSampler) and isinstance(ours.batch_sampler, data.BatchSampler)
    assert data.DataLoader(dataset, num_workers=1).prefetch_factor == 2
    assert isinstance(data.DataLoader(dataset, shuffle=True).sampler, data.RandomSampler)
    assert data.DataLoader(dataset, batch_size=None).collate_fn is data.default_convert
    assert data.DataLoader(dataset, batch_sampler=[[1]]).batch_size is None
    assert len(data.DataLoader(dataset, 3)) == 4 and len(data.DataLoader(dataset, 3, drop_last=True)) == 3


BAD = [
    dict(num_workers=-1),
    dict(timeout=-1),
    dict(prefetch_factor=2),
    dict(num_workers=1, prefetch_factor=-2),
    dict(persistent_workers=True),
    dict(sampler=range(3), shuffle=True),
    dict(batch_sampler=[[1]], batch_size=2),
    dict(batch_sampler=[[1]], shuffle=True),
    dict(batch_sampler=[[1]], sampler=[1]),
    dict(batch_sampler=[[1]], drop_last=True),
    dict(batch_size=None, drop_last=True),
    dict(batch_size=0),
    dict(batch_size=2.5),
    dict(batch_size=True),
    dict(drop_last=3),
    dict(multiprocessing_context="fork"),
    dict(num_workers=1, multiprocessing_context="no such method"),
    dict(num_workers=1, multiprocessing_context=3),
    dict(num_workers="2"),
]


@pytest.mark.parametrize("options", BAD, ids=str)
def test_bad_arguments_raise_pytorchs_class(options):
    with pytest.raises(Exception) as theirs:
        torch.utils.data.DataLoader(range(4), **options)
    with pytest.raises(theirs.type):
        data.DataLoader(range(4), **options)


@pytest.mark.parametrize("options", [dict(shuffle=True), dict(sampler=[1]), dict(batch_sampler=[[1]])], ids=str)
def test_a_stream_takes_no_order(options):
    with pytest.raises(ValueError, match="IterableDataset"):
        data.DataLoader(Stream(3), **options)


@pytest.mark.parametrize(
    "name", ["batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"]
)
def test_attributes_that_stay(name):
    with pytest.raises(ValueError, match=f"new DataLoader.*{name}"):
        setattr(data.DataLoader(range(3)), name, 1)


def test_datasets_without_the_two_methods():
    for shuffle in (False, True):
        with pytest.raises(TypeError, match="__len__"):
            data.DataLoader(Unsized(), shuffle=shuffle)
    with pytest.raises(TypeError, match="call it: DataLoader\\(Unsized"):
        data.DataLoader(Unsized)
    with pytest.raises(NotImplementedError, match="__getitem__"):
        next(iter(data.DataLoader(_Sized())))
    assert list(data.DataLoader(Unsized(), sampler=[3, 1], batch_size=None)) == [3, 1]
    with pytest.raises(ValueError, match="without samples"):
        data.DataLoader([], shuffle=True)
    assert list(data.DataLoader([])) == []


class _Sized(data.Dataset):
    def __len__(self):
        return 1


ORDERS = [
    dict(),
    dict(batch_size=3),
    dict(batch_size=3, shuffle=True),
    dict(batch_size=3, shuffle=True, drop_last=True),
    dict(batch_size=None, shuffle=True),
    dict(batch_size=2, sampler=[3, 1, 4, 1, 5]),
    dict(batch_sampler=[[0], [1, 2], [9, 3, 7]]),
    dict(batch_size=4, seeded=True, shuffle=True),
]


@pytest.mark.parametrize("options", ORDERS, ids=str)
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_and_generators_are_pytorchs(options, workers):
    def epochs(module):
        arguments = dict(options)
        generator = None
        if arguments.pop("seeded", False):
            generator = arguments["generator"] = module.Generator()
            generator.manual_seed(3)
        module.manual_seed(1)
        loader = module.utils.data.DataLoader(list(range(10)), num_workers=workers, **arguments)
        told = [values(loader) for _ in range(2)]
        next(iter(loader))
        told.append(module.rand(1).tolist())
        return told + ([module.rand(1, generator=generator).tolist()] if generator else [])

    assert epochs(rushlight) == epochs(torch)


@pytest.mark.parametrize("workers", [0, 2])
def test_persistent_workers_draw_as_pytorchs(workers):
    def epochs(module):
        module.manual_seed(1)
        keep = workers > 0
        loader = module.utils.data.DataLoader(range(10), 3, True, num_workers=workers, persistent_workers=keep)
        return [values(loader) for _ in range(3)] + [module.rand(1).tolist()]

    assert epochs(rushlight) == epochs(torch)


def test_workers_are_seeded_as_pytorchs():
    def rolls(module):
        module.manual_seed(7)
        return values(module.utils.data.DataLoader(Dice(module), 2, num_workers=2))

    assert rolls(rushlight) == rolls(torch)


@pytest.mark.parametrize("workers", [0, 2, 3])
@pytest.mark.parametrize(
    "options", [dict(batch_size=3), dict(batch_size=3, drop_last=True), dict(batch_size=None)], ids=str
)
def test_streams_come_as_pytorchs(options, workers):
    ours = values(data.DataLoader(Stream(16), num_workers=workers, **options))
    assert ours == values(torch.utils.data.DataLoader(TorchStream(16), num_workers=workers, **options))


def test_a_stream_longer_than_it_said():
    for workers, length in ((0, 3), (2, 3)):
        loader = data.DataLoader(Stream(5, copies=True), 2, num_workers=workers)
        assert len(loader) == length
        if workers == 0:
            assert len(list(loader)) == 3
        else:
            with pytest.warns(UserWarning, match="get_worker_info"):
                assert len(list(loader)) == 6


def test_pin_memory_warns():
    with pytest.warns(UserWarning, match="pin_memory"):
        assert values(data.DataLoader(range(2), 2, pin_memory=True)) == [[0, 1]]


def test_more_workers_than_cores_warn():
    with pytest.warns(UserWarning, match="num_workers=9999"):
        data.DataLoader(range(2), num_workers=9999)


# Whole batches


class Doubled(data.TensorDataset):
    def __getitem__(self, index):
        return tuple(2 * part for part in super().__getitem__(index))


class Counting(data.TensorDataset):
    reads = 0

    def collated_batch(self, rows):
        Counting.reads += 1
        return super().collated_batch(rows)


def test_tensor_datasets_are_read_a_batch_at_a_time():
    x, y = rushlight.arange(40).reshape(20, 2), rushlight.arange(20)
    whole = Counting(x, y)
    for dataset in (
        whole,
        data.Subset(whole, list(range(19, -1, -1))),
        data.Subset(data.Subset(whole, range(20)), range(20)),
    ):
        for options in (dict(), dict(sampler=[3, 1, 2, 2, 0, -1]), dict(shuffle=True)):
            rushlight.manual_seed(0)
            before = Counting.reads
            quick = values(data.DataLoader(dataset, 4, **options))
            assert Counting.reads > before
            rushlight.manual_seed(0)
            slow = values(data.DataLoader(dataset, 4, collate_fn=lambda rows: data.default_collate(rows), **options))
            assert quick == slow
    assert values(data.DataLoader(Doubled(x, y), 2))[1] == [[[8, 10], [12, 14]], [4, 6]]
    assert values(data.DataLoader(data.Subset(Doubled(x, y), [1, 0]), 2)) == [[[[4, 6], [0, 2]], [2, 0]]]


class Unsure(Counting):
    def collated_batch(self, indices):
        return super().collated_batch(indices) if indices[0] else None


def test_a_dataset_may_decline_a_whole_batch():
    before = Counting.reads
    assert values(data.DataLoader(Unsure(rushlight.arange(4)), 2)) == [[[0, 1]], [[2, 3]]]
    assert Counting.reads == before + 1


def test_a_batch_is_a_copy():
    x = rushlight.zeros(6)
    for sampler in (None, [4, 2, 0, 1]):
        for (batch,) in data.DataLoader(data.TensorDataset(x), 2, sampler=sampler):
            batch.add_(1)
    assert x.tolist() == [0.0] * 6


def test_index_out_of_range():
    dataset = data.TensorDataset(rushlight.arange(4))
    for sampler in ([0, 9], [3, 4]):
        with pytest.raises(IndexError):
            values(data.DataLoader(dataset, 2, sampler=sampler))


def test_an_error_of_the_dataset_carries_its_index():
    class Broken(_Sized):
        def __len__(self):
            return 6

        def __getitem__(self, index):
            if index == 4:
                raise StopIteration if self.stop else KeyError("no such picture")
            return index

    Broken.stop = False
    with pytest.raises(KeyError) as caught:
        list(data.DataLoader(Broken(), 3))
    assert any("index 4 of Broken" in note for note in caught.value.__notes__)
    Broken.stop = True
    with pytest.raises(RuntimeError, match="index 4 of Broken raised StopIteration"):
        list(data.DataLoader(Broken(), 3))


def test_random_settings_lose_and_double_nothing():
    choose = random.Random(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(60):
            size = choose.randrange(1, 40)
            workers = choose.choice([0, 0, 0, 1, 2, 3])
            batch = choose.choice([None, 1, 2, 5, 64])
            options = dict(batch_size=batch, shuffle=choose.random() < 0.5, num_workers=workers)
            if batch is not None:
                options["drop_last"] = choose.random() < 0.3
            if workers:
                options |= dict(
                    prefetch_factor=choose.choice([1, 2, 5]),
                    persistent_workers=choose.random() < 0.3,
                    in_order=choose.random() < 0.8,
                    timeout=choose.choice([0, 20]),
                )
            dataset = choose.choice([range, lambda n: data.TensorDataset(rushlight.arange(n))])(size)
            rushlight.manual_seed(number)
            loader = data.DataLoader(dataset, **options)
            got = [row for b in loader for row in np.ravel(b[0] if isinstance(b, (list, tuple)) else b).tolist()]
            rushlight.manual_seed(number)
            serial = dict(options, num_workers=0)
            for name in ("prefetch_factor", "persistent_workers", "in_order", "timeout"):
                serial.pop(name, None)
            want = [
                row
                for b in data.DataLoader(dataset, **serial)
                for row in np.ravel(b[0] if isinstance(b, (list, tuple)) else b).tolist()
            ]
            if not options.get("in_order", True):
                got, want = sorted(got), sorted(want)
            assert got == want, options
            assert len(want) == (size // batch * batch if options.get("drop_last") else size)
    assert not multiprocessing.active_children()


class FromArrays(data.Dataset):
    """Samples computed from NumPy memory, some of which is written over for the next sample."""

    def __init__(self, flip):
        self.images = np.random.RandomState(0).randint(0, 256, (20, 3, 4), dtype=np.uint8)
        self.buffer = np.zeros(2, dtype=np.float32)
        self.flip = flip

    def __len__(self):
        return 20

    def __getitem__(self, i):
        self.buffer[:] = i
        image = rushlight.from_numpy(self.images[i]).unsqueeze(0).float().div(255)
        if self.flip(i):
            image = image.flip(2) * 0.5
        return image, rushlight.from_numpy(self.buffer) + 0, i


@pytest.mark.parametrize("flip", [lambda i: False, lambda i: i % 3 == 0], ids=["alike", "different"])
def test_samples_that_are_computed(flip):
    dataset = FromArrays(flip)
    seen = []
    for _ in range(4):
        for images, buffers, numbers in data.DataLoader(dataset, batch_size=3, shuffle=True):
            assert images._trace is None and images.shape[1:] == (1, 3, 4)
            for image, buffer, number in zip(images, buffers, numbers.tolist(), strict=True):
                expected = dataset.images[number].astype(np.float32)[None] / np.float32(255)
                expected = expected[..., ::-1] * np.float32(0.5) if flip(number) else expected
                np.testing.assert_array_equal(image.numpy(), expected)
                assert buffer.tolist() == [number, number]
                seen.append(number)
    assert sorted(seen) == sorted([*range(20)] * 4)


def test_what_was_pending_before_a_batch_is_read_is_kept():
    dataset = FromArrays(lambda i: False)
    total = rushlight.zeros(())
    for images, _, _ in data.DataLoader(dataset, batch_size=5):
        total = total + images.sum()
    assert total.item() == pytest.approx(dataset.images.sum() / 255, rel=1e-5)


def test_samples_with_gradients_keep_their_history():
    scale = rushlight.tensor(2.0, requires_grad=True)

    class Scaled(data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return scale * i

    for _ in range(2):
        scale.grad = None
        (batch,) = data.DataLoader(Scaled(), batch_size=4)
        batch.sum().backward()
        assert scale.grad.item() == 6
