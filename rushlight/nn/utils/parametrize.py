"""Parametrizations: a parameter or buffer of a module is computed, by other modules, from tensors that are learned in its place.

`module.weight` becomes a property of a class of the module's own; the learned tensors are `module.parametrizations.weight.original`, or
`original0`, `original1`, … where the parametrization computes one tensor from several.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.nn.modules.container import ModuleDict, ModuleList
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter

Tensor = rushlight.Tensor

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]


class _Cache:
    """Values computed inside `cached()`, by module and name."""

    depth = 0
    values: dict[tuple[int, str], Tensor] = {}


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Inside, each parametrized tensor is computed once, however often it is read.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import parametrize
    >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2))
    >>> with parametrize.cached():
    ...     layer.weight is layer.weight
    True
    >>> layer.weight is layer.weight
    False
    """
    _Cache.depth += 1
    try:
        yield
    finally:
        _Cache.depth -= 1
        if not _Cache.depth:
            _Cache.values = {}


def _wrong(got: str, expected: str, fix: str = "pass unsafe=True if that is meant") -> ValueError:
    return ValueError(explain_error("register_parametrization", got=got, expected=expected, fix=fix))


def _check_same(kind: str, found: Any, original: Tensor) -> None:
    """ValueError unless `found` is a tensor with the dtype and the shape of `original`."""
    if not isinstance(found, Tensor):
        raise _wrong(f"{type(found).__name__} from {kind}", "a Tensor", "return one tensor")
    if found.dtype is not original.dtype:
        raise _wrong(f"{found.dtype} from {kind}", f"the dtype of the tensor, {original.dtype}")
    if found.shape != original.shape:
        raise _wrong(f"shape {list(found.shape)} from {kind}", f"the shape of the tensor, {list(original.shape)}")


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied in order to `original` (or to original0, original1, …)."""

    def __init__(self, modules: Sequence[Module], original: Tensor | Parameter, unsafe: bool = False) -> None:
        if not modules:
            raise _wrong("no modules", "at least one", "pass the parametrization in a list")
        super().__init__(modules)
        self.unsafe = unsafe
        dtype, shape = original.dtype, original.shape
        with rushlight.no_grad():
            new: Any = original
            for module in reversed(self):
                if not hasattr(module, "right_inverse"):
                    continue
                try:
                    new = module.right_inverse(new)
                except NotImplementedError:
                    pass  # it has none for these values: they are taken as the originals
        if not isinstance(new, Tensor) and not isinstance(new, Sequence):
            raise _wrong(f"{type(new).__name__} from right_inverse", "a Tensor or a sequence of Tensors", "return that")
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if new.dtype is not dtype:
                raise _wrong(
                    f"{new.dtype} from right_inverse",
                    f"the dtype of the tensor, {dtype}",
                    "convert it in right_inverse",
                )
            with rushlight.no_grad():
                _take_over(original, new)  # the same object: optimisers hold it
            self._register("original", original)
        else:
            learned = original.requires_grad
            for index, one in enumerate(new):
                if not isinstance(one, Tensor):
                    raise _wrong(f"{type(one).__name__} from right_inverse", "a sequence of Tensors", "return that")
                one = one.detach().clone()  # memory of its own: the tensor that it replaces may be a view of the same
                one = Parameter(one, learned) if isinstance(original, Parameter) else one.requires_grad_(learned)
                self._register(f"original{index}", one)
        if not unsafe:
            found = self()
            _check_same("the parametrization", found, rushlight.empty(shape, dtype=dtype))

    def _register(self, name: str, tensor: Tensor) -> None:
        if isinstance(tensor, Parameter):
            self.register_parameter(name, tensor)
        else:
            self.register_buffer(name, tensor)

    def _originals(self) -> list[Tensor]:
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    @rushlight.no_grad()
    def right_inverse(self, value: Tensor) -> None:
        """Set the originals to what gives `value`, by the `right_inverse` of each parametrization, the last one first."""
        new: Any = value
        for module in reversed(self):
            if not hasattr(module, "right_inverse"):
                raise RuntimeError(
                    explain_error(
                        "assigning to a parametrized tensor",
                        got=f"{type(module).__name__} without a right_inverse",
                        expected="one in each of its parametrizations",
                        fix="define right_inverse(value): what `forward` makes `value` of",
                    )
                )
            new = module.right_inverse(new)
        found = [new] if self.is_tensor else new
        if not isinstance(found, Sequence) or len(found) != self.ntensors:
            raise ValueError(
                explain_error(
                    "right_inverse",
                    got=f"{len(found)} tensors" if isinstance(found, Sequence) else type(new).__name__,
                    expected=f"{self.ntensors} tensors, as at first",
                )
            )
        for one, original in zip(found, self._originals(), strict=True):
            if not isinstance(one, Tensor) or one.dtype is not original.dtype:
                got = one.dtype if isinstance(one, Tensor) else type(one).__name__
                raise ValueError(
                    explain_error("right_inverse", got=f"{got}", expected=f"a Tensor of {original.dtype}, as at first")
                )
            _take_over(original, one)

    def forward(self) -> Tensor:
        """The tensor that the originals stand for."""
        first, *others = self._modules.values()
        found = first(*self._originals())
        for module in others:
            found = module(found)
        return found


def _take_over(tensor: Tensor, value: Tensor) -> None:
    """Give `tensor`, which stays the same object, a copy of `value`."""
    if value is not tensor:
        tensor.data = value.detach().clone()


def _own_class(module: Module) -> None:
    """Give the module a class of its own, which can hold properties."""
    base = type(module)

    def __getstate__(self: Module) -> Any:
        raise RuntimeError(
            explain_error(
                f"pickling a parametrized {base.__name__}",
                got="a class that was made at run time",
                expected="a state_dict",
                fix="save module.state_dict(), and register the parametrizations again before loading it",
            )
        )

    def __deepcopy__(self: Module, memo: dict[int, Any]) -> Module:
        if id(self) not in memo:
            own = type(self)
            replica = memo[id(self)] = own.__new__(own)
            replica.__dict__.update(copy.deepcopy(self.__dict__, memo))
            replica.__class__ = type(own.__name__, own.__bases__, dict(vars(own)))  # what is removed there stays here
        return memo[id(self)]

    members: dict[str, Any] = {"__getstate__": __getstate__, "__module__": __name__}
    if not hasattr(base, "__deepcopy__"):
        members["__deepcopy__"] = __deepcopy__
    module.__class__ = type(f"Parametrized{base.__name__}", (base,), members)


def _property(name: str) -> property:
    def compute(self: Module) -> Tensor:
        if not _Cache.depth:
            return self.parametrizations[name]()
        key = id(self), name
        if key not in _Cache.values:
            _Cache.values[key] = self.parametrizations[name]()
        return _Cache.values[key]

    def assign(self: Module, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(compute, assign)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Make `module.tensor_name` = parametrization(original), where `original` is learned from now on; returns the module.

    A second one is applied after the first. A method `right_inverse(value)` gives the start of the originals (several, if it returns a
    sequence) and makes the tensor assignable. `unsafe` skips the check that shape and dtype stay.

    Errors: ValueError if the module has no such parameter or buffer, or shape or dtype would change.

    >>> import rushlight as torch
    >>> class Symmetric(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).mT
    >>> layer = torch.nn.Linear(3, 3)
    >>> _ = torch.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    >>> torch.equal(layer.weight, layer.weight.T), list(layer.state_dict())
    (True, ['bias', 'parametrizations.weight.original'])
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            before = getattr(module, tensor_name)
            after = parametrization(before)
            _check_same("the parametrization", after, before)
            if hasattr(parametrization, "right_inverse"):
                _check_same("right_inverse", parametrization.right_inverse(after), before)
        every = module.parametrizations[tensor_name]
        every.append(parametrization)
        every.unsafe |= unsafe
    elif tensor_name in module._parameters or tensor_name in module._buffers:
        original = getattr(module, tensor_name)
        parametrizations = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _own_class(module)
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _property(tensor_name))
        module.parametrizations[tensor_name] = parametrizations
    else:
        known = [*module._parameters, *module._buffers, *getattr(module, "parametrizations", ())]
        raise ValueError(
            explain_error(
                "register_parametrization",
                got=f"tensor_name={tensor_name!r} for {type(module).__name__}",
                expected=f"a parameter or buffer: {', '.join(known) or 'it has none'}",
            )
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has parametrizations: of this tensor, or of any."""
    found = module.__dict__.get("_modules", {}).get("parametrizations")
    if not isinstance(found, ModuleDict):
        return False
    return bool(len(found)) if tensor_name is None else tensor_name in found


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make the tensor a plain parameter or buffer again: with its present value, or with that of the original; returns the module.

    Errors: ValueError if it is not parametrized, or if there are several originals and `leave_parametrized=False`.
    """
    op = "remove_parametrizations"
    if not is_parametrized(module, tensor_name):
        raise ValueError(
            explain_error(op, got=f"{tensor_name!r} of {type(module).__name__}", expected="a parametrized tensor")
        )
    every = module.parametrizations[tensor_name]
    if leave_parametrized:
        with rushlight.no_grad() if every.is_tensor else contextlib.nullcontext():
            value = getattr(module, tensor_name)
        if every.is_tensor:
            original = every.original
            _take_over(original, value)
        else:
            original = Parameter(value.detach().clone()) if value.requires_grad else value
    elif every.is_tensor:
        original = every.original
    else:
        raise ValueError(
            explain_error(
                op,
                got=f"leave_parametrized=False for a tensor made of {every.ntensors} originals",
                expected="one original that could take its place",
                fix="leave_parametrized=True",
            )
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if isinstance(original, Parameter):
        module.register_parameter(tensor_name, original)
    else:
        module.register_buffer(tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that the module had before it was parametrized.

    >>> import rushlight as torch
    >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2))
    >>> type(layer).__name__, torch.nn.utils.parametrize.type_before_parametrizations(layer).__name__
    ('ParametrizedLinear', 'Linear')
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Let another module share the parametrizations of one tensor, or of all, and their originals; returns that module."""
    if not is_parametrized(from_module):
        return to_module
    if tensor_name is not None and not is_parametrized(from_module, tensor_name):
        raise AssertionError(
            explain_error(
                "transfer_parametrizations_and_params",
                got=f"tensor_name={tensor_name!r}",
                expected=f"a parametrized tensor: {', '.join(from_module.parametrizations)}",
            )
        )
    for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:
        source = from_module.parametrizations[name]
        if (
            name not in to_module._parameters
            and name not in to_module._buffers
            and not is_parametrized(to_module, name)
        ):
            value = getattr(from_module, name)
            setattr(to_module, name, Parameter(value.detach().clone(), value.requires_grad))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization, unsafe=source.unsafe)
        target = to_module.parametrizations[name]
        for label in (*source._parameters, *source._buffers):  # the same objects: the two modules share them
            setattr(target, label, getattr(source, label))
    return to_module
