"""Control flow as functions: `cond` and `while_loop`. Python decides at once; what the functions do is recorded as ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight
from rushlight.errors import explain_error

__all__ = ["cond", "while_loop"]


def _leaves(value: Any) -> list[Any]:
    """What lists, tuples and dicts hold, in order."""
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value, key=str)]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


def _decided(op: str, name: str, value: Any) -> bool:
    if (
        isinstance(value, rushlight.Tensor)
        and value.numel() != 1
        or not isinstance(value, (bool, int, rushlight.Tensor))
    ):
        got = f"{name} of shape {list(value.shape)}" if isinstance(value, rushlight.Tensor) else f"{name}={value!r}"
        raise RuntimeError(
            explain_error(op, got=got, expected="a bool, or a tensor of one element", fix=".any() or .all()")
        )
    return bool(value)


def cond(pred: Any, true_fn: Callable, false_fn: Callable, operands: Any = ()) -> Any:
    """`true_fn(*operands)` if pred holds, else `false_fn(*operands)`.

    pred: a bool, or a tensor of one element, which is computed; beside a tensor, RuntimeError unless both are functions
    and the operands are tensors, in nested lists, tuples and dicts.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, -2.0])
    >>> torch.cond(x.sum() > 0, lambda x: x.cos(), lambda x: x * 2, (x,))
    tensor([ 2., -4.])
    """
    if isinstance(pred, bool):
        return (true_fn if pred else false_fn)(*operands)
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError(explain_error("cond", got=f"{true_fn!r} and {false_fn!r}", expected="two functions"))
    odd = [leaf for leaf in _leaves(operands) if not isinstance(leaf, rushlight.Tensor)]
    if not isinstance(operands, (list, tuple)) or odd:
        got = f"operands with {odd[0]!r}" if odd else f"operands of type {type(operands).__name__}"
        raise RuntimeError(
            explain_error("cond", got=got, expected="a tuple of tensors", fix="write (x,) for one tensor")
        )
    return (true_fn if _decided("cond", "pred", pred) else false_fn)(*operands)


def while_loop(cond_fn: Callable, body_fn: Callable, carried_inputs: Sequence[Any]) -> tuple:
    """Repeat `state = body_fn(*state)` while `cond_fn(*state)` holds, from state = carried_inputs.

    The state keeps its length, and each of its tensors its shape, dtype and device; RuntimeError says which did not.

    >>> import rushlight as torch
    >>> torch.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (torch.tensor(0), torch.ones(2)))
    (tensor(3), tensor([8., 8.]))
    """
    if not callable(cond_fn) or not callable(body_fn):
        raise RuntimeError(explain_error("while_loop", got=f"{cond_fn!r} and {body_fn!r}", expected="two functions"))
    if not isinstance(carried_inputs, (list, tuple)):
        got = f"carried_inputs of type {type(carried_inputs).__name__}"
        raise RuntimeError(explain_error("while_loop", got=got, expected="a tuple", fix="write (x,) for one tensor"))
    state = tuple(carried_inputs)
    while _decided("while_loop", "the result of cond_fn", cond_fn(*state)):
        after = body_fn(*state)
        after = tuple(after) if isinstance(after, (list, tuple)) else (after,)
        _same_kind(state, after)
        state = after
    return state


def _same_kind(before: tuple, after: tuple) -> None:
    if len(before) != len(after):
        got = f"{len(after)} results of body_fn for {len(before)} carried inputs"
        raise RuntimeError(explain_error("while_loop", got=got, expected="as many"))
    for index, (old, new) in enumerate(zip(_leaves(before), _leaves(after), strict=False)):
        described = [
            (tuple(x.shape), x.dtype, x.device) if isinstance(x, rushlight.Tensor) else type(x).__name__
            for x in (old, new)
        ]
        if described[0] != described[1]:
            got = f"value {index} as {described[1]} after body_fn"
            raise RuntimeError(explain_error("while_loop", got=got, expected=f"{described[0]}, as before"))
