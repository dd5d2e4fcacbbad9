"""An `autograd.Function` under vmap: its forward is replayed like other code; its backward and jvp, which are written for one
sample, are mapped in turn when somebody outside differentiates."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from rushlight.autograd.function import Function, FunctionCtx, connect
from rushlight.func.batch import Batch, Value
from rushlight.ir.op import TABLE
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import local, record


def tensors_of(context: Any) -> list[Any]:
    """The tensors that a context holds: saved, or set as attributes."""
    found = [t for t in getattr(context, "_saved", ()) if isinstance(t, Handle)]
    return found + [v for v in vars(context).values() if isinstance(v, Handle)]


def function(
    batch: Batch, context: Any, outs: list[Value], inputs: list[Value], known: Callable[[Any], Value]
) -> list[Value]:
    """The outputs of a Function; `known` gives the value that a tensor of its context has outside."""
    tracked = local.grad_mode and any(v.handle._meta.requires_grad for v in inputs)
    if not tracked and not local.levels:
        return outs
    made = _Context()
    made._function, made._arguments = _Mapped, [True] * len(inputs)
    made.inner, made.batch, made.inputs = context, batch, inputs
    made.held = {id(t): known(t) for t in tensors_of(context)}
    results = [record(TABLE["positive"], (batch.full(v),)) for v in outs]
    connect(made, [v.handle for v in inputs], results, tracked)
    made._outputs = [(True, r._meta) for r in results]
    return [Value(r, True, v.meta) for r, v in zip(results, outs, strict=True)]


class _Context(FunctionCtx):
    """Stands for the contexts of all samples."""

    inner: Any
    batch: Batch
    inputs: list[Value]
    held: dict[int, Value]

    def mapped(self, method: Callable[[Any, tuple], Any], given: tuple) -> list[Any]:
        """method(context of a sample, its arguments), for all samples; None where the method returns that."""
        from rushlight.func.vmap import vmap

        names, values = list(self.held), list(self.held.values())
        present: list[bool] = []

        def one(*flat: Any) -> tuple:
            now = dict(zip(names, flat, strict=False))
            context = copy.copy(self.inner)
            for name, held in vars(self.inner).items():
                if isinstance(held, Handle):
                    setattr(context, name, now[id(held)])
            context._saved = tuple(now.get(id(t), t) for t in getattr(self.inner, "_saved", ()))
            context._versions = [t._version if isinstance(t, Handle) else 0 for t in context._saved]
            found = method(context, flat[len(names) :])
            found = found if isinstance(found, (tuple, list)) else (found,)
            present[:] = [f is not None for f in found]
            return tuple(f for f in found if f is not None)

        dims = (*(0 if v.batched else None for v in values), *(0 for _ in given))
        rest = iter(vmap(one, in_dims=dims)(*(v.handle for v in values), *given))
        return [next(rest) if there else None for there in present]


class _Mapped(Function):
    """The Function that stands for one of all samples."""

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        found = ctx.mapped(lambda context, given: context.run_backward(list(given)), grads)
        return tuple(
            g if g is None or v.batched else g.sum(0) for g, v in zip(found, ctx.inputs, strict=True)
        )  # what is the same for all samples gets the sum

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        cls = ctx.inner._function
        if not hasattr(cls, "jvp"):
            raise NotImplementedError(f"forward mode: the Function {cls.__name__} has no jvp. Fix: give it one.")
        batch = ctx.batch
        given = tuple(
            v.handle.new_zeros((batch.size, *v.meta.shape)) if t is None else batch.full(Value(t, v.batched, v.meta))
            for t, v in zip(tangents, ctx.inputs, strict=True)
        )

        def push(context: Any, flat: tuple) -> Any:
            rest = iter(flat)
            return cls.jvp(context, *[next(rest) if is_tensor else None for is_tensor in context._arguments])

        found = ctx.mapped(push, given)
        return tuple(f for f, (connected, _) in zip(found, ctx.inner._outputs, strict=True) if connected)
