"""The replay of a nested trace: each entry again, in the trace around it, for all samples at once.

In this order an entry is replayed: as it is, if none of its operands differs from sample to sample; by the batching rule of
its family; through its `expand`, traced on sample shapes and replayed in turn; for each sample alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

from rushlight.dtype import bfloat16, float16
from rushlight.func import rules_index, rules_nn, rules_views  # noqa: F401  they fill the table
from rushlight.func.batch import RULES, Batch, Value, fitted, one_by_one, plain, run, tensors
from rushlight.func.rules import pointwise
from rushlight.func.rules_function import function, tensors_of
from rushlight.func.rules_random import random
from rushlight.ir.meta import WEAK, Meta
from rushlight.ir.op import Op
from rushlight.lazy.macro import Expansion, Outside, stand_in, trace_macro
from rushlight.lazy.nested import NestedTrace
from rushlight.lazy.record import enter, local, switch_grad_mode
from rushlight.lazy.trie import FUNCTION, LEAF, MACRO, MARK_LEAF, STATE, Entry, operands

_expansions: OrderedDict[Any, Expansion | None] = OrderedDict()
_REMEMBERED = 2048


class Replay:
    """Values of a nested trace's slots as they are outside."""

    def __init__(self, trace: NestedTrace, batch: Batch, given: dict[int, Value]):
        self.trace, self.batch = trace, batch
        self.values: dict[int, Value] = dict(given)

    def run(self, wanted: Sequence[int]) -> list[Value]:
        """Replay what the wanted slots need, and every draw of random numbers."""
        trace, mode = self.trace, local.grad_mode
        generators = [local.trace.enter_generator(generator) for generator, _ in trace.generators]
        numbers = trace.scalars
        try:
            for entry in self._needed(wanted):
                if entry.grad_mode is not local.grad_mode:
                    switch_grad_mode(entry.grad_mode)
                if entry.op is LEAF:
                    if entry.slot not in self.values:
                        self.values[entry.slot] = Value(trace.value_of_leaf(entry.slot), False, entry.meta)
                    continue
                self._entry(entry, self.values, numbers, generators)
        finally:
            if local.grad_mode is not mode:
                switch_grad_mode(mode)
        return [self.values[slot] for slot in wanted]

    def _needed(self, wanted: Sequence[int]) -> Iterator[Entry]:
        path = self.trace.path()
        needed = set(wanted)
        kept = []
        for entry in reversed(path):
            if entry.op.random or not needed.isdisjoint(range(entry.slot, entry.end)):
                kept.append(entry)
                needed.update(operands(entry))
                if entry.op is FUNCTION:
                    needed.update(
                        t._slot for t in tensors_of(self.trace.contexts[entry.slot]) if t._trace is self.trace
                    )
        return reversed(kept)

    def _entry(self, entry: Entry, values: dict[int, Value], numbers: Sequence[Any], generators: Sequence[int]) -> None:
        op, metas = entry.op, entry.metas
        if op is STATE:
            return
        if op is MARK_LEAF:
            values[entry.slot] = Value(values[entry.inputs[0]].handle, values[entry.inputs[0]].batched, entry.meta)
            return
        if op is FUNCTION:
            self._function(entry, values)
            return
        if op is MACRO:
            found = self._path(entry.expansion, lambda item: values[item] if item >= 0 else numbers[~item])
            values.update(zip(range(entry.slot, entry.end), found, strict=True))
            return

        def at(item: Any) -> Any:
            if item is None:
                return None
            if item.__class__ is tuple:
                return [values[s] for s in item]
            return numbers[~item] if item < 0 else values[item]

        static = entry.statics()
        if op.random:
            static["generator"] = generators[static["generator"]]
        results = self.apply(op, [at(item) for item in entry.inputs], static, metas)
        values.update(zip(range(entry.slot, entry.end), results, strict=True))

    def apply(self, op: Op, given: list, static: dict[str, Any], metas: tuple[Meta, ...]) -> list[Value]:
        """One op on values: its results."""
        given = [g.handle if isinstance(g, Value) and g.meta.weak else g for g in given]
        if op.random:
            found, batched = random(self.batch, op, given, static, metas)
        else:
            batched = any(v.batched for v in tensors(given))
            if batched:
                expanded = self._batched(op, given, static, metas)
                if isinstance(expanded, list):
                    return expanded
                found = expanded
            else:
                found = run(op.functional or op, tuple(plain(g) for g in given), static)
        results = found if isinstance(found, tuple) else (found,)
        if batched:
            return [Value(fitted(self.batch, r, m), True, m) for r, m in zip(results, metas, strict=True)]
        if op.inplace and results[0].dtype is not metas[0].dtype:
            results = (results[0].to(metas[0].dtype),)
        return [Value(r, False, m) for r, m in zip(results, metas, strict=True)]

    def _batched(self, op: Op, given: list, static: dict[str, Any], metas: tuple[Meta, ...]) -> Any:
        base = op.functional or op
        if base.name in RULES:
            return RULES[base.name](self.batch, base, given, static, metas)
        if op.pointwise:
            return pointwise(self.batch, op, given, static, metas)
        if base.expand is not None:
            expansion = _expansion(base, given, static, metas)
            if expansion is not None:
                flat = tensors([_cut(op, k, g) for k, g in enumerate(given)])
                return self._path(expansion, lambda k: flat[k] if k >= 0 else given[~k])
        return one_by_one(self.batch, base, given, static, metas)

    def _path(self, expansion: Expansion, outside: Any) -> list[Value]:
        """Replay what a macro or a composition recorded."""
        values: dict[int, Value] = {}
        sources = iter(expansion.inputs)
        for entry in expansion.path:
            if entry.op is LEAF:
                found = outside(next(sources))
                values[entry.slot] = found if isinstance(found, Value) else Value(found, False, entry.meta)
            else:
                self._entry(entry, values, expansion.constants, ())
        return [values[slot] for slot in expansion.outputs]

    def _function(self, entry: Entry, values: dict[int, Value]) -> None:
        outs, inputs = entry.inputs[: len(entry.metas)], entry.inputs[len(entry.metas) :]
        context = self.trace.contexts[entry.slot]

        def known(handle: Any) -> Value:
            return values[handle._slot] if handle._trace is self.trace else Value(handle, False, handle._meta)

        found = function(self.batch, context, [values[s] for s in outs], [values[s] for s in inputs], known)
        values.update(zip(range(entry.slot, entry.end), found, strict=True))


def _expansion(op: Op, given: list, static: dict[str, Any], metas: tuple[Meta, ...]) -> Expansion | None:
    """What the op's `expand` records for samples, traced once for each structure; None when it declines."""
    flat = tensors(given)
    key = (op, tuple(_kind(g) for g in given), tuple(static.items()))
    try:
        if key in _expansions:
            _expansions.move_to_end(key)
            return _expansions[key]
    except TypeError:  # a static argument that is no key
        return None
    if any(v.meta.dtype.is_complex for v in flat) or any(m.dtype.is_complex for m in metas):
        return None
    places = iter(range(len(flat)))

    def stand(g: Any, k: int) -> Any:
        if isinstance(g, list):
            return [stand(v, k) for v in g]
        if isinstance(g, Value):
            return stand_in(g.meta.variant(requires_grad=False, leaf=False), Outside(next(places)))
        return None if g is None else stand_in(WEAK[type(g)], Outside(~k))

    inputs = [stand(g, k) for k, g in enumerate(given)]

    def record() -> Any:
        wide = inputs if op.moves else [_widened(x) for x in inputs]
        found = op.expand(*wide, **static)
        if found is None:
            return None
        return [r.to(m.dtype) for r, m in zip(found if isinstance(found, tuple) else (found,), metas, strict=True)]

    child, results = trace_macro(record)
    made = None
    if results is not None:
        made = Expansion(child, [], [r._slot if r._trace is child else enter(child, r) for r in results])
    _expansions[key] = made
    while len(_expansions) > _REMEMBERED:
        _expansions.popitem(last=False)
    return made


def _cut(op: Op, k: int, g: Any) -> Any:
    """An operand that the op's own rules give no gradient gets none through its composition either."""
    rules = (op.functional or op).vjp
    if (
        isinstance(g, Value)
        and isinstance(rules, tuple)
        and rules[k : k + 1] in ((), (None,))
        and g.handle._meta.requires_grad
    ):
        return Value(g.handle.detach(), g.batched, g.meta)
    return g


def _kind(g: Any) -> Any:
    return tuple(v.meta for v in g) if isinstance(g, list) else g.meta if isinstance(g, Value) else type(g)


def _widened(x: Any) -> Any:
    """Half precision as float32: a composition rounds once, at its end."""
    return x.float() if x is not None and not isinstance(x, list) and x.dtype in (float16, bfloat16) else x
