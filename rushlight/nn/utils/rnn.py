"""Sequences of different lengths: padding them into one tensor and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import rushlight

Tensor = rushlight.Tensor


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


def _not_packed(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError(
        "packed sequences are not implemented. Fix: give the recurrent layer the padded tensor, and mask its output or "
        "pick the last step of each sequence with its length."
    )


pack_padded_sequence = pack_sequence = pad_packed_sequence = _not_packed
