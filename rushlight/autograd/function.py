"""`torch.autograd.Function`: ops whose gradient the user writes."""

from __future__ import annotations

from typing import Any

from rushlight.autograd import packing
from rushlight.errors import explain_error
from rushlight.functional import FUNCTIONS
from rushlight.lazy.handle import Handle
from rushlight.lazy.places import note
from rushlight.lazy.record import enter, local, switch_grad_mode
from rushlight.lazy.trie import FUNCTION, Entry


class FunctionCtx:
    """What `forward` leaves for `backward`; attributes may be set freely."""

    materialize_grads = True
    needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for `backward`, which reads them from `saved_tensors`."""
        if packing.active():
            self._packed = [
                (*packing.pack(t.detach()), tuple(t.shape)) if isinstance(t, Handle) else t for t in tensors
            ]
            return
        self._saved = tensors
        self._versions = [t._version if isinstance(t, Handle) else 0 for t in tensors]

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple:
        """The saved tensors; RuntimeError when one was changed in place since."""
        if hasattr(self, "_packed"):
            return tuple(packing.unpack(*p) if isinstance(p, tuple) else p for p in self._packed)
        for tensor, version in zip(getattr(self, "_saved", ()), getattr(self, "_versions", ()), strict=True):
            if isinstance(tensor, Handle) and tensor._version != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: a "
                    f"tensor saved by {type(self).__name__} is at version {tensor._version}; expected version {version}. "
                    "Fix: save a clone()."
                )
        return getattr(self, "_saved", ())

    def mark_dirty(self, *tensors: Any) -> None:
        """Name inputs that `forward` changed in place."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Name outputs that never require a gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing output gradients reach `backward` as zeros (default) or None."""
        self.materialize_grads = value

    def run_backward(self, grads: list[Any]) -> list[Any]:
        """Call the user's `backward`; one gradient for each tensor argument of `forward`."""
        cls = self._function
        found = cls.backward(self, *self._for_every_output(grads))
        found = found if isinstance(found, (tuple, list)) else (found,)
        while len(found) > len(self._arguments) and found[-1] is None:
            found = found[:-1]
        if len(found) != len(self._arguments):
            raise RuntimeError(
                explain_error(
                    f"function {cls.__name__}Backward returned an incorrect number of gradients",
                    got=str(len(found)), expected=f"{len(self._arguments)}, one for each argument of forward (None for non-tensors)",
                )
            )  # fmt: skip
        return [g for g, is_tensor in zip(found, self._arguments, strict=True) if is_tensor]

    def _for_every_output(self, grads: list[Any]) -> list[Any]:
        """`backward` gets one argument for each output: zeros (or None) for those without a gradient."""
        rest = iter(grads)
        return [
            next(rest) if connected
            else None if meta is None or not self.materialize_grads
            else FUNCTIONS["zeros"](tuple(meta.shape), dtype=meta.dtype)
            for connected, meta in self._outputs
        ]  # fmt: skip


class Function:
    """Base of user-written ops: static `forward(ctx, *args)` and `backward(ctx, *grads)`; use `MyFunction.apply(...)`.

    >>> import rushlight as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x): return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g): return g * 2
    >>> x = torch.tensor(3.0, requires_grad=True); Double.apply(x).backward(); x.grad
    tensor(2.)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(
            f"{type(self).__name__} should not be instantiated. Fix: methods on autograd functions are static; call {type(self).__name__}.apply(...)."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function."
        )

    vjp = backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` and connect its outputs to its inputs."""
        ctx = type(cls.__name__ + "Backward", (FunctionCtx,), {})()
        ctx._function = cls
        ctx._arguments = [isinstance(a, Handle) for a in args]
        inputs = [a for a in args if isinstance(a, Handle)]
        ctx.needs_input_grad = tuple(isinstance(a, Handle) and a._meta.requires_grad for a in args)
        mode = local.grad_mode
        switch_grad_mode(False)
        try:
            if "setup_context" in cls.__dict__ or any(
                "setup_context" in c.__dict__ for c in cls.__mro__[:-1] if c is not Function
            ):
                outputs = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, outputs)  # type: ignore[attr-defined]
            else:
                outputs = cls.forward(ctx, *args, **kwargs)
        finally:
            switch_grad_mode(mode)
        tracked = mode and any(t._meta.requires_grad for t in inputs)
        if not tracked and not local.levels:
            return outputs
        several = isinstance(outputs, (tuple, list))
        values = list(outputs) if several else [outputs]
        connected = connect(ctx, inputs, [v for v in values if isinstance(v, Handle)], tracked)
        values = [ctx._replaced.get(id(v), v) for v in values]
        ctx._outputs = [(id(v) in connected, v._meta if isinstance(v, Handle) else None) for v in values]
        return tuple(values) if several else values[0]


def connect(ctx: Any, inputs: list[Any], outputs: list[Any], tracked: bool = True) -> set[int]:
    """Append the entry that leads from the outputs through `ctx`, for gradients if `tracked`; which ones it does, by id."""
    skip = {id(t) for t in getattr(ctx, "_non_differentiable", ())}
    dirty = {id(t) for t in getattr(ctx, "_dirty", ())}
    ctx._replaced = {}
    targets = []
    for output in outputs:
        if id(output) in skip or output._meta.dtype.category < 2:
            continue
        if any(output is t for t in inputs) and id(output) not in dirty or output._base is not None:
            alias = output.clone() if output._base is not None else output.view_as(output)
            ctx._replaced[id(output)] = output = alias
        targets.append(output)
    if not targets:
        return set()
    trace = local.trace
    out_slots = tuple(t._slot if t._trace is trace else enter(trace, t) for t in targets)
    in_slots = tuple(t._slot if t._trace is trace else enter(trace, t) for t in inputs)
    key = (FUNCTION, out_slots, in_slots, tracked)
    node = trace.node.next.get(key)
    if node is None:
        metas = tuple(trace.meta_of(s) for s in out_slots)
        if tracked:
            metas = tuple(m.variant(requires_grad=True, leaf=False) for m in metas)
        storage = tuple(trace.storage_of(s) for s in out_slots)
        node = Entry(trace.node, key, FUNCTION, out_slots + in_slots, (), metas, storage=storage)
        trace.node.next[key] = node
    trace.node = node
    if node.noted:
        note(trace, node)
    trace.contexts[node.slot] = ctx
    trace.general = True
    from weakref import ref

    for index, target in enumerate(targets):
        target._trace, target._slot, target._meta = trace, node.slot + index, node.metas[index]
        target._base, target._chain = None, ()
        trace.handles.append(ref(target))
    return {id(t) for t in targets}


def once_differentiable(function: Any) -> Any:
    """Mark a `backward` that must not be differentiated again."""
    import functools

    from rushlight.autograd.modes import no_grad

    @functools.wraps(function)
    def wrapped(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            found = function(ctx, *grads)
        sources = [g for g in grads if isinstance(g, Handle) and g._meta.requires_grad]
        if not local.grad_mode or not sources:
            return found
        several = isinstance(found, (tuple, list))
        marked = [
            _OnceDifferentiable.apply(v, *sources) if isinstance(v, Handle) else v
            for v in (found if several else (found,))
        ]
        return tuple(marked) if several else marked[0]

    return wrapped


class _OnceDifferentiable(Function):
    """Hands a gradient on, and refuses to be differentiated."""

    @staticmethod
    def forward(ctx: Any, value: Any, *sources: Any) -> Any:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable. Fix: remove the mark and write its "
            "backward in tensor code, or do not pass create_graph=True."
        )
