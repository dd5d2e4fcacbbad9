"""Hooks of optimisers: around each step, and around saving and loading the state."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from rushlight.autograd.hooks import add_hook
from rushlight.errors import explain_error

_global_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_post_hooks: OrderedDict[int, Callable] = OrderedDict()


def register_optimizer_step_pre_hook(hook: Callable) -> Any:
    """Call `hook(optimizer, args, kwargs)` before every step of every optimiser; returns a handle with `remove()`."""
    return add_hook(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> Any:
    """Call `hook(optimizer, args, kwargs)` after every step of every optimiser; returns a handle with `remove()`."""
    return add_hook(_global_post_hooks, hook)


def _with_hooks(step: Callable) -> Callable:
    """Wrap a `step` method: hooks around it, and the note that schedulers read (`_opt_called`)."""

    @functools.wraps(step)
    def run(self: Hooked, *args: Any, **kwargs: Any) -> Any:
        if self._stepping:  # a subclass that calls super().step(): its own wrapper has run the hooks
            return step(self, *args, **kwargs)
        call: tuple[Any, ...] = (self, *args)
        if _global_pre_hooks or self._optimizer_step_pre_hooks:
            call, kwargs = _changed_by_hooks(self, call, kwargs)
        self._stepping = True
        try:
            result = step(*call, **kwargs)
        finally:
            del self._stepping
        if "_opt_called" in self.__dict__:
            self._opt_called = True
        if _global_post_hooks or self._optimizer_step_post_hooks:
            for hook in [*self._optimizer_step_post_hooks.values(), *_global_post_hooks.values()]:
                hook(self, call, kwargs)
        return result

    return run


def _changed_by_hooks(optimizer: Hooked, call: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """The arguments of a step, after the hooks that run before it."""
    for hook in [*_global_pre_hooks.values(), *optimizer._optimizer_step_pre_hooks.values()]:
        changed = hook(optimizer, call, kwargs)
        if changed is None:
            continue
        if not (isinstance(changed, tuple) and len(changed) == 2):
            raise RuntimeError(
                explain_error(
                    f"{type(optimizer).__name__}.step",
                    got=f"{changed!r} from a step pre-hook",
                    expected="None or a pair (new_args, new_kwargs)",
                    fix="return nothing from the hook unless it changes the arguments",
                )
            )
        call, kwargs = changed
    return call, kwargs


class Hooked:
    """What `Optimizer` has for its hooks; the `step` of every subclass is wrapped to run them."""

    _stepping = False
    _opt_called: bool
    step: Callable[..., Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.__dict__["step"])

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Optimisers that hold another one often do without `super().__init__()`; their steps look for hooks too."""
        made = super().__new__(cls)
        made._make_hooks()
        return made

    def _make_hooks(self) -> None:
        self._optimizer_step_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
        self._optimizer_step_post_hooks: OrderedDict[int, Callable] = OrderedDict()
        self._optimizer_state_dict_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
        self._optimizer_state_dict_post_hooks: OrderedDict[int, Callable] = OrderedDict()
        self._optimizer_load_state_dict_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
        self._optimizer_load_state_dict_post_hooks: OrderedDict[int, Callable] = OrderedDict()

    def register_step_pre_hook(self, hook: Callable) -> Any:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return `(new_args, new_kwargs)`."""
        return add_hook(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> Any:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return add_hook(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> Any:
        """Call `hook(optimizer)` before `state_dict()`."""
        return add_hook(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> Any:
        """Call `hook(optimizer, state_dict)` after `state_dict()`; a dictionary it returns replaces the result."""
        return add_hook(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> Any:
        """Call `hook(optimizer, state_dict)` before `load_state_dict()`; a dictionary it returns is loaded instead."""
        return add_hook(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> Any:
        """Call `hook(optimizer)` after `load_state_dict()`."""
        return add_hook(self._optimizer_load_state_dict_post_hooks, hook, prepend)
