"""Packed sequences against PyTorch: packing and padding, and recurrent layers over them with gradients of gradients."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.nn.utils import rnn

torch = pytest.importorskip("torch")

LENGTHS = [3, 6, 1, 4]  # of four sequences with five features
ARRANGEMENTS: list[tuple[str, dict[str, Any], bool, bool]] = [
    # kind, options, initial states given, lengths in falling order
    ("LSTM", {}, False, True),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "batch_first": True}, True, False),
    ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True}, True, False),
    ("GRU", {"bidirectional": True, "bias": False}, True, True),
    ("GRU", {"num_layers": 2, "batch_first": True}, False, False),
    ("RNN", {"bidirectional": True, "num_layers": 2}, True, False),
    ("RNN", {"nonlinearity": "relu"}, True, False),
]


def utils(library: Any) -> Any:
    return library.nn.utils.rnn


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


def everything(library: Any, kind: str, options: dict[str, Any], given: bool, falling: bool) -> list[np.ndarray]:
    """Padded output, lengths, states, gradients of all leaves, and their gradients."""
    rng = np.random.RandomState(0)
    lengths = sorted(LENGTHS, reverse=True) if falling else LENGTHS
    net = getattr(library.nn, kind)(5, 4, dtype=library.float64, **options)
    with library.no_grad():
        for p in net.parameters():
            p.copy_(library.tensor(rng.randn(*p.shape) * 0.4))

    def leaf(*shape: int) -> Any:
        return library.tensor(rng.randn(*shape), requires_grad=True)

    batch_first = options.get("batch_first", False)
    x = leaf(4, 6, 5) if batch_first else leaf(6, 4, 5)
    places = (2 if options.get("bidirectional") else 1) * options.get("num_layers", 1)
    states = None
    if given:
        widths = [options.get("proj_size") or 4] + [4] * (kind == "LSTM")
        states = tuple(leaf(places, 4, width) for width in widths)
    leaves = [*net.parameters(), x, *(states or ())]
    packed = utils(library).pack_padded_sequence(x, lengths, batch_first, enforce_sorted=falling)
    found, last = net(packed, states if kind == "LSTM" or states is None else states[0])
    assert type(found) is utils(library).PackedSequence
    padded, counts = utils(library).pad_packed_sequence(found, batch_first, padding_value=-1.0, total_length=7)
    results = [padded, *as_list(last)]
    first = library.autograd.grad(sum((r**3).sum() for r in results), leaves, create_graph=True)
    second = library.autograd.grad(sum((g * g).sum() for g in first), leaves)
    return [t.detach().numpy() for t in (counts, found.batch_sizes, *results, *first, *second)]


@pytest.mark.parametrize("case", ARRANGEMENTS, ids=str)
def test_layers_like_pytorch(case: tuple) -> None:
    for mine, theirs in zip(everything(rl, *case), everything(torch, *case), strict=True):
        assert mine.shape == theirs.shape and mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-10)


def test_dropout_between_layers_draws_pytorchs_numbers() -> None:
    found = []
    for library in (rl, torch):
        library.manual_seed(3)
        net = library.nn.LSTM(5, 4, num_layers=2, dropout=0.5)
        x = [library.randn(n, 5) for n in LENGTHS]
        found.append(net(utils(library).pack_sequence(x, enforce_sorted=False))[0].data.detach().numpy())
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def test_a_packed_batch_gives_what_its_sequences_give_alone() -> None:
    rl.manual_seed(0)
    net = rl.nn.GRU(5, 4, bidirectional=True, num_layers=2)
    x = [rl.randn(n, 5) for n in LENGTHS]
    y, h = net(rnn.pack_sequence(x, enforce_sorted=False))
    for one, found, state in zip(x, rnn.unpack_sequence(y), h.unbind(1), strict=True):
        alone, last = net(one)
        np.testing.assert_allclose(found.detach().numpy(), alone.detach().numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(state.detach().numpy(), last.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_what_lies_behind_the_end_of_a_sequence_reaches_nothing() -> None:
    """This network doubles its state each step: behind a short sequence it would overflow, and 0 · inf be in the gradients."""
    found = []
    for library in (rl, torch):
        net = library.nn.RNN(1, 1, nonlinearity="relu")
        for p in net.parameters():
            library.nn.init.constant_(p, 2.0)
        x = library.full((300, 2, 1), -100.0)  # keeps the long sequence at 0
        x[:, 1] = library.nan
        x[0, 1] = 1.0
        y, h = net(utils(library).pack_padded_sequence(x, [300, 1]))
        (y.data.sum() + h.sum()).backward()
        found.append([t.tolist() for t in (y.data, h, *(p.grad for p in net.parameters()))])
    assert found[0] == found[1]


def test_the_work_is_native() -> None:
    net = rl.nn.LSTM(3, 4, bidirectional=True)
    y, _ = net(rnn.pack_padded_sequence(rl.ones(5, 3, 3), [5, 4, 1]))
    y.data.sum().backward()
    assert net.weight_hh_l0.grad.isfinite().all()
    net.zero_grad()
    y, _ = net(rnn.pack_padded_sequence(rl.ones(5, 3, 3), [5, 3, 2]))
    y.data.sum().backward()
    net.weight_hh_l0.grad.tolist()
    plan = str(rl.explain("plan"))
    assert (
        "lstm_layer_op" in plan and "lstm_layer_backward" in plan and "numpy" not in plan
    )  # what runs on references says so


def sequences(library: Any) -> list[Any]:
    return [library.arange(2 * n, dtype=library.float32).reshape(n, 2) + 10 * n for n in LENGTHS]


def test_packing_and_unpacking() -> None:
    packs = [utils(library).pack_sequence(sequences(library), enforce_sorted=False) for library in (rl, torch)]
    assert repr(packs[0]) == repr(packs[1])
    for mine, theirs in zip(utils(rl).unpack_sequence(packs[0]), utils(torch).unpack_sequence(packs[1]), strict=True):
        assert mine.tolist() == theirs.tolist()
    for options in ({}, {"batch_first": True, "padding_value": 2.5}, {"total_length": 9}):
        (mine, counts), (theirs, wanted) = (
            utils(library).pad_packed_sequence(packed, **options)
            for library, packed in zip((rl, torch), packs, strict=True)
        )
        assert mine.tolist() == theirs.tolist() and counts.tolist() == wanted.tolist()
        assert mine.is_contiguous() == theirs.is_contiguous() or options
    one = rnn.pack_sequence([rl.tensor([1, 2, 3]), rl.tensor([4])])  # no features, whole numbers, in order already
    assert one.sorted_indices is None and one.unsorted_indices is None
    assert one.data.tolist() == [1, 4, 2, 3] and one.data.dtype is rl.int64


def test_the_packed_sequence_itself() -> None:
    packed = rnn.pack_sequence(sequences(rl), enforce_sorted=False)
    assert packed.to(rl.float32) is packed and packed.float() is packed and packed.cpu() is packed
    double = packed.double()
    assert double.data.dtype is rl.float64 and double.batch_sizes is packed.batch_sizes
    assert [p.data.dtype for p in (packed.half(), packed.long(), packed.int(), packed.short(), packed.char(), packed.byte())] == [
        rl.float16, rl.int64, rl.int32, rl.int16, rl.int8, rl.uint8,
    ]  # fmt: skip
    assert not packed.is_cuda and not packed.is_pinned()
    assert type(copy.deepcopy(packed)) is rnn.PackedSequence
    again = rnn.PackedSequence(packed.data, packed.batch_sizes, packed.sorted_indices)
    assert again.unsorted_indices.tolist() == packed.unsorted_indices.tolist()
    assert rnn.PackedSequence((packed.data, packed.batch_sizes)).sorted_indices is None
    assert rnn.invert_permutation(None) is None


def test_gradients_of_packing() -> None:
    found = []
    for library in (rl, torch):
        x = library.arange(24, dtype=library.float64).reshape(3, 4, 2).requires_grad_()
        packed = utils(library).pack_padded_sequence(x, [1, 4, 2], batch_first=True, enforce_sorted=False)
        padded, _ = utils(library).pad_packed_sequence(packed)
        (packed.data**2).sum().add((padded**3).sum()).backward()
        found.append(x.grad.tolist())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda u, t: u.PackedSequence(t.ones(3)), AssertionError, "data and batch_sizes"),
        (lambda u, t: u.pack_padded_sequence(t.ones(3, 2), [1, 3]), RuntimeError, "enforce_sorted=False"),
        (lambda u, t: u.pack_padded_sequence(t.ones(3, 2), [3, 0]), RuntimeError, "lengths from 0"),
        (lambda u, t: u.pack_padded_sequence(t.ones(3, 2), [3]), RuntimeError, "1 lengths for a batch of 2"),
        (lambda u, t: u.pack_sequence([]), RuntimeError, "no sequence"),
        (lambda u, t: u.pad_packed_sequence(u.pack_sequence([t.ones(3)]), total_length=2), ValueError, "length=2"),
    ],
)  # fmt: skip
def test_mistakes(call: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        call(utils(rl), rl)
    with pytest.raises(error):
        call(utils(torch), torch)


def test_what_pytorch_lets_pass_is_named() -> None:
    packed = rnn.pack_sequence([rl.ones(3, 5)])
    with pytest.raises(RuntimeError, match="input_size=4"):
        rl.nn.LSTM(4, 2)(packed)
    with pytest.raises(RuntimeError, match="h_0 of shape"):
        rl.nn.LSTM(5, 2)(packed, (rl.ones(1, 2, 2), rl.ones(1, 2, 2)))
    with pytest.raises(RuntimeError, match="the input has 3 steps"):
        rnn.pack_padded_sequence(rl.ones(3, 2), [4, 1])
    with pytest.raises(RuntimeError, match="numbers above 0 that never rise"):
        rl.nn.LSTM(2, 2)(rnn.PackedSequence(rl.ones(4, 2), rl.tensor([1, 3])))
    with pytest.raises(TypeError, match="PackedSequence"):
        rl.nn.LSTM(2, 2)([1.0])
