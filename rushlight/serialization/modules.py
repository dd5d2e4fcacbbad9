"""Whole modules in files: `save(model)` and `load(path, weights_only=False)` without running code from the file.

A file may name a class only if the program has already imported it and it is a subclass of `nn.Module`. The object is
made without its constructor and gets its fields as plain data; nothing is imported and no method of it is called.
"""

from __future__ import annotations

import collections
import dis
import sys
import types
from typing import Any, NoReturn

import rushlight
from rushlight.lessons import say
from rushlight.serialization.allowed import WeightsPolicy
from rushlight.serialization.refusal import Refusal, UnsafeFileError, shown, unsafe

FIELDS_RECORD = ".rushlight/fields"
_PREFIXES = (("torchvision.", "rushlight.vision."), ("torchaudio.", "rushlight.audio."), ("torch.", "rushlight."))
# Where PyTorch's own pickles find the functions of torch.nn.functional.
_FUNCTION_MODULES = ("torch.nn.functional", "torch._C._nn")


class MissingClassError(UnsafeFileError, AttributeError):
    """The class of a saved module cannot be found among the imported ones, or has changed."""


def file_name(cls: type) -> tuple[str, str]:
    """(module, name) under which files know a class: PyTorch's for its own layers."""
    if getattr(rushlight.nn, cls.__name__, None) is cls:
        return "torch.nn", cls.__name__
    for theirs, ours in _PREFIXES:
        if cls.__module__.startswith(ours):
            return theirs + cls.__module__[len(ours) :], cls.__qualname__
    return cls.__module__, cls.__qualname__


def functional_name(function: Any) -> str | None:
    """The name of a function of `nn.functional`, the only functions that a module's fields may hold."""
    name = getattr(function, "__name__", "")
    return name if find_function(name) is function else None


def find_function(name: str) -> Any:
    """The public function `nn.functional.<name>`, or None."""
    found = vars(rushlight.nn.functional).get(name) if not name.startswith("_") else None
    return found if isinstance(found, (types.FunctionType, types.BuiltinFunctionType)) else None


def assigned_fields(cls: type) -> list[str]:
    """The attributes that the constructors of a user's class assign, read from their code without running it."""
    names: set[str] = set()
    for base in cls.__mro__:
        init = vars(base).get("__init__")
        if not is_library(base) and isinstance(init, types.FunctionType):
            names |= {step.argval for step in dis.get_instructions(init.__code__) if step.opname == "STORE_ATTR"}
    return sorted(names)


def is_library(cls: type) -> bool:
    """Whether the class is ours, or Python's, and not the user's."""
    return cls.__module__.split(".")[0] in ("rushlight", "builtins")


class ModulePolicy(WeightsPolicy):
    """The policy of `weights_only=False`: plain data, and modules of classes that the program has imported."""

    def __init__(self, load_storage: Any, fields: dict[str, list[str]]):
        super().__init__(load_storage)
        self._fields = fields

    def unknown(self, module: str, name: str) -> Any:
        """The module class or functional of that name."""
        if module in _FUNCTION_MODULES and find_function(name) is not None:
            return find_function(name)
        cls = _find_class(module, name)
        if cls is None:
            self._refuse(module, name)
        if _is_module_class(cls):
            self._check_fields(cls, f"{module}.{name}")
        return cls

    def new(self, cls: Any, args: tuple) -> Any:
        """A module without its constructor having run, with the fields that every module has."""
        if not _is_module_class(cls):
            return super().new(cls, args)
        if args:
            raise unsafe(f"arguments for a new {cls.__name__}", "none: fields are restored, constructors do not run")
        instance = object.__new__(cls)
        vars(instance).update(vars(rushlight.nn.Module()))
        return instance

    def build(self, instance: Any, state: Any) -> None:
        """The fields of a module."""
        if not _is_module_class(type(instance)):
            super().build(instance, state)
            return
        if type(state) is not dict or not all(type(key) is str for key in state):
            raise unsafe(f"a state of type {type(state).__name__} for a module", "a dict of fields")
        vars(instance).update(state)

    def parts(self, value: Any) -> list | None:
        """A module's fields, checked (at the end: a file may go on filling a dict that it has handed out)."""
        if not _is_module_class(type(value)):
            return super().parts(value)
        for key, field in vars(value).items():
            _check_field(type(value), key, field)
        return list(vars(value).values())

    def _check_fields(self, cls: type, path: str) -> None:
        before = self._fields.get(path)
        if before is None or is_library(cls):
            return
        now = assigned_fields(cls)
        new = sorted(set(now) - set(before))
        if new:
            gone = sorted(set(before) - set(now))
            instead = say("load/it-set", gone=", ".join(gone)) if gone else ""
            got = say("load/changed", name=path, new=", ".join(new), instead=instead)
            raise Refusal(got, say("load/class-as-saved"), say("load/restore"), MissingClassError)

    def _refuse(self, module: str, name: str) -> NoReturn:
        found = vars(sys.modules.get(module, types.ModuleType(""))).get(name)
        if found is not None:
            raise unsafe(
                f"the global {module}.{name}, which is not a subclass of torch.nn.Module",
                "module classes and plain data",
                f"if it is harmless: torch.serialization.add_safe_globals([{name}])",
            )
        full, where = f"{module}.{name}", say(f"load/{'no-such-class' if module in sys.modules else 'not-imported'}")
        named = {f"{cls.__module__}.{cls.__qualname__}" for cls in _subclasses() if cls.__name__ == name}
        same = sorted(named - {full})
        moved = say("load/moved", found=", ".join(same), name=full)
        fix = moved if same else say("load/import-first", module=module, name=name)
        raise Refusal(say("load/class", name=full, where=where), say("load/imported-class"), fix, MissingClassError)


def _find_class(module: str, name: str) -> type | None:
    """The imported module class of that name. Only dictionaries are read: no import, no attribute hook runs."""
    candidates = [(module, name)]
    for theirs, ours in _PREFIXES:
        if module.startswith(theirs):
            candidates.append((ours + module[len(theirs) :], name))
    if module == "torch.nn" or module.startswith("torch.nn.modules."):
        candidates.append((rushlight.nn.__name__, name))
    for place, path in candidates:
        found: Any = sys.modules.get(place)
        for part in path.split("."):
            found = vars(found).get(part) if isinstance(found, (types.ModuleType, type)) else None
        if _is_module_class(found) or _is_tensor_class(found):
            return found
    return None


def _is_module_class(cls: Any) -> bool:
    return isinstance(cls, type) and rushlight.nn.Module in cls.__mro__


def _is_tensor_class(cls: Any) -> bool:
    """A class of tensors of the user's; what makes one of it is `_rebuild_from_type_v2`, which calls nothing of its own."""
    return isinstance(cls, type) and rushlight.Tensor in cls.__mro__ and not is_library(cls)


def _subclasses() -> list[type]:
    todo, found = [rushlight.nn.Module], []
    while todo:
        below = type.__subclasses__(todo.pop())
        todo += below
        found += below
    return found


def _check_field(cls: type, key: str, value: Any) -> None:
    """Refuse fields that would make calling the module do something else than its class says."""
    if key.startswith("_") and "_hooks" in key and value:
        raise unsafe(f"hooks in {cls.__name__}.{key}", "none: hooks are functions, and files hold no functions")
    kinds = {"_parameters": rushlight.Tensor, "_buffers": rushlight.Tensor, "_modules": rushlight.nn.Module}
    if key in kinds:
        if type(value) not in (dict, collections.OrderedDict):
            raise Refusal(f"{cls.__name__}.{key} of type {type(value).__name__}", "a dict")
        for name, item in value.items():
            if type(name) is not str or not (item is None or isinstance(item, kinds[key])):
                raise Refusal(f"{cls.__name__}.{key}[{shown(name)}] of type {type(item).__name__}", kinds[key].__name__)
    elif _is_method(_declared(cls, key)):
        raise unsafe(f"a field {shown(key)} that hides a method of {cls.__name__}", "data fields")


def _is_method(declared: Any) -> bool:
    """Whether a field of that name would be found first: functions and other descriptors that do not set."""
    kind = type(declared)
    return callable(declared) or (hasattr(kind, "__get__") and not hasattr(kind, "__set__"))


def _declared(cls: type, key: str) -> Any:
    for base in cls.__mro__:
        if key in vars(base):
            return vars(base)[key]
    return None
