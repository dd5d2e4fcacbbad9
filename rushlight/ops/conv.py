"""Convolutions of any number of spatial dimensions, by patches and one matrix product per cache-sized part of the batch.

With x (N, C, *space), w (O, C/G, *kernel): `out[n, o, p] = Σ_c,k w[o, c, k] · x[n, c, p·stride + k·dilation − padding]`.
The transposed convolution is the gradient of the plain one with respect to its input, so each is the other's gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.lessons import say
from rushlight.ops import compositions
from rushlight.ops.linalg import dtype_mismatch
from rushlight.ops.rules import like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T, conj
from rushlight.ops.windows import add_windows, batches, pad_end, volume, window_count, windows

Ints = Sequence[int]


def transposed_size(size: int, kernel: int, stride: int, padding: int, dilation: int, output_padding: int) -> int:
    """The size of a transposed convolution's output."""
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + output_padding


def _infer(
    x: Meta,
    weight: Meta,
    bias: Meta | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: int,
) -> Meta:
    n = weight.ndim - 2
    name = f"conv{'_transpose' * transposed}{n}d"
    if n < 1 or x.ndim != weight.ndim:
        raise RuntimeError(
            explain_error(
                name,
                got=f"an input of {x.ndim} dimensions {list(x.shape)} and a weight of {weight.ndim} dimensions {list(weight.shape)}",
                expected=f"an input (batch, channels, {n} spatial dimensions)",
            )
        )
    if groups <= 0:
        raise RuntimeError(f"{name}: non-positive groups is not supported; got groups={groups}.")
    for word, sizes in (
        ("stride", stride),
        ("padding", padding),
        ("dilation", dilation),
        ("output_padding", output_padding),
    ):
        if len(sizes) != n:
            raise RuntimeError(
                f"{name}: expected {word} to be a single integer value or a list of {n} values, got {word}={list(sizes)}."
            )
        if min(sizes) < (word in ("stride", "dilation")):
            raise RuntimeError(
                f"{name}: {'non-positive' if word in ('stride', 'dilation') else 'negative'} {word} is not supported; got {word}={list(sizes)}."
            )
    if weight.shape[0] % groups or weight.shape[0] < groups:
        raise RuntimeError(
            f"{name}: Given groups={groups}, expected weight to be at least {groups} at dimension 0 and divisible by {groups}, but got "
            f"weight of size {list(weight.shape)}. Fix: choose out_channels and groups so that groups divides it."
        )
    channels = weight.shape[0] if transposed else weight.shape[1] * groups
    if x.shape[1] != channels:
        layer = f"ConvTranspose{n}d" if transposed else f"Conv{n}d"
        last = say("conv-channels/last", channels=channels) if x.shape[-1] == channels else ""
        raise RuntimeError(
            say(
                "conv-channels", op=name, groups=groups, transposed="transposed=1, " * transposed, weight=list(weight.shape),
                input=list(x.shape), channels=channels, found=x.shape[1], layer=layer, last=last,
            )
        )  # fmt: skip
    if x.dtype is not weight.dtype:
        raise RuntimeError(dtype_mismatch(name, x, weight))
    out_channels = weight.shape[1] * groups if transposed else weight.shape[0]
    if bias is not None:
        if tuple(bias.shape) != (out_channels,):
            raise RuntimeError(
                f"{name}: Given weight of size {list(weight.shape)}, expected bias to be 1-dimensional with {out_channels} elements, but got "
                f"bias of size {list(bias.shape)} instead."
            )
        if bias.dtype is not x.dtype:
            raise RuntimeError(dtype_mismatch(f"{name} (bias)", x, bias))
    kernel, space = weight.shape[2:], x.shape[2:]
    if transposed:
        for o, s, d in zip(output_padding, stride, dilation, strict=True):
            if o >= max(s, d):
                raise RuntimeError(
                    f"{name}: output padding must be smaller than either stride or dilation, but got output_padding={list(output_padding)}, "
                    f"stride={list(stride)}, dilation={list(dilation)}."
                )
        size = tuple(map(transposed_size, space, kernel, stride, padding, dilation, output_padding))
    else:
        padded = [n + 2 * p for n, p in zip(space, padding, strict=True)]
        covered = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        if any(c > n for c, n in zip(covered, padded, strict=True)):
            raise RuntimeError(
                f"{name}: Calculated padded input size per channel: ({' x '.join(map(str, padded))}). Kernel size: "
                f"({' x '.join(map(str, covered))}). Kernel size can't be greater than actual input size. Fix: pad more, use a smaller "
                "kernel, or feed larger inputs."
            )
        size = tuple(map(window_count, space, kernel, stride, padding, dilation))
    if any(n <= 0 for n in size):
        raise RuntimeError(
            explain_error(
                name,
                got=f"input {list(x.shape)} and weight {list(weight.shape)}",
                expected=f"a positive output size; it would be {list(size)}",
            )
        )
    return like(x, shape=(x.shape[0], out_channels, *size))


def _patches(
    x: np.ndarray, groups: int, kernel: Ints, stride: Ints, dilation: Ints, counts: Ints, room: dict
) -> np.ndarray:
    """im2col: (N, C, *padded) -> (G, C/G · kernel, N · counts), in memory that is used again."""
    seen = windows(x, kernel, stride, dilation, counts)
    seen = seen.swapaxes(0, 1)  # (C, N, *kernel, *counts)
    seen = np.moveaxis(seen, 1, 1 + len(kernel))  # (C, *kernel, N, *counts)
    buffer = room.get(seen.shape)
    if buffer is None:
        buffer = room[seen.shape] = np.empty(seen.shape, x.dtype)
    np.copyto(buffer, seen)
    rows = x.shape[1] // groups * volume(kernel)
    return buffer.reshape(groups, rows, x.shape[0] * volume(counts))


def _by_channel(g: np.ndarray, groups: int) -> np.ndarray:
    """(N, O, *counts) -> (G, O/G, N · counts)."""
    turned = np.ascontiguousarray(g.swapaxes(0, 1))
    return turned.reshape(groups, g.shape[1] // groups, g.shape[0] * volume(g.shape[2:]))


def conv_forward(x: np.ndarray, w: np.ndarray, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> np.ndarray:
    """The plain convolution."""
    kernel = w.shape[2:]
    counts = tuple(map(window_count, x.shape[2:], kernel, stride, padding, dilation))
    out = np.empty((x.shape[0], w.shape[0], *counts), x.dtype)
    rows = w.reshape(groups, w.shape[0] // groups, volume(w.shape[1:]))
    room: dict = {}
    for part in batches(x.shape[0], x.shape[1] * volume(kernel) * volume(counts) * x.itemsize):
        columns = _patches(pad_end(x[part], padding, padding), groups, kernel, stride, dilation, counts, room)
        product = np.matmul(rows, columns)  # (G, O/G, n · counts)
        out[part] = product.reshape(w.shape[0], -1, *counts).swapaxes(0, 1)
    return out


def conv_input_gradient(
    g: np.ndarray, w: np.ndarray, space: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> np.ndarray:
    """Where each output came from: (N, O, *counts) spread back over (N, C, *space). Also the transposed convolution."""
    kernel, counts = w.shape[2:], g.shape[2:]
    channels = w.shape[1] * groups
    out = np.empty((g.shape[0], channels, *space), g.dtype)
    rows = w.reshape(groups, w.shape[0] // groups, volume(w.shape[1:])).swapaxes(1, 2)
    padded = tuple(n + 2 * p for n, p in zip(space, padding, strict=True))
    for part in batches(g.shape[0], channels * volume(kernel) * volume(counts) * g.itemsize):
        columns = np.matmul(rows, _by_channel(g[part], groups))
        columns = columns.reshape(channels, *kernel, -1, *counts)
        columns = np.moveaxis(columns, 1 + len(kernel), 1)  # (C, n, *kernel, *counts)
        whole = add_windows(columns, padded, kernel, stride, dilation, counts)
        inner = whole[(..., *(slice(p, p + n) for p, n in zip(padding, space, strict=True)))]
        out[part] = inner.swapaxes(0, 1)
    return out


def conv_weight_gradient(
    g: np.ndarray, x: np.ndarray, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> np.ndarray:
    """Σ over batch and positions of output gradient times patch: (O, C/G, *kernel)."""
    counts = g.shape[2:]
    total = np.zeros((groups, g.shape[1] // groups, x.shape[1] // groups * volume(kernel)), x.dtype)
    room: dict = {}
    for part in batches(x.shape[0], x.shape[1] * volume(kernel) * volume(counts) * x.itemsize):
        columns = _patches(pad_end(x[part], padding, padding), groups, kernel, stride, dilation, counts, room)
        total += np.matmul(_by_channel(g[part], groups), columns.swapaxes(1, 2))
    return total.reshape(g.shape[1], x.shape[1] // groups, *kernel)


def _convolution(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: int,
) -> np.ndarray:
    if transposed:
        space = tuple(map(transposed_size, x.shape[2:], w.shape[2:], stride, padding, dilation, output_padding))
        out = conv_input_gradient(x, w, space, stride, padding, dilation, groups)
    else:
        out = conv_forward(x, w, stride, padding, dilation, groups)
    if bias is not None:
        out += bias.reshape(-1, *(1,) * (x.ndim - 2))
    return out


def _turned(
    g: Any, weight: Any, space: Ints, stride: Ints, padding: Ints, dilation: Ints, transposed: bool, groups: int
) -> Any:
    """The convolution in the other direction, which has an output of size `space`."""
    kernel, extra = weight.shape[2:], (0,) * len(space)
    if not transposed:
        smallest = map(transposed_size, g.shape[2:], kernel, stride, padding, dilation, extra)
        extra = tuple(n - s for n, s in zip(space, smallest, strict=True))
    static = {
        "stride": stride, "padding": padding, "dilation": dilation, "transposed": not transposed, "output_padding": extra,
        "groups": groups,
    }  # fmt: skip
    found = T.apply("convolution", (g, conj(weight), None), static)
    for d, size in enumerate(space, 2):  # an output padding beyond the stride leaves room for more windows
        if found.shape[d] > size:
            found = found.narrow(d, 0, size)
    return found


def _vjp(
    g: Any, out: Any, x: Any, weight: Any, bias: Any, *, needs: tuple[bool, ...], stride: Ints, padding: Ints, dilation: Ints,
    transposed: bool, output_padding: Ints, groups: int,
) -> tuple:  # fmt: skip
    grad_x = grad_weight = grad_bias = None
    if needs[0]:
        grad_x = _turned(g, weight, x.shape[2:], stride, padding, dilation, transposed, groups)
    if needs[1]:
        static = {
            "kernel": tuple(weight.shape[2:]), "stride": stride, "padding": padding, "dilation": dilation, "transposed": transposed,
            "output_padding": output_padding, "groups": groups,
        }  # fmt: skip
        grad_weight = T.apply("convolution_weight_backward", (g, conj(x)), static)
    if needs[2]:
        grad_bias = g.sum((0, *range(2, g.ndim)))
    return grad_x, grad_weight, grad_bias


def _geometry(n: int, **changes: Any) -> dict[str, Any]:
    plain = {
        "stride": (1,) * n,
        "padding": (0,) * n,
        "dilation": (1,) * n,
        "transposed": False,
        "output_padding": (0,) * n,
        "groups": 1,
    }
    return {**plain, **changes}


def _samples() -> list:
    x, w = values(2, 4, 5, 6), values(6, 4, 3, 2, seed=1)
    return [
        ((x, w, values(6)), _geometry(2)), ((x, w, None), _geometry(2, stride=(2, 1), padding=(1, 2), dilation=(2, 3))),
        ((x, values(6, 2, 3, 2, seed=1), values(6)), _geometry(2, groups=2, padding=(1, 0))),
        ((values(2, 3, 7), values(4, 3, 3, seed=1), values(4)), _geometry(1, stride=(2,))),
        ((values(1, 2, 3, 4, 3), values(2, 2, 2, 2, 2, seed=1), None), _geometry(3, padding=(1, 0, 1))),
        ((x, values(4, 3, 3, 2, seed=1), values(3)), _geometry(2, transposed=True, stride=(2, 3), padding=(1, 0), output_padding=(1, 2))),
        ((x, values(4, 3, 2, 2, seed=1), values(6)), _geometry(2, transposed=True, groups=2, dilation=(2, 1))),
    ]  # fmt: skip


convolution = declare(
    "convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool transposed, "
    "int[] output_padding, int groups)",
    infer=_infer, reference=_convolution, vjp=_vjp, expand=compositions.convolution, wide=True, samples=_samples,
    public="function", doc="the (transposed) convolution over every dimension after the first two",
)  # fmt: skip


def _weight_infer(g: Meta, x: Meta, kernel: Ints, transposed: bool, groups: int, **geometry: Any) -> Meta:
    first, second = (x, g) if transposed else (g, x)
    return like(x, shape=(first.shape[1], second.shape[1] // groups, *kernel))


def _weight_gradient(
    g: np.ndarray,
    x: np.ndarray,
    kernel: Ints,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: int,
) -> np.ndarray:
    first, second = (x, g) if transposed else (g, x)
    return conv_weight_gradient(first, second, kernel, stride, padding, dilation, groups)


def _weight_vjp(
    v: Any, out: Any, g: Any, x: Any, *, needs: tuple[bool, ...], kernel: Ints, stride: Ints, padding: Ints, dilation: Ints,
    transposed: bool, output_padding: Ints, groups: int,
) -> tuple:  # fmt: skip
    """The weight gradient is bilinear in (g, x): ⟨v, W(g, x)⟩ = ⟨convolution(x, v), g⟩."""
    grad_g = grad_x = None
    if needs[0]:
        static = {
            "stride": stride, "padding": padding, "dilation": dilation, "transposed": transposed, "output_padding": output_padding,
            "groups": groups,
        }  # fmt: skip
        grad_g = T.apply("convolution", (conj(x), v, None), static)
    if needs[1]:
        grad_x = _turned(g, v, x.shape[2:], stride, padding, dilation, transposed, groups)
    return grad_g, grad_x


convolution_weight_backward = declare(
    "convolution_weight_backward(Tensor grad, Tensor input, int[] kernel, int[] stride, int[] padding, int[] dilation, "
    "bool transposed, int[] output_padding, int groups)",
    infer=_weight_infer, reference=_weight_gradient, vjp=_weight_vjp, wide=True,
    samples=lambda: [((values(2, 6, 3, 3), values(2, 4, 4, 5)), _geometry(2, kernel=(2, 3)))],
    doc="the gradient of a convolution with respect to its weight",
)  # fmt: skip
