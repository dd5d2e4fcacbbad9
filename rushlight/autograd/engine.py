"""The reverse pass. The graph is the trace: entries in order, edges are slots.

`Backward` walks entries from the newest to the oldest and applies their gradient rules, which are plain tensor code. Run in a
macro's trace it yields the expansion of a `backward()` entry; run in the thread's trace it records ordinary ops (higher
orders, hooks, custom Functions, graphs that reach into traces already run).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from rushlight.autograd.packing import Packed
from rushlight.autograd.saved import Saved, writes_of
from rushlight.errors import show_line
from rushlight.ir.meta import WEAK
from rushlight.lazy import record
from rushlight.lazy.macro import MacroTrace, Outside, stand_in
from rushlight.lazy.record import Trace, local
from rushlight.lazy.trie import FUNCTION, LEAF, MACRO, MARK_LEAF, STATE, Entry, operands
from rushlight.lessons import say


class NeedsPython(Exception):
    """The graph holds hooks, custom Functions or earlier traces: it cannot become a macro."""


def watched(kind: type[Backward]) -> type[Backward]:
    """The class of passes to use now: `kind`, or in anomaly mode one that looks at each gradient."""
    if not record.noting:
        return kind
    from rushlight.autograd.watch import watching

    return watching(kind)


class Backward:
    """One reverse pass.

    deliver(trace, slot, handle or None, grad) is called for each leaf reached; `captures` maps (trace order, slot) or the id
    of a leaf handle to nothing yet, and to the gradient that passed there afterwards.
    """

    calls_hooks = True

    def __init__(self, deliver: Callable[[Trace, int, Any, Any], None], captures: dict[Any, Any] | None = None):
        self.deliver = deliver
        self.captures = captures if captures is not None else {}
        self.grads: dict[tuple[int, int], Any] = {}
        self.queue: list[tuple[int, int]] = []
        self.known: dict[tuple[int, int], tuple[Trace, Entry]] = {}
        self.visited: list[tuple[Trace, Entry]] = []
        self.writes: dict[int, dict[int, tuple[int, Entry]]] = {}
        self.as_macro = isinstance(local.trace, MacroTrace)

    def add(self, trace: Trace, slot: int, grad: Any) -> None:
        """Add to the gradient of a slot."""
        key = (trace.order, slot)
        old = self.grads.get(key)
        self.grads[key] = grad if old is None else old + grad
        if old is None:
            entry = trace.producer(slot)
            place = (-trace.order, -entry.depth)
            if place not in self.known:
                self.known[place] = (trace, entry)
                heapq.heappush(self.queue, place)

    def run(self) -> None:
        """Walk until nothing is left; gradients are computed in the dtypes that they have, also within autocast."""
        region, local.autocast = local.autocast, None
        try:
            self._run()
        finally:
            local.autocast = region

    def _run(self) -> None:
        while self.queue:
            trace, entry = self.known.pop(heapq.heappop(self.queue))
            grads = []
            for slot in range(entry.slot, entry.end):
                grad = self.grads.pop((trace.order, slot), None)
                hooks = trace.hooks.get(slot) if self.calls_hooks else None
                if hooks and grad is not None:
                    if self.as_macro:
                        raise NeedsPython
                    for hook in list(hooks.values()):
                        changed = hook(grad)
                        grad = grad if changed is None else changed
                if (trace.order, slot) in self.captures:
                    self.captures[trace.order, slot] = grad
                grads.append(grad)
            if trace.node_hooks is not None and entry.depth in trace.node_hooks and self.calls_hooks:
                self._step_with_hooks(trace, entry, grads)
            else:
                self.step(trace, entry, grads)

    def _step_with_hooks(self, trace: Trace, entry: Entry, grads: list[Any]) -> None:
        """A step with the hooks of its node around it."""
        if self.as_macro:
            raise NeedsPython
        before, after = trace.node_hooks[entry.depth]  # type: ignore[index]
        for hook in list(before.values()):
            changed = hook(tuple(grads))
            grads = grads if changed is None else list(changed)
        pushed: list[tuple[Trace, int, Any]] = []
        add, self.add = self.add, lambda *push: pushed.append(push)  # type: ignore[method-assign]
        try:
            self.step(trace, entry, grads)
        finally:
            del self.add
        found = operands(entry)[len(entry.metas) if entry.op is FUNCTION else 0 :]
        results: list[Any] = [None] * len(found)
        at = -1
        for _, slot, grad in pushed:
            at = found.index(slot, at + 1)
            results[at] = grad
        for hook in list(after.values()):
            changed = hook(tuple(results), tuple(grads))
            results = results if changed is None else list(changed)
        for slot, grad in zip(found, results, strict=True):
            if grad is not None:
                add(trace, slot, grad)

    def step(self, trace: Trace, entry: Entry, grads: list[Any]) -> None:
        """Push the gradients of one entry's outputs to its inputs."""
        op = entry.op
        if op is LEAF:
            history = trace.leaf_history.get(entry.slot)
            if history is not None and entry.meta is not None and not entry.meta.leaf:
                if self.as_macro:
                    raise NeedsPython
                self.add(*history, grads[0])
                return
            self._at_leaf(trace, entry.slot, entry.meta, grads[0])
        elif op in (MARK_LEAF, STATE):
            self._at_leaf(trace, entry.slot, entry.meta, grads[0])
        elif op is FUNCTION:
            if self.as_macro:
                raise NeedsPython
            self._function(trace, entry, grads)
        elif op is MACRO or (op.inplace and not entry.grad_mode):
            # written under no_grad: a leaf stays a leaf, the gradient of a result passes through
            for offset, grad in enumerate(grads):
                if grad is None:
                    continue
                if entry.metas[offset].leaf:
                    self._at_leaf(trace, entry.slot + offset, entry.metas[offset], grad)
                elif op is not MACRO:
                    self.add(trace, entry.inputs[0], grad)
                else:
                    index = entry.expansion.written[offset][0] if offset < len(entry.expansion.written) else None
                    if index is not None:
                        self.add(trace, entry.key[2][index], grad)
        elif entry.grad_mode and op.vjp is not None:
            self._rule(trace, entry, grads)

    def _at_leaf(self, trace: Trace, slot: int, meta: Any, grad: Any) -> None:
        if meta is None or not meta.leaf or grad is None:
            return
        handle = trace.handles[slot]()
        self.deliver(trace, slot, handle, grad)

    # --- rules ----------------------------------------------------------------------------------------------------

    def saved(self, trace: Trace, entry: Entry, slot: int) -> Any:
        """A handle for a forward value; touching it checks that it is still what the forward pass saw."""
        if trace.packed is not None and (entry.depth, slot) in trace.packed:
            return stand_in(trace.meta_of(slot), Packed(trace, slot, entry))
        writes = self.writes.get(trace.order)
        if writes is None:
            writes = self.writes[trace.order] = writes_of(trace)
        meta = trace.meta_of(slot)
        return stand_in(meta, Saved(trace, slot, entry, writes))

    def _operand(self, trace: Trace, entry: Entry, item: Any, kinds: Any) -> Any:
        if item is None:
            return None
        if item.__class__ is tuple:
            return [self.saved(trace, entry, s) for s in item]
        if item >= 0:
            return self.saved(trace, entry, item)
        if isinstance(local.trace, MacroTrace):
            return stand_in(WEAK[next(kinds)], Outside(item))
        next(kinds)
        return trace.scalars[~item]

    def _rule(self, trace: Trace, entry: Entry, grads: list[Any]) -> None:
        op = entry.op
        self.visited.append((trace, entry))
        kinds = iter([k for k in entry.key[1:-1] if k.__class__ is type])
        operands = [self._operand(trace, entry, item, kinds) for item in entry.inputs]
        outputs = [self.saved(trace, entry, s) for s in range(entry.slot, entry.end)]
        if len(outputs) == 1:
            out, g = outputs[0], grads[0]
        else:
            out = tuple(outputs)
            filled = (
                grads
                if op.grad_none
                else [_zeros(m) if x is None else x for x, m in zip(grads, entry.metas, strict=True)]
            )
            g = tuple(filled)
        needs = [self._needs(trace, item) for item in entry.inputs]
        static = entry.statics()
        if callable(op.vjp):
            results = op.vjp(g, out, *operands, needs=tuple(needs), **static)
        else:
            results = [
                rule(g, out, *operands, **static) if rule is not None and need else None
                for rule, need in zip(op.vjp, needs, strict=False)
            ]
        for item, need, result in zip(entry.inputs, needs, results, strict=False):
            if item.__class__ is tuple:
                for slot, part in zip(item, result or (), strict=False):
                    if part is not None and trace.meta_of(slot).requires_grad:
                        self.add(trace, slot, fit(part, trace.meta_of(slot)))
            elif need and result is not None:
                self.add(trace, item, fit(result, trace.meta_of(item)))

    def _needs(self, trace: Trace, item: Any) -> bool:
        if item is None or (item.__class__ is int and item < 0):
            return False
        if item.__class__ is tuple:
            return any(trace.meta_of(s).requires_grad for s in item)
        return trace.meta_of(item).requires_grad

    def _function(self, trace: Trace, entry: Entry, grads: list[Any]) -> None:
        self.visited.append((trace, entry))
        context = trace.contexts[entry.slot]
        if entry in trace.freed:
            raise RuntimeError(freed_message(entry, trace.freed[entry]))
        filled = [
            g if g is not None or not context.materialize_grads else _zeros(m)
            for g, m in zip(grads, entry.metas, strict=True)
        ]
        results = context.run_backward(filled)
        for slot, result in zip(entry.inputs[len(entry.metas) :], results, strict=True):
            if slot is not None and result is not None and trace.meta_of(slot).requires_grad:
                self.add(trace, slot, fit(result, trace.meta_of(slot)))

    def free(self, where: tuple) -> None:
        """Mark what was visited: its saved values may not be used again."""
        for trace, entry in self.visited:
            trace.freed[entry] = where


def _zeros(meta: Any) -> Any:
    from rushlight.functional import FUNCTIONS

    return FUNCTIONS["zeros"](tuple(meta.shape), dtype=meta.dtype)


def fit(grad: Any, meta: Any) -> Any:
    """A gradient in the shape and dtype of what it belongs to: sums over broadcast dimensions."""
    found = grad._meta
    if found.shape != meta.shape:
        grad = grad.sum_to_size(meta.shape)
    if found.dtype is not meta.dtype:
        if found.dtype.is_complex and not meta.dtype.is_complex:
            grad = grad.real
        grad = grad.to(meta.dtype)
    return grad


def freed_message(entry: Entry, where: tuple) -> str:
    """M7: a second backward over a freed graph."""
    return say("freed-graph", op=entry.op.name, line=show_line(entry.line), where=show_line(where))
