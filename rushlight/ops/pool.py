"""Maximum pooling over the last dimensions: each maximum remembers where it came from, and its gradient goes back there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.dtype import BOOL, COMPLEX
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops import rearrange
from rushlight.ops.rules import forbid, like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T
from rushlight.ops.windows import pad_end, reach, taps, volume, window_count

Ints = Sequence[int]


def pooled_shape(
    op: str, x: Meta, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[int, ...]:
    """The output shape, checked."""
    n = len(kernel)
    name = f"{op}{n}d"
    for word, sizes in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
        if min(sizes) <= 0:
            raise RuntimeError(f"{name}: {word} should be greater than zero, but got {word}={list(sizes)}.")
    if any(p < 0 or p > (d * (k - 1) + 1) // 2 for p, k, d in zip(padding, kernel, dilation, strict=True)):
        raise RuntimeError(
            f"{name}: pad should be at most half of effective kernel size, but got padding={list(padding)}, kernel_size={list(kernel)} and "
            f"dilation={list(dilation)}. Fix: pad less, or pad the input first with F.pad."
        )
    space = x.shape[x.ndim - n :]
    counts = tuple(
        window_count(*sizes, ceil_mode) for sizes in zip(space, kernel, stride, padding, dilation, strict=True)
    )
    if min(counts) < 1:
        raise RuntimeError(
            f"{name}: Given input size: {list(x.shape)}, calculated output size: {list(counts)}. Output size is too small. Fix: feed larger "
            f"inputs, or pool with a kernel smaller than {list(kernel)}."
        )
    return (*x.shape[: x.ndim - n], *counts)


def _max_infer(
    x: Meta, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[Meta, Meta]:
    forbid(f"max_pool{len(kernel_size)}d", x, COMPLEX, BOOL)
    shape = pooled_shape("max_pool", x, kernel_size, stride, padding, dilation, ceil_mode)
    return like(x, shape=shape), like(x, shape=shape, dtype=dtypes.int64)


def _lowest(kind: np.dtype) -> Any:
    return -np.inf if kind.kind == "f" else np.iinfo(kind).min


def _max_pool(x: np.ndarray, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool) -> tuple:
    n = len(kernel_size)
    space = x.shape[x.ndim - n :]
    counts = tuple(window_count(*s, ceil_mode) for s in zip(space, kernel_size, stride, padding, dilation, strict=True))
    end = tuple(
        max(0, r - p - s) for r, p, s in zip(reach(kernel_size, stride, dilation, counts), padding, space, strict=True)
    )
    padded = pad_end(x, padding, end, _lowest(x.dtype))
    check_nan = x.dtype.kind == "f" and x.size and np.isnan(np.min(x))
    begin, first = _places(space, counts, stride, padding, dilation)
    steps = [
        int(np.prod(space[d + 1 :])) * dilation[d] for d in range(n)
    ]  # how far one kernel position moves in the flat input
    best = chosen = None
    for at, place in taps(kernel_size, stride, dilation, counts):
        candidate = padded[place]
        if best is None:
            best, chosen = candidate.copy(), np.empty(candidate.shape, np.int64)
            chosen[...] = first
            continue
        wins = candidate > best
        if check_nan:
            wins |= candidate != candidate
        np.maximum(best, candidate, out=best)
        np.copyto(chosen, sum(i * step for i, step in zip(at, steps, strict=True)), where=wins)
    chosen += begin
    return best, chosen


def _places(space: Ints, counts: Ints, stride: Ints, padding: Ints, dilation: Ints) -> tuple[np.ndarray, np.ndarray]:
    """For each window: where it begins in the flattened input, and how far from there its first element inside lies."""
    begin = first = np.zeros((), np.int64)
    for size, count, s, p, d in zip(space, counts, stride, padding, dilation, strict=True):
        start = np.arange(count) * s - p
        outside = -(np.minimum(start, 0) // d) * d
        begin = begin[..., None] * size + start
        first = first[..., None] * size + outside
    return begin, first


def last_sizes(x: Any, n: int) -> tuple[int, ...]:
    """The sizes of the last n dimensions."""
    return tuple(x.shape[x.ndim - n :])


def _max_vjp(
    g: Any,
    out: Any,
    x: Any,
    *,
    needs: tuple[bool, ...],
    kernel_size: Ints,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
) -> tuple:
    distinct = all(s >= d * (k - 1) + 1 for k, s, d in zip(kernel_size, stride, dilation, strict=True))
    return (
        T.apply("pool_scatter_part", (g[0], out[1]), {"size": last_sizes(x, len(kernel_size)), "add": not distinct}),
    )


def _geometry(kernel: Ints, stride: Ints, **changes: Any) -> dict[str, Any]:
    n = len(kernel)
    return {
        "kernel_size": kernel,
        "stride": stride,
        "padding": (0,) * n,
        "dilation": (1,) * n,
        "ceil_mode": False,
        **changes,
    }


max_pool = declare(
    "max_pool_op(Tensor input, int[] kernel_size, int[] stride, int[] padding, int[] dilation, bool ceil_mode)",
    infer=_max_infer, reference=_max_pool, vjp=_max_vjp, wide=True, grad_name="MaxPool2DWithIndicesBackward0",
    samples=lambda: [
        ((values(2, 3, 4, 6),), _geometry((2, 2), (2, 2))), ((values(2, 7),), _geometry((3,), (2,), padding=(1,), ceil_mode=True)),
        ((values(1, 2, 5, 6),), _geometry((3, 2), (1, 2), padding=(1, 0), dilation=(1, 2))),
    ],
    doc="the largest of each window, and its index in the flattened input",
)  # fmt: skip


def _scatter(g: np.ndarray, indices: np.ndarray, size: Ints, add: bool) -> np.ndarray:
    n, area = len(size), volume(size)
    planes = volume(g.shape[: g.ndim - n])
    flat = indices.reshape(planes, volume(indices.shape[indices.ndim - n :]))
    if flat.size and (flat.min() < 0 or flat.max() >= area):
        bad = flat[(flat < 0) | (flat >= area)][0]
        raise RuntimeError(
            f"max_unpool: found an invalid max index: {bad} (output volumes are of size {' x '.join(map(str, size))})."
        )
    places = (flat + np.arange(planes)[:, None] * area).reshape(-1)
    if add and g.dtype.kind == "f":
        total = np.bincount(places, weights=g.reshape(-1), minlength=planes * area).astype(g.dtype)
    else:
        total = np.zeros(planes * area, g.dtype)
        if add:
            np.add.at(total, places, g.reshape(-1))
        else:
            total[places] = g.reshape(-1)
    return total.reshape(*g.shape[: g.ndim - n], *size)


def _scatter_infer(g: Meta, indices: Meta, size: Ints, add: bool) -> Meta:
    n = len(size)
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(
            f"max_unpool{n}d: elements in indices should be type int64 but got: {indices.dtype}. Fix: convert with .long()."
        )
    if indices.shape != g.shape:
        raise RuntimeError(
            f"max_unpool{n}d: Expected shape of indices to be same as that of the input tensor ({list(g.shape)}) but got indices tensor with shape: {list(indices.shape)}."
        )
    return like(g, shape=(*g.shape[: g.ndim - n], *size))


pool_scatter = declare(
    "pool_scatter_part(Tensor input, Tensor indices, int[] size, bool add)", infer=_scatter_infer, reference=_scatter, wide=True,
    vjp=(lambda g, out, x, indices, size, add: T.apply("pool_gather_part", (g, indices), {"n": len(size)}), None),
    samples=lambda: [((values(2, 2), np.array([[0, 3], [1, 4]])), {"size": (5,), "add": False})], grad_name="MaxUnpool2DBackward0",
    doc="values put (or added) at indices of a flattened window of `size`",
)  # fmt: skip


def _flat(x: np.ndarray, n: int) -> np.ndarray:
    return x.reshape(*x.shape[: x.ndim - n], volume(x.shape[x.ndim - n :]))


pool_gather = declare(
    "pool_gather_part(Tensor input, Tensor indices, int n)", infer=lambda x, indices, n: like(x, shape=indices.shape),
    reference=lambda x, indices, n: np.take_along_axis(_flat(x, n), _flat(indices, n), -1).reshape(indices.shape),
    vjp=(lambda g, out, x, indices, n: T.apply("pool_scatter_part", (g, indices), {"size": last_sizes(x, n), "add": True}), None),
    samples=lambda: [((values(2, 5), np.array([[0, 3], [1, 4]])), {"n": 1})], expand=rearrange.pool_gather, moves=True, doc="values read at indices of the flattened last n dimensions",
)  # fmt: skip

# --- adaptive maxima ----------------------------------------------------------------------------------------------


def regions(size: int, count: int) -> list[tuple[int, int]]:
    """The bounds of `count` nearly equal regions, as adaptive pools take them: ⌊i s/c⌋ to ⌈(i+1) s/c⌉."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def adaptive_shape(op: str, x: Meta, output_size: Ints) -> tuple[int, ...]:
    """The output shape of an adaptive pool, checked."""
    n = len(output_size)
    if 0 in x.shape[x.ndim - n :] or min(output_size) < 0:
        raise RuntimeError(
            explain_error(
                f"{op}{n}d",
                got=f"input {list(x.shape)} and output_size {list(output_size)}",
                expected="non-zero spatial dimensions and an output_size of at least 0",
            )
        )
    return (*x.shape[: x.ndim - n], *output_size)


def _adaptive_max_infer(x: Meta, output_size: Ints) -> tuple[Meta, Meta]:
    shape = adaptive_shape("adaptive_max_pool", x, output_size)
    return like(x, shape=shape), like(x, shape=shape, dtype=dtypes.int64)


def _adaptive_max(x: np.ndarray, output_size: Ints) -> tuple:
    n = len(output_size)
    lead, space = x.shape[: x.ndim - n], x.shape[x.ndim - n :]
    out, index = np.empty((*lead, *output_size), x.dtype), np.empty((*lead, *output_size), np.int64)
    numbered = np.arange(volume(space)).reshape(space)
    bounds = [list(enumerate(regions(s, o))) for s, o in zip(space, output_size, strict=True)]
    for cell in itertools.product(*bounds):
        at = (..., *(i for i, _ in cell))
        region = tuple(slice(*b) for _, b in cell)
        flat = x[(..., *region)].reshape(*lead, -1)
        best = np.argmax(flat, -1)
        out[at] = np.take_along_axis(flat, best[..., None], -1)[..., 0]
        index[at] = numbered[region].reshape(-1)[best]
    return out, index


adaptive_max_pool = declare(
    "adaptive_max_pool_op(Tensor input, int[] output_size)", infer=_adaptive_max_infer, reference=_adaptive_max,
    vjp=(lambda g, out, x, output_size: T.apply("pool_scatter_part", (g[0], out[1]), {"size": last_sizes(x, len(output_size)), "add": True}),),
    samples=lambda: [((values(2, 5, 7), (2, 3)), {}), ((values(2, 6), (4,)), {})], grad_name="AdaptiveMaxPool2DBackward0",
    doc="the largest of each region, and its index in the flattened input",
)  # fmt: skip

# --- fractional maxima --------------------------------------------------------------------------------------------


def _fractional_infer(x: Meta, samples: Meta, kernel_size: Ints, output_size: Ints) -> tuple[Meta, Meta]:
    n = len(kernel_size)
    name = f"fractional_max_pool{n}d"
    lead, space = x.shape[: x.ndim - n], x.shape[x.ndim - n :]
    if any(o + k - 1 > s for o, k, s in zip(output_size, kernel_size, space, strict=True)):
        raise RuntimeError(
            explain_error(
                name,
                got=f"kernel {list(kernel_size)} and output {list(output_size)} for an input {list(x.shape)}",
                expected="output + kernel − 1 to fit in the input",
            )
        )
    if tuple(samples.shape[-2:]) != (lead[-1], n):
        raise RuntimeError(
            explain_error(
                name, got=f"_random_samples of shape {list(samples.shape)}", expected=f"(batch, {lead[-1]}, {n})"
            )
        )
    shape = (*lead, *output_size)
    return like(x, shape=shape), like(x, shape=shape, dtype=dtypes.int64)


def _starts(u: np.ndarray, size: int, kernel: int, count: int) -> np.ndarray:
    """Where windows begin, one row for each random number: pseudorandom steps, the last window at the very end."""
    if count == 1:
        return np.full((len(u), 1), size - kernel)
    alpha = u.dtype.type((size - kernel) / (count - 1))
    steps = np.arange(count - 1, dtype=u.dtype)
    begins = ((steps + u[:, None]) * alpha).astype(np.int64) - (u[:, None] * alpha).astype(np.int64)
    return np.concatenate([begins, np.full((len(u), 1), size - kernel)], 1)


def _fractional(x: np.ndarray, samples: np.ndarray, kernel_size: Ints, output_size: Ints) -> tuple:
    n = len(kernel_size)
    lead, space = x.shape[: x.ndim - n], x.shape[x.ndim - n :]
    planes = x.reshape(volume(lead), *space)
    samples = samples.astype(x.dtype).reshape(-1, n)
    flat_index = np.zeros((len(planes), *(1,) * (2 * n)), np.int64)
    for d, (size, k, o) in enumerate(zip(space, kernel_size, output_size, strict=True)):
        # the random numbers belong to the dimensions from the last to the first in 2-d, from the first on in 3-d
        u = samples[:, n - 1 - d if n == 2 else d]
        at = _starts(u, size, k, o)[:, :, None] + np.arange(k)
        shape = [len(planes)] + [1] * (2 * n)
        shape[1 + d], shape[1 + n + d] = o, k
        flat_index = flat_index * size + at.reshape(shape)
    flat_index = flat_index.reshape(len(planes), volume(output_size), volume(kernel_size))
    seen = np.take_along_axis(planes.reshape(len(planes), 1, volume(space)), flat_index, -1)
    best = np.argmax(seen, -1)[..., None]
    pick = lambda a: np.take_along_axis(a, best, -1).reshape(*lead, *output_size)  # noqa: E731
    return pick(seen), pick(flat_index)


fractional_max_pool = declare(
    "fractional_max_pool_op(Tensor input, Tensor samples, int[] kernel_size, int[] output_size)", infer=_fractional_infer,
    reference=_fractional, grad_name="FractionalMaxPool2DBackward0",
    vjp=(
        lambda g, out, x, samples, kernel_size, output_size: T.apply(
            "pool_scatter_part", (g[0], out[1]), {"size": last_sizes(x, len(kernel_size)), "add": True}
        ),
        None,
    ),
    samples=lambda: [((values(1, 2, 7, 8), values(1, 2, 2, low=0.1, high=0.9), (2, 3), (4, 3)), {})],
    doc="the largest of windows at pseudorandom places, and its index in the flattened input",
)  # fmt: skip
