"""What the names on the list do: tensors, sizes, devices and collections from arguments that are checked first."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable
from typing import Any

import rushlight
from rushlight.serialization import numpy_values, sparse, tensors
from rushlight.serialization.refusal import Refusal, check_hashable, shown, unsafe

_PLAIN_FACTORIES = {"list": list, "dict": dict, "int": int, "float": float, "str": str, "tuple": tuple, "bool": bool}
# Saved views may repeat memory (expand), so a small file can name a huge tensor; beyond this it is an attack.
_MAX_BYTES = 1 << 48


class Token:
    """A name from the file. It is not the thing named: only `Policy.call` knows what it does."""

    __slots__ = ("title", "run", "factory")

    def __init__(self, title: str, run: Callable[..., Any] | None = None, factory: type | None = None):
        self.title, self.run, self.factory = title, run, factory


class Stored:
    """A storage named by the file, before a tensor is made of it. Without a blob it is on the meta device."""

    __slots__ = ("blob", "dtype_name", "numel")
    title = "a bare storage"

    def __init__(self, blob: tensors.Blob | None, dtype_name: str | None, numel: int):
        self.blob, self.dtype_name, self.numel = blob, dtype_name, numel


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _check_view(stored: Any, offset: Any, size: Any, stride: Any, item: int) -> tuple[int, tuple, tuple]:
    """(offset, size, stride) of a tensor; refused when it would reach outside its storage."""
    if type(stored) is not Stored:
        raise unsafe(f"a tensor over a {type(stored).__name__}", "a storage")
    size, stride = (tuple(n) if isinstance(n, (tuple, list)) else None for n in (size, stride))
    if size is None or stride is None or len(size) != len(stride) or len(size) > 64:
        raise Refusal("a tensor whose size and stride do not match", "two tuples of one length")
    if not all(map(_is_count, (offset, *size, *stride))):
        raise Refusal("a tensor whose size, stride or offset is negative, huge or no integer", "whole numbers from 0")
    numel = math.prod(size)
    here = stored.numel if stored.dtype_name is not None else stored.numel // item
    if not numel:
        # An empty slice may begin anywhere: it reads nothing.
        return min(offset, here), size, stride
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= here or numel * item > _MAX_BYTES:
        raise Refusal(
            f"a tensor of size {size}, stride {stride}, offset {offset}", f"one inside its storage of {here} elements"
        )
    return offset, size, stride


def _tensor(stored: Any, name: str, offset: Any, size: Any, stride: Any, requires_grad: Any, metadata: Any) -> Any:
    dtype = tensors.find_dtype(name)
    if dtype is None:
        raise Refusal(f"a tensor of dtype {name}", "a dtype that Rushlight has", "convert it in PyTorch and save again")
    offset, size, stride = _check_view(stored, offset, size, stride, dtype.itemsize)
    if type(requires_grad) is not bool or (requires_grad and not (dtype.is_floating_point or dtype.is_complex)):
        raise Refusal(f"requires_grad={shown(requires_grad)} for {dtype}", "False, or True for a floating dtype")
    if stored.blob is None:
        return tensors.meta_tensor(name, size, stride, requires_grad)
    tensor = tensors.rebuild(stored.blob, name, offset, size, stride, False)
    if type(metadata) is dict:
        tensor = tensor.conj() if metadata.get("conj") is True else tensor
        tensor = -tensor if metadata.get("neg") is True else tensor
    return tensor.requires_grad_(True) if requires_grad else tensor


def _rebuild_tensor(stored: Any, offset: Any, size: Any, stride: Any) -> Any:
    return _rebuild_tensor_v2(stored, offset, size, stride, False, None)


def _rebuild_tensor_v2(
    stored: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, metadata: Any = None
) -> Any:
    name = getattr(stored, "dtype_name", None) or "uint8"
    return _tensor(stored, name, offset, size, stride, requires_grad, metadata)


def _rebuild_tensor_v3(
    stored: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, dtype: Any, metadata: Any = None
) -> Any:
    if not isinstance(dtype, rushlight.dtype):
        raise Refusal(f"{shown(dtype)} for the dtype of a tensor", "a dtype")
    return _tensor(stored, tensors.dtype_name(dtype), offset, size, stride, requires_grad, metadata)


def _rebuild_parameter(data: Any, requires_grad: Any, hooks: Any) -> Any:
    if not isinstance(data, rushlight.Tensor) or type(requires_grad) is not bool:
        raise Refusal(f"a parameter over a {type(data).__name__}", "a tensor and True or False")
    if requires_grad and not (data.dtype.is_floating_point or data.dtype.is_complex):
        raise Refusal(f"a trainable parameter of {data.dtype}", "a floating dtype")
    return rushlight.nn.Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data: Any, requires_grad: Any, hooks: Any, state: Any) -> Any:
    return _attach(_rebuild_parameter(data, requires_grad, hooks), state)


def _rebuild_meta(dtype: Any, size: Any, stride: Any, requires_grad: Any) -> Any:
    if not isinstance(dtype, rushlight.dtype):
        raise Refusal(f"{shown(dtype)} for the dtype of a tensor", "a dtype")
    size = tuple(size) if type(size) is rushlight.Size else size
    if not (type(size) is type(stride) is tuple and len(size) == len(stride) and all(map(_is_count, (*size, *stride)))):
        raise Refusal("a tensor whose size and stride do not match", "two tuples of one length")
    if type(requires_grad) is not bool or (requires_grad and not (dtype.is_floating_point or dtype.is_complex)):
        raise Refusal(f"requires_grad={shown(requires_grad)} for {dtype}", "False, or True for a floating dtype")
    return tensors.meta_tensor(tensors.dtype_name(dtype), size, stride, requires_grad)


def _rebuild_from_type(function: Any, kind: Any, args: Any, state: Any) -> Any:
    """A tensor of a class that was asked for beforehand, or one that carries Python attributes."""
    if type(function) is not Token or function.run is None or not function.title.startswith("torch._utils._rebuild_"):
        raise unsafe(f"a tensor built by {shown(function)}", "one of PyTorch's rebuild functions")
    plain = type(kind) is Token and kind.title in ("torch.Tensor", "torch.nn.parameter.Parameter")
    if not plain and not (isinstance(kind, type) and issubclass(kind, rushlight.Tensor)):
        raise Refusal(f"a tensor of class {shown(kind)}", "torch.Tensor or torch.nn.Parameter")
    tensor = function.run(*args)
    if not plain:
        tensor = kind._make_subclass(kind, tensor.detach(), tensor.requires_grad)
    return _attach(tensor, state)


def _attach(tensor: Any, state: Any) -> Any:
    if type(state) is tuple and len(state) == 2:  # with the values of slots
        state = {**(state[0] or {}), **(state[1] or {})} if all(type(s) in (dict, type(None)) for s in state) else state
    if state is not None and type(state) is not dict:
        raise unsafe(f"a state of type {type(state).__name__} for a tensor", "a dict of attributes")
    if "__setstate__" in {name for base in type(tensor).__mro__ for name in vars(base)}:
        raise unsafe(f"a state for {type(tensor).__name__}, which has a __setstate__ of its own", "plain attributes")
    for key, value in (state or {}).items():
        if type(key) is not str or not key.isidentifier() or not _is_free(type(tensor), key):
            raise unsafe(f"the attribute {shown(key)} on a tensor", "a name that Tensor does not use itself")
        setattr(tensor, key, value)
    return tensor


def _is_free(cls: type, name: str) -> bool:
    """Whether an attribute of that name hides nothing of Tensor's, and no method of its class."""
    if hasattr(rushlight.Tensor, name):
        return False
    declared = next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)
    return not callable(declared) and (hasattr(type(declared), "__set__") or not hasattr(type(declared), "__get__"))


def _size(items: Any) -> Any:
    if type(items) not in (tuple, list) or not all(type(n) is int for n in items):
        raise Refusal(f"a torch.Size of {type(items).__name__}", "a tuple of integers")
    return rushlight.Size(items)


def _device(kind: Any, index: Any = None) -> Any:
    if type(kind) is not str or not (index is None or type(index) is int):
        raise Refusal("a torch.device without a name", "text and a number")
    try:
        return rushlight.device(kind) if index is None else rushlight.device(kind, index)
    except RuntimeError as error:
        raise Refusal(f"the device {shown(kind)} ({error})", "a device that exists") from None


def _collection(kind: type) -> Callable[..., Any]:
    def make(items: Any = ()) -> Any:
        if type(items) not in (list, tuple):
            raise Refusal(f"a {kind.__name__} of a {type(items).__name__}", "a list")
        for item in items:
            check_hashable(item)
        return kind(items)

    return make


def _ordered_dict() -> Any:
    return collections.OrderedDict()


def _counter(items: Any = None) -> Any:
    if items is not None and type(items) is not dict:
        raise Refusal(f"a Counter of a {type(items).__name__}", "a dict")
    return collections.Counter(items)


def _defaultdict(factory: Any = None) -> Any:
    if factory is None:
        return collections.defaultdict()
    if type(factory) is not Token or factory.factory is None:
        raise unsafe(f"a defaultdict that calls {shown(factory)}", "one that calls list, dict, set, int, float or str")
    return collections.defaultdict(factory.factory)


def _bytearray(items: Any = b"") -> Any:
    if type(items) is not bytes:
        raise Refusal(f"a bytearray of a {type(items).__name__}", "bytes")
    return bytearray(items)


def _encode(text: Any, encoding: Any) -> bytes:
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise unsafe(f"text encoded as {shown(encoding)}", "latin1, the way pickle writes bytes")
    return text.encode("latin1")


def _complex(real: Any, imag: Any) -> complex:
    if type(real) is not float or type(imag) is not float:
        raise Refusal("a complex number without two floats")
    return complex(real, imag)


def _bytes(*args: Any) -> bytes:
    if args:
        raise unsafe("bytes made of arguments", "bytes written as latin1 text")
    return b""


_RUNS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor_v2,
    "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
    "torch._utils._rebuild_meta_tensor_no_storage": _rebuild_meta,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter_with_state,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
    "torch._utils._rebuild_sparse_tensor": sparse.rebuild,
    "torch.serialization._get_layout": sparse.layout_named,
    "torch.Size": _size,
    "torch.device": _device,
    "collections.OrderedDict": _ordered_dict,
    "collections.Counter": _counter,
    "collections.defaultdict": _defaultdict,
    "builtins.set": _collection(set),
    "builtins.frozenset": _collection(frozenset),
    "builtins.bytearray": _bytearray,
    "builtins.bytes": _bytes,
    "builtins.complex": _complex,
    "_codecs.encode": _encode,
} | numpy_values.RUNS

TOKENS = {name: Token(name, run) for name, run in _RUNS.items()}
TOKENS |= {f"builtins.{name}": Token(name, factory=kind) for name, kind in _PLAIN_FACTORIES.items()}
TOKENS["builtins.set"].factory = set
TOKENS |= {
    name: Token(name)
    for name in ("torch.Tensor", "torch.nn.parameter.Parameter", "torch.storage.UntypedStorage", "torch.UntypedStorage")
}
TOKENS |= {name: Token(name) for name in numpy_values.NAMES}
STORAGE_TOKENS = {Token(f"torch.{cls}"): name for name, cls in tensors.STORAGE_NAMES.items()}
UNTYPED_TOKENS = (TOKENS["torch.storage.UntypedStorage"], TOKENS["torch.UntypedStorage"])
TOKENS |= {token.title: token for token in STORAGE_TOKENS}
