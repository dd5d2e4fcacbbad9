"""Data: map-style and iterable datasets, subsets, samplers, splits, collation, and what the loader yields."""

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)

torch.manual_seed(22)


class Squares(Dataset):
    def __init__(self, n, transform=None):
        self.n, self.transform = n, transform

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i >= self.n:
            raise IndexError(i)
        x = torch.tensor([float(i), float(i**2)])
        return (self.transform(x) if self.transform else x), i % 3


data = Squares(10, transform=lambda x: x / 2)
print(len(data), data[3])
for x, y in DataLoader(data, batch_size=4):
    print(x.tolist(), y)
print(len(DataLoader(data, batch_size=4)), len(DataLoader(data, batch_size=4, drop_last=True)))
print([y.tolist() for _, y in DataLoader(data, batch_size=4, shuffle=True)])
print([y.tolist() for _, y in DataLoader(data, batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(1))])

# --- splits and combinations
a, b = random_split(data, [7, 3], generator=torch.Generator().manual_seed(42))
print(a.indices, b.indices, len(a), type(a).__name__)
print([len(part) for part in random_split(range(11), [0.5, 0.3, 0.2])])
print(Subset(data, [8, 2])[1], len(ConcatDataset([data, a])), ConcatDataset([data, b])[-1][1], len(data + b))
pair = TensorDataset(torch.arange(5), torch.arange(5) * 10)
print(pair[2], pair[1:3], StackDataset(image=range(3), text=list("abc"))[1])

# --- samplers
print(list(SequentialSampler(range(4))), list(BatchSampler(SequentialSampler(range(7)), 3, drop_last=False)))
print(list(RandomSampler(range(6))), list(RandomSampler(range(4), replacement=True, num_samples=6)))
print(list(SubsetRandomSampler([5, 7, 9])))
classes = torch.tensor([0] * 30 + [1] * 5)
weights = (1.0 / torch.bincount(classes).float())[classes]
sampler = WeightedRandomSampler(weights, num_samples=200, replacement=True)
drawn = torch.cat([y for (y,) in DataLoader(TensorDataset(classes), batch_size=50, sampler=sampler)])
print(drawn.float().mean(), torch.bincount(drawn), len(sampler))


class ByLength(Sampler):
    def __init__(self, lengths):
        self.lengths = lengths

    def __iter__(self):
        return iter(sorted(range(len(self.lengths)), key=self.lengths.__getitem__))

    def __len__(self):
        return len(self.lengths)


# --- sequences of different lengths
sequences = [torch.randint(1, 9, (n,)) for n in (3, 1, 4, 2, 5)]


def collate_fn(batch):
    lengths = torch.tensor([len(s) for s in batch])
    return pad_sequence(batch, batch_first=True, padding_value=0), lengths


for padded, lengths in DataLoader(
    sequences, batch_size=2, sampler=ByLength([len(s) for s in sequences]), collate_fn=collate_fn
):
    packed = pack_padded_sequence(padded.float().unsqueeze(-1), lengths, batch_first=True, enforce_sorted=False)
    back, _ = pad_packed_sequence(packed, batch_first=True)
    print(padded.tolist(), lengths.tolist(), packed.batch_sizes.tolist(), torch.equal(back.squeeze(-1), padded.float()))


# --- streams
class Stream(IterableDataset):
    def __init__(self, start, end):
        self.start, self.end = start, end

    def __iter__(self):
        yield from range(self.start, self.end)


print([batch.tolist() for batch in DataLoader(Stream(3, 10), batch_size=3)])
print(list(DataLoader(ChainDataset([Stream(0, 2), Stream(5, 7)]), batch_size=None)))
try:
    DataLoader(Stream(0, 3), shuffle=True)
except ValueError:
    print("a stream has no order to shuffle")

# --- collation
print(default_collate([{"x": 1, "y": [2.0, 3.0]}, {"x": 4, "y": [5.0, 6.0]}]))
print(default_collate([("a", torch.zeros(1)), ("b", torch.ones(1))]))
try:
    next(iter(DataLoader(sequences, batch_size=5)))
except RuntimeError:
    print("different lengths do not stack")
iterator = iter(DataLoader(data, batch_size=None))
print(next(iterator), next(iterator)[0].dtype)
print([x.shape for x, _ in DataLoader(data, batch_sampler=[[0, 1, 2], [9]])])
