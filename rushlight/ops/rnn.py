"""Recurrent layers over a whole sequence: one layer in one direction is one op, and so is its gradient.

What does not depend on the state before is done outside, for all time steps at once: `input` is x @ weight_ih^T + bias_ih, and the gradients
of weight and bias are sums over the steps. T is the number of steps, N the batch, H the size of the state.

Each recurrence is written once, over NumPy arrays or tensors alike (`lib` has the few functions that are spelt differently): as the
reference, and, where a gradient is differentiated again, as ordinary tensor code.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from rushlight.dtype import FLOATING
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import TABLE, declare
from rushlight.ops.rules import like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T

_ARRAYS = SimpleNamespace(
    sigmoid=lambda x: TABLE["sigmoid"].reference(x),  # type: ignore[misc]
    tanh=np.tanh,
    relu=lambda x: np.maximum(x, 0),
    cat=np.concatenate,
    stack=np.stack,
)


def _order(length: int, reverse: bool) -> Sequence[int]:
    """The steps in the order in which they are run."""
    return range(length - 1, -1, -1) if reverse else range(length)


def _stacked(lib: Any, found: list, reverse: bool) -> Any:
    """What the steps gave, in the order in which they were run, as one value in the order of time."""
    return lib.stack(found[::-1] if reverse else found)


def _parts(x: Any, count: int) -> list[Any]:
    """The gates: slices of the last dimension."""
    size = x.shape[-1] // count
    return [x[..., k * size : (k + 1) * size] for k in range(count)]


def _linear(h: Any, weight: Any, bias: Any) -> Any:
    product = h @ weight.T
    return product if bias is None else product + bias


def _sum(*terms: Any) -> Any:
    """The sum of those that are not None; None if all are."""
    given = [term for term in terms if term is not None]
    return sum(given[1:], given[0]) if given else None


def _at(grad: Any, t: int) -> Any:
    return None if grad is None else grad[t]


def _gates_at(grad: Any, t: int, count: int) -> list[Any]:
    return [None] * count if grad is None else _parts(grad[t], count)


def _before(states: Any, first: Any, t: int, reverse: bool) -> Any:
    """The state that step t started from."""
    t += 1 if reverse else -1
    return states[t] if 0 <= t < states.shape[0] else first


def _weight_gradient(grad: Any, states: Any, first: Any, reverse: bool) -> Any:
    """Σ over the steps of grad_t^T @ (state before t): (gates · H, H)."""
    start, later, before = (grad[-1], grad[:-1], states[1:]) if reverse else (grad[0], grad[1:], states[:-1])
    total = start.T @ first
    if states.shape[0] > 1:
        total = total + later.flatten(0, 1).T @ before.flatten(0, 1)
    return total


# --- shapes ---------------------------------------------------------------------------------------------------------------


def _check(op: str, gates: int, x: Meta, weight: Meta, bias: Meta | None, states: dict[str, Meta]) -> int:
    """The size of the state; RuntimeError naming the first argument that does not fit."""
    if x.ndim != 3 or not x.shape[0] or x.shape[2] % gates:
        raise RuntimeError(
            explain_error(
                op,
                got=f"an input of shape {list(x.shape)}",
                expected=f"(at least one step, batch, {gates} · hidden size)",
            )
        )
    size = x.shape[2] // gates
    wanted = {"weight_hh": (weight, (gates * size, size)), "bias_hh": (bias, (gates * size,))}
    wanted |= {name: (state, (x.shape[1], size)) for name, state in states.items()}
    for name, (found, shape) in wanted.items():
        if found is None:
            continue
        if tuple(found.shape) != shape:
            raise RuntimeError(explain_error(op, got=f"{name} of shape {list(found.shape)}", expected=f"{list(shape)}"))
        if found.dtype is not x.dtype or x.dtype.category != FLOATING:
            raise RuntimeError(
                explain_error(
                    op, got=f"an input of {x.dtype} and {name} of {found.dtype}", expected="one floating-point dtype",
                    fix="convert one of them with .to(dtype)",
                )
            )  # fmt: skip
    return size


# --- LSTM -----------------------------------------------------------------------------------------------------------------


def lstm_step(lib: Any, x: Any, h: Any, c: Any, weight: Any, bias: Any) -> tuple:
    """c' = f·c + i·g; h' = o·tanh(c'), with i, f, o = σ and g = tanh of x + W h + b: h', c', (i, f, g, o)."""
    i, f, g, o = _parts(x + _linear(h, weight, bias), 4)
    i, f, g, o = lib.sigmoid(i), lib.sigmoid(f), lib.tanh(g), lib.sigmoid(o)
    c = f * c + i * g
    return o * lib.tanh(c), c, lib.cat([i, f, g, o], -1)


def lstm_forward(lib: Any, x: Any, h: Any, c: Any, weight: Any, bias: Any, reverse: bool) -> tuple:
    """What `lstm_step` gives, for all steps."""
    found = []
    for t in _order(x.shape[0], reverse):
        h, c, gates = lstm_step(lib, x[t], h, c, weight, bias)
        found.append((h, c, gates))
    return tuple(_stacked(lib, list(one), reverse) for one in zip(*found, strict=True))


def lstm_backward(
    lib: Any, grad: Any, grad_c: Any, grad_gates: Any, h: Any, c: Any, weight: Any, output: Any, cells: Any, gates: Any,
    reverse: bool,
) -> tuple:  # fmt: skip
    """The gradients of x (T, N, 4H), h and c (N, H)."""
    found, dh, dc = [], None, None
    for t in _order(output.shape[0], not reverse):
        i, f, g, o = _parts(gates[t], 4)
        di, df, dg, do = _gates_at(grad_gates, t, 4)
        bent = lib.tanh(cells[t])
        dh, dc = _sum(_at(grad, t), dh), _sum(_at(grad_c, t), dc)
        if dh is not None:
            dc, do = _sum(dc, dh * o * (1 - bent * bent)), _sum(dh * bent, do)
        if dc is None:
            dc = bent * 0
        if do is None:
            do = bent * 0
        di, df, dg = _sum(dc * g, di), _sum(dc * _before(cells, c, t, reverse), df), _sum(dc * i, dg)
        found.append(lib.cat([di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o)], -1))
        dh, dc = found[-1] @ weight, dc * f
    return _stacked(lib, found, not reverse), dh, dc


def _lstm_infer(x: Meta, h: Meta, c: Meta, weight: Meta, bias: Meta | None, reverse: bool) -> tuple[Meta, ...]:
    size = _check("lstm", 4, x, weight, bias, {"h_0": h, "c_0": c})
    state = like(x, shape=(*x.shape[:2], size))
    return state, state, like(x)


def _lstm_vjp(
    g: Any, out: Any, x: Any, h: Any, c: Any, weight: Any, bias: Any, *, needs: tuple[bool, ...], reverse: bool
) -> tuple:
    given: Any = (*g, h, c, weight, *out)
    if T.differentiating():
        grad, grad_h, grad_c = lstm_backward(T, *given, reverse=reverse)
    else:
        grad, grad_h, grad_c = T.apply("lstm_layer_backward", given, {"reverse": reverse})
    grad_weight = _weight_gradient(grad, out[0], h, reverse) if needs[3] else None
    return grad, grad_h, grad_c, grad_weight, grad.sum((0, 1)) if needs[4] else None


def _lstm_samples() -> list:
    def sample(length: int, batch: int, size: int, bias: bool, reverse: bool) -> tuple:
        rows = values(4 * size, seed=4) if bias else None
        states = values(batch, size, seed=1), values(batch, size, seed=2)
        return (values(length, batch, 4 * size), *states, values(4 * size, size, seed=3), rows), {"reverse": reverse}

    return [sample(3, 2, 2, True, False), sample(2, 1, 2, False, True), sample(1, 1, 1, False, False)]


lstm_layer = declare(
    "lstm_layer_op(Tensor input, Tensor hidden, Tensor cell, Tensor weight, Tensor? bias, *, bool reverse)", infer=_lstm_infer,
    reference=lambda *inputs, **static: lstm_forward(_ARRAYS, *inputs, **static), wide=True, vjp=_lstm_vjp, grad_none=True,
    grad_name="LstmLayerBackward0", samples=_lstm_samples, doc="an LSTM layer: states and cells of all steps, and the gates that made them",
)  # fmt: skip
lstm_layer_backward = declare(
    "lstm_layer_backward(Tensor? grad, Tensor? grad_cells, Tensor? grad_gates, Tensor hidden, Tensor cell, Tensor weight, "
    "Tensor output, Tensor cells, Tensor gates, *, bool reverse)",
    infer=lambda g, g_cells, g_gates, h, c, weight, output, cells, gates, reverse: (like(gates), like(h), like(c)),
    reference=lambda *inputs, **static: lstm_backward(_ARRAYS, *inputs, **static), wide=True,
    doc="gradient of an LSTM layer for its input, first state and first cell",
)  # fmt: skip


# --- GRU ------------------------------------------------------------------------------------------------------------------


def gru_forward(lib: Any, x: Any, h: Any, weight: Any, bias: Any, reverse: bool) -> tuple:
    """h' = n + z·(h − n), with r, z = σ of x + u and n = tanh(x + r·u), u = W h + b: all h', all (r, z, n, u of n)."""
    output, gates = [], []
    for t in _order(x.shape[0], reverse):
        (r_x, z_x, n_x), (r, z, u) = _parts(x[t], 3), _parts(_linear(h, weight, bias), 3)
        r, z = lib.sigmoid(r_x + r), lib.sigmoid(z_x + z)
        n = lib.tanh(n_x + r * u)
        h = n + z * (h - n)
        output.append(h)
        gates.append(lib.cat([r, z, n, u], -1))
    return _stacked(lib, output, reverse), _stacked(lib, gates, reverse)


def gru_backward(
    lib: Any, grad: Any, grad_gates: Any, h: Any, weight: Any, output: Any, gates: Any, reverse: bool
) -> tuple:
    """The gradients of x (T, N, 3H), of W h + b (T, N, 3H) and of h (N, H)."""
    found, inner, dh = [], [], None
    for t in _order(output.shape[0], not reverse):
        r, z, n, u = _parts(gates[t], 4)
        dr, dz, dn, du = _gates_at(grad_gates, t, 4)
        dh = _sum(_at(grad, t), dh)
        if dh is None:
            dh = n * 0
        dn = _sum(dh * (1 - z), dn) * (1 - n * n)
        dz = _sum(dh * (_before(output, h, t, reverse) - n), dz) * z * (1 - z)
        dr = _sum(dn * u, dr) * r * (1 - r)
        found.append(lib.cat([dr, dz, dn], -1))
        inner.append(lib.cat([dr, dz, _sum(dn * r, du)], -1))
        dh = inner[-1] @ weight + dh * z
    return _stacked(lib, found, not reverse), _stacked(lib, inner, not reverse), dh


def _gru_infer(x: Meta, h: Meta, weight: Meta, bias: Meta | None, reverse: bool) -> tuple[Meta, ...]:
    size = _check("gru", 3, x, weight, bias, {"h_0": h})
    return like(x, shape=(*x.shape[:2], size)), like(x, shape=(*x.shape[:2], 4 * size))


def _gru_vjp(
    g: Any, out: Any, x: Any, h: Any, weight: Any, bias: Any, *, needs: tuple[bool, ...], reverse: bool
) -> tuple:
    given: Any = (*g, h, weight, *out)
    if T.differentiating():
        grad, inner, grad_h = gru_backward(T, *given, reverse=reverse)
    else:
        grad, inner, grad_h = T.apply("gru_layer_backward", given, {"reverse": reverse})
    grad_weight = _weight_gradient(inner, out[0], h, reverse) if needs[2] else None
    return grad, grad_h, grad_weight, inner.sum((0, 1)) if needs[3] else None


def _gru_samples() -> list:
    def sample(length: int, batch: int, size: int, bias: bool, reverse: bool) -> tuple:
        rows = values(3 * size, seed=4) if bias else None
        inputs = values(length, batch, 3 * size), values(batch, size, seed=1), values(3 * size, size, seed=3), rows
        return inputs, {"reverse": reverse}

    return [sample(3, 2, 2, True, False), sample(2, 1, 2, False, True), sample(2, 1, 1, False, False)]


gru_layer = declare(
    "gru_layer_op(Tensor input, Tensor hidden, Tensor weight, Tensor? bias, *, bool reverse)", infer=_gru_infer,
    reference=lambda *inputs, **static: gru_forward(_ARRAYS, *inputs, **static), wide=True, vjp=_gru_vjp, grad_none=True,
    grad_name="GruLayerBackward0", samples=_gru_samples, doc="a GRU layer: states of all steps, and the gates that made them",
)  # fmt: skip
gru_layer_backward = declare(
    "gru_layer_backward(Tensor? grad, Tensor? grad_gates, Tensor hidden, Tensor weight, Tensor output, Tensor gates, *, bool reverse)",
    infer=lambda g, g_gates, h, weight, output, gates, reverse: (
        *[like(output, shape=(*output.shape[:2], 3 * output.shape[2]))] * 2, like(h)
    ),
    reference=lambda *inputs, **static: gru_backward(_ARRAYS, *inputs, **static), wide=True,
    doc="gradient of a GRU layer for its input, for the gates' part from the state, and for the first state",
)  # fmt: skip


# --- RNN ------------------------------------------------------------------------------------------------------------------


def rnn_forward(lib: Any, x: Any, h: Any, weight: Any, bias: Any, activation: str, reverse: bool) -> Any:
    """h' = activation(x + W h + b): all h'."""
    output = []
    for t in _order(x.shape[0], reverse):
        h = getattr(lib, activation)(x[t] + _linear(h, weight, bias))
        output.append(h)
    return _stacked(lib, output, reverse)


def rnn_backward(lib: Any, grad: Any, h: Any, weight: Any, output: Any, activation: str, reverse: bool) -> tuple:
    """The gradients of x (T, N, H) and h (N, H)."""
    found, dh = [], None
    for t in _order(output.shape[0], not reverse):
        now, dh = output[t], _sum(grad[t], dh)
        found.append(dh * (1 - now * now) if activation == "tanh" else dh * (now > 0))
        dh = found[-1] @ weight
    return _stacked(lib, found, not reverse), dh


def _rnn_infer(x: Meta, h: Meta, weight: Meta, bias: Meta | None, activation: str, reverse: bool) -> Meta:
    _check(f"rnn_{activation}", 1, x, weight, bias, {"h_0": h})
    return like(x)


def _rnn_vjp(
    g: Any, out: Any, x: Any, h: Any, weight: Any, bias: Any, *, needs: tuple[bool, ...], activation: str, reverse: bool
) -> tuple:
    given: Any = (g, h, weight, out)
    if T.differentiating():
        grad, grad_h = rnn_backward(T, *given, activation=activation, reverse=reverse)
    else:
        grad, grad_h = T.apply("rnn_layer_backward", given, {"activation": activation, "reverse": reverse})
    grad_weight = _weight_gradient(grad, out, h, reverse) if needs[2] else None
    return grad, grad_h, grad_weight, grad.sum((0, 1)) if needs[3] else None


def _rnn_samples() -> list:
    def sample(length: int, batch: int, size: int, bias: bool, reverse: bool, activation: str) -> tuple:
        rows = values(size, seed=4) if bias else None
        inputs = values(length, batch, size), values(batch, size, seed=1), values(size, size, seed=3), rows
        return inputs, {"activation": activation, "reverse": reverse}

    return [sample(3, 2, 2, True, False, "relu"), sample(2, 1, 2, False, True, "tanh")]


rnn_layer = declare(
    "rnn_layer_op(Tensor input, Tensor hidden, Tensor weight, Tensor? bias, *, str activation, bool reverse)", infer=_rnn_infer,
    reference=lambda *inputs, **static: rnn_forward(_ARRAYS, *inputs, **static), wide=True, vjp=_rnn_vjp, grad_name="RnnLayerBackward0",
    samples=_rnn_samples, doc="a recurrent layer with tanh or relu: the states of all steps",
)  # fmt: skip
rnn_layer_backward = declare(
    "rnn_layer_backward(Tensor grad, Tensor hidden, Tensor weight, Tensor output, *, str activation, bool reverse)",
    infer=lambda g, h, weight, output, activation, reverse: (like(output), like(h)),
    reference=lambda *inputs, **static: rnn_backward(_ARRAYS, *inputs, **static), wide=True,
    doc="gradient of a recurrent layer for its input and first state",
)  # fmt: skip
