"""Convolutions and transposed convolutions over 1, 2 and 3 dimensions."""

from __future__ import annotations

import math
from typing import Any

import rushlight
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.module import Module, Registered
from rushlight.nn.modules.sizes import check_counts, spread
from rushlight.nn.parameter import Parameter

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
_Size = Any  # an int, or a tuple with one int for each dimension


class _ConvNd(Module):
    """Arguments, parameters and printed form of all convolutions."""

    _dims: int
    _transposed = False
    weight, bias = Registered(), Registered()

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _Size,
        stride: _Size,
        padding: _Size,
        dilation: _Size,
        output_padding: _Size,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        name, dims = type(self).__name__, self._dims
        check_counts(name, in_channels=in_channels, out_channels=out_channels, groups=groups)
        kernel_size, stride, dilation = spread(kernel_size, dims), spread(stride, dims), spread(dilation, dims)
        check_counts(name, **{f"kernel_size[{i}]": size for i, size in enumerate(kernel_size)})
        check_counts(name, **{f"stride[{i}]": size for i, size in enumerate(stride)})
        if groups <= 0:
            raise ValueError(f"{name}: got groups={groups}; expected a positive number")
        for label, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups != 0:
                raise ValueError(f"{name}: got {label}={channels} with groups={groups}; expected a multiple of groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"{name}: got padding={padding!r}; expected 'same', 'valid' or numbers")
            if padding == "same" and any(step != 1 for step in stride):
                raise ValueError(f"{name}: got padding='same' with stride={stride}; 'same' needs stride 1")
        else:
            padding = spread(padding, dims)
        if padding_mode not in _PADDING_MODES:
            raise ValueError(f"{name}: got padding_mode={padding_mode!r}; expected one of {', '.join(_PADDING_MODES)}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = self._transposed
        self.output_padding = spread(output_padding, dims)
        self.groups = groups
        self.padding_mode = padding_mode
        self._pad = _pad_amounts(padding, kernel_size, dilation) if padding_mode != "zeros" else None
        self.weight = Parameter(rushlight.empty(self._weight_shape(), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(rushlight.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        if self._transposed:
            return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def _convolve(self, convolution: Any, input: rushlight.Tensor) -> rushlight.Tensor:
        padding = self.padding
        if self._pad is not None:
            input, padding = F.pad(input, self._pad, mode=self.padding_mode), 0
        return convolution(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        dims = len(self.kernel_size)
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * dims:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * dims:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * dims:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


def _pad_amounts(padding: Any, kernel_size: Any, dilation: Any) -> list[int]:
    """What `F.pad` wants: (before, after) from the last dimension to the first."""
    amounts: list[int] = []
    for i in reversed(range(len(kernel_size))):
        if padding == "valid":
            amounts += [0, 0]
        elif padding == "same":
            total = dilation[i] * (kernel_size[i] - 1)
            amounts += [total // 2, total - total // 2]
        else:
            amounts += [padding[i], padding[i]]
    return amounts


class _Conv(_ConvNd):
    """The argument order that Conv1d, Conv2d and Conv3d share."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _Size,
        stride: _Size = 1,
        padding: _Size = 0,
        dilation: _Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )


class Conv1d(_Conv):
    """Convolution over (N, C, L): out = floor((L + 2·padding − dilation·(kernel − 1) − 1) / stride) + 1.

    >>> import rushlight as torch
    >>> torch.nn.Conv1d(16, 33, 3, stride=2)(torch.ones(20, 16, 50)).shape
    torch.Size([20, 33, 24])
    """

    _dims = 1

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        return self._convolve(F.conv1d, input)


class Conv2d(_Conv):
    """Convolution over (N, C, H, W): size becomes floor((size + 2·padding − dilation·(kernel − 1) − 1) / stride) + 1.

    `padding` is numbers, 'valid' or 'same'; `padding_mode` fills it with zeros, 'reflect', 'replicate' or 'circular'.

    Shapes: (N, C, H, W) or (C, H, W), where C is in_channels; RuntimeError for others. ValueError for groups that do
    not divide both channels.

    >>> import rushlight as torch
    >>> torch.nn.Conv2d(1, 32, 3)(torch.ones(8, 1, 28, 28)).shape
    torch.Size([8, 32, 26, 26])
    """

    _dims = 2

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        return self._convolve(F.conv2d, input)


class Conv3d(_Conv):
    """Convolution over (N, C, D, H, W).

    >>> import rushlight as torch
    >>> torch.nn.Conv3d(3, 8, 3, padding=1)(torch.ones(1, 3, 4, 4, 4)).shape
    torch.Size([1, 8, 4, 4, 4])
    """

    _dims = 3

    def forward(self, input: rushlight.Tensor) -> rushlight.Tensor:
        return self._convolve(F.conv3d, input)


class _ConvTranspose(_ConvNd):
    """The argument order and the output size that the transposed convolutions share."""

    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _Size,
        stride: _Size = 1,
        padding: _Size = 0,
        output_padding: _Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: _Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f"{type(self).__name__}: got padding_mode={padding_mode!r}; only 'zeros' is possible here")
        if isinstance(padding, str):
            raise TypeError(f"{type(self).__name__}: got padding={padding!r}; expected numbers")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(self, input: rushlight.Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives `output_size`; ValueError when no padding can."""
        if output_size is None:
            return self.output_padding
        dims = len(self.kernel_size)
        sizes = list(output_size)
        if len(sizes) == input.dim():
            sizes = sizes[-dims:]
        if len(sizes) != dims:
            raise ValueError(
                f"{type(self).__name__}: got output_size of {len(sizes)} numbers; expected {dims} or {input.dim()}"
            )
        least = [
            (input.shape[i - dims] - 1) * self.stride[i]
            - 2 * self.padding[i]
            + self.dilation[i] * (self.kernel_size[i] - 1)
            + 1
            for i in range(dims)
        ]
        most = [least[i] + self.stride[i] - 1 for i in range(dims)]
        for size, low, high in zip(sizes, least, most):
            if not low <= size <= high:
                raise ValueError(f"{type(self).__name__}: got output_size={sizes}; expected between {least} and {most}")
        return tuple(size - low for size, low in zip(sizes, least))

    def _spread_out(self, convolution: Any, input: rushlight.Tensor, output_size: Any) -> rushlight.Tensor:
        output_padding = self._output_padding(input, output_size)
        return convolution(
            input, self.weight, self.bias, self.stride, self.padding, output_padding, self.groups, self.dilation
        )


class ConvTranspose1d(_ConvTranspose):
    """Conv1d's gradient as a layer: out = (L − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1.

    >>> import rushlight as torch
    >>> torch.nn.ConvTranspose1d(4, 2, 3, stride=2)(torch.ones(1, 4, 5)).shape
    torch.Size([1, 2, 11])
    """

    _dims = 1

    def forward(self, input: rushlight.Tensor, output_size: list[int] | None = None) -> rushlight.Tensor:
        return self._spread_out(F.conv_transpose1d, input, output_size)


class ConvTranspose2d(_ConvTranspose):
    """The gradient of Conv2d as a layer: it undoes the shape change of a Conv2d with the same arguments.

    >>> import rushlight as torch
    >>> torch.nn.ConvTranspose2d(4, 3, 2, stride=2)(torch.ones(1, 4, 5, 5)).shape
    torch.Size([1, 3, 10, 10])
    """

    _dims = 2

    def forward(self, input: rushlight.Tensor, output_size: list[int] | None = None) -> rushlight.Tensor:
        return self._spread_out(F.conv_transpose2d, input, output_size)


class ConvTranspose3d(_ConvTranspose):
    """The gradient of Conv3d as a layer."""

    _dims = 3

    def forward(self, input: rushlight.Tensor, output_size: list[int] | None = None) -> rushlight.Tensor:
        return self._spread_out(F.conv_transpose3d, input, output_size)
