"""Sequences of different lengths: padding them into one tensor, packing them without padding, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import rushlight
from rushlight.errors import explain_error

Tensor = rushlight.Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence_(NamedTuple):
    """The fields of a `PackedSequence`."""

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(PackedSequence_):
    """Sequences of different lengths without padding: `data` (Σ lengths, *) holds all first steps, then all second steps, ...

    `batch_sizes[t]` is how many sequences have a step t. `sorted_indices` are the sequences from the longest to the shortest, and
    `unsorted_indices` lead back; both are None where they were in that order. Made by `pack_sequence` and `pack_padded_sequence`.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils.rnn import pack_sequence
    >>> packed = pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4, 5])])
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 5, 3]), tensor([2, 2, 1]))
    """

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:  # an old form: the two in a pair
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError(
                    explain_error(
                        "PackedSequence",
                        got=f"{type(data).__name__} alone",
                        expected="data and batch_sizes",
                        fix="let pack_sequence or pack_padded_sequence make it",
                    )
                )
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same sequences with `data.to(...)`; itself if that changes nothing."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        return type(self)(self.data.cuda(*args, **kwargs), *self[1:])

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        return self.to("cpu", *args, **kwargs)

    def double(self) -> PackedSequence:
        return self.to(rushlight.float64)

    def float(self) -> PackedSequence:
        return self.to(rushlight.float32)

    def half(self) -> PackedSequence:
        return self.to(rushlight.float16)

    def long(self) -> PackedSequence:
        return self.to(rushlight.int64)

    def int(self) -> PackedSequence:
        return self.to(rushlight.int32)

    def short(self) -> PackedSequence:
        return self.to(rushlight.int16)

    def char(self) -> PackedSequence:
        return self.to(rushlight.int8)

    def byte(self) -> PackedSequence:
        return self.to(rushlight.uint8)

    def pin_memory(self) -> PackedSequence:
        return type(self)(self.data.pin_memory(), *self[1:])

    @property
    def is_cuda(self) -> bool:
        """Whether `data` is on a GPU."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether `data` is in pinned memory."""
        return self.data.is_pinned()


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one.

    >>> import rushlight as torch
    >>> torch.nn.utils.rnn.invert_permutation(torch.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    places = rushlight.arange(permutation.numel(), dtype=permutation.dtype, device=permutation.device)
    return rushlight.empty_like(permutation).scatter_(0, permutation, places)


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | list[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Padded sequences (T, N, *), or (N, T, *) if batch_first, packed; `lengths` says how long each is.

    With `enforce_sorted` the longest must come first, else they are sorted and what comes out is put back in order.

    Errors: RuntimeError if the lengths are not 1 … T, one for each sequence, in falling order.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils.rnn import pack_padded_sequence
    >>> x = torch.tensor([[1, 2, 0], [3, 0, 0], [4, 5, 6]])
    >>> pack_padded_sequence(x, [2, 1, 3], batch_first=True, enforce_sorted=False)
    PackedSequence(data=tensor([4, 1, 3, 5, 2, 6]), batch_sizes=tensor([3, 2, 1]), sorted_indices=tensor([2, 0, 1]), \
unsorted_indices=tensor([1, 2, 0]))
    """
    lengths = rushlight.as_tensor(lengths, dtype=rushlight.int64)
    order = None
    if not enforce_sorted:
        lengths, order = rushlight.sort(lengths, descending=True)
        input = input.index_select(0 if batch_first else 1, order)
    data, batch_sizes = rushlight._pack_padded_sequence(input, lengths, batch_first)
    return PackedSequence(data, batch_sizes, order, None)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """(padded sequences (T, N, *), or (N, T, *) if batch_first; lengths (N,)); T is the longest, or `total_length`.

    Errors: ValueError if a sequence is longer than `total_length`.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils.rnn import pack_sequence, pad_packed_sequence
    >>> pad_packed_sequence(pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4])]), batch_first=True)
    (tensor([[1, 2, 3],
            [4, 0, 0]]), tensor([3, 1]))
    """
    data, batch_sizes, _, back = sequence
    padded, lengths = rushlight._pad_packed_sequence(data, batch_sizes, batch_first, padding_value, total_length or 0)
    if back is not None:
        padded, lengths = padded.index_select(0 if batch_first else 1, back), lengths[back]
    return padded, lengths


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Tensors (Lᵢ, *) as one of shape (L, N, *), or (N, L, *) if batch_first, L being the longest.

    >>> import rushlight as torch
    >>> torch.nn.utils.rnn.pad_sequence([torch.ones(2), torch.ones(1)], batch_first=True)
    tensor([[1., 1.],
            [1., 0.]])
    """
    if isinstance(sequences, Tensor):
        sequences = sequences.unbind(0)
    sequences = list(sequences) if isinstance(sequences, Iterable) else sequences
    if not isinstance(sequences, list):
        raise RuntimeError(f"pad_sequence: got {type(sequences).__name__}; expected an iterable of Tensors")
    if not sequences:
        raise RuntimeError("pad_sequence: got no sequence; expected at least one")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"pad_sequence: got padding_side={padding_side!r}; expected 'left' or 'right'")
    longest = max(sequence.shape[0] for sequence in sequences)
    rows = []
    for sequence in sequences:
        gap = longest - sequence.shape[0]
        if gap:
            filler = rushlight.full(
                (gap, *sequence.shape[1:]), padding_value, dtype=sequence.dtype, device=sequence.device
            )
            sequence = rushlight.cat([filler, sequence] if padding_side == "left" else [sequence, filler])
        rows.append(sequence)
    return rushlight.stack(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences that `pad_sequence` joined."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [sequence[: int(length)] for sequence, length in zip(padded_sequences.unbind(0), lengths)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Tensors (Lᵢ, *) packed; with `enforce_sorted` the longest must come first.

    >>> import rushlight as torch
    >>> torch.nn.utils.rnn.pack_sequence([torch.ones(2), torch.zeros(1)]).data
    tensor([1., 0., 1.])
    """
    lengths = rushlight.as_tensor([sequence.shape[0] for sequence in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences that `pack_sequence` packed.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils.rnn import pack_sequence, unpack_sequence
    >>> unpack_sequence(pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]))
    [tensor([1, 2]), tensor([3])]
    """
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)
