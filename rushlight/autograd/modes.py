"""Grad modes: `no_grad`, `enable_grad`, `set_grad_enabled`, `inference_mode`; context managers and decorators."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from rushlight.lazy.record import local, set_grad_mode


class _Mode:
    """A context manager that also decorates functions and generators."""

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, *error: Any) -> None:
        raise NotImplementedError

    def clone(self) -> _Mode:
        return self.__class__()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                inner = function(*args, **kwargs)
                sent: Any = None
                while True:
                    try:
                        with self.clone():
                            item = inner.send(sent)
                    except StopIteration as stop:
                        return stop.value
                    sent = yield item

            return generator

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return wrapped


class _Fixed(_Mode):
    _value = False

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        self = object.__new__(cls)
        return self if function is None else self(function)

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(local.grad_mode)
        set_grad_mode(self._value)

    def __exit__(self, *error: Any) -> None:
        set_grad_mode(self._before.pop())


class no_grad(_Fixed):
    """Inside, results do not require gradients.

    >>> import rushlight as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad(): (w * 2).requires_grad
    False
    """


class enable_grad(_Fixed):
    """Inside, gradients are recorded, also within `no_grad`."""

    _value = True


class set_grad_enabled(_Mode):
    """Turn recording of gradients on or off; at once, and restored at the end of a `with`."""

    def __init__(self, mode: bool) -> None:
        self.mode, self.before = mode, local.grad_mode
        set_grad_mode(bool(mode))

    def __enter__(self) -> None:
        set_grad_mode(self.mode)

    def __exit__(self, *error: Any) -> None:
        set_grad_mode(self.before)

    def clone(self) -> _Mode:
        return set_grad_enabled(self.mode)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        set_grad_mode(self.before)  # as a decorator it acts inside the function only
        return super().__call__(function)


class inference_mode(_Mode):
    """As `no_grad`; results cannot take part in gradients later. `inference_mode(False)` changes nothing."""

    def __new__(cls, mode: Any = True) -> Any:
        self = object.__new__(cls)
        if callable(mode):
            self.mode = True
            return self(mode)
        return self

    def __init__(self, mode: Any = True) -> None:
        self.mode = bool(mode)
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self._before.append((local.grad_mode, local.inference))
        if self.mode:
            local.inference = True
            set_grad_mode(False)

    def __exit__(self, *error: Any) -> None:
        mode, local.inference = self._before.pop()
        set_grad_mode(mode)

    def clone(self) -> _Mode:
        return inference_mode(self.mode)


def is_grad_enabled() -> bool:
    """Whether results of ops on tensors that require gradients require gradients."""
    return local.grad_mode


def is_inference_mode_enabled() -> bool:
    """Whether inside `inference_mode()`."""
    return local.inference
