"""conv1d … conv_transpose3d: PyTorch's signatures over the one `convolution` op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.nn_pad import pad
from rushlight.functional.registry import as_ints, public
from rushlight.ir.op import TABLE
from rushlight.lazy.record import record


def spread(op: str, name: str, value: Any, n: int) -> tuple[int, ...]:
    """One number for all spatial dimensions, or one each."""
    if value.__class__ is int:
        return (value,) * n
    sizes = as_ints(value)
    if isinstance(sizes, int):
        return (sizes,) * n
    if len(sizes) == 1:
        return sizes * n
    if len(sizes) != n:
        raise RuntimeError(
            f"{op}: expected {name} to be a single integer value or a list of {n} values to match the spatial dimensions, but got {name}={list(sizes)}."
        )
    return sizes


def check_batch(op: str, input: Any, n: int) -> bool:
    """Whether the input has a batch dimension; (channels, *space) and (batch, channels, *space) are both taken."""
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {op}, but got input of size: {list(input.shape)}. Fix: "
            f"give the input a channel dimension (and a batch dimension), for example with unsqueeze({'0' if input.ndim <= n else '1'})."
        )
    return input.ndim == n + 2


def _same_padding(op: str, input: Any, weight: Any, stride: tuple, dilation: tuple) -> tuple[Any, tuple[int, ...]]:
    """padding='same': an odd margin has its larger half at the end."""
    n = len(stride)
    if weight.ndim != n + 2:
        raise RuntimeError(
            explain_error(
                op,
                got=f"a weight of shape {list(weight.shape)}",
                expected=f"{n + 2} dimensions (out, channels / groups, *kernel)",
            )
        )
    if any(s != 1 for s in stride):
        raise RuntimeError(
            f"{op}: padding='same' is not supported for strided convolutions; got stride={list(stride)}. Fix: write the padding as numbers."
        )
    totals = [d * (k - 1) for k, d in zip(weight.shape[2:], dilation, strict=True)]
    if any(t % 2 for t in totals):
        input = pad(input, [v for t in reversed(totals) for v in (0, t % 2)])
    return input, tuple(t // 2 for t in totals[:n])


def _plain(n: int) -> Callable[..., Any]:
    name, op, zeros = f"conv{n}d", TABLE["convolution"], (0,) * n

    def conv(
        input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
    ) -> Any:
        batched = check_batch(name, input, n)
        stride, dilation = spread(name, "stride", stride, n), spread(name, "dilation", dilation, n)
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise RuntimeError(
                    explain_error(name, got=f"padding={padding!r}", expected="'same', 'valid' or numbers")
                )
            input, padding = (
                _same_padding(name, input, weight, stride, dilation) if padding == "same" else (input, zeros)
            )
        static = (stride, spread(name, "padding", padding, n), dilation, False, zeros, groups)
        if batched:
            return record(op, (input, weight, bias), static)
        return record(op, (input.unsqueeze(0), weight, bias), static).squeeze(0)

    conv.__name__ = conv.__qualname__ = name
    conv.__doc__ = (
        f"Convolution over {n} spatial dimension{'s' * (n > 1)}.\n\n"
        "out[o] = bias[o] + Σ_c weight[o, c] ⋆ input[c]; input (batch, channels, *space) or without batch, weight (out, channels / groups, "
        "*kernel).\n`padding` may be 'same' or 'valid'. RuntimeError when shapes or dtypes do not fit."
    )
    return public(name)(conv)


def _transposed(n: int) -> Callable[..., Any]:
    name, op = f"conv_transpose{n}d", TABLE["convolution"]

    def conv_transpose(
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Any:
        batched = check_batch(name, input, n)
        static = (
            spread(name, "stride", stride, n), spread(name, "padding", padding, n), spread(name, "dilation", dilation, n), True,
            spread(name, "output_padding", output_padding, n), groups,
        )  # fmt: skip
        if batched:
            return record(op, (input, weight, bias), static)
        return record(op, (input.unsqueeze(0), weight, bias), static).squeeze(0)

    conv_transpose.__name__ = conv_transpose.__qualname__ = name
    conv_transpose.__doc__ = (
        f"Transposed convolution over {n} spatial dimension{'s' * (n > 1)}: the gradient of conv{n}d with respect to its input.\n\n"
        "weight (channels, out / groups, *kernel); the output has (size − 1) stride − 2 padding + dilation (kernel − 1) + 1 + "
        "output_padding\npositions. RuntimeError when shapes or dtypes do not fit."
    )
    return public(name)(conv_transpose)


conv1d, conv2d, conv3d = (_plain(n) for n in (1, 2, 3))
conv_transpose1d, conv_transpose2d, conv_transpose3d = (_transposed(n) for n in (1, 2, 3))


@public()
def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """1-d convolution of (time, batch, channels) with a weight (kernel, channels, out)."""
    return conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad).permute(2, 0, 1)
