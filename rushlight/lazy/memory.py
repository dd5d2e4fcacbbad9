"""Which memory a handle stands on: taken over from another handle, shared with one, or shared with NumPy code."""

from __future__ import annotations

from typing import Any
from weakref import ref

import numpy as np

from rushlight.ir.op import TABLE
from rushlight.lazy.handle import base_of
from rushlight.lazy.record import local
from rushlight.lazy.step import flush, realise
from rushlight.lazy.views import hidden_base


def alias(made: Any, source: Any) -> None:
    """Let `made` be a view of all of `source`."""
    base = base_of(source)
    made._base, made._chain = base, source._chain + ((TABLE["detach"], ()),)
    made._meta = source._meta.variant(requires_grad=False, leaf=False)
    made._trace = None
    if base._views is None:
        base._views = []
    base._views.append(ref(made))


def take_over(made: Any, source: Any) -> None:
    """Let `made` own the memory of `source`, which becomes a view of it: parameters must be bases, they are read each step."""
    made._array, made._shared, made._version = source._array, source._shared, source._version
    made._meta = source._meta.variant(requires_grad=False, leaf=False)
    detach = ((TABLE["detach"], ()),)
    made._views = [*(source._views or ()), ref(source)]
    for weak in made._views:
        view = weak()
        if view is not None:
            view._base, view._chain, view._trace = made, detach + view._chain, None
    source._array, source._shared, source._views, source._history = None, None, None, None
    source._meta = source._meta.variant(requires_grad=False, leaf=False)


def stand_for(handle: Any, value: Any) -> None:
    """Let `handle` be another tensor's memory from now on; what autograd knows of it stays."""
    old, meta = handle._meta, value._meta.variant(requires_grad=handle._meta.requires_grad, leaf=handle._meta.leaf)
    if meta == old and base_of(value) is base_of(handle):
        return  # the very same window: `p.data = p.data`, as Module.to does when nothing moves
    if handle._trace is not None:
        realise(handle)
    if handle._base is None and handle._views:
        hidden_base(handle)  # its views, of which the new value may be one, keep the old memory
    handle._trace, handle._history, handle._views = None, None, None
    handle._array, handle._base, handle._chain, handle._shared = None, None, (), None
    if value._base is None and not value._meta.requires_grad and meta.device.type != "meta":
        realise(value)
        take_over(handle, value)
    else:
        alias(handle, value)
    handle._meta = meta


def window(handle: Any) -> np.ndarray:
    """The buffer as an array that NumPy code may keep and write to: from now on it is shared."""
    realise(handle)
    base = base_of(handle)
    if any(leaf is not None and np.may_share_memory(leaf, base._array) for leaf in local.trace.leaves):
        flush()  # what is recorded reads the memory as it is now
    shared = base._shared
    if shared is None or (shared is not True and shared() is None):
        array = np.asarray(memoryview(base._array))  # a new owner: it lives exactly as long as somebody uses it
        base._shared = ref(array)
    else:
        array = base._array if shared is True else shared()
    if handle._base is None:
        return array
    for op, static in handle._chain:
        array = op.reference(array, **dict(zip(op.statics, static, strict=True)))
    return array
