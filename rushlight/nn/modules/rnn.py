"""Recurrent layers RNN, LSTM, GRU: parameters and checks around `rushlight.lstm` and its like."""

from __future__ import annotations

import math
import warnings
from typing import Any

import rushlight
from rushlight.nn import init
from rushlight.nn.modules.module import Module
from rushlight.nn.modules.sizes import check_counts
from rushlight.nn.parameter import Parameter
from rushlight.nn.utils.rnn import PackedSequence

Tensor = rushlight.Tensor
_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


class RNNBase(Module):
    """Arguments, parameters, checks and initial states."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        check_counts(name, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers, proj_size=proj_size)
        if mode not in _GATES:
            raise ValueError(f"RNNBase: got mode={mode!r}; expected one of {', '.join(_GATES)}")
        for label, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if value <= 0:
                raise ValueError(f"{name}: got {label}={value}; expected a positive number")
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"{name}: got dropout={dropout}; expected a probability between 0 and 1")
        if not 0 <= proj_size < hidden_size:
            raise ValueError(f"{name}: got proj_size={proj_size}; expected at least 0 and less than hidden_size")
        if proj_size and mode != "LSTM":
            raise ValueError(f"{name}: got proj_size={proj_size}; only LSTM has a projection")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                f"{name}: dropout={dropout} does nothing with num_layers=1: it acts between layers. "
                f"Fix: num_layers=2, or an nn.Dropout after the {name}.",
                UserWarning,
                stacklevel=3,
            )
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        rows = _GATES[mode] * hidden_size
        self._all_names: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse") if bidirectional else ("",):
                width = input_size if layer == 0 else self._output_width() * (2 if bidirectional else 1)
                shapes = {"weight_ih": (rows, width), "weight_hh": (rows, self._output_width())}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = [f"{kind}_l{layer}{suffix}" for kind in shapes]
                for each, shape in zip(names, shapes.values()):
                    setattr(self, each, Parameter(rushlight.empty(shape, device=device, dtype=dtype)))
                self._all_names.append(names)
        self.reset_parameters()

    def _output_width(self) -> int:
        return self.proj_size or self.hidden_size

    def reset_parameters(self) -> None:
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Accepted for compatibility: the weights need no special layout in memory."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_names]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first is not False:
            text += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            text += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            text += f", bidirectional={self.bidirectional}"
        return text

    # -- running ------------------------------------------------------------------------------------------------------

    def forward(self, input: Any, hx: Any = None) -> Any:
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if not isinstance(input, rushlight.Tensor):
            raise TypeError(
                f"{type(self).__name__}: got {type(input).__name__}; expected a padded Tensor or a PackedSequence"
            )
        if input.dim() not in (2, 3):
            raise ValueError(f"{type(self).__name__}: got an input of shape {tuple(input.shape)}; expected 2-D or 3-D")
        single = input.dim() == 2
        batch_first = self.batch_first and not single
        self._check_width(input)
        if single:
            input = input.unsqueeze(1)  # (L, 1, input_size)
        states = self._initial_states(input, input.shape[0 if batch_first else 1], hx, single)
        output, finals = self._run(states, batch_first, input)
        if single:
            output, finals = output.squeeze(1), [state.squeeze(1) for state in finals]
        return output, self._shown(finals)

    def _forward_packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        """Every sequence runs to its own end; states are in the order of the batch, not of the lengths."""
        data, batch_sizes, order, back = input
        self._check_width(data)
        states = self._initial_states(data, int(batch_sizes[0]), hx, False)
        if order is not None and hx is not None:
            states = [state.index_select(1, order) for state in states]
        output, finals = self._run(states, None, data, batch_sizes)
        if back is not None:
            finals = [state.index_select(1, back) for state in finals]
        return PackedSequence(output, batch_sizes, order, back), self._shown(finals)

    def _check_width(self, input: Tensor) -> None:
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{type(self).__name__}: got an input of shape {tuple(input.shape)} whose last size is "
                f"{input.shape[-1]}; "
                f"expected input_size={self.input_size}"
            )

    def _run(self, states: list[Tensor], batch_first: bool | None, *input: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Output and final states; packed data and batch sizes have no `batch_first`."""
        weights = [getattr(self, name) for names in self._all_names for name in names]
        last = () if batch_first is None else (batch_first,)
        output, *finals = getattr(rushlight, self.mode.lower())(
            *input, states if self.mode == "LSTM" else states[0], weights, self.bias, self.num_layers, self.dropout,
            self.training, self.bidirectional, *last,
        )  # fmt: skip
        return output, finals

    def _shown(self, finals: list[Tensor]) -> Any:
        return tuple(finals) if self.mode == "LSTM" else finals[0]

    def _initial_states(self, input: Tensor, batch: int, hx: Any, single: bool) -> list[Tensor]:
        """[h] or, for an LSTM, [h, c], each (layers · directions, N, size)."""
        count = self.num_layers * (2 if self.bidirectional else 1)
        widths = [self._output_width()] + ([self.hidden_size] if self.mode == "LSTM" else [])
        shapes = [(count, batch, width) for width in widths]
        if hx is None:
            return [rushlight.zeros(shape, dtype=input.dtype, device=input.device) for shape in shapes]
        states = list(hx) if self.mode == "LSTM" else [hx]
        if len(states) != len(shapes):
            raise RuntimeError(f"{type(self).__name__}: got {len(states)} initial states; expected (h_0, c_0)")
        states = [state.unsqueeze(1) if single and state.dim() == 2 else state for state in states]
        for state, shape, name in zip(states, shapes, ("h_0", "c_0")):
            if tuple(state.shape) != shape:
                raise RuntimeError(
                    f"{type(self).__name__}: got {name} of shape {tuple(state.shape)}; expected {shape} "
                    f"(layers · directions, batch, size)"
                )
        return states


class RNN(RNNBase):
    """h = tanh(W x + b + W h + b), or relu, over a sequence (L, N, input_size); returns (outputs, h_n).

    >>> import rushlight as torch
    >>> y, h = torch.nn.RNN(10, 20, num_layers=2)(torch.ones(5, 3, 10))
    >>> y.shape, h.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        args, nonlinearity = (
            (args[:3] + args[4:], args[3]) if len(args) > 3 else (args, kwargs.pop("nonlinearity", "tanh"))
        )
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: got nonlinearity={nonlinearity!r}; expected 'tanh' or 'relu'")
        if "proj_size" in kwargs:
            raise ValueError("RNN: got proj_size; only LSTM has a projection")
        self.nonlinearity = nonlinearity
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)


class LSTM(RNNBase):
    """Long short-term memory over a sequence (L, N, input_size); returns (outputs, (h_n, c_n)).

    Shapes: input (L, N, input_size), or (N, L, input_size) with batch_first; outputs (L, N, D·H), h_n and c_n
    (D·layers, N, H), where D is 2 if bidirectional and H is proj_size or hidden_size. RuntimeError for other sizes.

    >>> import rushlight as torch
    >>> y, (h, c) = torch.nn.LSTM(10, 20, batch_first=True)(torch.ones(3, 5, 10))
    >>> y.shape
    torch.Size([3, 5, 20])

    Sequences of different lengths go in as `nn.utils.rnn.pack_padded_sequence` packs them, and come out packed.

    >>> from rushlight.nn.utils.rnn import pack_padded_sequence
    >>> packed = pack_padded_sequence(torch.ones(3, 5, 10), [5, 2, 1], batch_first=True)
    >>> y, (h, c) = torch.nn.LSTM(10, 20)(packed)
    >>> y.data.shape, h.shape
    (torch.Size([8, 20]), torch.Size([1, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """Gated recurrent unit over a sequence (L, N, input_size); returns (outputs, h_n).

    Shapes: input (L, N, input_size), or (N, L, input_size) with batch_first; outputs (L, N, D·hidden_size), h_n
    (D·layers, N, hidden_size), where D is 2 if bidirectional. RuntimeError for other sizes.

    >>> import rushlight as torch
    >>> output, h = torch.nn.GRU(10, 20, batch_first=True)(torch.ones(3, 5, 10))
    >>> output.shape, h.shape
    (torch.Size([3, 5, 20]), torch.Size([1, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("GRU: got proj_size; only LSTM has a projection")
        super().__init__("GRU", *args, **kwargs)
