"""Steps with `differentiable=True`: gradients flow through them, to the parameters, gradients, state and learning rate before.

The updates are written in place. Here they run on `Value`s, whose in-place methods make a new tensor instead and keep it:
nothing is overwritten that a gradient may need, and each update is differentiable however it is written.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.lazy.record import local, rebind
from rushlight.lazy.views import check_writable, hidden_base
from rushlight.optim._one_pass import update_row


class Value:
    """A tensor under an update; `tensor` is what it is by now."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.tensor, name.removesuffix("_") if name in _WRITES else name)
        if not callable(found):
            return found

        def call(*args: Any, **options: Any) -> Any:
            result = found(*map(_plain, args), **{key: _plain(value) for key, value in options.items()})
            return self._hold(result) if name in _WRITES else _wrapped(result)

        return call

    def _hold(self, tensor: Any) -> Value:
        self.tensor = tensor
        return self

    def copy_(self, source: Any) -> Value:
        """Hold a copy of the source."""
        return self._hold(_plain(source).clone())

    def zero_(self) -> Value:
        """Hold zeros."""
        return self._hold(rushlight.zeros_like(self.tensor))


_WRITES = {"add_", "addcdiv_", "addcmul_", "div_", "lerp_", "mul_", "sub_"}


def _plain(value: Any) -> Any:
    return value.tensor if isinstance(value, Value) else value


def _wrapped(result: Any) -> Any:
    return Value(result) if isinstance(result, rushlight.Tensor) else result


def _operator(function: Callable, reflected: bool) -> Callable:
    def method(self: Value, *others: Any) -> Any:
        operands = (self.tensor, *map(_plain, others))
        return _wrapped(function(*(reversed(operands) if reflected else operands)))

    return method


for _name in ("add", "sub", "mul", "truediv", "pow"):
    setattr(Value, f"__{_name}__", _operator(getattr(operator, _name), False))
    setattr(Value, f"__r{_name}__", _operator(getattr(operator, _name), True))
for _name in ("neg", "lt", "gt", "le", "ge"):
    setattr(Value, f"__{_name}__", _operator(getattr(operator, _name), False))


def update_row_out_of_place(update: Callable, how: tuple, numbers: list[Any], *tensors: Any) -> None:
    """Run the update of one parameter, and let the tensors become what it wrote."""
    values = [Value(tensor) for tensor in tensors]
    update_row(update, how, numbers, *values)
    for tensor, value in zip(tensors, values, strict=True):
        if value.tensor is not tensor:
            become(tensor, value.tensor)


def become(target: Any, value: Any) -> None:
    """Let a tensor be another value from now on, with its history. What had its old value keeps that."""
    if target._base is not None or target._meta.requires_grad and target._meta.leaf:
        check_writable(target, "step")
        target.copy_(value)
        return
    if target._views:
        hidden_base(target)
    if value._trace is not local.trace:
        value = value.clone()
    target._array = target._shared = target._history = target._views = None
    rebind(target, value._trace, value._slot, value._meta, tracked=False)


def check_options(optimizer: Any, with_lr: bool) -> None:
    """NotImplementedError for an option that requires a gradient which the step would not give."""
    known = ("params", "lr") if with_lr else ("params",)
    for group in optimizer.param_groups:
        for name, value in group.items():
            parts = value if isinstance(value, tuple) else (value,)
            if name not in known and any(isinstance(v, rushlight.Tensor) and v.requires_grad for v in parts):
                raise NotImplementedError(
                    explain_error(
                        f"{type(optimizer).__name__}.step",
                        got=f"differentiable=True with {name} that requires a gradient",
                        expected=f"gradients of parameters, their gradients{', state and lr' if with_lr else ' and state'} alone",
                        fix=f"pass {name}.detach(), or write the update as tensor code",
                    )
                )


__all__ = ["Value", "become", "check_options", "update_row_out_of_place"]
