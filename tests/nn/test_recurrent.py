"""Recurrent layers and cells against PyTorch: results, gradients, and gradients of gradients, in every arrangement."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.ir.op import TABLE

torch = pytest.importorskip("torch")

ARRANGEMENTS: list[tuple[str, dict[str, Any], bool, bool]] = [
    # kind, options, initial states given, a batch
    ("LSTM", {}, False, True),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "batch_first": True}, True, True),
    ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True}, True, True),
    ("LSTM", {"bias": False}, True, False),
    ("GRU", {"bidirectional": True}, True, True),
    ("GRU", {"num_layers": 2, "bias": False, "batch_first": True}, False, True),
    ("GRU", {}, True, False),
    ("RNN", {"bidirectional": True, "num_layers": 2}, True, True),
    ("RNN", {"nonlinearity": "relu", "batch_first": True}, False, True),
]


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


def filled(library: Any, net: Any, rng: np.random.RandomState) -> None:
    for p in net.parameters():
        with library.no_grad():
            p.copy_(library.tensor(rng.randn(*p.shape) * 0.4))


def everything(library: Any, kind: str, options: dict[str, Any], given: bool, batch: bool) -> list[np.ndarray]:
    """Results, gradients, their gradients, and gradients of the outputs alone."""
    rng = np.random.RandomState(0)
    net = getattr(library.nn, kind)(5, 4, dtype=library.float64, **options)
    filled(library, net, rng)

    def leaf(*shape: int) -> Any:
        return library.tensor(rng.randn(*shape), requires_grad=True)

    x = leaf(*((3, 6, 5) if options.get("batch_first") else (6, 3, 5))) if batch else leaf(6, 5)
    places = (2 if options.get("bidirectional") else 1) * options.get("num_layers", 1)
    states = None
    if given:
        widths = [options.get("proj_size") or 4] + [4] * (kind == "LSTM")
        states = tuple(leaf(places, *([3] if batch else []), width) for width in widths)
    leaves = [*net.parameters(), x, *(states or ())]

    def run() -> list[Any]:
        y, last = net(x, states if kind == "LSTM" or states is None else states[0])
        return [y, *as_list(last)]

    results = run()
    loss = sum((r * r * r).sum() for r in results)
    first = library.autograd.grad(loss, leaves, create_graph=True)
    second = library.autograd.grad(sum((g * g).sum() for g in first), leaves)
    (run()[0] ** 2).sum().backward()
    return [t.detach().numpy() for t in (*results, *first, *second, *(leaf.grad for leaf in leaves))]


@pytest.mark.parametrize("case", ARRANGEMENTS, ids=str)
def test_like_pytorch(case: tuple) -> None:
    for mine, theirs in zip(everything(rl, *case), everything(torch, *case), strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn_tanh", "rnn_relu"])
def test_functions_and_cells(name: str) -> None:
    rng = np.random.RandomState(1)
    gates = {"lstm": 4, "gru": 3}.get(name, 1)
    shapes = [(gates * 4, 5), (gates * 4, 4), (gates * 4,), (gates * 4,)]
    arrays = [rng.randn(*shape) for shape in shapes]
    x, h, c = rng.randn(6, 3, 5), rng.randn(1, 3, 4), rng.randn(1, 3, 4)
    found = []
    for library in (rl, torch):
        weights = [library.tensor(a) for a in arrays]
        states = [library.tensor(h), library.tensor(c)]
        hx = states if name == "lstm" else states[0]
        whole = getattr(library, name)(library.tensor(x), hx, weights, True, 1, 0.0, False, False, False)
        hx = [s[0] for s in states] if name == "lstm" else states[0][0]
        step = getattr(library, name + "_cell")(library.tensor(x[0]), hx, *weights)
        found.append([t.numpy() for t in (*whole, *as_list(step))])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10)
    assert np.allclose(found[0][0][0], found[0][-2 if name == "lstm" else -1])  # the first step is what a cell does


def test_a_layer_is_one_op_however_long_the_sequence() -> None:
    lengths = []
    for steps in (2, 40):
        rl.manual_seed(0)
        net, x = rl.nn.LSTM(3, 4, bidirectional=True), rl.ones(steps, 2, 3)
        net(x)[0].sum().backward()
        assert net.weight_hh_l0.grad.shape == (16, 4)
        lengths.append(str(rl.explain()).count("\n"))
    assert lengths[0] == lengths[1]
    assert TABLE["lstm_layer_op"].grad_none


def test_an_empty_sequence_and_wrong_states_are_named() -> None:
    net = rl.nn.LSTM(3, 4)
    with pytest.raises(RuntimeError, match="at least one step"):
        net(rl.ones(0, 2, 3))
    assert net(rl.ones(5, 0, 3))[0].shape == (5, 0, 4)
    with pytest.raises(RuntimeError, match="h_0 of shape"):
        net(rl.ones(5, 2, 3), (rl.zeros(1, 3, 4), rl.zeros(1, 2, 4)))
    with pytest.raises(RuntimeError, match="one floating-point dtype"):
        net(rl.ones(5, 2, 3), (rl.zeros(1, 2, 4, dtype=rl.float64), rl.zeros(1, 2, 4)))
