"""Padding of trailing dimensions. Each mode copies elements, so its gradient adds them back; both are ops."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops import rearrange
from rushlight.ops.rules import like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T

Ints = Sequence[int]


def margins(pad: Ints, ndim: int) -> list[tuple[int, int]]:
    """(before, after) of every dimension; `pad` lists them from the last dimension on."""
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    return [(0, 0)] * (ndim - len(pairs)) + pairs[::-1]


def _grown(op: str, x: Meta, pad: Ints) -> tuple[int, ...]:
    shape = tuple(n + a + b for n, (a, b) in zip(x.shape, margins(pad, x.ndim), strict=True))
    if any(n < 0 for n in shape):
        raise RuntimeError(
            explain_error(
                op,
                got=f"pad={list(pad)} for an input of shape {list(x.shape)}",
                expected=f"sizes of at least 0; the result would have {list(shape)}",
            )
        )
    return shape


def _constant_infer(x: Meta, value: Meta, pad: Ints) -> Meta:
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise RuntimeError(
            explain_error(
                "pad",
                got=f"pad={list(pad)} for an input of shape {list(x.shape)}",
                expected=f"(before, after) pairs, from the last dimension on, for at most {x.ndim} dimensions",
            )
        )
    return like(x, shape=_grown("pad", x, pad))


def _constant(x: np.ndarray, value: np.ndarray, pad: Ints) -> np.ndarray:
    pairs = margins(pad, x.ndim)
    result = np.full([n + a + b for n, (a, b) in zip(x.shape, pairs, strict=True)], value, x.dtype)
    source = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, pairs, strict=True))
    target = tuple(slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(result.shape, pairs, strict=True))
    result[target] = x[source]
    return result


def _constant_vjp(g: Any, out: Any, x: Any, value: Any, *, needs: tuple[bool, ...], pad: Ints) -> tuple:
    return T.apply("constant_pad_nd", (g, 0), {"pad": tuple(-p for p in pad)}), None


constant_pad_nd = declare(
    "constant_pad_nd(Tensor input, int[] pad, Number value=0)", public="function", infer=_constant_infer, reference=_constant, vjp=_constant_vjp,
    samples=lambda: [((values(2, 3), (1, 2), 0.5), {}), ((values(2, 3, 4), (1, -1, -1, 2)), {})],
    expand=rearrange.constant_pad, moves=True, doc="margins of a constant; negative ones cut off",
)  # fmt: skip


@lru_cache(256)
def source_index(size: int, before: int, after: int, mode: str) -> np.ndarray:
    """Which element each position of a padded dimension shows."""
    at = np.arange(-before, size + after)
    if mode == "replicate":
        return np.clip(at, 0, size - 1)
    if mode == "circular":  # what is left after cutting repeats
        first, last = max(-before, 0), size + min(after, 0)
        return first + (at - first) % (last - first)
    at = np.abs(at)
    return np.where(at > size - 1, 2 * (size - 1) - at, at)


def _mode_infer(x: Meta, pad: Ints, mode: str) -> Meta:
    op = f"{mode} padding"
    for d, (n, pair) in enumerate(zip(x.shape, margins(pad, x.ndim), strict=True)):
        most = {"reflect": n - 1, "circular": n}.get(mode)
        if most is not None and any(pair) and max(pair) > most:
            raise RuntimeError(
                f"{op}: Padding size should be {'less than' if mode == 'reflect' else 'at most'} the corresponding input dimension, "
                f"but got: padding {pair} at dimension {d} of input {list(x.shape)}. Fix: pad at most {max(most, 0)} there, or use mode='replicate'."
            )
        if n == 0 and any(pair):
            raise RuntimeError(
                explain_error(op, got=f"an empty dimension {d} in {list(x.shape)}", expected="elements to repeat")
            )
    return like(x, shape=_grown(op, x, pad))


def _mode_pad(x: np.ndarray, pad: Ints, mode: str) -> np.ndarray:
    for d, (n, pair) in enumerate(zip(x.shape, margins(pad, x.ndim), strict=True)):
        if any(pair):
            x = np.take(x, source_index(n, *pair, mode), axis=d)
    return x if any(pad) else x.copy()


def _mode_back(g: np.ndarray, pad: Ints, mode: str) -> np.ndarray:
    result = g
    for d, (a, b) in enumerate(margins(pad, g.ndim)):
        if not a and not b:
            continue
        n = result.shape[d] - a - b
        index = source_index(n, a, b, mode)
        rest = np.moveaxis(result, d, 0)
        total = np.zeros((n, *rest.shape[1:]), g.dtype)
        inside = slice(max(a, 0), len(index) - max(b, 0))
        total[index[inside]] = rest[inside]
        for i in (*range(max(a, 0)), *range(len(index) - max(b, 0), len(index))):
            total[index[i]] += rest[i]
        result = np.moveaxis(total, 0, d)
    return result if result is not g else g.copy()


mode_pad = declare(
    "mode_pad_op(Tensor input, int[] pad, str mode)", infer=_mode_infer, reference=_mode_pad,
    vjp=(lambda g, out, x, pad, mode: T.apply("mode_pad_backward", (g,), {"pad": pad, "mode": mode}),),
    samples=lambda: [((values(2, 3, 4), (1, 2, 2, 0), m), {}) for m in ("reflect", "replicate", "circular")],
    doc="margins that mirror, repeat the edge, or wrap around",
)  # fmt: skip
mode_pad_backward = declare(
    "mode_pad_backward(Tensor input, int[] pad, str mode)",
    infer=lambda g, pad, mode: like(g, shape=_grown("pad", g, tuple(-p for p in pad))), reference=_mode_back,
    vjp=(lambda g, out, x, pad, mode: T.apply("mode_pad_op", (g,), {"pad": pad, "mode": mode}),),
    samples=lambda: [((values(2, 5, 7), (1, 2, 2, 0), "reflect"), {})], expand=rearrange.mode_pad_backward, doc="margins added to the elements they show",
)  # fmt: skip
