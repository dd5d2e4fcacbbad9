"""Places of the backward graph as values: gradient edges, hooks of nodes, hooks of several tensors, version counts."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from rushlight.autograd.graph import Node, edge
from rushlight.autograd.hooks import RemovableHandle, add_hook
from rushlight.errors import explain_error
from rushlight.ir.op import TABLE
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import Trace, enter, local
from rushlight.lazy.views import record_inplace


class GradientEdge(NamedTuple):
    """A node and the number of its output: where a gradient passes. Stands for its tensor in `backward` and `grad`."""

    node: Node
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The edge that a tensor's gradient passes; the tensor itself need not be kept.

    RuntimeError for a tensor that requires no gradient. The edge of a view is good until what was recorded is run: a view is
    made anew from its base after that.

    >>> import rushlight as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> y = x * 2
    >>> place = torch.autograd.graph.get_gradient_edge(y)
    >>> torch.autograd.grad(y * y, place)
    (tensor(12.),)
    """
    if not isinstance(tensor, Handle) or not tensor._meta.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients. "
            "Fix: tensor.requires_grad_() before it is used."
        )
    if tensor._trace is None and tensor._history is not None:
        return GradientEdge(*edge(*tensor._history))
    trace = local.trace
    return GradientEdge(*edge(trace, tensor._slot if tensor._trace is trace else enter(trace, tensor)))


def place_of_edge(found: GradientEdge) -> tuple[Trace, int]:
    """The trace and slot of an edge."""
    node = found.node
    return node._trace, node._entry.slot + node._index + found.output_nr


def meta_of_edge(found: GradientEdge) -> Any:
    """The meta of the tensor that an edge stands for."""
    trace, slot = place_of_edge(found)
    return trace.meta_of(slot)


def leaf_of_edge(found: GradientEdge) -> Any:
    """The leaf that an edge ends at; None for others."""
    return found.node.variable if found.node.name() == "AccumulateGrad" else None


class MultiGradHandle(RemovableHandle):
    """Takes the hooks of all tensors out again."""

    def __init__(self, handles: Sequence[RemovableHandle]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __getstate__(self) -> Any:
        return self.handles

    def __setstate__(self, state: Any) -> None:
        self.handles = state


def register_multi_grad_hook(tensors: Sequence[Any], fn: Callable[..., Any], *, mode: str = "all") -> RemovableHandle:
    """Call `fn(grads)` once in each backward pass that reaches some of the tensors, with None for those it does not reach.

    It is called when the pass has walked the whole graph. With mode="any", `fn(grad)` is called with the first gradient,
    when that is computed.

    >>> import rushlight as torch
    >>> x, y = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> with torch.autograd.graph.register_multi_grad_hook((x, y), lambda grads: print(grads)):
    ...     (x * 3).sum().backward()
    (tensor([3.]), None)
    """
    if mode not in ("all", "any"):
        raise ValueError(explain_error("register_multi_grad_hook", got=f"mode={mode!r}", expected="'all' or 'any'"))
    group = _Group(fn, len(tensors), mode)
    return MultiGradHandle([t.register_hook(group.hook(index)) for index, t in enumerate(tensors)])


class _Group:
    """The gradients of the tensors of one multi-grad hook, in the pass that is under way."""

    def __init__(self, fn: Callable[..., Any], count: int, mode: str) -> None:
        self.fn, self.count, self.mode = fn, count, mode
        self.grads: list[Any] | None = None

    def hook(self, index: int) -> Callable[[Any], None]:
        """The hook of one tensor."""

        def seen(grad: Any) -> None:
            first = self.grads is None
            if self.grads is None:
                self.grads = [None] * self.count
                local.at_end.append(self.finish)
            self.grads[index] = grad
            if first and self.mode == "any":
                self.fn(grad)

        return seen

    def finish(self, failed: bool) -> None:
        """The pass is over."""
        grads, self.grads = self.grads, None
        if self.mode == "all" and not failed and grads is not None:
            self.fn(tuple(grads))


@contextlib.contextmanager
def one_pass() -> Iterator[None]:
    """A backward pass. Afterwards the multi-grad hooks that it met are called."""
    outer, local.at_end = local.at_end, []
    failed = True
    try:
        yield
        failed = False
    finally:
        mine, local.at_end = local.at_end, outer
        for finish in mine:
            finish(failed)


def add_node_hook(node: Node, kind: str, fn: Callable[..., Any]) -> RemovableHandle:
    """Register a hook that runs before ("pre") or after ("post") a node's function."""
    trace, entry = node._trace, node._entry
    if node.name() == "AccumulateGrad":
        leaf = node.variable
        if leaf is None:
            raise RuntimeError("register_hook: the tensor of this AccumulateGrad node is gone. Fix: keep it.")
        leaf._hooked = True
        if kind == "pre":

            def before(grad: Any) -> Any:
                changed = fn((grad,))
                return None if changed is None else changed[0]

            return leaf.register_hook(before)
        seen: list[Any] = []
        incoming = leaf.register_hook(lambda grad: seen.append(grad))
        after = leaf.register_post_accumulate_grad_hook(lambda leaf: fn((), (seen.pop(),)))
        return MultiGradHandle((incoming, after))
    if trace.node_hooks is None:
        trace.node_hooks = {}
    local.trace.general = trace.general = True
    tables = trace.node_hooks.setdefault(entry.depth, (OrderedDict(), OrderedDict()))
    return add_hook(tables[kind == "post"], fn)


def increment_version(tensor: Any) -> None:
    """Count a write to a tensor, or to each of several, that nobody made: what saved it for a gradient says so."""
    from rushlight.autograd.modes import no_grad

    with no_grad():
        for one in (tensor,) if isinstance(tensor, Handle) else _checked(tensor):
            record_inplace(TABLE["copy_"], (one, one))


def _checked(tensors: Iterable[Any]) -> list[Any]:
    found = list(tensors)
    if not all(isinstance(one, Handle) for one in found):
        raise RuntimeError(explain_error("increment_version", got="something that is no tensor", expected="tensors"))
    return found


class allow_mutation_on_saved_tensors:
    """Refused: a value is kept for a gradient where it lies."""

    def __init__(self) -> None:
        raise NotImplementedError(
            "autograd.graph.allow_mutation_on_saved_tensors is not supported. Fix: clone() the tensor before changing it, or use the "
            "out-of-place form of the op."
        )
