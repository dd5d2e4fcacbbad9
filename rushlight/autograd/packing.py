"""`saved_tensors_hooks`: what ops save for their gradients goes through the user's hands.

Inside the block traces are noted ones (`lazy/places.py`), so each op is seen when it is recorded. The values that its rule
would touch are found by running the rule on stand-ins; each is given to `pack_hook`. A backward pass that touches one gets
what `unpack_hook` returns, and a flush does not keep the value itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from rushlight.errors import explain_error
from rushlight.ir.op import TABLE
from rushlight.lazy import record
from rushlight.lazy.handle import Handle
from rushlight.lazy.nested import handle_at
from rushlight.lazy.places import now
from rushlight.lazy.record import Trace, enter, local, switch_grad_mode
from rushlight.lazy.step import flush
from rushlight.lazy.trie import FUNCTION, MACRO, Entry


class _Here(threading.local):
    """The hooks that this thread is inside, the innermost last; and why none may be used, if so."""

    def __init__(self) -> None:
        self.hooks: list[tuple[Callable, Callable]] = []
        self.refusal: str | None = None
        self.busy = False  # a hook runs: what it computes is not packed


_here = _Here()
_touched: WeakKeyDictionary[Entry, tuple[int, ...]] = WeakKeyDictionary()


class saved_tensors_hooks:
    """Inside, each value that an op saves for its gradient is replaced by `pack_hook(value)`, and where a backward pass needs
    it by `unpack_hook` of that.

    Hooks get and return tensors of the same shape without a gradient history; `pack_hook` may return anything. Which values an
    op saves differs from PyTorch here and there. NotImplementedError when a gradient is to be differentiated again
    (create_graph=True) with respect to a packed value.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), lambda packed: torch.tensor(packed) * 10):
    ...     y = x.exp().sum()
    >>> y.backward(); x.grad
    tensor([27.1828, 73.8906])
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if _here.refusal is not None:
            raise RuntimeError(_here.refusal)
        _here.hooks.append((self.pack_hook, self.unpack_hook))
        if len(_here.hooks) == 1:
            local.noted, now.seen = True, _pack_saved
            if local.trace.expandable:
                flush()
                record.fresh_trace()

    def __exit__(self, *error: Any) -> None:
        _here.hooks.pop()
        if not _here.hooks:
            local.noted, now.seen = False, None


class save_on_cpu(saved_tensors_hooks):
    """Inside, what ops save is kept in the CPU's memory; it is there already."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda tensor: tensor, lambda tensor: tensor)

    def __enter__(self) -> None:
        if _here.refusal is not None:
            raise RuntimeError(_here.refusal)

    def __exit__(self, *error: Any) -> None:
        return None


class disable_saved_tensors_hooks:
    """Inside, `saved_tensors_hooks` raises RuntimeError with this message; also a decorator.

    >>> from rushlight.autograd.graph import disable_saved_tensors_hooks, save_on_cpu
    >>> with disable_saved_tensors_hooks("not here"), save_on_cpu(): pass
    Traceback (most recent call last):
    RuntimeError: not here
    """

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message
        self.before: list[str | None] = []

    def __enter__(self) -> None:
        self.before.append(_here.refusal)
        if _here.hooks:
            raise RuntimeError(self.error_message)
        _here.refusal = self.error_message

    def __exit__(self, *error: Any) -> None:
        _here.refusal = self.before.pop()

    def __call__(self, function: Callable) -> Callable:
        import functools

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with disable_saved_tensors_hooks(self.error_message):
                return function(*args, **kwargs)

        return wrapped


def active() -> bool:
    """Whether what is saved now goes through hooks."""
    return bool(_here.hooks) and not _here.busy


def pack(tensor: Any) -> tuple[Any, Callable]:
    """The packed value, and what will unpack it."""
    packer, unpacker = _here.hooks[-1]
    return _call(packer, tensor), unpacker


def _call(hook: Callable, value: Any) -> Any:
    mode, _here.busy = local.grad_mode, True
    switch_grad_mode(False)
    try:
        return hook(value)
    finally:
        _here.busy = False
        switch_grad_mode(mode)


def unpack(packed: Any, unpacker: Callable, shape: tuple) -> Any:
    """The tensor that a hook makes of a packed value again."""
    value = _call(unpacker, packed)
    if not isinstance(value, Handle):
        raise TypeError(
            explain_error("saved_tensors_hooks", got=f"{type(value).__name__} from unpack_hook", expected="a tensor")
        )
    if tuple(value.shape) != shape:
        raise RuntimeError(
            explain_error(
                "saved_tensors_hooks",
                got=f"a tensor of shape {tuple(value.shape)} from unpack_hook",
                expected=f"{shape}, the shape of what was packed",
            )
        )
    return value


def _pack_saved(trace: Trace, entry: Entry) -> None:
    """Pack what the op that was just recorded saves."""
    if not active() or not trace.expandable or entry.op in (FUNCTION, MACRO):
        return
    values = {slot: handle_at(trace, slot) for slot in _saved_by(trace, entry)}  # all held: a hook may run the trace
    if entry.op.inplace and entry.inputs[0] in values:  # the tensor's handle is about to stand for what was written
        values[entry.inputs[0]] = record.record(TABLE["clone"], (values[entry.inputs[0]],), (None,))
    for slot, value in values.items():
        if trace.packed is None:
            trace.packed = {}
        trace.packed[entry.depth, slot] = pack(value.detach())


def _saved_by(trace: Trace, entry: Entry) -> tuple[int, ...]:
    """The slots whose values the gradient of an op touches."""
    if not entry.grad_mode or entry.op.vjp is None or not any(m.requires_grad for m in entry.metas):
        return ()
    if entry not in _touched:
        from rushlight.autograd.residuals import touched_by

        _touched[entry] = touched_by(trace, entry)
    return _touched[entry]


class Packed:
    """Stands for a slot of a trace whose value was packed when `entry` saved it."""

    __slots__ = ("trace", "slot", "entry")

    def __init__(self, trace: Trace, slot: int, entry: Entry):
        self.trace, self.slot, self.entry = trace, slot, entry

    def enter(self, target: Trace, handle: Any) -> int:
        """The slot of the unpacked value in the trace that uses it."""
        from rushlight.autograd.saved import check_not_freed

        check_not_freed(self.trace, self.entry)
        if local.grad_mode and handle._meta.requires_grad:
            raise NotImplementedError(
                "autograd: a gradient is to be differentiated again through a value that saved_tensors_hooks packed, whose history "
                "is not kept. Fix: leave out the hooks, or create_graph=True."
            )
        assert self.trace.packed is not None
        value = unpack(*self.trace.packed[self.entry.depth, self.slot], tuple(handle._meta.shape))
        slot = value._slot if value._trace is target else enter(target, value)
        handle._trace, handle._slot = target, slot
        return slot


__all__ = ["Packed", "active", "disable_saved_tensors_hooks", "pack", "save_on_cpu", "saved_tensors_hooks", "unpack"]
