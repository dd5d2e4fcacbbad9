"""`Module`: a tree of named parameters, buffers and child modules, with a `forward`.

Registration, attributes, modes and the call itself are here; walking the tree (walk.py), hooks (hooks.py), state_dict
(state.py) and conversion (convert.py) are its bases.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Self

import rushlight
from rushlight.errors import MODULE_CALLS
from rushlight.nn.modules.convert import ConvertMixin
from rushlight.nn.modules.guard import (
    CALLERS,
    ConstructorSignature,
    ForwardGuard,
    MissingAttributeError,
    check_argument_names,
)
from rushlight.nn.modules.hooks import (
    GLOBAL_HOOKS,
    HookMixin,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
)
from rushlight.nn.modules.state import StateMixin
from rushlight.nn.modules.walk import WalkMixin, note_module_path, stray_argument
from rushlight.nn.parameter import Buffer, Parameter

__all__ = [
    "Module",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
]

_TABLES = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")
_HOOK_TABLES = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class Registered:
    """`weight = Registered()` in a layer's class: its parameter of that name, found without the detour over `__getattr__`.

    What the instance or a subclass has under the name (weight_norm's tensor, a parametrisation) goes before it.
    """

    def __init__(self, table: str = "_parameters") -> None:
        self.table = table

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, module: Any, owner: Any = None) -> Any:
        try:
            return module.__dict__[self.table][self.name]
        except (KeyError, AttributeError):
            raise AttributeError(self.name) from None  # `Module.__getattr__` words it


class Module(WalkMixin, HookMixin, StateMixin, ConvertMixin):
    """Base class of every network: write `__init__` (calling `super().__init__()` first) and `forward`.

    >>> import rushlight as torch
    >>> class Net(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = torch.nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.fc(x)
    >>> Net()(torch.ones(3, 4)).shape
    torch.Size([3, 2])
    """

    training: bool
    dump_patches: bool = False
    call_super_init: bool = False
    _version: int = 1
    __signature__ = ConstructorSignature()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Our own layers skip the guard and its 0.3 µs a call; Sequential is the one that people call by hand.
        own = cls.__dict__.get("forward")
        if type(own) is FunctionType and (cls.__name__ == "Sequential" or not cls.__module__.startswith(__package__)):
            cls.forward = ForwardGuard(own)

    def __new__(cls, *args: Any, **kwargs: Any) -> Module:
        if kwargs:
            check_argument_names(cls, kwargs)
        new = super().__new__
        return new(cls) if new is object.__new__ else new(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init and (args or kwargs):
            got = f"{len(args)} positional" if args else f"the keyword {next(iter(kwargs))!r}"
            raise TypeError(f"Module.__init__() takes no arguments, got {got}. Fix: call super().__init__() with none.")
        state = self.__dict__
        state["training"] = True
        for name in _HOOK_TABLES:
            state[name] = OrderedDict()
        state["_parameters"], state["_buffers"], state["_modules"] = {}, {}, {}
        state["_non_persistent_buffers_set"] = set()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # -- calling ------------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if (
                self._forward_hooks
                or self._forward_pre_hooks
                or self._backward_hooks
                or self._backward_pre_hooks
                or GLOBAL_HOOKS
            ):
                return self._call_with_hooks(args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            wrong = stray_argument(self, args, error) if error.__class__ is AttributeError else None
            note_module_path(self, wrong or error)
            if wrong is not None:
                raise wrong from None
            raise

    CALLERS.insert(0, __call__.__code__)
    MODULE_CALLS.add(__call__.__code__)

    if TYPE_CHECKING:  # every subclass has arguments of its own
        forward: Callable[..., Any]
    else:

        def forward(self, *input: Any) -> None:
            """Compute the output; every subclass writes its own."""
            raise NotImplementedError(
                f"{type(self).__name__} has no `forward`. Fix: write `def forward(self, x): ...` in class "
                f"{type(self).__name__} (and check its spelling and indentation)."
            )

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Accepted for compatibility: Rushlight compiles every step that it has seen before without being asked."""

    # -- registration -------------------------------------------------------------------------------------------------

    def _check_new_name(self, kind: str, name: Any, table: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(
                f"cannot assign a {kind} to {type(self).__name__} before its Module.__init__() has run. "
                f"Fix: make super().__init__() the first line of {type(self).__name__}.__init__."
            )
        if not isinstance(name, str):
            raise TypeError(f"a {kind} name must be a str, got {type(name).__name__}")
        if "." in name:
            raise KeyError(
                f"a {kind} name cannot contain '.', got {name!r}: the dot separates levels in state_dict keys"
            )
        if name == "":
            raise KeyError(f"a {kind} name cannot be the empty string")
        if hasattr(self, name) and name not in self.__dict__[table]:
            raise KeyError(f"{type(self).__name__} already has an attribute {name!r}; choose another {kind} name")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter (or None: declared but absent) under `name`."""
        self._check_new_name("parameter", name, "_parameters")
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"parameter {name!r} of {type(self).__name__}: got {_typename(param)}, expected "
                    "nn.Parameter or None. "
                    f"Fix: wrap it: nn.Parameter(tensor)."
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"parameter {name!r} of {type(self).__name__} was computed from other tensors; a parameter "
                    "must be a "
                    f"leaf. Fix: compute it in forward(), or pass nn.Parameter(value.detach())."
                )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: rushlight.Tensor | None, persistent: bool = True) -> None:
        """Add state that is saved (if `persistent`) and moved with the module, but not learned."""
        self._check_new_name("buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, rushlight.Tensor):
            raise TypeError(
                f"buffer {name!r} of {type(self).__name__}: got {_typename(tensor)}, expected a Tensor or None. "
                f"Fix: torch.as_tensor(value)."
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module (or None) under `name`."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"child {name!r} of {type(self).__name__}: {_not_a_module(module)}")
        self._check_new_name("module", name, "_modules")
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    # -- attributes ---------------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        state = self.__dict__
        for table in ("_modules", "_parameters", "_buffers"):
            if table in state and name in state[table]:
                return state[table][name]
        raise MissingAttributeError(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        if isinstance(value, Parameter):
            self._check_ready("parameter")
            self._forget(name, keep="_parameters")
            self.register_parameter(name, value)
        elif name in state.get("_parameters", ()):
            if value is not None:
                self._refuse("parameter", name, value, "nn.Parameter or None", "nn.Parameter(tensor)")
            state["_parameters"][name] = None
        elif isinstance(value, Module):
            self._check_ready("module")
            self._forget(name, keep="_modules")
            self.register_module(name, value)
        elif name in state.get("_modules", ()):
            if value is not None:
                self._refuse("child module", name, value, "nn.Module or None", "delete it first: del module." + name)
            state["_modules"][name] = None
        elif (
            isinstance(value, rushlight.Tensor) and isinstance(value, Buffer) and name not in state.get("_buffers", ())
        ):
            self._check_ready("buffer")
            self._forget(name, keep="_buffers")
            self.register_buffer(name, value, value.persistent)
        elif name in state.get("_buffers", ()):
            if value is not None and not isinstance(value, rushlight.Tensor):
                self._refuse("buffer", name, value, "a Tensor or None", "torch.as_tensor(value)")
            state["_buffers"][name] = value
        else:
            object.__setattr__(self, name, value)

    def _check_ready(self, kind: str) -> None:
        if "_parameters" not in self.__dict__:
            self._check_new_name(kind, "", "_parameters")

    def _forget(self, name: str, keep: str) -> None:
        """Remove `name` wherever it stands now, before it is registered in the table `keep`."""
        self.__dict__.pop(name, None)
        for table in _TABLES:
            if table != keep:
                entries = self.__dict__[table]
                entries.discard(name) if isinstance(entries, set) else entries.pop(name, None)

    def _refuse(self, kind: str, name: str, value: Any, expected: str, fix: str) -> None:
        raise TypeError(
            f"{type(self).__name__}.{name} is a {kind}: got {_typename(value)}, expected {expected}. Fix: {fix}."
        )

    def __delattr__(self, name: str) -> None:
        for table in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(table, ()):
                del self.__dict__[table][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = set(super().__dir__())
        for table in ("_parameters", "_buffers", "_modules"):
            names.update(self.__dict__.get(table, ()))
        return sorted(name for name in names if not name[:1].isdigit())

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _HOOK_TABLES:  # absent in objects that an older version pickled
            self.__dict__.setdefault(name, OrderedDict())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())

    # -- modes --------------------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and in every child: Dropout and BatchNorm behave differently."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: got mode={mode!r}; expected True or False")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """The same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Turn gradients of all parameters on or off (freeze)."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters (or fill them with zeros)."""
        for parameter in self.parameters():
            if parameter.grad is None:
                continue
            if set_to_none:
                parameter.grad = None
            else:
                parameter.grad.requires_grad_(False) if parameter.grad.is_leaf else parameter.grad.detach_()
                parameter.grad.zero_()

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every descendant, children first, then on this module."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self


def _typename(value: Any) -> str:
    return f"a {value.dtype} Tensor" if isinstance(value, rushlight.Tensor) else type(value).__name__


def _not_a_module(value: Any) -> str:
    """Words for something that stands where a Module should."""
    if isinstance(value, type) and issubclass(value, Module):
        return f"got the class {value.__name__}; expected an instance. Fix: write {value.__name__}(...)"
    shown = getattr(value, "__name__", None)
    if callable(value) and shown:
        return f"got the function {shown}; expected a Module. Fix: use its layer form, or call it in forward()"
    return f"got {_typename(value)}; expected a Module"
