"""Pickles (protocol 2) with PyTorch's names in them, for the `data.pkl` of a `.pth` file.

Python's pickler cannot name classes of a package that is not there, and its errors do not say where in a checkpoint
the value stands that cannot be saved; this one does both.
"""

from __future__ import annotations

import collections
import copyreg
import pickle
import struct
import sys
import types
from collections.abc import Iterable
from typing import Any

import numpy as np

import rushlight
from rushlight.errors import explain_error
from rushlight.functional import pickling
from rushlight.serialization import modules, sparse, tensors
from rushlight.serialization.allowed import is_safe_global

_FUNCTIONS = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodWrapperType,
    types.WrapperDescriptorType,
)  # fmt: skip
# Fields of a module under which messages show children by their names alone.
_CHILDREN = ("_parameters", "_buffers", "_modules")
_MAX_DEPTH = 300


class Pickler:
    """`dump(obj)` gives the pickle; `storages` then holds the bytes it refers to, `fields` the classes of modules."""

    def __init__(self) -> None:
        self.storages: list[np.ndarray] = []
        self.fields: dict[str, list[str]] = {}
        self._out: list[bytes] = []
        # id -> (memo number, the object itself, so that its id is not reused meanwhile)
        self._memo: dict[int, tuple[int, Any]] = {}
        self._names: dict[Any, int] = {}
        self._count = 0
        self._keys: dict[tuple[int, int], str] = {}
        self._keep: list[Any] = []
        self._path: list[str] = []

    def dump(self, obj: Any) -> bytes:
        """The pickle of `obj`."""
        self._path = [type(obj).__name__ if isinstance(obj, rushlight.nn.Module) else "obj"]
        self._out = [b"\x80\x02"]
        self._write(obj)
        self._out.append(b".")
        return b"".join(self._out)

    # One value.

    def _write(self, obj: Any) -> None:
        kind = type(obj)
        if kind in _ATOMS:
            _ATOMS[kind](self, obj)
            return
        known = self._memo.get(id(obj))
        if known:
            self._get(known[0])
            return
        if len(self._path) > _MAX_DEPTH:
            raise self._refuse(obj, f"containers nested more than {_MAX_DEPTH} deep")
        special = _CONTAINERS.get(kind)
        if special:
            special(self, obj)
        elif isinstance(obj, rushlight.Tensor):
            self._tensor(obj)
        elif isinstance(obj, rushlight.dtype):
            self._global("torch", tensors.dtype_name(obj))
        elif isinstance(obj, rushlight.layout):
            self._call("torch.serialization", "_get_layout", (repr(obj),), obj)
        elif isinstance(obj, rushlight.Size):
            self._call("torch", "Size", (tuple(int(n) for n in obj),), obj)
        elif isinstance(obj, rushlight.device):
            self._call("torch", "device", (obj.type,) if obj.index is None else (obj.type, obj.index), obj)
        elif isinstance(obj, rushlight.nn.Module):
            self._module(obj)
        elif isinstance(obj, (type, *_FUNCTIONS)):
            self._name_of(obj)
        else:
            self._other(obj)

    def _step(self, path: str, obj: Any) -> None:
        self._path.append(path)
        self._write(obj)
        self._path.pop()

    # Memo and names.

    def _remember(self, obj: Any) -> None:
        self._memo[id(obj)] = (self._put(), obj)

    def _put(self) -> int:
        number, self._count = self._count, self._count + 1
        self._out.append(b"q" + bytes([number]) if number < 256 else b"r" + struct.pack("<I", number))
        return number

    def _get(self, number: int) -> None:
        self._out.append(b"h" + bytes([number]) if number < 256 else b"j" + struct.pack("<I", number))

    def _named(self, name: Any, code: bytes) -> None:
        """A text or global that is written once and referred to afterwards."""
        if name in self._names:
            self._get(self._names[name])
        else:
            self._out.append(code)
            self._names[name] = self._put()

    def _text(self, text: str) -> None:
        raw = text.encode("utf-8", "surrogatepass")
        self._named(text, b"X" + struct.pack("<I", len(raw)) + raw)

    def _global(self, module: str, name: str) -> None:
        self._named((module, name), f"c{module}\n{name}\n".encode())

    def _call(self, module: str, name: str, args: tuple, obj: Any) -> None:
        self._global(module, name)
        self._tuple(args)
        self._out.append(b"R")
        self._remember(obj)

    # Plain values.

    def _int(self, value: int) -> None:
        if 0 <= value < 256:
            self._out.append(b"K" + bytes([value]))
        elif 0 <= value < 65536:
            self._out.append(b"M" + struct.pack("<H", value))
        elif -(1 << 31) <= value < 1 << 31:
            self._out.append(b"J" + struct.pack("<i", value))
        else:
            raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            if len(raw) > 255:
                raise self._refuse(value, f"an integer of {value.bit_length()} bits")
            self._out.append(b"\x8a" + bytes([len(raw)]) + raw)

    def _complex(self, value: complex) -> None:
        self._call("__builtin__", "complex", (value.real, value.imag), value)

    def _bytes(self, value: bytes) -> None:
        # Protocol 2 has no bytes: they travel as text of the same code points.
        if value:
            self._call("_codecs", "encode", (value.decode("latin1"), "latin1"), value)
        else:
            self._call("__builtin__", "bytes", (), value)

    def _bytearray(self, value: bytearray) -> None:
        self._call("__builtin__", "bytearray", (bytes(value),) if value else (), value)

    # Containers.

    def _tuple(self, items: tuple) -> None:
        if not items:
            self._out.append(b")")
            return
        if len(items) > 3:
            self._out.append(b"(")
        for number, item in enumerate(items):
            self._step(f"[{number}]", item)
        known = self._memo.get(id(items))
        if known:
            # The tuple holds a container that holds the tuple: it was finished on the way.
            self._out.append(b"1" if len(items) > 3 else b"0" * len(items))
            self._get(known[0])
            return
        self._out.append((b"\x85", b"\x86", b"\x87", b"t")[min(len(items), 4) - 1])
        self._remember(items)

    def _list(self, items: list) -> None:
        self._out.append(b"]")
        self._remember(items)
        if items:
            self._out.append(b"(")
            for number, item in enumerate(items):
                self._step(f"[{number}]", item)
            self._out.append(b"e")

    def _dict(self, items: dict) -> None:
        self._out.append(b"}")
        self._remember(items)
        self._items(items.items())

    def _ordered_dict(self, items: collections.OrderedDict) -> None:
        self._call("collections", "OrderedDict", (), items)
        self._items(items.items())
        if vars(items):
            self._step("", vars(items))
            self._out.append(b"b")

    def _counter(self, items: collections.Counter) -> None:
        self._call("collections", "Counter", (dict(items),), items)

    def _defaultdict(self, items: collections.defaultdict) -> None:
        self._global("collections", "defaultdict")
        factory = items.default_factory
        if factory is None:
            self._out.append(b")")
        else:
            if factory not in (list, dict, set, int, float, str, tuple, bool):
                raise self._refuse(factory, "a defaultdict with a factory of its own", "dict(...) of it")
            self._global("__builtin__", factory.__name__)
            self._out.append(b"\x85")
        self._out.append(b"R")
        self._remember(items)
        self._items(items.items())

    def _set(self, items: set | frozenset) -> None:
        self._call("__builtin__", type(items).__name__, (list(items),), items)

    def _items(self, items: Iterable[tuple[Any, Any]], show: str = "[{!r}]") -> None:
        pairs = list(items)
        if not pairs:
            return
        self._out.append(b"(")
        for key, value in pairs:
            self._write(key)
            self._step(show.format(key) if type(key) in _ATOMS else f"[a {type(key).__name__}]", value)
        self._out.append(b"u")

    # Tensors.

    def _tensor(self, tensor: Any) -> None:
        kind = type(tensor)
        if tensor.layout is not rushlight.strided:
            self._call("torch._utils", "_rebuild_sparse_tensor", (tensor.layout, sparse.parts(tensor)), tensor)
            return
        if kind.__module__.startswith("rushlight.") and kind not in (rushlight.Tensor, rushlight.nn.Parameter):
            raise self._refuse(tensor, f"a tensor of class {kind.__name__}", "tensor.detach().clone()")
        self._keep.append(tensor)
        state = pickling.state_of(tensor)
        if issubclass(kind, rushlight.nn.Parameter):  # of no class of its own in files, as in PyTorch
            self._global("torch._utils", "_rebuild_parameter_with_state" if state else "_rebuild_parameter")
            self._out.append(b"(")
            self._rebuild(tensor, requires_grad=False)
            self._write(bool(tensor.requires_grad))
            self._call("collections", "OrderedDict", (), [])
            if state:
                self._step("", state)
            self._out.append(b"tR")
        elif kind is not rushlight.Tensor or state:
            self._check_importable(kind, kind.__module__, kind.__qualname__)
            self._global("torch._tensor", "_rebuild_from_type_v2")
            self._out.append(b"(")
            self._rebuild(tensor, bool(tensor.requires_grad), as_call=False, kind=kind)
            self._step("", state)
            self._out.append(b"tR")
        else:
            self._rebuild(tensor, bool(tensor.requires_grad))
        self._remember(tensor)

    def _rebuild(self, tensor: Any, requires_grad: bool, as_call: bool = True, kind: Any = None) -> None:
        """The function that makes the tensor and its arguments: a call, or the two with the class between them."""
        if str(tensor.device) == "meta":
            function, arguments = "_rebuild_meta_tensor_no_storage", self._meta_window
        elif str(tensor.device) == "cpu":
            tensor = tensors.describe(tensor)
            function = "_rebuild_tensor_v2" if tensor.dtype_name in tensors.STORAGE_NAMES else "_rebuild_tensor_v3"
            arguments = self._window
        else:
            raise self._refuse(tensor, f"a tensor on {tensor.device}", "a tensor with data")
        self._global("torch._utils", function)
        if kind is rushlight.Tensor:
            self._global("torch", "Tensor")
        elif kind is not None:
            self._global(*modules.file_name(kind))
        arguments(tensor, requires_grad)
        if as_call:
            self._out.append(b"R")

    def _meta_window(self, tensor: Any, requires_grad: bool) -> None:
        self._tuple((tensor.dtype, tuple(tensor.shape), tuple(tensor.stride()), requires_grad))

    def _window(self, d: tensors.Described, requires_grad: bool) -> None:
        cls = tensors.STORAGE_NAMES.get(d.dtype_name)
        self._out.append(b"((")
        self._text("storage")
        if cls:
            self._global("torch", cls)
        else:
            self._global("torch.storage", "UntypedStorage")
        self._text(self._storage_key(d))
        self._text("cpu")
        self._int(d.numel_of_storage if cls else len(d.storage_bytes))
        self._out.append(b"tQ")
        self._int(d.offset)
        self._tuple(d.size)
        self._tuple(d.stride)
        self._write(requires_grad)
        self._call("collections", "OrderedDict", (), [])
        if not cls:
            self._global("torch", d.dtype_name)
        self._out.append(b"t")

    def _storage_key(self, d: tensors.Described) -> str:
        if d.storage_key in self._keys:
            return self._keys[d.storage_key]
        key = str(len(self.storages))
        self.storages.append(d.storage_bytes)
        if d.storage_key is not None:
            self._keys[d.storage_key] = key
        return key

    # Modules, names and everything else.

    def _module(self, module: Any) -> None:
        cls = type(module)
        if hasattr(cls, "_instead_of_saving"):
            raise self._refuse(module, f"a {cls.__name__}, whose class was made while running", cls._instead_of_saving)
        place, name = modules.file_name(cls)
        self._check_importable(cls, cls.__module__, cls.__qualname__)
        if not modules.is_library(cls):
            self.fields[f"{place}.{name}"] = modules.assigned_fields(cls)
        self._global(place, name)
        self._out.append(b")\x81")
        self._remember(module)
        # A class may have its own idea of what is worth saving.
        own = getattr(cls, "__getstate__", None) is not getattr(object, "__getstate__", None)
        state = module.__getstate__() if own else vars(module)
        if type(state) is not dict:
            raise self._refuse(module, f"a __getstate__ that gives a {type(state).__name__}", "a dict of fields")
        self._out.append(b"}(")
        for key, value in state.items():
            self._write(key)
            if key in _CHILDREN and type(value) in (dict, collections.OrderedDict):
                self._children(value)
            else:
                self._step(f".{key}", value)
        self._out.append(b"ub")

    def _children(self, table: dict) -> None:
        if type(table) is dict:
            self._out.append(b"}")
            self._remember(table)
        else:
            self._call("collections", "OrderedDict", (), table)
        self._items(table.items(), show=".{}")

    def _name_of(self, obj: Any) -> None:
        """A class or function as a value: only its name is written, so only names that `load` accepts may be."""
        name = modules.functional_name(obj)
        if name:
            self._global("torch.nn.functional", name)
        elif isinstance(obj, type) and issubclass(obj, rushlight.nn.Module):
            self._check_importable(obj, obj.__module__, obj.__qualname__)
            self._global(*modules.file_name(obj))
        elif is_safe_global(obj) or obj is np.ndarray:
            self._global(obj.__module__, obj.__qualname__)
        else:
            what = "a class" if isinstance(obj, type) else "a function"
            fix = "set it again after loading, or save state_dict() instead of the whole module"
            raise self._refuse(obj, f"{what} ({getattr(obj, '__qualname__', obj)!r})", fix)

    def _other(self, obj: Any) -> None:
        """Any other object the way pickle would write it: its class by name, then its arguments and state."""
        try:
            reduced = obj.__reduce_ex__(2)
        except Exception as error:
            raise self._refuse(obj, f"a {type(obj).__name__}, which cannot be pickled ({error})") from error
        if isinstance(reduced, str):
            self._importable_global(obj, reduced)
            return
        function, args, state, items, pairs = (*reduced, None, None, None)[:5]
        if function is copyreg.__newobj__:
            self._importable_global(args[0], args[0].__qualname__)
            self._step("", args[1:])
            self._out.append(b"\x81")
        else:
            self._importable_global(function, function.__qualname__)
            self._step("", args)
            self._out.append(b"R")
        self._remember(obj)
        if items is not None:
            self._out.append(b"(")
            for number, item in enumerate(items):
                self._step(f"[{number}]", item)
            self._out.append(b"e")
        if pairs is not None:
            self._items(pairs)
        if state is not None:
            self._step("", state)
            self._out.append(b"b")

    def _importable_global(self, obj: Any, name: str) -> None:
        module = getattr(obj, "__module__", None) or type(obj).__module__
        self._check_importable(obj, module, name)
        self._global({"builtins": "__builtin__", "copyreg": "copy_reg"}.get(module, module), name)

    def _check_importable(self, obj: Any, module: str, name: str) -> None:
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is not obj:
            got = f"{module}.{name}, which no other program could find by that name"
            raise self._refuse(obj, got, "define it at the top of a module")

    def _refuse(self, obj: Any, got: str, fix: str | None = None) -> pickle.PicklingError:
        place = "".join(self._path)
        expected = "tensors, numbers, text, containers and modules"
        return pickle.PicklingError(explain_error("torch.save", got=f"{got} at {place}", expected=expected, fix=fix))


_ATOMS: dict[type, Any] = {
    type(None): lambda p, v: p._out.append(b"N"),
    bool: lambda p, v: p._out.append(b"\x88" if v else b"\x89"),
    int: Pickler._int,
    float: lambda p, v: p._out.append(b"G" + struct.pack(">d", v)),
    str: Pickler._text,
}

_CONTAINERS: dict[type, Any] = {
    tuple: Pickler._tuple, list: Pickler._list, dict: Pickler._dict,
    collections.OrderedDict: Pickler._ordered_dict, collections.Counter: Pickler._counter,
    collections.defaultdict: Pickler._defaultdict, set: Pickler._set, frozenset: Pickler._set,
    bytes: Pickler._bytes, bytearray: Pickler._bytearray, complex: Pickler._complex,
}  # fmt: skip
