"""`backward()` and `grad()`. A plain `backward()` is recorded as one entry; anything that must run Python is recorded op by op."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rushlight.autograd.advice import FIRST_STEPS, advise
from rushlight.autograd.edges import GradientEdge, leaf_of_edge, meta_of_edge, one_pass, place_of_edge
from rushlight.autograd.engine import Backward, NeedsPython, watched
from rushlight.errors import explain_error, show_line, user_line
from rushlight.functional import FUNCTIONS
from rushlight.ir.meta import Meta
from rushlight.ir.op import TABLE
from rushlight.lazy.handle import HANDLES, Handle
from rushlight.lazy.macro import Expansion, Outside, record_as_one, stand_in, trace_macro
from rushlight.lazy.record import Trace, emit_all, enter, local, record, switch_grad_mode
from rushlight.lazy.trie import LEAF, MACRO, Entry
from rushlight.lazy.views import overlaps, record_inplace
from rushlight.lessons import say

_NONE = (None,)  # no gradient given, for one root
_GENERAL = object()  # in place of an Entry: this structure cannot be a macro


def _as_tuple(value: Any) -> tuple:
    """A tensor, or any iterable of them (a dictionary's values, a module's parameters), as a tuple."""
    return (value,) if isinstance(value, (Handle, GradientEdge)) or not isinstance(value, Iterable) else tuple(value)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Accumulate into the leaves' `.grad` the gradient of the tensors' sum weighted with `grad_tensors`.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> torch.autograd.backward((x * x).sum()); x.grad
    tensor([2., 4.])
    """
    if local.transforms:
        raise RuntimeError(
            "backward() called inside a function that torch.func transforms: it would write to .grad. Fix: use torch.func.grad "
            "or vjp there, or call backward() outside."
        )
    if grad_tensors is None and inputs is None and not create_graph and isinstance(tensors, Handle):
        check_root(tensors, None)
        if _backward_as_one((tensors,), _NONE, bool(retain_graph)):
            local.trace.backwards = True
            local.backwards += 1
            return
    roots = _as_tuple(tensors)
    grads = (None,) * len(roots) if grad_tensors is None else _as_tuple(grad_tensors)
    if len(grads) != len(roots):
        raise RuntimeError(
            explain_error(
                "backward", got=f"{len(roots)} tensors and {len(grads)} gradients", expected="one gradient each"
            )
        )
    for root, grad in zip(roots, grads, strict=True):
        check_root(root, grad)
    retain = create_graph if retain_graph is None else retain_graph
    edges = any(isinstance(root, GradientEdge) for root in roots)
    if inputs is not None or create_graph or edges or not _backward_as_one(roots, grads, retain):
        if local.backwards < FIRST_STEPS and not edges:
            trace = local.trace
            advise(trace, [t._slot if t._trace is trace else enter(trace, t) for t in roots])
        if inputs is not None:
            _backward_to(roots, grads, retain, create_graph, _as_tuple(inputs))
        else:
            _backward_in_steps(roots, grads, retain, create_graph)
    local.trace.backwards = True
    local.backwards += 1


def check_root(root: Any, grad: Any) -> None:
    """M5 and M6: nothing requires a gradient; the root is not a scalar; the given gradient has another shape."""
    if root.__class__ in HANDLES or isinstance(root, Handle):
        meta = root._meta
    elif isinstance(root, GradientEdge):
        meta = meta_of_edge(root)
    else:
        raise TypeError(explain_error("backward", got=f"a {type(root).__name__}", expected="a tensor"))
    if not meta.requires_grad:
        raise RuntimeError(say("nothing-requires-grad", shape=list(meta.shape), leaves=_leaves_seen(root)))
    if grad is None:
        if meta.numel != 1:
            raise RuntimeError(say("backward-not-scalar", shape=list(meta.shape)))
    elif tuple(grad.shape) != tuple(meta.shape):
        raise RuntimeError(
            f"Mismatch in shape: grad_output[0] has a shape of {list(grad.shape)} and output[0] has a shape of "
            f"{list(meta.shape)}. Fix: pass a gradient of the output's shape."
        )


def _leaves_seen(root: Any) -> str:
    """The leaves of this trace that the root was computed from, for M5."""
    trace = local.trace
    if root._trace is not trace:
        return ""
    seen, todo, found = set(), [root._slot], []
    while todo:
        slot = todo.pop()
        if slot in seen:
            continue
        seen.add(slot)
        entry = trace.producer(slot)
        flat = [s for item in entry.inputs for s in (item if item.__class__ is tuple else (item,))]
        before = [s for s in flat if s is not None and s >= 0]
        todo += before
        if not before and slot != root._slot:
            made = "entered" if entry.op is LEAF else "made"
            facts = {"meta": repr(entry.meta), "op": entry.op.name.removesuffix("_op"), "line": show_line(entry.line)}
            found.append(say(f"nothing-requires-grad/{made}", **facts))
    return say("nothing-requires-grad/leaves", leaves="".join(found[:6])) if found else ""


# --- as one entry -------------------------------------------------------------------------------------------------


def _backward_as_one(roots: Sequence[Any], grads: Sequence[Any], retain: bool) -> bool:
    """Record one entry for the whole reverse pass; False when that is not possible."""
    trace = local.trace
    if trace.general or not trace.expandable:
        return False
    slots = tuple([t._slot if t._trace is trace else enter(trace, t) for t in roots])
    given = _NONE
    if grads is not _NONE:
        given = tuple([g if g is None else g._slot if g._trace is trace else enter(trace, g) for g in grads])
    key = (MACRO, ("backward", retain), slots + given, ())
    node: Any = trace.node.next.get(key)
    if node is None:
        try:
            node = _expand(trace, key, roots, slots, grads, given, retain)
        except NeedsPython:
            node = _GENERAL
        if node is not _GENERAL:
            trace.node.next[key] = node
    if node is _GENERAL:
        return False
    leaves = [trace.handles[slot]() for slot in node.expansion.leaves]
    for leaf in leaves:
        if leaf is not None and leaf._hooked:
            return False
    trace.node = node
    olds, news = [], []
    for leaf, grad in zip(leaves, emit_all(trace, node)):
        if leaf is None:
            continue
        old = leaf._grad
        if old is None:
            leaf._grad = grad  # in memory of its own: see _own_memory
        elif old._base is not None or old._meta.requires_grad:
            accumulate(leaf, grad)
        else:
            olds.append(old)
            news.append(grad)
    if len(set(olds)) != len(olds):  # leaves that share a gradient tensor
        for old, new in zip(olds, news, strict=True):
            record_inplace(TABLE["add_"], (old, new))
    elif olds:
        record_as_one("accumulate", _add_to_each, olds + news, ())
    return True


def _add_to_each(tensors: list[Any], numbers: list[Any]) -> list[Any]:
    """The first half of the tensors += the second."""
    half = len(tensors) // 2
    for old, new in zip(tensors[:half], tensors[half:], strict=True):
        old.add_(new)
    return []


def _expand(trace: Trace, key: tuple, roots: Any, slots: Any, grads: Any, given: Any, retain: bool) -> Entry:
    """Trace the reverse pass once; the entry that stands for it."""
    found: dict[int, Any] = {}

    def deliver(where: Trace, slot: int, handle: Any, grad: Any) -> None:
        found[slot] = grad if slot not in found else found[slot] + grad

    def run() -> Backward:
        walk = Backward(deliver)
        for root, slot, grad, given_slot in zip(roots, slots, grads, given, strict=True):
            walk.add(trace, slot, _ones(root) if grad is None else stand_in(grad._meta, Outside(given_slot)))
        walk.run()
        return walk

    child, walk = trace_macro(run)
    advise(trace, slots)
    result_slots = [g._slot if g._trace is child else enter(child, g) for g in found.values()]
    parent = trace.node
    metas = tuple(_own_memory(child.meta_of(s)) for s in result_slots)
    expansion = Expansion(child, [], result_slots)
    expansion.leaves = list(found)
    expansion.frees = frozenset() if retain else frozenset(e for _, e in walk.visited)
    node = Entry(parent, key, MACRO, tuple(expansion.inputs), (), metas)
    node.expansion = expansion
    return node


def _own_memory(meta: Meta) -> Meta:
    """The meta of a gradient that gets memory of its own: dense, whatever views it was computed through."""
    return meta.variant(requires_grad=False, leaf=False, offset=0, stride=None if overlaps(meta) else meta.stride)


def _ones(root: Any) -> Any:
    return FUNCTIONS["ones"](tuple(root.shape), dtype=root.dtype)


def accumulate(leaf: Any, grad: Any) -> None:
    """`leaf.grad += grad`, or bind it when there is none yet."""
    old = leaf._grad
    if old is None:
        leaf._grad = (
            grad
            if grad._base is None and (grad._meta.contiguous or not overlaps(grad._meta))
            else record(TABLE["clone"], (grad,), ("contiguous",))
        )
    elif old.__class__ not in HANDLES:  # a sparse gradient
        leaf._grad = grad + old
    elif local.grad_mode and (grad._meta.requires_grad or old._meta.requires_grad):
        leaf._grad = old + grad
    else:
        mode = local.grad_mode
        local.grad_mode = False  # no entry: grads do not require gradients, so the mode changes nothing here
        try:
            record_inplace(TABLE["add_"], (old, grad))
        finally:
            local.grad_mode = mode


# --- op by op -----------------------------------------------------------------------------------------------------


def _walk(roots: Any, grads: Any, retain: bool, create_graph: bool, deliver: Any, captures: Any) -> None:
    mode = local.grad_mode
    switch_grad_mode(create_graph)
    try:
        walk = watched(Backward)(deliver, captures)
        for root, grad in zip(roots, grads, strict=True):
            if isinstance(root, GradientEdge):
                walk.add(*place_of_edge(root), _ones(meta_of_edge(root)) if grad is None else grad)
                continue
            if grad is None:
                grad = _ones(root)
            slot = root._slot if root._trace is local.trace else enter(local.trace, root)
            walk.add(local.trace, slot, grad)
        walk.run()
        if not retain:
            walk.free(user_line())
    finally:
        switch_grad_mode(mode)


def _backward_in_steps(roots: Any, grads: Any, retain: bool, create_graph: bool) -> None:
    totals: dict[int, Any] = {}

    def deliver(trace: Trace, slot: int, handle: Any, grad: Any) -> None:
        if handle is not None:
            old = totals.get(id(handle))
            totals[id(handle)] = (handle, grad if old is None else old[1] + grad)

    with one_pass():
        _walk(roots, grads, retain, create_graph, deliver, None)
        for handle, grad in totals.values():
            _accumulate_with_hooks(handle, grad, create_graph)


def _accumulate_with_hooks(handle: Any, grad: Any, create_graph: bool) -> None:
    for hook in list((handle._backward_hooks or {}).values()):
        changed = hook(grad)
        grad = grad if changed is None else changed
    if not create_graph and grad._meta.requires_grad:
        grad = grad.detach()
    accumulate(handle, grad)
    for hook in list((handle._accumulate_hooks or {}).values()):
        hook(handle)


def _backward_to(roots: Any, grads: Any, retain: bool, create_graph: bool, inputs: tuple) -> None:
    found = grad_of(roots, grads, inputs, retain, create_graph, allow_unused=True)
    for target, grad in zip(inputs, found, strict=True):
        if isinstance(target, GradientEdge):
            target = leaf_of_edge(target)
        if grad is not None and target is not None:
            accumulate(target, grad)


def grad_of(
    roots: Any,
    grads: Any,
    inputs: Sequence[Any],
    retain: bool,
    create_graph: bool,
    allow_unused: bool,
    hooks: bool = True,
) -> list[Any]:
    """The gradients with respect to `inputs`, leaves or not; `hooks=False` leaves the hooks of leaves to the caller."""
    captures: dict[Any, Any] = {}
    keys: list[list[Any]] = []
    for index, target in enumerate(inputs):
        if isinstance(target, GradientEdge):
            trace, slot = place_of_edge(target)
            keys.append([(trace.order, slot)] if leaf_of_edge(target) is None else [id(leaf_of_edge(target))])
            captures.update(dict.fromkeys(keys[-1]))
            continue
        if not isinstance(target, Handle) or not target._meta.requires_grad:
            raise RuntimeError(
                f"One of the differentiated Tensors does not require grad: input {index}. Fix: create it with requires_grad=True."
            )
        mine: list[Any] = []
        if target._meta.leaf:
            mine.append(id(target))
        if not target._meta.leaf or target._base is not None:
            trace = local.trace
            mine.append((trace.order, target._slot if target._trace is trace else enter(trace, target)))
            if target._history is not None:
                mine.append((target._history[0].order, target._history[1]))
        keys.append(mine)
        captures.update(dict.fromkeys(mine))
    totals: dict[int, Any] = {}

    def deliver(trace: Trace, slot: int, handle: Any, grad: Any) -> None:
        if handle is not None and hasattr(handle, "_for_table"):  # rows of an embedding with a sparse gradient
            handle, grad = handle._for_table(grad)
        if handle is not None and id(handle) in captures:
            for hook in list((handle._backward_hooks or {}).values()) if hooks else ():
                changed = hook(grad)
                grad = grad if changed is None else changed
            old = totals.get(id(handle))
            totals[id(handle)] = grad if old is None else old + grad

    with one_pass():
        _walk(roots, grads, retain, create_graph, deliver, captures)
    results = []
    for index, mine in enumerate(keys):
        found = next((totals[k] for k in mine if k in totals), None)
        if found is None:
            found = next((captures[k] for k in reversed(mine) if captures.get(k) is not None), None)
        if found is None and not allow_unused:
            target = inputs[index]
            shape = list((meta_of_edge(target) if isinstance(target, GradientEdge) else target).shape)
            raise RuntimeError(
                f"One of the differentiated Tensors appears to not have been used in the graph: input {index} of shape "
                f"{shape}. Fix: set allow_unused=True if this is the desired behavior."
            )
        results.append(found)
    return results


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple:
    """The gradients of the outputs' sum with respect to the inputs, without touching any `.grad`.

    >>> import rushlight as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> g, = torch.autograd.grad(x**3, x, create_graph=True); g2, = torch.autograd.grad(g, x); g.item(), g2.item()
    (27.0, 18.0)
    """
    if is_grads_batched:
        options = (retain_graph, create_graph, only_inputs, allow_unused, False, materialize_grads)
        return _batched_grad(outputs, inputs, grad_outputs, options)
    roots, targets = _as_tuple(outputs), _as_tuple(inputs)
    grads = (None,) * len(roots) if grad_outputs is None else _as_tuple(grad_outputs)
    for root, g in zip(roots, grads, strict=True):
        check_root(root, g)
    retain = create_graph if retain_graph is None else retain_graph
    unused = bool(materialize_grads) if allow_unused is None else allow_unused
    found = grad_of(roots, grads, targets, retain, create_graph, unused or materialize_grads)
    if materialize_grads:
        zeros = FUNCTIONS["zeros_like"]
        found = [zeros(t) if g is None else g for g, t in zip(found, targets, strict=True)]
    if not create_graph:
        found = [g.detach() if g is not None and g._meta.requires_grad else g for g in found]
    return tuple(found)


def _batched_grad(outputs: Any, inputs: Any, grad_outputs: Any, options: tuple) -> tuple:
    """`grad` for a batch of vectors along the first dimension of grad_outputs."""
    from rushlight.func import vmap

    targets, present = _as_tuple(inputs), []

    def one(*grads: Any) -> tuple:
        found = grad(outputs, targets, grads, *options)
        present[:] = [g is not None for g in found]
        return tuple(g for g in found if g is not None)

    rest = iter(vmap(one)(*_as_tuple(grad_outputs)))
    return tuple(next(rest) if is_there else None for is_there in present)


__all__ = ["backward", "grad"]
