"""Hooks: functions that run before and after a module's forward and backward.

The plain call in module.py never comes here unless a hook is registered. Backward hooks need no help from the engine:
the inputs and outputs of the module pass through an identity whose backward hands the gradients to the hooks.
"""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import rushlight
from rushlight.autograd.hooks import RemovableHandle, add_hook
from rushlight.nn.modules.guard import CALLERS

# Hooks for all modules. GLOBAL_HOOKS holds the id of each of them: one look tells the fast path that there are none.
GLOBAL_HOOKS: OrderedDict[int, bool] = OrderedDict()
_global_forward_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
_global_forward_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict[int, bool] = OrderedDict()
_global_forward_hooks_always_called: OrderedDict[int, bool] = OrderedDict()
_global_backward_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
_global_backward_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run `hook(module, args)` before the forward of every module."""
    return add_hook(_global_forward_pre_hooks, hook, marks=[GLOBAL_HOOKS])


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Run `hook(module, args, output)` after the forward of every module."""
    marks = [GLOBAL_HOOKS]
    marks += [_global_forward_hooks_with_kwargs] if with_kwargs else []
    marks += [_global_forward_hooks_always_called] if always_call else []
    return add_hook(_global_forward_hooks, hook, marks=marks)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run `hook(module, grad_input, grad_output)` when the gradients of any module's inputs are known."""
    return add_hook(_global_backward_hooks, hook, marks=[GLOBAL_HOOKS])


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run `hook(module, grad_output)` before the backward of any module."""
    return add_hook(_global_backward_pre_hooks, hook, marks=[GLOBAL_HOOKS])


class HookMixin:
    """The part of Module that registers hooks and calls `forward` between them."""

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Run `hook(module, args)` before forward; what it returns (if not None) replaces the arguments."""
        marks = [self._forward_pre_hooks_with_kwargs] if with_kwargs else []
        return add_hook(self._forward_pre_hooks, hook, prepend, marks)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Run `hook(module, args, output)` after forward; what it returns (if not None) replaces the output.

        >>> import rushlight as torch
        >>> m = torch.nn.ReLU()
        >>> handle = m.register_forward_hook(lambda module, args, output: output + 1)
        >>> m(torch.tensor([-1.0]))
        tensor([1.])
        """
        marks = [self._forward_hooks_with_kwargs] if with_kwargs else []
        marks += [self._forward_hooks_always_called] if always_call else []
        return add_hook(self._forward_hooks, hook, prepend, marks)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Run `hook(module, grad_input, grad_output)` in backward; a result replaces grad_input."""
        return add_hook(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Run `hook(module, grad_output)` before the module's backward; a result replaces grad_output."""
        return add_hook(self._backward_pre_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Old name; behaves as `register_full_backward_hook`."""
        warnings.warn(
            "register_backward_hook is deprecated and behaves as register_full_backward_hook here. "
            "Fix: call register_full_backward_hook.",
            FutureWarning,
            stacklevel=2,
        )
        return self.register_full_backward_hook(hook)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        called: set[int] = set()
        try:
            for key, hook in (*_global_forward_pre_hooks.items(), *self._forward_pre_hooks.items()):
                args, kwargs = self._run_pre_hook(key, hook, args, kwargs)
            backward_hooks = (*_global_backward_hooks.values(), *self._backward_hooks.values())
            backward_pre_hooks = (*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values())
            backward = None
            if backward_hooks or backward_pre_hooks:
                backward = BackwardHooks(self, backward_hooks, backward_pre_hooks)
                args = backward.wrap_inputs(args)
            result = self.forward(*args, **kwargs)
            for key, hook in (*_global_forward_hooks.items(), *self._forward_hooks.items()):
                called.add(key)
                result = self._run_forward_hook(key, hook, args, kwargs, result)
            return result if backward is None else backward.wrap_result(result)
        except Exception:
            self._run_always_called(called, args, kwargs)
            raise

    CALLERS.append(_call_with_hooks.__code__)

    def _run_pre_hook(self, key: int, hook: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
        if key not in self._forward_pre_hooks_with_kwargs:
            result = hook(self, args)
            if result is not None:
                args = result if isinstance(result, tuple) else (result,)
            return args, kwargs
        result = hook(self, args, kwargs)
        if result is None:
            return args, kwargs
        if isinstance(result, tuple) and len(result) == 2:
            return result
        raise RuntimeError(
            f"forward pre-hook with kwargs on {type(self).__name__}: got {result!r}; expected None or (args, kwargs)"
        )

    def _run_forward_hook(self, key: int, hook: Any, args: Any, kwargs: Any, result: Any) -> Any:
        if key in self._forward_hooks_with_kwargs or key in _global_forward_hooks_with_kwargs:
            replaced = hook(self, args, kwargs, result)
        else:
            replaced = hook(self, args, result)
        return result if replaced is None else replaced

    def _run_always_called(self, called: set[int], args: Any, kwargs: Any) -> None:
        """Forward failed: the hooks registered with `always_call` still run, with None for the output."""
        for key, hook in (*_global_forward_hooks.items(), *self._forward_hooks.items()):
            always = key in self._forward_hooks_always_called or key in _global_forward_hooks_always_called
            if not always or key in called:
                continue
            try:
                self._run_forward_hook(key, hook, args, kwargs, None)
            except Exception as error:
                warnings.warn(
                    f"a forward hook of {type(self).__name__} with always_call=True raised while another error "
                    "was being "
                    f"handled, and is left out: {error!r}",
                    UserWarning,
                    stacklevel=4,
                )


@functools.cache
def _watch_function() -> Any:
    """The identity on tensors whose backward passes all their gradients through `on_gradients` at once."""

    class Watch(rushlight.autograd.Function):
        @staticmethod
        def forward(ctx: Any, on_gradients: Callable[[tuple[Any, ...]], tuple[Any, ...]], *tensors: Any) -> Any:
            ctx.on_gradients = on_gradients
            ctx.set_materialize_grads(False)
            return tuple(tensor.view_as(tensor) for tensor in tensors)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            return (None, *ctx.on_gradients(gradients))

    return Watch


class BackwardHooks:
    """The backward hooks of one call of one module."""

    def __init__(self, module: Any, hooks: tuple[Any, ...], pre_hooks: tuple[Any, ...]) -> None:
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_outputs: tuple[Any, ...] | None = None
        self.watched_inputs: list[int] = []
        self.input_count = 0

    def wrap_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Watch the positional tensors that require gradients."""
        self.input_count = len(args)
        self.watched_inputs, wrapped = _watch(args, self._inputs_known)
        return wrapped

    def wrap_result(self, result: Any) -> Any:
        """Watch the output, or the tensors of an output tuple."""
        if isinstance(result, tuple):
            self.output_count = len(result)
            self.watched_outputs, wrapped = _watch(result, self._outputs_known)
            return type(result)(*wrapped) if hasattr(result, "_fields") else wrapped
        if not isinstance(result, rushlight.Tensor):
            warnings.warn(
                f"backward hooks of {type(self.module).__name__} do not run: its forward returned "
                f"{type(result).__name__}; expected a Tensor or a tuple of Tensors.",
                UserWarning,
                stacklevel=4,
            )
            return result
        self.output_count = 1
        self.watched_outputs, (result,) = _watch((result,), self._outputs_known)
        return result

    def _outputs_known(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        packed = _spread(gradients, self.watched_outputs, self.output_count)
        for hook in self.pre_hooks:
            packed = self._replace("backward pre-hook", packed, hook(self.module, packed))
        self.grad_outputs = packed
        if not self.watched_inputs:
            nothing = (None,) * self.input_count
            for hook in self.hooks:
                result = hook(self.module, nothing, packed)
                if result is not None and not all(each is None for each in result):
                    raise RuntimeError(
                        f"backward hook on {type(self.module).__name__}: it returned gradients, but no input of "
                        "the module "
                        f"requires one; expected None"
                    )
        return tuple(packed[place] for place in self.watched_outputs)

    def _inputs_known(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.grad_outputs is None:
            raise RuntimeError(
                f"backward hook on {type(self.module).__name__}: the gradients of its inputs arrived before "
                "those of its "
                f"outputs; an input reaches the loss without passing through the module's output"
            )
        packed = _spread(gradients, self.watched_inputs, self.input_count)
        for hook in self.hooks:
            packed = self._replace("backward hook", packed, hook(self.module, packed, self.grad_outputs))
        self.grad_outputs = None
        return tuple(packed[place] for place in self.watched_inputs)

    def _replace(self, kind: str, old: tuple[Any, ...], new: Any) -> tuple[Any, ...]:
        if new is None:
            return old
        new = new if isinstance(new, tuple) else (new,)
        if len(new) != len(old):
            raise RuntimeError(
                f"{kind} on {type(self.module).__name__}: got {len(new)} gradients; expected {len(old)}, or None"
            )
        return new


def _watch(values: tuple[Any, ...], on_gradients: Any) -> tuple[list[int], tuple[Any, ...]]:
    """Pass the tensors that require gradients through one `Watch`; also return their places."""
    if not rushlight.is_grad_enabled():
        return [], values
    places = [i for i, value in enumerate(values) if isinstance(value, rushlight.Tensor) and value.requires_grad]
    if not places:
        return places, values
    watched = list(values)
    for place, tensor in zip(places, _watch_function().apply(on_gradients, *(values[i] for i in places))):
        watched[place] = tensor
    return places, tuple(watched)


def _spread(gradients: tuple[Any, ...], places: list[int], count: int) -> tuple[Any, ...]:
    """`gradients` at their places among `count`, None elsewhere."""
    spread: list[Any] = [None] * count
    for place, gradient in zip(places, gradients):
        spread[place] = gradient
    return tuple(spread)
