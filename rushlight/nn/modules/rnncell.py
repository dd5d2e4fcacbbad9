"""One time step of RNN, LSTM and GRU as a layer."""

from __future__ import annotations

import math
from typing import Any

import rushlight
from rushlight.nn import init
from rushlight.nn.modules.module import Module
from rushlight.nn.modules.sizes import check_counts
from rushlight.nn.parameter import Parameter

Tensor = rushlight.Tensor


class RNNCellBase(Module):
    """Weights of `num_chunks` gates, and the checks of input and state."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        check_counts(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        shapes = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size), "bias_ih": rows, "bias_hh": rows}
        for name, shape in shapes.items():
            absent = name.startswith("bias") and not bias
            value = None if absent else Parameter(rushlight.empty(shape, device=device, dtype=dtype))
            self.register_parameter(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _states(self, input: Tensor, states: Any, count: int = 1) -> list[Tensor]:
        """`count` states, zeros by default, after checking them and the input."""
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{name}: got an input of shape {tuple(input.shape)}; expected 1-D or 2-D")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{name}: got an input of shape {tuple(input.shape)}; expected a last size of "
                f"input_size={self.input_size}"
            )
        if states is None:
            shape = (*input.shape[:-1], self.hidden_size)
            states = [rushlight.zeros(shape, dtype=input.dtype, device=input.device)] * count
        for state in states:
            if state.dim() not in (1, 2):
                raise ValueError(f"{name}: got a state of shape {tuple(state.shape)}; expected 1-D or 2-D")
            if state.shape[-1] != self.hidden_size:
                raise RuntimeError(
                    f"{name}: got a state of shape {tuple(state.shape)}; expected a last size of {self.hidden_size}"
                )
        return list(states)

    def _weights(self) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.__dict__.get("nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text


class RNNCell(RNNCellBase):
    """h' = tanh(W x + b + W h + b), or relu: (N, input_size), (N, hidden_size) → (N, hidden_size).

    >>> import rushlight as torch
    >>> torch.nn.RNNCell(10, 20)(torch.ones(3, 10)).shape
    torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"RNNCell: got nonlinearity={self.nonlinearity!r}; expected 'tanh' or 'relu'")
        (h,) = self._states(input, None if hx is None else [hx])
        return getattr(rushlight, f"rnn_{self.nonlinearity}_cell")(input, h, *self._weights())


class LSTMCell(RNNCellBase):
    """One LSTM step: (N, input_size), (h, c) → (h', c').

    >>> import rushlight as torch
    >>> h, c = torch.nn.LSTMCell(10, 20)(torch.ones(3, 10))
    >>> h.shape
    torch.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        return rushlight.lstm_cell(input, self._states(input, hx, count=2), *self._weights())


class GRUCell(RNNCellBase):
    """One GRU step: (N, input_size), (N, hidden_size) → (N, hidden_size).

    >>> import rushlight as torch
    >>> torch.nn.GRUCell(10, 20)(torch.ones(3, 10)).shape
    torch.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        (h,) = self._states(input, None if hx is None else [hx])
        return rushlight.gru_cell(input, h, *self._weights())
