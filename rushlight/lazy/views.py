"""Aliasing. A view is (base, chain of view ops); a write to it is put back through the chain and rebinds the base.

Inside a trace everything is functional: "writing" makes a new value and lets the handle stand for it. Handles that share
the memory become stale (`_trace = None`) and re-derive themselves from the base when they are next used.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

import numpy as np

from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import TABLE, Op
from rushlight.lazy.record import (
    Handle, Trace, append_leaf, base_of, local, new_handle, rebind, record, switch_grad_mode,
)  # fmt: skip
from rushlight.lazy.trie import MARK_LEAF, Entry


def _at_rest(base: Any, trace: Trace) -> bool:
    """Whether the base's buffer holds its present value: nothing pending writes it."""
    if base._array is None:
        return False
    owner = base._trace
    return owner is None or (base._slot in owner.leaf_slots if owner is trace else not owner.pending)


def record_view(op: Op, source: Any, static: tuple = ()) -> Any:
    """A view of `source`; recorded, unless its base is at rest and no gradient flows: then it is made without a trace, and
    enters as a buffer of its own when it is used, so that `x[i]` with another i is no new program."""
    if not isinstance(source, Handle):
        raise TypeError(explain_error(op.name, got=f"a {type(source).__name__}", expected="a tensor"))
    base = base_of(source)
    trace = local.trace
    if not (source._meta.requires_grad and op.differentiable) and trace.expandable and _at_rest(base, trace):
        view = new_handle(op.infer(source._meta, **dict(zip(op.statics, static, strict=True))))
    else:
        view = record(op, (source,), static)
    view._base = base
    view._chain = source._chain + ((op, static),)
    if not local.grad_mode and source._meta.requires_grad:
        view._chain += ((TABLE["detach"], ()),)  # made without gradient: must stay so when it is re-derived
    views = base._views
    if views is None:
        base._views = views = []
    elif len(views) > 32 and len(views) & (len(views) - 1) == 0:  # at powers of two: drop the dead ones
        views[:] = [v for v in views if v() is not None]
    views.append(ref(view))
    return view


def derive(trace: Trace, view: Any) -> int:
    """The slot of a view that is not current: its window of a base at rest, or its chain recorded again."""
    meta = view._meta
    if not meta.requires_grad and trace.expandable and _at_rest(view._base, trace):
        return append_leaf(trace, view, base_array(view), view._base)
    mode = local.grad_mode
    if not mode and view._base._meta.requires_grad:
        switch_grad_mode(True)
    try:
        value: Any = view._base
        for op, static in view._chain:
            value = record(op, (value,), static)
    finally:
        if local.grad_mode is not mode:
            switch_grad_mode(mode)
    view._trace, view._slot, view._meta = trace, value._slot, value._meta
    trace.handles[value._slot] = ref(view)
    if meta.leaf:
        mark_leaf(view, meta)
    return view._slot


def mark_leaf(handle: Any, meta: Meta) -> None:
    """Append the entry that makes a pending value a leaf (or no longer one)."""
    trace = local.trace
    key = (MARK_LEAF, handle._slot, (meta.requires_grad, meta.leaf))
    node = trace.node.next.get(key)
    if node is None:
        storage = (trace.storage_of(handle._slot),)
        node = trace.node.next[key] = Entry(trace.node, key, MARK_LEAF, (handle._slot,), (), (meta,), storage=storage)
    trace.node = node
    trace.handles.append(ref(handle))
    handle._slot, handle._meta = node.slot, meta


def base_array(handle: Any) -> np.ndarray:
    """The buffer of a realised handle, as a NumPy view of its base's memory."""
    if handle._base is None:
        return handle._array
    array = handle._base._array
    for op, static in handle._chain:
        array = op.reference(array, **dict(zip(op.statics, static, strict=True)))
    return array


def is_shared(base: Handle) -> bool:
    """Whether NumPy code may hold the base's buffer."""
    shared = base._shared
    return shared is not None and (shared is True or shared() is not None)


def check_writable(target: Any, name: str) -> None:
    """Leaves that require a gradient, and views of them, may only be written under no_grad."""
    meta = target._meta
    if not local.grad_mode or not meta.requires_grad:
        return
    if target._base is None and meta.leaf:
        raise RuntimeError(
            f"{name}: a leaf Variable that requires grad is being used in an in-place operation. "
            "Fix: wrap the update in `with torch.no_grad():`, or write the result to a new tensor."
        )
    if target._base is not None and target._base._meta.leaf and target._base._meta.requires_grad:
        raise RuntimeError(
            f"{name}: a view of a leaf Variable that requires grad is being used in an in-place operation. "
            "Fix: wrap the update in `with torch.no_grad():`, or clone() the leaf first."
        )


def record_inplace(op: Op, inputs: tuple, static: tuple = ()) -> Any:
    """Append an in-place op (`op.inplace`): its first input is written, seen through every alias."""
    target = inputs[0]
    if not isinstance(target, Handle):
        raise TypeError(explain_error(op.name, got=f"a {type(target).__name__} as its target", expected="a tensor"))
    check_writable(target, op.name)
    if not local.grad_mode and local.trace.backwards and target._meta.requires_grad and target._meta.leaf:
        local.trace.updating = True
    result = record(op, inputs, static)
    assign(target, result)
    return target


def assign(target: Any, value: Any) -> None:
    """Let `target` hold `value` (same shape and dtype), through its memory: the end of every write."""
    base = base_of(target)
    tracked = not any(op.untracked for op, _ in target._chain)
    if is_shared(base):
        _assign_now(base, target, value)
        return
    if value._trace is not local.trace:  # an eager trace was run at once: its value is a buffer now
        value = record(TABLE["clone"], (value,), (None,))
    if target._base is None:
        rebind(target, value._trace, value._slot, value._meta)
        return
    if local.grad_mode and base._meta.requires_grad and not all(op.differentiable for op, _ in target._chain):
        # Through detach() or .data: the memory changes, what autograd knows of the base does not.
        switch_grad_mode(False)
        try:
            _put_back(base, target, value, tracked)
        finally:
            switch_grad_mode(True)
    else:
        _put_back(base, target, value, tracked)


def _put_back(base: Any, target: Any, value: Any, tracked: bool) -> None:
    """Write a changed view into its base, through each op of its chain."""
    holders = [base]
    for op, static in target._chain[:-1]:
        holders.append(record(op, (holders[-1],), static))
    written = value
    for depth in range(len(holders) - 1, -1, -1):
        op, static = target._chain[depth]
        if op.write is None:
            raise RuntimeError(
                explain_error(
                    "in-place write",
                    got=f"a tensor made by {op.name}, where several elements share one memory location",
                    expected="a tensor whose elements are distinct",
                    fix="clone() it before writing",
                )
            )
        write = TABLE[op.write.name + "_"] if depth == 0 else op.write
        written = record(write, (holders[depth], written), static)
    rebind(base, written._trace, written._slot, written._meta, tracked=tracked)
    target._trace, target._slot, target._meta = value._trace, value._slot, value._meta
    value._trace.handles[value._slot] = ref(target)


def _assign_now(base: Any, target: Any, value: Any) -> None:
    """NumPy code holds this memory: run what is pending and write there at once."""
    from rushlight.lazy.step import flush, realise

    if value._meta.requires_grad and not value._meta.leaf:
        raise RuntimeError(
            explain_error(
                "in-place write",
                got="a value with a gradient history for memory that is shared with NumPy",
                expected="a tensor of its own memory",
                fix="clone() the tensor made by from_numpy, or write under no_grad()",
            )
        )
    if value._trace is not None and value._trace is local.trace:
        flush()
    array = realise(value)
    np.copyto(base_array(target), array)
    base._version = base._version + 1
    for view in base._views or ():
        alive = view()
        if alive is not None:
            alive._trace = None
