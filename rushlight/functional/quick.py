"""Ops of one or two operands: the hot path of `record`, written out for them."""

from __future__ import annotations

import numbers as abstract
from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np

from rushlight.ir.op import Op
from rushlight.lazy import record as recorder
from rushlight.lazy.grow import record_slowly
from rushlight.lazy.handle import HANDLES
from rushlight.lazy.record import NUMBERS, emit, enter, local, record

_new = object.__new__


def unary(op: Op, static: tuple = ()) -> Callable[[Any], Any]:
    """`op(input)`, one dictionary lookup when this place of the trie is known."""

    def apply(input: Any) -> Any:
        if input.__class__ not in HANDLES:
            return record(op, (input,), static)
        trace = local.trace
        key = (op, input._slot if input._trace is trace else enter(trace, input), static)
        here = trace.node
        node = here.likely if key == here.likely_key else here.get(key)
        if node is None:
            return record_slowly(trace, key, [])
        trace.node = node
        result: Any = _new(recorder._result_class)
        result._trace = trace
        result._slot = node.slot
        result._meta = node.meta
        trace.handles.append(ref(result))
        return result

    return apply


def binary(op: Op, dunder: bool = False) -> Callable[[Any, Any], Any]:
    """`op(input, other)`, one dictionary lookup when this place of the trie is known; as an operator's method it takes arrays
    too, and returns NotImplemented for what is no operand."""

    def apply(input: Any, other: Any) -> Any:
        if not dunder and input.__class__ not in HANDLES:
            return record(op, (input, other), ())
        trace = local.trace
        kind = other.__class__
        number = kind is float or kind is int
        if number:
            key = (op, input._slot if input._trace is trace else enter(trace, input), kind, ())
        elif kind in HANDLES:
            slot = input._slot if input._trace is trace else enter(trace, input)
            key = (op, slot, other._slot if other._trace is trace else enter(trace, other), ())
        elif dunder and not is_operand(other):
            return NotImplemented
        else:
            return record(op, (input, from_array(other) if dunder and isinstance(other, np.ndarray) else other), ())
        here = trace.node
        node = here.likely if key == here.likely_key else here.get(key)
        if node is None:
            return record_slowly(trace, key, [other] if number else [])
        if number:
            trace.scalars.append(other)
        trace.node = node
        result: Any = _new(recorder._result_class)
        result._trace = trace
        result._slot = node.slot
        result._meta = node.meta
        trace.handles.append(ref(result))
        return result

    return apply


def reflected(op: Op) -> Callable[[Any, Any], Any]:
    """`other OP self`, for the operators' reflected methods."""

    def apply(self: Any, other: Any) -> Any:
        kind = other.__class__
        if kind is float or kind is int:
            trace = local.trace
            key = (op, kind, self._slot if self._trace is trace else enter(trace, self), ())
            here = trace.node
            node = here.likely if key == here.likely_key else here.get(key)
            if node is None:
                return record_slowly(trace, key, [other])
            trace.scalars.append(other)
            trace.node = node
            return emit(trace, node)
        if not is_operand(other):
            return NotImplemented
        return record(op, (from_array(other) if isinstance(other, np.ndarray) else other, self), ())

    return apply


def is_operand(value: Any) -> bool:
    """Whether an operator takes it beside a tensor."""
    kind = value.__class__
    return kind in HANDLES or kind in NUMBERS or isinstance(value, (abstract.Number, np.generic, np.ndarray))


def from_array(array: np.ndarray) -> Any:
    from rushlight.functional.creation import tensor

    return tensor(array)
