"""Checkpointing: a part of the forward pass keeps nothing for the backward pass, which computes it again."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

from rushlight.autograd.backward import grad_of
from rushlight.autograd.function import FunctionCtx, connect
from rushlight.autograd.graph import grad_fn
from rushlight.autograd.modes import enable_grad, no_grad
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import local


class CheckpointError(RuntimeError):
    """The second run of a checkpointed function was not like the first."""


_debug: ContextVar[bool | None] = ContextVar("checkpoint_debug", default=None)


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Inside, `debug` of every `checkpoint` is `enabled`, whatever it says; None: what it says.

    With debug, the error about a second run that differs from the first lists what each of them recorded.
    """
    token = _debug.set(enabled)
    try:
        yield
    finally:
        _debug.reset(token)


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Accepted for compatibility: what the gradient does not need is recorded again, but never computed again."""
    yield


def noop_context_fn() -> tuple[Any, Any]:
    """The default contexts of forward and recomputation: none."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def _map(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same tuples, lists and dicts with every tensor changed."""
    if isinstance(value, Handle):
        return change(value)
    if isinstance(value, dict):
        return {k: _map(v, change) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        items = [_map(v, change) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def _tensors(value: Any) -> list[Any]:
    found: list[Any] = []
    _map(value, found.append)
    return found


def _detached(t: Any) -> Any:
    """A leaf of the same values, so that the inner graph ends here."""
    return t.detach().requires_grad_() if t._meta.requires_grad else t


def _recorded(outputs: Sequence[Any]) -> list[str]:
    """The names of the graph's nodes behind the outputs, each once, from the outputs back."""
    seen: dict[Any, str] = {}
    todo = [grad_fn(t) for t in outputs if t._meta.requires_grad]
    while todo:
        node = todo.pop(0)
        if node is not None and node not in seen:
            seen[node] = node.name()
            todo += [before for before, _ in node.next_functions]
    return [name for name in seen.values() if name != "AccumulateGrad"]


def _leaves_behind(outputs: Sequence[Any], known: set[int]) -> list[Any]:
    """The leaves that the outputs' graph ends at, without the known ones."""
    seen: set[Any] = set()
    found: dict[int, Any] = {}
    todo = [grad_fn(t) for t in outputs if t._meta.requires_grad and not t._meta.leaf]
    for t in outputs:
        if t._meta.leaf and id(t) not in known:
            found[id(t)] = t
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name() == "AccumulateGrad":
            leaf = node.variable
            if leaf is not None and id(leaf) not in known:
                found[id(leaf)] = leaf
        else:
            todo.extend(before for before, _ in node.next_functions)
    return list(found.values())


class CheckpointFunctionBackward(FunctionCtx):
    """Runs the function again and differentiates that run."""

    def __init__(
        self, run: Callable[[Any], Any], args: Any, outputs: list[Any], captured: list[Any], rng: Any, check: bool,
        debug: bool,
    ):  # fmt: skip
        self.run, self.args, self.captured, self.rng, self.check = run, args, captured, rng, check
        self.shapes = [(tuple(t.shape), t.dtype) for t in outputs]
        self.recorded = _recorded(outputs) if debug else None
        self.connected = [t.dtype.category >= 2 for t in outputs]  # floating outputs have a gradient
        self.versions = [(t, t._version) for t in _tensors(args)]

    def run_backward(self, grads: list[Any]) -> list[Any]:
        """Gradients of the arguments that require one, then of the captured leaves."""
        for t, version in self.versions:
            if t._version != version:
                raise RuntimeError(
                    "checkpoint: one of the variables needed for gradient computation has been modified by an inplace operation: an argument of "
                    f"shape {list(t.shape)} was changed after the checkpointed call. Fix: clone() it before changing it."
                )
        again = local.grad_mode  # create_graph: stay connected to the arguments
        values = _map(self.args, (lambda t: t.view_as(t) if t._meta.requires_grad else t) if again else _detached)
        with enable_grad(), _replayed(self.rng):
            outputs = _tensors(self.run(values))
        self._compare(outputs)
        outputs = [t for t, used in zip(outputs, self.connected, strict=True) if used]
        pairs = [(t, g) for t, g in zip(outputs, grads, strict=True) if g is not None and t._meta.requires_grad]
        targets = [t for t in _tensors(values) if t._meta.requires_grad] + self.captured
        if not pairs:
            return [None] * len(targets)
        return grad_of(
            [t for t, _ in pairs], [g for _, g in pairs], targets, True, again, allow_unused=True, hooks=False
        )

    def _compare(self, outputs: list[Any]) -> None:
        found = [(tuple(t.shape), t.dtype) for t in outputs]
        if self.check and found != self.shapes:
            lists = ""
            if self.recorded is not None:
                lists = f" Recorded first: {', '.join(self.recorded)}. Then: {', '.join(_recorded(outputs))}."
            raise CheckpointError(
                f"checkpoint: Recomputed values have different metadata than during the forward pass: first {self.shapes}, then {found}. "
                "Fix: let the function do the same each time it is called, or pass determinism_check='none'." + lists
            )


@contextlib.contextmanager
def _replayed(state: Any) -> Iterator[None]:
    """Random numbers as they were at `state`, and afterwards as they are now."""
    from rushlight.random import fork_rng, set_rng_state

    if state is None:
        yield
        return
    with fork_rng():
        set_rng_state(state)
        yield


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, context_fn: Callable[[], tuple] = noop_context_fn,
    determinism_check: str = "default", debug: bool = False, early_stop: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """function(*args), computed again in the backward pass instead of kept. Random numbers are replayed (preserve_rng_state=True).

    Tensors that the function takes from around it, such as parameters, get their gradients too.

    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import checkpoint
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda t: (t * t).sum(), x, use_reentrant=False).backward(); x.grad
    tensor([2., 4.])
    """
    if use_reentrant is None:
        warnings.warn(
            "checkpoint: the use_reentrant parameter should be passed explicitly. Fix: use_reentrant=False.",
            UserWarning,
            stacklevel=2,
        )
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant is not False:
        if kwargs:
            raise ValueError(
                f"checkpoint: Unexpected keyword arguments: {','.join(kwargs)}. Fix: use_reentrant=False passes them on."
            )
        if context_fn is not noop_context_fn or debug:
            raise ValueError("checkpoint: passing `context_fn` or `debug` is only supported when use_reentrant=False.")
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"checkpoint: determinism_check should be one of 'default', 'none'; got {determinism_check!r}."
        )
    inside, later = context_fn()
    if not local.grad_mode:
        with inside:
            return function(*args, **kwargs)
    arguments = (args, kwargs)
    if use_reentrant is not False and not any(t._meta.requires_grad for t in _tensors(arguments)):
        warnings.warn(
            "checkpoint: None of the inputs have requires_grad=True. Gradients will be None.", UserWarning, stacklevel=2
        )
        with no_grad():
            return function(*args, **kwargs)
    forced = _debug.get()
    debug = debug if forced is None else forced
    return _record(function, arguments, preserve, inside, later, determinism_check == "default", debug)


def _record(
    function: Callable[..., Any], arguments: Any, preserve: bool, inside: Any, later: Any, check: bool, debug: bool
) -> Any:
    from rushlight.random import get_rng_state

    state = get_rng_state() if preserve else None
    values = _map(arguments, _detached)
    with inside:
        result = function(*values[0], **values[1])
    outputs = _tensors(result)
    own = {id(t) for t in _tensors(values)}
    captured = _leaves_behind(outputs, own)
    inputs = [t for t in _tensors(arguments) if t._meta.requires_grad] + captured
    plain = [t.detach().clone() for t in outputs]

    def again(again_values: Any) -> Any:
        with later:
            return function(*again_values[0], **again_values[1])

    if inputs and any(t._meta.requires_grad for t in outputs):
        ctx = CheckpointFunctionBackward(again, arguments, outputs, captured, state, check, debug)
        connect(ctx, inputs, plain)
    rest = iter(plain)
    return _map(result, lambda t: next(rest))


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A sequence of modules run in `segments` checkpointed pieces; the last piece is kept as usual."""
    if use_reentrant is None:
        warnings.warn(
            "checkpoint_sequential: the use_reentrant parameter should be passed explicitly. Fix: use_reentrant=False.",
            UserWarning,
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError(f"checkpoint_sequential: Unexpected keyword arguments: {','.join(kwargs)}.")
    layers = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(layers) // segments

    def piece(first: int, last: int) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for layer in layers[first:last]:
                x = layer(x)
            return x

        return run

    last = 0
    for first in range(0, size * (segments - 1), size):
        last = first + size
        input = checkpoint(piece(first, last), input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return piece(last, len(layers))(input)


def create_selective_checkpoint_contexts(policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False) -> tuple:
    """Refused: which values are kept is decided when a program is compiled."""
    raise NotImplementedError(
        "create_selective_checkpoint_contexts is not supported: a checkpointed function is run again as a whole. Fix: leave out "
        "context_fn, and checkpoint the parts that are cheap to compute again by themselves."
    )


__all__ = [
    "CheckpointError",
    "checkpoint",
    "checkpoint_sequential",
    "create_selective_checkpoint_contexts",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
]
