"""The operators `+ - * /` and comparisons: the hot path written out, for a tensor and a float or another tensor."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np

from rushlight.ir.op import TABLE, Op
from rushlight.lazy import record as recorder
from rushlight.lazy.record import Handle, local, record
from rushlight.lazy.views import record_inplace

_new = object.__new__


def operator(op: Op) -> Callable[[Any, Any], Any]:
    """`self OP other`, one dictionary lookup when this place of the trie is known."""
    result_class: list[type] = []

    def apply(self: Any, other: Any) -> Any:
        trace = local.trace
        kind = other.__class__
        if kind is float or kind is int:
            if self._trace is trace:
                node = trace.node.get((op, self._slot, kind, ()))
                if node is not None:
                    trace.scalars.append(other)
                    trace.node = node
                    result = _new(result_class[0])
                    result._trace = trace
                    result._slot = node.slot
                    result._meta = node.meta
                    trace.handles.append(ref(result))
                    return result
        else:
            try:
                current = self._trace is trace and other._trace is trace
            except AttributeError:
                if not _operand(other):
                    return NotImplemented
                current = False
            if current:
                node = trace.node.get((op, self._slot, other._slot, ()))
                if node is not None:
                    trace.node = node
                    result = _new(result_class[0])
                    result._trace = trace
                    result._slot = node.slot
                    result._meta = node.meta
                    trace.handles.append(ref(result))
                    return result
        if not result_class:
            result_class.append(recorder._result_class)
        if isinstance(other, np.ndarray):
            other = _from_array(other)
        return record(op, (self, other), ())

    return apply


def _operand(value: Any) -> bool:
    return isinstance(value, (Handle, numbers.Number, np.generic, np.ndarray))


def _from_array(array: np.ndarray) -> Any:
    from rushlight.functional.creation import tensor

    return tensor(array)


def _reflected(op: Op) -> Callable[[Any, Any], Any]:
    def apply(self: Any, other: Any) -> Any:
        if not _operand(other):
            return NotImplemented
        if isinstance(other, np.ndarray):
            other = _from_array(other)
        return record(op, (other, self), ())

    return apply


def _inplace(op: Op) -> Callable[[Any, Any], Any]:
    def apply(self: Any, other: Any) -> Any:
        if not _operand(other):
            return NotImplemented
        if isinstance(other, np.ndarray):
            other = _from_array(other)
        return record_inplace(op, (self, other), ())

    return apply


def _comparison(op: Op) -> Callable[[Any, Any], Any]:
    fast = operator(op)

    def apply(self: Any, other: Any) -> Any:
        if other is None or isinstance(other, (str, bytes, list, tuple, dict, set)):
            return NotImplemented
        return fast(self, other)

    return apply


def _build() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    arithmetic = {
        "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide", "mod": "remainder", "pow": "pow",
        "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "bitwise_left_shift",
        "rshift": "bitwise_right_shift",
    }  # fmt: skip
    for dunder, name in arithmetic.items():
        found[f"__{dunder}__"] = operator(TABLE[name])
        found[f"__r{dunder}__"] = _reflected(TABLE[name])
        found[f"__i{dunder}__"] = _inplace(TABLE[name + "_"])
    found["__matmul__"], found["__rmatmul__"] = operator(TABLE["matmul"]), _reflected(TABLE["matmul"])
    for dunder in ("eq", "ne", "lt", "le", "gt", "ge"):
        found[f"__{dunder}__"] = _comparison(TABLE[dunder])
    for dunder, name in {"neg": "neg", "pos": "positive", "abs": "abs", "invert": "bitwise_not"}.items():
        op = TABLE[name]
        found[f"__{dunder}__"] = lambda self, op=op: record(op, (self,), ())
    return found


DUNDERS = _build()
