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
from rushlight.ir.op import TABLE, Op, Param
from rushlight.lazy import record as recorder
from rushlight.lazy.grow import record_slowly
from rushlight.lazy.handle import HANDLES, base_of, is_shared, let_go, no_operand
from rushlight.lazy.record import (
    Trace,
    append_leaf,
    key_of,
    local,
    new_handle,
    rebind,
    record,
    set_derive,
    switch_grad_mode,
)  # fmt: skip
from rushlight.lazy.trie import MARK_LEAF, Entry

_new: Any = object.__new__

# A link of a chain that moves nothing: from here on gradients belong to `leaf`, a view that was made a leaf.
LEAF_LINK = Op(
    "leaf_link", (Param("input", "Tensor"), Param("leaf", "any")), infer=lambda x, leaf: x, reference=lambda x, leaf: x,
    vjp=(lambda g, out, x, leaf: g,), view=True,
)  # fmt: skip


def leaf_of(handle: Any) -> tuple[Any, tuple]:
    """What gradients of a view flow to, the base or a view that is a leaf, and the view ops that lead from it."""
    chain = handle._chain
    for at in range(len(chain) - 1, -1, -1):
        if chain[at][0] is LEAF_LINK:
            return chain[at][1][0], chain[at + 1 :]
    return base_of(handle), chain


def _at_rest(base: Any, trace: Trace) -> bool:
    """Whether the base's buffer holds its present value: nothing pending writes it."""
    if base._array is None:
        return False
    owner = base._trace
    return owner is None or (base._slot in owner.leaf_slots if owner is trace else not owner.pending)


_metas: dict[tuple, Meta] = {}


def _inferred(op: Op, meta: Meta, static: tuple) -> Meta:
    """The meta of a view; remembered, because a view of a base at rest leaves no entry that would remember it."""
    if op.quick:
        return op.infer(meta, *static)
    key = (op, meta, static)
    found = _metas.get(key)
    if found is None:
        if len(_metas) > 4096:
            _metas.clear()
        found = _metas[key] = op.infer(meta, **dict(zip(op.statics, static, strict=True)))
    return found


def record_view(op: Op, source: Any, static: tuple = ()) -> Any:
    """A view of `source`; recorded, unless its base is at rest and no gradient flows: then it is made without a trace, and
    enters as a buffer of its own when it is used, so that `x[i]` with another i is no new program.
    (In forward mode it is: its tangent comes from its base's.)"""
    if source.__class__ not in HANDLES:
        raise no_operand(op.name, source)
    base = source._base
    if base is None:
        base = source
    trace, meta = local.trace, source._meta
    if (
        (base._trace is None and base._array is not None or _at_rest(base, trace))
        and not (meta.requires_grad and op.differentiable)
        and trace.expandable
        and not local.levels
    ):
        view = _new(recorder._result_class)  # as new_handle does
        view._trace = None
        view._slot = -1
        view._meta = _metas.get((op, meta, static)) or _inferred(op, meta, static)
    else:
        view = record(op, (source,), static)
        if meta.offset and view._trace is trace:
            entered = trace.meta_of(source._slot).offset  # 0 for what was at rest
            if entered != meta.offset:
                view._meta = view._meta.at(view._meta.offset + meta.offset - entered)
        if is_shared(base):
            view._trace = None
    view._base = base
    if source is base:
        view._chain = ((op, static),)
    elif meta.leaf:
        view._chain = (*source._chain, (LEAF_LINK, (source,)), (op, static))
    else:
        view._chain = (*source._chain, (op, static))
    if meta.requires_grad and not local.grad_mode:
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
    meta, base = view._meta, view._base
    if base._shared is True and base._array.base is None:
        let_go(base)
    if not meta.requires_grad and trace.expandable and not local.levels and _at_rest(base, trace):
        return append_leaf(trace, view, base_array(view), base)
    mode = local.grad_mode
    value, chain = leaf_of(view)
    if not mode and value._meta.requires_grad:
        switch_grad_mode(True)
    try:
        for op, static in chain:
            value = record(op, (value,), static)
    finally:
        if local.grad_mode is not mode:
            switch_grad_mode(mode)
    view._trace, view._slot, view._meta = trace, value._slot, value._meta
    trace.handles[value._slot] = ref(view)
    if meta.leaf:
        mark_leaf(view, meta)
    slot = view._slot
    if is_shared(view._base):
        view._trace = None  # NumPy code may change the memory: the next use reads it again
    return slot


set_derive(derive)


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


def turn_into_view(handle: Any, op: Op, static: tuple) -> Any:
    """In-place movement (`t_`, `unsqueeze_`): the tensor becomes a view of what it was, and so of all that shares the memory."""
    check_not_leaf(handle, op.name + "_")
    if handle._meta.leaf:
        raise NotImplementedError(
            f"{op.name}_: a leaf that requires grad cannot change its layout in place. Fix: make the leaf of {op.name}() of its values."
        )
    source = handle if handle._base is not None else hidden_base(handle)
    view = record_view(op, source, static)
    handle._base, handle._chain, handle._meta = view._base, view._chain, view._meta
    handle._trace, handle._slot = view._trace, view._slot
    if handle._trace is not None:
        handle._trace.handles[handle._slot] = ref(handle)
    view._base._views.append(ref(handle))
    view._base._version = view._base._version + 1
    return handle


def hidden_base(handle: Any) -> Any:
    """A handle that takes over the memory of this one, and its views."""
    base = new_handle(handle._meta)
    for name in ("_trace", "_slot", "_array", "_views", "_history", "_shared", "_version", "_failure"):
        setattr(base, name, getattr(handle, name))
    if base._trace is not None:
        base._trace.handles[base._slot] = ref(base)
    for weak in base._views or ():
        view = weak()
        if view is not None:
            view._base = base
    handle._trace, handle._array, handle._views, handle._history, handle._shared = None, None, None, None, None
    return base


def base_array(handle: Any) -> np.ndarray:
    """The buffer of a realised handle, as a NumPy view of its base's memory."""
    if handle._base is None:
        return handle._array
    array, meta, whole = handle._base._array, handle._meta, handle._base._meta
    if meta.numel == whole.numel and meta.contiguous and whole.contiguous and meta.dtype is whole.dtype:
        return array.reshape(meta.shape)  # all of it in the same order, whatever the chain says
    for op, static in handle._chain:
        if op.quick:
            array = op.reference(array, *static)
            continue
        array = op.reference(array, **dict(zip(op.statics, static, strict=True)))
    return array


def overlaps(meta: Meta) -> bool:
    """Whether two elements lie in one place (`expand`, overlapping `unfold`)."""
    reach = 0
    for step, size in sorted((s, n) for n, s in zip(meta.shape, meta.stride, strict=True) if n > 1):
        if step <= reach:
            break
        reach += step * (size - 1)
    else:
        return False
    places = sum(np.ix_(*[np.arange(n) * s for n, s in zip(meta.shape, meta.stride, strict=True)]))
    return np.unique(places).size < meta.numel


def check_writable(target: Any, name: str) -> None:
    """Elements that share a place may not be written; leaves that require a gradient, and views of them, only under no_grad."""
    meta = target._meta
    if not meta.contiguous and overlaps(meta):
        raise RuntimeError(
            explain_error(
                name, got=f"a tensor of shape {list(meta.shape)} with strides {list(meta.stride)}: several elements share one memory location",
                expected="a tensor whose elements are distinct", fix="clone() it before writing",
            )
        )  # fmt: skip
    check_not_leaf(target, name)


def check_not_leaf(target: Any, name: str) -> None:
    """Leaves that require a gradient, and views of them, may only be changed under no_grad."""
    meta = target._meta
    if not local.grad_mode or not meta.requires_grad:
        return
    if meta.leaf:
        raise RuntimeError(
            f"{name}: a leaf Variable that requires grad is being used in an in-place operation. "
            "Fix: wrap the update in `with torch.no_grad():`, or write the result to a new tensor."
        )
    if target._base is not None and leaf_of(target)[0]._meta.leaf:
        raise RuntimeError(
            f"{name}: a view of a leaf Variable that requires grad is being used in an in-place operation. "
            "Fix: wrap the update in `with torch.no_grad():`, or clone() the leaf first."
        )


def record_inplace(op: Op, inputs: tuple, static: tuple = ()) -> Any:
    """Append an in-place op (`op.inplace`): its first input is written, seen through every alias."""
    target = inputs[0]
    if target.__class__ not in HANDLES:
        raise no_operand(op.name, target)
    meta = target._meta
    if meta.requires_grad or not meta.contiguous:
        check_writable(target, op.name)
        if not local.grad_mode and local.trace.backwards and meta.requires_grad and meta.leaf:
            local.trace.updating = True
    if target._base is not None or target._shared is not None:
        assign(target, record(op, inputs, static))
        return target
    trace = local.trace
    key, numbers = key_of(trace, op, inputs, static)
    here = trace.node
    node = here.likely if key == here.likely_key else here.get(key)
    if node is None:
        assign(target, record_slowly(trace, key, numbers))
        return target
    trace.scalars += numbers
    trace.node = node
    trace.handles.append(None)
    rebind(target, trace, node.slot, node.meta)
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
    if (
        local.grad_mode
        and (base._meta.requires_grad or value._meta.requires_grad)
        and not all(op.differentiable for op, _ in target._chain)
    ):
        # Through detach() or .data: the memory changes, what autograd knows of the base does not.
        alias = _detached_alias(base, target) if value._meta.requires_grad else None
        switch_grad_mode(False)
        try:
            before = None if alias is None else record(TABLE["clone"], (alias,), (None,))
            _put_back(base, target, value, tracked)
        finally:
            switch_grad_mode(True)
        if alias is not None:
            _part(alias, before)
            assign(target, value)
    else:
        _put_back(base, target, value, tracked)


def _detached_alias(base: Any, target: Any) -> Any:
    """The one tensor that a chain leaves the base's gradients by, if the user still holds it."""
    chain = target._chain
    cut = max(at for at, (op, _) in enumerate(chain) if not op.differentiable) + 1
    found = {id(v): v for v in (weak() for weak in base._views) if v is not None and v._chain == chain[:cut]}
    return next(iter(found.values())) if len(found) == 1 else None


def _part(alias: Any, value: Any) -> None:
    """A detached alias that takes a value with a gradient history (`h = h.detach(); h[0] = cell(x)`) gets memory of its
    own: its gradients are not the base's."""
    base, cut = alias._base, len(alias._chain)
    prefix = alias._chain
    alias._views = []
    for weak in base._views:
        view = weak()
        if view is not None and view is not alias and view._chain[:cut] == prefix:
            view._base, view._chain, view._trace = alias, view._chain[cut:], None
            alias._views.append(weak)
    alias._base, alias._chain = None, ()
    rebind(alias, value._trace, value._slot, value._meta)


def _put_back(base: Any, target: Any, value: Any, tracked: bool) -> None:
    """Write a changed view into its base, through each op of its chain."""
    holders = [base]
    chain = [link for link in target._chain if link[0] is not LEAF_LINK]
    for op, static in chain[:-1]:
        holders.append(record(op, (holders[-1],), static))
        if overlaps(holders[-1]._meta):
            raise NotImplementedError(
                explain_error(
                    "in-place write", got=f"a view of a tensor made by {op.name}, several of whose elements share one memory location",
                    expected="a view of distinct elements", fix="clone() the tensor before writing",
                )
            )  # fmt: skip
    written = value
    for depth in range(len(holders) - 1, -1, -1):
        op, static = chain[depth]
        write = TABLE[op.write.name + "_"] if depth == 0 else op.write
        written = record(write, (holders[depth], written), static)
    rebind(base, written._trace, written._slot, written._meta, tracked=tracked)
    where = target._meta.offset  # a view at rest enters a trace as a buffer of its own, at 0
    target._trace, target._slot, target._meta = value._trace, value._slot, value._meta.at(where)
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
