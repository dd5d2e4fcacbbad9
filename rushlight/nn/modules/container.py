"""Modules that hold modules: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rushlight.nn.modules.guard import did_you_mean
from rushlight.nn.modules.module import Module
from rushlight.nn.modules.walk import indent


def position(index: Any, length: int) -> int:
    """`index` counted from the front; IndexError when it is outside."""
    index = operator.index(index)
    if not -length <= index < length:
        raise IndexError(f"index {index} is out of range: there are {length} entries")
    return index % length


class _Numbered(Module):
    """Children named '0', '1', ...: what Sequential and ModuleList share."""

    def _key(self, index: Any) -> str:
        """The name of the child at a place; names need not be numbers (an OrderedDict may have given them)."""
        return list(self._modules)[position(index, len(self))]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __setitem__(self, index: Any, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __delitem__(self, index: Any) -> None:
        keys = list(self._modules)
        for key in keys[index] if isinstance(index, slice) else [self._key(index)]:
            delattr(self, key)
        self._renumber(self._modules.values())

    def _renumber(self, modules: Iterable[Module]) -> None:
        self._modules = {str(i): module for i, module in enumerate(modules)}

    def append(self, module: Module) -> Any:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Add a module before `index`."""
        if not isinstance(module, Module):
            self.add_module(str(len(self)), module)  # raises
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add several modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend: got {type(modules).__name__}; expected an iterable of modules"
            )
        for module in list(modules):
            self.append(module)
        return self

    def pop(self, key: int | slice) -> Any:
        """Remove the module at a place and return it."""
        module = self[key]
        del self[key]
        return module

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]


class Sequential(_Numbered):
    """Modules applied one after the other, given as arguments or as an OrderedDict of names.

    >>> import rushlight as torch
    >>> torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU())
    Sequential(
      (0): Linear(in_features=4, out_features=2, bias=True)
      (1): ReLU()
    )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], OrderedDict) else enumerate(args)
        for name, module in named:
            self.add_module(str(name), module)

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)
        return input

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return self._modules[self._key(index)]

    def insert(self, index: int, module: Module) -> Sequential:
        """Add a module before `index`."""
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Sequential.insert: index {index} is out of range: there are {len(self)} entries")
        return super().insert(index, module)

    def __add__(self, other: Any) -> Sequential:
        return Sequential(*self, *_modules_of("+", other))

    def __iadd__(self, other: Any) -> Sequential:
        return self.extend(_modules_of("+=", other))

    def __mul__(self, other: Any) -> Sequential:
        return Sequential(*(list(self) * _times(other)))

    def __rmul__(self, other: Any) -> Sequential:
        return self * other

    def __imul__(self, other: Any) -> Sequential:
        return self.extend(list(self) * (_times(other) - 1))


def _modules_of(sign: str, other: Any) -> Any:
    if not isinstance(other, Sequential):
        raise ValueError(f"Sequential {sign} {type(other).__name__}: the second must be a Sequential too")
    return other


def _times(count: Any) -> int:
    if not isinstance(count, int):
        raise TypeError(f"Sequential * {type(count).__name__}: the number of repetitions must be an int")
    if count <= 0:
        raise ValueError(f"Sequential * {count}: the number of repetitions must be positive")
    return count


class ModuleList(_Numbered):
    """A list of modules that the parent sees (a plain Python list would hide their parameters).

    >>> import rushlight as torch
    >>> torch.nn.ModuleList([torch.nn.Linear(4, 4) for _ in range(3)])
    ModuleList(
      (0-2): 3 x Linear(in_features=4, out_features=4, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self._modules.values())[index])
        return self._modules[self._key(index)]

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, modules: Iterable[Module]) -> ModuleList:
        return self.extend(modules)

    def __repr__(self) -> str:
        if not len(self):
            return f"{self._get_name()}()"
        runs: list[tuple[int, int, str]] = []  # (first, last, text) of equal neighbours
        for i, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], i, text)
            else:
                runs.append((i, i, text))
        lines = [
            f"({first}): {text}" if first == last else f"({first}-{last}): {last - first + 1} x {text}"
            for first, last, text in runs
        ]
        return f"{self._get_name()}(\n  " + "\n  ".join(indent(line, 2) for line in lines) + "\n)"


class ModuleDict(Module):
    """Modules by name, in the order in which they were added, seen by the parent.

    >>> import rushlight as torch
    >>> d = torch.nn.ModuleDict({"relu": torch.nn.ReLU()})
    >>> d["relu"](torch.tensor([-1.0]))
    tensor([0.])
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        if key not in self._modules:
            raise KeyError(f"ModuleDict has no {key!r}{did_you_mean(str(key), self._modules)}")
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Remove a module and return it."""
        module = self[key]
        del self[key]
        return module

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def items(self) -> Any:
        """(name, module) pairs."""
        return self._modules.items()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add or replace modules from a mapping or from (name, module) pairs."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"ModuleDict.update: got {type(modules).__name__}; expected a mapping or (name, module) pairs"
            )
        if isinstance(modules, (Mapping, ModuleDict)):
            modules = modules.items()
        for place, pair in enumerate(modules):
            if not isinstance(pair, (tuple, list)):
                raise TypeError(
                    f"ModuleDict.update: got {type(pair).__name__} at place {place}; expected (name, module)"
                )
            if len(pair) != 2:
                raise ValueError(f"ModuleDict.update: got {len(pair)} things at place {place}; expected (name, module)")
            self[pair[0]] = pair[1]
