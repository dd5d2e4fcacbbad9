"""The first time that an op is met at a place: its rule checks it, and what it found out becomes an entry.

Nothing here runs for a step seen before. Errors are raised at the user's line with nothing recorded.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rushlight import config
from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.ir.meta import WEAK, Meta
from rushlight.ir.op import Op
from rushlight.lazy import places
from rushlight.lazy.record import NUMBERS, Trace, emit, local, record
from rushlight.lazy.trie import Entry
from rushlight.lessons import say

# Op name -> what looks at each entry of it that is new; filled by the room of the check-up, autograd/advice.py.
WATCHERS: dict[str, Callable[[Trace, Entry], None]] = {}


def record_slowly(trace: Trace, key: tuple, numbers: list[Any]) -> Any:
    """A key not seen here before, or one that must run at once: check it, remember it, emit."""
    from rushlight.lazy import step

    if trace.node.depth >= config.trace_limit and not key[0].view and trace.expandable:
        # Views are left out: `enter` records them while the key of another op is half built.
        operands = {s: trace.handles[s]() for s in _slots_of(key)}  # kept alive through the flush
        step.flush()
        return record(key[0], _inputs_again(key, operands, numbers), _static_again(trace, key[0], key[-1]))
    node = trace.node.next.get(key)
    if node is None:
        node = grow(trace, key)
    trace.scalars.extend(numbers)
    trace.node = node
    result = emit(trace, node)
    if node.noted:
        places.note(trace, node)
    if node.eager and not node.op.view:
        step.flush()
    return result


def _slots_of(key: tuple) -> list[int]:
    found: list[int] = []
    for item in key[1:-1]:
        if item.__class__ is int:
            found.append(item)
        elif item.__class__ is tuple:
            found.extend(item)
    return found


def _inputs_again(key: tuple, handles: dict[int, Any], numbers: list[Any]) -> list[Any]:
    rest = iter(numbers)
    return [
        next(rest) if item in NUMBERS else tuple(handles[s] for s in item) if item.__class__ is tuple
        else None if item is None else handles[item]
        for item in key[1:-1]
    ]  # fmt: skip


def _static_again(old: Trace, op: Op, static: tuple) -> tuple:
    """The static arguments for this thread's new trace, which counts its generators anew."""
    if not op.random:
        return static
    at = op.statics.index("generator")
    return static[:at] + (local.trace.enter_generator(old.generators[static[at]][0]),) + static[at + 1 :]


def grow(trace: Trace, key: tuple) -> Entry:
    """Infer and append an unknown entry below the trace's node. Raises with nothing recorded when the checks fail."""
    op: Op = key[0]
    parent = trace.node
    inputs: list[Any] = []
    metas: list[Any] = []
    numbers = 0
    for item in key[1:-1]:
        if item is None:
            inputs.append(None)
            metas.append(None)
        elif item in NUMBERS:
            inputs.append(~(parent.scalars + numbers))
            metas.append(WEAK[item])
            numbers += 1
        elif item.__class__ is tuple:
            inputs.append(item)
            metas.append(tuple(trace.meta_of(s) for s in item))
        else:
            inputs.append(item)
            metas.append(trace.meta_of(item))
    _check_numbers(op, key[1:-1])
    _check_static(op, key[-1])
    _check_devices(op, metas)
    try:
        found = op.infer(*metas, **dict(zip(op.statics, key[-1], strict=True)))
    except (AttributeError, TypeError) as error:
        raise _unfit(op, key[1:-1]) or error from None
    results = found if found.__class__ is tuple else (found,)
    results = _with_autograd(op, metas, results, parent.grad_mode)
    storage: tuple[int, ...] = ()
    if (op.inplace or op.view and not op.untracked) and inputs:  # writes through .data count for that alias alone
        storage = (trace.storage_of(inputs[0]),) * len(results)
    node = Entry(parent, key, op, tuple(inputs), key[-1], results, numbers=numbers, storage=storage)
    from rushlight.lazy import explain

    if trace.expandable:  # what a macro or a composite op is made of is no step of the user's
        explain.note_miss(parent, node)
    parent.next[key] = node
    watcher = WATCHERS.get(op.name)
    if watcher is not None and trace.expandable:
        watcher(trace, node)
    return node


def _with_autograd(op: Op, metas: list[Any], results: tuple[Meta, ...], grad_mode: bool) -> tuple[Meta, ...]:
    """Say which results require a gradient."""
    flat = [m for item in metas if item is not None for m in (item if item.__class__ is tuple else (item,))]
    needs = any(m.requires_grad for m in flat)
    if op.inplace and metas[0].requires_grad and not grad_mode:
        # Written without recording: the tensor stays what it was to autograd (a leaf, or a result whose gradient
        # passes through unchanged).
        return (results[0].variant(requires_grad=True, leaf=metas[0].leaf),) + results[1:]
    if not (needs and grad_mode and op.differentiable):
        return results
    return tuple(
        m.variant(requires_grad=True, leaf=False) if m.dtype.category >= dtypes.FLOATING else m for m in results
    )


def _check_numbers(op: Op, items: tuple) -> None:
    """Python numbers stand for operands only where the signature says so, and for all operands of few ops."""
    for slot, item in zip(op.slots, items, strict=False):
        if item in NUMBERS and slot.kind in ("Tensor", "Tensor?"):
            raise TypeError(
                explain_error(
                    op.name, got=f"{slot.name} of type {item.__name__}", expected="a tensor", fix="torch.tensor(number)"
                )
            )
    if items and not op.numbers_alone and op.slots and op.slots[0].kind == "Operand" and NUMBERS.issuperset(items):
        raise TypeError(
            explain_error(
                op.name, got=f"{' and '.join(item.__name__ for item in items)}", expected="a tensor among the operands",
                fix="torch.tensor(number)",
            )
        )  # fmt: skip


_STATIC_KINDS = {"dtype": dtypes.dtype, "str": str}


@functools.cache
def _strict(op: Op) -> tuple[tuple[int, str, type], ...]:
    """The static arguments that rules take as they are: (number, name, class)."""
    kinds = enumerate((p.name, p.kind.rstrip("?")) for p in op.params if not p.is_slot)
    return tuple((n, name, _STATIC_KINDS[kind]) for n, (name, kind) in kinds if kind in _STATIC_KINDS)


def _check_static(op: Op, values: tuple) -> None:
    for number, name, wanted in _strict(op):
        value = values[number]
        if value is not None and not isinstance(value, wanted):
            got, expected = f"{name} of type {type(value).__name__}", f"a {wanted.__name__}"
            raise TypeError(explain_error(op.name, got=got, expected=expected))


def _unfit(op: Op, items: tuple) -> TypeError | None:
    """What is wrong with the arguments when a rule stumbled over them: a list for a tensor, a tensor for a list, None for either."""
    for slot, item in zip(op.slots, items, strict=False):
        wanted = "a list of tensors" if slot.kind == "Tensor[]" else "a tensor"
        if (item.__class__ is tuple) is not (slot.kind == "Tensor[]") and not (
            item is None and slot.kind.endswith("?")
        ):
            got = "a list" if item.__class__ is tuple else "None" if item is None else "one value"
            return TypeError(explain_error(op.name, got=f"{got} for {slot.name}", expected=wanted))
    return None


def _check_devices(op: Op, metas: list[Any]) -> None:
    """All tensors on one device; 0-d CPU tensors mix freely, as in PyTorch (M3)."""
    places = {}
    for index, item in enumerate(metas):
        for m in item if item.__class__ is tuple else (item,):
            if m is not None and not m.weak and not (m.shape == () and m.device.type == "cpu"):
                places.setdefault(str(m.device), index)
    if len(places) > 1:
        names = {place: op.slots[i].name if i < len(op.slots) else str(i) for place, i in places.items()}
        here, there = list(names)[:2]
        raise RuntimeError(
            say(
                "devices-differ", op=op.name, first=names[here], second=names[there], first_place=here, second_place=there,
                places=say("comma").join(say("devices-differ/place", name=n, place=place) for place, n in names.items()),
            )
        )  # fmt: skip
