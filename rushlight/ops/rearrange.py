"""What ops that move elements are made of, in plain tensor code: views, copies into windows, writes at counted indices.

As `compositions`: each gets the op's inputs and static arguments and returns what the op returns; None keeps the op.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rushlight.dtype import float32, float64, int64
from rushlight.ir.meta import contiguous_stride
from rushlight.ops.tensor_code import T

Ints = Sequence[int]


# --- copies ---------------------------------------------------------------------------------------------------------


def written(x: Any, src: Any) -> Any:
    """What an alias of `x` holds after `src` was written to it."""
    return src if src.dtype is x.dtype else src.to(x.dtype)


def repeat(x: Any, repeats: Ints) -> Any:
    """Every dimension doubled by one that steps nowhere, and the two read as one."""
    shape = (1,) * (len(repeats) - x.ndim) + tuple(x.shape)
    pairs = [n for size in shape for n in (1, size)]
    wide = [n for pair in zip(repeats, shape, strict=True) for n in pair]
    return x.reshape(pairs).expand(wide).reshape([n * r for n, r in zip(shape, repeats, strict=True)])


def roll(x: Any, shifts: Ints, dims: Ints) -> Any:
    """Without dimensions: those of the elements in one row."""
    if dims:
        return None
    shifts = (shifts,) if isinstance(shifts, int) else shifts
    return T.roll(x.reshape(-1), (sum(shifts),), (0,)).reshape(x.shape)


def constant_pad(x: Any, value: Any, pad: Ints) -> Any:
    """A window of a tensor full of the value; negative margins are cut off first."""
    from rushlight.ops.pad import margins

    pairs = margins(pad, x.ndim)
    for d, (before, after) in enumerate(pairs):
        if before < 0 or after < 0:
            x = x.narrow(d, max(-before, 0), max(x.shape[d] + min(before, 0) + min(after, 0), 0))
    grown = [(max(a, 0), max(b, 0)) for a, b in pairs]
    if not any(a or b for a, b in grown):
        return T.apply("clone", (x,), {"memory_format": "contiguous"})
    size = tuple(n + a + b for n, (a, b) in zip(x.shape, grown, strict=True))
    whole = T.apply("full_op", (value,), {"size": (), "dtype": x.dtype, "device": x.device}).expand(size)
    if not x.numel():
        return whole
    steps = contiguous_stride(size)
    start = sum(a * s for (a, _), s in zip(grown, steps, strict=True))
    static = {"size": tuple(x.shape), "stride": steps, "storage_offset": start}
    return T.apply("as_strided_write", (whole, x), static)


def mode_pad_backward(g: Any, pad: Ints, mode: str) -> Any:
    """Each margin added to the elements that it shows, one dimension after another."""
    from rushlight.ops.pad import margins

    if not g.numel():
        return None
    for d, (before, after) in enumerate(margins(pad, g.ndim)):
        if before or after:
            g = _margins_added(g, d, before, after, mode)
    return g if any(pad) else g.clone()


def _margins_added(g: Any, d: int, before: int, after: int, mode: str) -> Any:
    size = g.shape[d]
    n = size - before - after
    low, high = max(before, 0), max(after, 0)

    def placed(part: Any, start: int) -> Any:
        """A piece at its place in zeros of the size before padding."""
        last = g.ndim - 1 - d
        return T.apply("constant_pad_nd", (part, 0), {"pad": (0, 0) * last + (start, n - start - part.shape[d])})

    total = placed(g.narrow(d, low, size - low - high), max(-before, 0))
    if mode == "replicate":
        ends = [(0, low, 0), (size - high, high, n - 1)]
        parts = [(g.narrow(d, at, count).sum(d, True), to) for at, count, to in ends if count]
    elif mode == "reflect":
        ends = [(0, low, 1), (size - high, high, n - 1 - high)]
        parts = [(g.narrow(d, at, count).flip(d), to) for at, count, to in ends if count]
    else:  # what is left after cutting repeats
        first, left = max(-before, 0), n - max(-before, 0) - max(-after, 0)
        if max(low, high) > left:
            return _wrapped_added(g, d, n, first, left, low)
        ends = [(0, low, first + left - low), (size - high, high, first)]
        parts = [(g.narrow(d, at, count), to) for at, count, to in ends if count]
    for part, to in parts:
        total = total + placed(part, to)
    return total


def _wrapped_added(g: Any, d: int, n: int, first: int, left: int, low: int) -> Any:
    """Margins longer than what they repeat."""
    index = first + (T.arange(g.shape[d], dtype=int64) - low) % left
    zeros = T.zeros([n if k == d else size for k, size in enumerate(g.shape)], dtype=g.dtype)
    return zeros.index_add(d, index, g)


def im2col(x: Any, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Any:
    """All patches are one view of the padded input."""
    from rushlight.ops.windows import window_count

    counts = tuple(map(window_count, x.shape[2:], kernel_size, stride, padding, dilation))
    batch, channels = x.shape[:2]
    if not x.numel() or x.ndim != 4:
        return None
    if any(padding):
        x = T.apply("constant_pad_nd", (x, 0), {"pad": (padding[1], padding[1], padding[0], padding[0])})
    for d in (0, 1):
        reach = (kernel_size[d] - 1) * dilation[d] + 1
        x = x.unfold(2 + d, reach, stride[d])
    x = x[..., :: dilation[0], :: dilation[1]]
    return x.permute(0, 1, 4, 5, 2, 3).reshape(batch, channels * math.prod(kernel_size), math.prod(counts))


def col2im(x: Any, output_size: Ints, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Any:
    """Every column's elements added at their places in the padded image."""
    from rushlight.ops.windows import window_count

    if not x.numel() or len(output_size) != 2:
        return None
    counts = tuple(map(window_count, output_size, kernel_size, stride, padding, dilation))
    high, wide = (n + 2 * p for n, p in zip(output_size, padding, strict=True))
    axes = [T.arange(n, dtype=int64) for n in (*kernel_size, *counts)]
    row = axes[0].view(-1, 1, 1, 1) * dilation[0] + axes[2].view(1, 1, -1, 1) * stride[0]
    column = axes[1].view(1, -1, 1, 1) * dilation[1] + axes[3].view(1, 1, 1, -1) * stride[1]
    batch, channels = x.shape[0], x.shape[1] // math.prod(kernel_size)
    images = T.zeros(batch * channels, high * wide, dtype=x.dtype)
    images = images.index_add(1, (row * wide + column).reshape(-1), x.reshape(batch * channels, -1))
    images = images.view(batch, channels, high, wide)
    if any(padding):
        images = images.narrow(2, padding[0], output_size[0]).narrow(3, padding[1], output_size[1])
    return images.contiguous()


# --- writes at indices ----------------------------------------------------------------------------------------------


def _half(x: Any) -> bool:
    return x.dtype.is_floating_point and x.dtype.itemsize == 2


def scatter(x: Any, index: Any, src: Any, dim: int, reduce: str) -> Any:
    """Half precision is summed in single precision and rounded once."""
    if not reduce or not _half(x):
        return None
    wide = T.apply("scatter_op", (x.float(), index, src.float()), {"dim": dim, "reduce": reduce})
    return wide.to(x.dtype)


def scatter_reduce(x: Any, index: Any, src: Any, dim: int, reduce: str) -> Any:
    """Half precision is multiplied in single precision and rounded once."""
    if not _half(x):
        return None
    return T.apply("scatter_reduce_op", (x.float(), index, src.float()), {"dim": dim, "reduce": reduce}).to(x.dtype)


def index_put(x: Any, value: Any, indices: Any, dims: Ints, accumulate: bool) -> Any:
    """Half precision is summed in single precision and rounded once."""
    if not accumulate or not _half(x):
        return None
    wide = T.apply("index_put", (x.float(), value.float(), indices), {"dims": dims, "accumulate": True})
    return wide.to(x.dtype)


def _bounded(index: Any, size: int) -> Any:
    """Indices that do not count from the end."""
    return T.apply("bounded_index_part", (index,), {"size": size})


def index_add(x: Any, index: Any, source: Any, alpha: Any, dim: int) -> Any:
    """input[.., index, ..] += alpha · source."""
    if not x.ndim:
        return None
    source = (source * alpha).to(x.dtype)
    places = [_bounded(index.reshape(-1), x.shape[dim])]
    return T.apply("index_put", (x, source, places), {"dims": (dim % x.ndim,), "accumulate": True})


def index_copy(x: Any, index: Any, source: Any, dim: int, ends: bool) -> Any:
    """input[.., index, ..] = source."""
    if not x.ndim:
        return None
    places = [index.reshape(-1) if ends else _bounded(index.reshape(-1), x.shape[dim])]
    return T.apply("index_put", (x, source, places), {"dims": (dim % x.ndim,), "accumulate": False})


def take(x: Any, index: Any) -> Any:
    """The elements in one row, indexed."""
    return T.apply("index", (x.reshape(-1), [index]), {"dims": (0,)})


def pool_gather(x: Any, indices: Any, n: int) -> Any:
    """The last n dimensions in one row, and a look-up in it."""
    flat = x.reshape([*x.shape[: x.ndim - n], -1])
    return (
        T.gather(flat, -1, indices.reshape([*flat.shape[:-1], -1])).reshape(indices.shape)
        if x.numel() and indices.numel()
        else None
    )


def one_hot(index: Any, num_classes: int) -> Any:
    """Whether each class is the element's, which must be one."""
    if not num_classes:
        return None
    wide = _bounded(index, num_classes).unsqueeze(-1)
    return (wide == T.arange(num_classes, dtype=int64)).to(int64)


def unfold_backward(g: Any, input_sizes: Ints, dim: int, size: int, step: int) -> Any:
    """One window after the other added at its places."""
    if not g.numel():
        return None
    if g.ndim == len(input_sizes):  # of a single number: one window of one element
        return g.reshape(input_sizes)
    dim %= len(input_sizes)
    count = g.shape[dim]
    index = T.arange(count, dtype=int64).view(-1, 1) * step + T.arange(size, dtype=int64)
    parts = g.movedim(-1, dim + 1).reshape([*g.shape[:dim], count * size, *g.shape[dim + 1 : -1]])
    return T.zeros(input_sizes, dtype=g.dtype).index_add(dim, index.reshape(-1), parts)


def as_strided_backward(g: Any, input_sizes: Ints, size: Ints, stride: Ints, storage_offset: int) -> Any:
    """Every element added at the place that it was read from."""
    if not g.numel():
        return None
    at: Any = storage_offset
    for d, (n, s) in enumerate(zip(size, stride, strict=True)):
        at = T.arange(n, dtype=int64).view((-1,) + (1,) * (len(size) - 1 - d)) * s + at
    if not size:
        return None
    flat = T.zeros(math.prod(input_sizes), dtype=g.dtype)
    return flat.index_add(0, at.reshape(-1), g.reshape(-1)).reshape(input_sizes)


# --- from nothing ---------------------------------------------------------------------------------------------------


def eye(n: int, m: int, dtype: Any, device: Any) -> Any:
    """Both triangles of ones."""
    return T.full((n, m), 1, dtype=dtype).tril().triu()


def linspace(start: Any, end: Any, steps: int, dtype: Any, device: Any) -> Any:
    """Counted from both ends, so that both are exact."""
    if not dtype.is_floating_point or steps < 2:
        return None
    kind = float64 if dtype.itemsize == 8 else float32
    at = T.arange(steps, dtype=int64)
    step = (end - start) / (steps - 1)
    front = at.to(kind) * step + start
    back = end - (steps - 1 - at).to(kind) * step
    return T.where(at < steps // 2, front, back).to(dtype)
