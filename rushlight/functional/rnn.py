"""Recurrent networks as functions, PyTorch's signatures: whole sequences (`lstm`, `gru`, `rnn_tanh`, `rnn_relu`) and single steps.

All steps of a layer in one direction are one op (`ops/rnn.py`); what is here is around it: layers, directions, dropout, the input's product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.dropout import dropout as drop
from rushlight.functional.packed import Grid, grid_of
from rushlight.functional.registry import FUNCTIONS, public, rule_helper
from rushlight.ir.op import TABLE
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import local, record
from rushlight.ops.rnn import lstm_step
from rushlight.ops.tensor_code import T

# (gates, states, weight_hh, bias_hh, reverse) -> one of each state after every step
Layer = Callable[[Any, Sequence[Any], Any, Any, bool], tuple]


@rule_helper
def differentiating() -> bool:
    """Whether what a gradient rule records will itself be differentiated."""
    return local.grad_mode


def _linear(x: Any, weight: Any, bias: Any) -> Any:
    return record(TABLE["linear"], (x, weight, bias))


def _lstm(gates: Any, states: Sequence[Any], weight: Any, bias: Any, reverse: bool) -> tuple:
    return record(TABLE["lstm_layer_op"], (gates, *states, weight, bias), (reverse,))[:2]


def _gru(gates: Any, states: Sequence[Any], weight: Any, bias: Any, reverse: bool) -> tuple:
    return record(TABLE["gru_layer_op"], (gates, *states, weight, bias), (reverse,))[:1]


def _rnn(activation: str) -> Layer:
    def layer(gates: Any, states: Sequence[Any], weight: Any, bias: Any, reverse: bool) -> tuple:
        return (record(TABLE["rnn_layer_op"], (gates, *states, weight, bias), (activation, reverse)),)

    return layer


_tanh, _relu = _rnn("tanh"), _rnn("relu")


def _step(layer: Layer, gates: Any, states: Sequence[Any], weight: Any, bias: Any) -> list[Any]:
    """The states after one step: gates (N, gates · H)."""
    return [found.squeeze(0) for found in layer(gates.unsqueeze(0), states, weight, bias, False)]


def _projected(gates: Any, states: Sequence[Any], weight: Any, bias: Any, projection: Any, reverse: bool) -> tuple:
    """An LSTM layer whose hidden state is h @ projection^T, step by step: the products cannot wait until the end."""
    found, steps = [], range(gates.shape[0])
    for t in reversed(steps) if reverse else steps:
        h, c = states
        hidden, cell, _ = lstm_step(T, gates[t], h, c, weight, bias)
        states = _linear(hidden, projection, None), cell
        found.append(states)
    return tuple(FUNCTIONS["stack"](all_steps) for all_steps in zip(*(found[::-1] if reverse else found), strict=True))


def _run(
    layer: Layer, input: Any, states: Sequence[Any], params: Sequence[Any], has_biases: bool, num_layers: int, dropout: float,
    train: bool, bidirectional: bool, batch_first: bool = False, grid: Grid | None = None,
) -> tuple:  # fmt: skip
    """The last layer's output, and each state after the last step of every layer and direction.

    With a grid, `input` and output are packed rows (K, width).
    """
    directions = 2 if bidirectional else 1
    if num_layers < 1:
        raise RuntimeError(explain_error("rnn", got=f"num_layers={num_layers}", expected="1 or more"))
    count = len(params) // (num_layers * directions)
    finals: list[list[Any]] = [[] for _ in states]
    # A copy in the order of time: the product with it is one matrix product in the forward and in the backward pass.
    x = input.transpose(0, 1).contiguous() if batch_first else input
    for number in range(num_layers):
        outputs = []
        for direction in range(directions):
            place = number * directions + direction
            weight_ih, weight_hh, *rest = params[place * count : (place + 1) * count]
            bias_ih, bias_hh = rest[:2] if has_biases else (None, None)
            gates = _linear(x, weight_ih, bias_ih)
            start, reverse = [state[place] for state in states], direction == 1
            if grid is not None:
                gates, reverse = grid.spread(gates, direction), False
                if layer is _relu:  # the only states that could grow without bound behind a sequence's end
                    gates = FUNCTIONS["where"](grid.inside(), gates, -math.inf)
            if len(rest) % 2:
                found = _projected(gates, start, weight_hh, bias_hh, rest[-1], reverse)
            else:
                found = layer(gates, start, weight_hh, bias_hh, reverse)
            outputs.append(found[0] if grid is None else grid.collect(found[0], direction))
            for collected, all_steps in zip(finals, found, strict=True):
                collected.append(all_steps[0 if reverse else -1] if grid is None else grid.last(all_steps))
        x = outputs[0] if directions == 1 else FUNCTIONS["cat"](outputs, -1)
        if dropout and number < num_layers - 1:
            x = drop(x, dropout, train)
    return (x.transpose(0, 1) if batch_first else x, *(FUNCTIONS["stack"](collected) for collected in finals))


def _packed(op: str, layer: Layer, data: Any, batch_sizes: Any, hx: Any, *arguments: Any) -> tuple:
    """PyTorch's other signature: (data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional)."""
    grid = grid_of(op, data, batch_sizes)
    states = [hx] if isinstance(hx, Handle) else hx
    return _run(layer, data, states, *arguments, grid=grid)


@public()
def lstm(
    input: Any, hx: Sequence[Any], params: Sequence[Any], has_biases: bool, num_layers: int, dropout: float, train: bool,
    bidirectional: bool, batch_first: bool,
) -> tuple:  # fmt: skip
    """Output (T, N, H · directions), h_n and c_n (layers · directions, N, H) of an LSTM.

    hx is (h_0, c_0); params are weight_ih, weight_hh, bias_ih, bias_hh and, for a projection, weight_hr, of each layer and direction.
    Packed sequences: lstm(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional); so for the others.
    """
    given = input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first
    return _packed("lstm", _lstm, *given) if isinstance(hx, Handle) else _run(_lstm, input, hx, *given[2:])


@public()
def gru(
    input: Any, hx: Any, params: Sequence[Any], has_biases: bool, num_layers: int, dropout: float, train: bool, bidirectional: bool,
    batch_first: bool,
) -> tuple:  # fmt: skip
    """Output (T, N, H · directions) and h_n (layers · directions, N, H) of a GRU."""
    given = input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first
    return _packed("gru", _gru, *given) if isinstance(params, Handle) else _run(_gru, input, [hx], *given[2:])


@public()
def rnn_tanh(
    input: Any, hx: Any, params: Sequence[Any], has_biases: bool, num_layers: int, dropout: float, train: bool, bidirectional: bool,
    batch_first: bool,
) -> tuple:  # fmt: skip
    """Output and h_n of a recurrent network with tanh."""
    given = input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first
    return _packed("rnn_tanh", _tanh, *given) if isinstance(params, Handle) else _run(_tanh, input, [hx], *given[2:])


@public()
def rnn_relu(
    input: Any, hx: Any, params: Sequence[Any], has_biases: bool, num_layers: int, dropout: float, train: bool, bidirectional: bool,
    batch_first: bool,
) -> tuple:  # fmt: skip
    """Output and h_n of a recurrent network with relu."""
    given = input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first
    return _packed("rnn_relu", _relu, *given) if isinstance(params, Handle) else _run(_relu, input, [hx], *given[2:])


def _cell(layer: Layer, input: Any, states: Sequence[Any], w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> list[Any]:
    """One step for a batch (N, input) or one sample (input)."""
    gates = _linear(input, w_ih, b_ih)
    if gates.ndim == 2:
        return _step(layer, gates, states, w_hh, b_hh)
    found = _step(layer, gates.unsqueeze(0), [state.unsqueeze(0) for state in states], w_hh, b_hh)
    return [state.squeeze(0) for state in found]


@public()
def lstm_cell(
    input: Any, hx: Sequence[Any], w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> tuple[Any, Any]:
    """(h, c) after one step of an LSTM from hx = (h, c)."""
    h, c = _cell(_lstm, input, hx, w_ih, w_hh, b_ih, b_hh)
    return h, c


@public()
def gru_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """h after one step of a GRU."""
    return _cell(_gru, input, [hx], w_ih, w_hh, b_ih, b_hh)[0]


@public()
def rnn_tanh_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """h after one step of a recurrent network with tanh."""
    return _cell(_tanh, input, [hx], w_ih, w_hh, b_ih, b_hh)[0]


@public()
def rnn_relu_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """h after one step of a recurrent network with relu."""
    return _cell(_relu, input, [hx], w_ih, w_hh, b_ih, b_hh)[0]
