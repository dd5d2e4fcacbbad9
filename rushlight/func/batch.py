"""What a batching rule works with: values that may carry a batch dimension, in front, and the table of rules."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from rushlight.ir.meta import Meta
from rushlight.ir.op import Op
from rushlight.lazy.record import record
from rushlight.lazy.views import record_view
from rushlight.ops.tensor_code import T


class Value:
    """A tensor as the function saw it (`meta`, one sample), and the tensor that holds it for all samples or for each alike."""

    __slots__ = ("batched", "handle", "meta")

    def __init__(self, handle: Any, batched: bool, meta: Meta):
        self.handle, self.batched, self.meta = handle, batched, meta

    @property
    def ndim(self) -> int:
        return len(self.meta.shape)


Given = Value | list[Value] | int | float | bool | complex | None


class Batch:
    """One replay: how many samples, and how random numbers are drawn."""

    def __init__(self, size: int, randomness: str):
        self.size, self.randomness = size, randomness

    def aligned(self, value: Value, ndim: int) -> Any:
        """The tensor with its sample dimensions padded in front to `ndim`; broadcasts against others of that rank."""
        if not value.batched:
            return value.handle
        missing = ndim - value.ndim
        if missing <= 0:
            return value.handle
        return value.handle.reshape(self.size, *(1,) * missing, *value.meta.shape)

    def full(self, value: Value, ndim: int | None = None) -> Any:
        """(B, *sample), also for what is the same for each sample."""
        shape = tuple(value.meta.shape)
        if not value.batched:
            result = value.handle.expand(self.size, *shape)
        else:
            result = value.handle
        if ndim is not None and ndim > len(shape):
            result = result.reshape(self.size, *(1,) * (ndim - len(shape)), *shape)
        return result

    def sample(self, value: Value, at: int) -> Any:
        """One sample's tensor."""
        if not value.batched:
            return value.handle
        found = value.handle.select(0, at)
        return found.contiguous() if value.meta.contiguous else found


# rule(batch, op, given, static, metas of the results) -> the batched result, or a tuple of them
Rule = Callable[[Batch, Op, list, dict[str, Any], tuple[Meta, ...]], Any]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a batching rule for ops of the table."""

    def add(fn: Rule) -> Rule:
        for name in names:
            RULES[name] = fn
        return fn

    return add


def run(op: Op, inputs: Any, static: dict[str, Any]) -> Any:
    """Record an op of the table."""
    values = tuple(static[n] for n in op.statics)
    return record_view(op, inputs[0], values) if op.view else record(op, inputs, values)


def call(name: str, inputs: tuple, **static: Any) -> Any:
    """Record the op with this name."""
    return T.apply(name, inputs, static)


def tensors(given: list) -> list[Value]:
    """The tensors among an op's arguments."""
    return [v for g in given for v in (g if isinstance(g, list) else (g,)) if isinstance(v, Value)]


def plain(given: Given) -> Any:
    """An argument as the op takes it, when nothing is batched."""
    if isinstance(given, list):
        return tuple(v.handle for v in given)
    return given.handle if isinstance(given, Value) else given


_slow: set[str] = set()


def one_by_one(batch: Batch, op: Op, given: list, static: dict[str, Any], metas: tuple[Meta, ...]) -> Any:
    """The rule of last resort: the op once for each sample, the results stacked."""
    if batch.size == 0:
        raise RuntimeError(
            f"vmap: {op.name} has no batching rule and so cannot run on a batch of size 0. Fix: leave out the call for empty batches."
        )
    if op.name not in _slow:
        _slow.add(op.name)
        warnings.warn(
            f"vmap: {op.name} has no batching rule: it is recorded once for each of the {batch.size} samples, which is slow for "
            "large batches.",
            stacklevel=2,
        )

    def at(g: Given, i: int) -> Any:
        if isinstance(g, list):
            return tuple(batch.sample(v, i) for v in g)
        return batch.sample(g, i) if isinstance(g, Value) else g

    rows = [run(op, tuple(at(g, i) for g in given), static) for i in range(batch.size)]
    if len(metas) == 1:
        return T.stack(rows)
    return tuple(T.stack(list(column)) for column in zip(*rows, strict=True))


def fitted(batch: Batch, result: Any, meta: Meta) -> Any:
    """The result as (B, *sample): rules may leave dimensions of size 1 that the op drops."""
    wanted = (batch.size, *meta.shape)
    if tuple(result.shape) != wanted:
        assert math.prod(result.shape) == math.prod(wanted), (result.shape, wanted)
        result = result.reshape(wanted)
    return result if result.dtype is meta.dtype else result.to(meta.dtype)
