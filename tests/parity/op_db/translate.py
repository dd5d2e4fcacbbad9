"""PyTorch's objects as Rushlight's: tensors with their strides and sharing, dtypes, and the functions of op_db."""

from __future__ import annotations

import contextlib
import dataclasses
import dis
import types
from typing import Any

import numpy as np
import torch

import rushlight

# Where op_db's functions may live; of two names for one function the first is used.
_HOMES = ("", "nn.functional", "linalg", "fft", "special", "masked", "signal.windows", "Tensor")


class Outside(Exception):
    """A sample of a kind that is not compared: sparse, quantised or nested tensors."""


class Missing(AttributeError):
    """A name of PyTorch that Rushlight does not have."""


def walk(root: Any, path: str) -> Any:
    """`root.a.b` for "a.b"; `Missing` names the whole path."""
    found = root
    for part in filter(None, path.split(".")):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise Missing(f"no {root.__name__}.{path}") from None
    return found


def _names() -> dict[int, str]:
    names: dict[int, str] = {}
    for home in _HOMES:
        scope = walk(torch, home)
        for name in dir(scope):
            if callable(value := getattr(scope, name, None)):
                names.setdefault(id(value), f"{home}.{name}" if home else name)
    return names


_NAMES = _names()


def dtype(kind: torch.dtype) -> Any:
    return walk(rushlight, str(kind).removeprefix("torch."))


_BITS = {torch.bfloat16: torch.int16, torch.complex32: torch.int32}  # dtypes that NumPy does not have, and their bits


def numpy_of(tensor: torch.Tensor) -> np.ndarray:
    """The values, or the bits of those that NumPy does not have."""
    tensor = tensor.detach().resolve_conj().resolve_neg()
    return tensor.view(_BITS.get(tensor.dtype, tensor.dtype)).numpy()


def to_torch(tensor: Any) -> torch.Tensor:
    """A Rushlight tensor's values as a PyTorch tensor."""
    tensor = tensor.detach()
    kind = getattr(torch, str(tensor.dtype).removeprefix("torch."))
    if kind in _BITS:
        return torch.from_numpy(tensor.contiguous().view(dtype(_BITS[kind])).numpy().copy()).view(kind)
    return torch.from_numpy(tensor.numpy().copy())


class Translation:
    """Turns the values of one sample over. What is one tensor, or one memory, there is one here."""

    def __init__(self) -> None:
        self.tensors: dict[int, tuple[torch.Tensor, Any]] = {}  # with the key, so that its id stays taken
        self.memories: dict[tuple[int, torch.dtype], Any] = {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        if isinstance(value, torch.Size):
            return rushlight.Size(value)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(self, value))
        if isinstance(value, (list, tuple)):
            return type(value)(map(self, value))
        if isinstance(value, dict):
            return {key: self(item) for key, item in value.items()}
        if isinstance(value, slice):
            return slice(self(value.start), self(value.stop), self(value.step))
        if isinstance(value, torch.dtype):
            return dtype(value)
        if isinstance(value, torch.device):
            return rushlight.device(str(value))
        if isinstance(value, (torch.layout, torch.memory_format)):
            return walk(rushlight, str(value).removeprefix("torch."))
        if isinstance(value, torch.Generator):
            return rushlight.Generator().manual_seed(value.initial_seed())
        if isinstance(value, torch.nn.Module):
            return self.module(value)
        if dataclasses.is_dataclass(value) and type(value).__module__.startswith("torch.nn."):
            settings = {field.name: self(getattr(value, field.name)) for field in dataclasses.fields(value)}
            return walk(rushlight.nn, type(value).__name__)(**settings)
        if callable(value):
            return function(value)
        return value

    def module(self, theirs: torch.nn.Module) -> Any:
        """One without parameters: made with the defaults, then given the same settings."""
        ours = walk(rushlight.nn, type(theirs).__name__)()
        for name, setting in vars(theirs).items():
            if not name.startswith("_"):
                setattr(ours, name, self(setting))
        return ours

    def tensor(self, theirs: torch.Tensor) -> Any:
        if id(theirs) not in self.tensors:
            if theirs.layout is not torch.strided or theirs.is_quantized or theirs.is_nested:
                raise Outside(str(theirs.layout))
            if theirs.ndim > 64:
                raise Outside("NumPy's arrays have 64 dimensions at most")
            if theirs.is_conj():
                ours = self.tensor(theirs.detach().conj()).conj()
            else:
                ours = self._strided(theirs.detach().resolve_neg())
            self.tensors[id(theirs)] = theirs, ours.requires_grad_() if theirs.requires_grad else ours
        return self.tensors[id(theirs)][1]

    def _strided(self, theirs: torch.Tensor) -> Any:
        if theirs.is_meta:
            return rushlight.empty(tuple(theirs.shape), dtype=dtype(theirs.dtype), device="meta")
        memory = theirs.untyped_storage()
        key = memory._cdata, theirs.dtype
        count = memory.nbytes() // theirs.itemsize
        if theirs.numel() and not count:
            raise Outside("a tensor whose memory was given back")
        if key not in self.memories:
            whole = theirs.is_contiguous() and theirs.numel() == count
            shape = theirs.shape if whole else (count,)
            base = torch.empty(0, dtype=theirs.dtype).set_(memory, 0, shape)
            ours = rushlight.tensor(numpy_of(base).copy())
            self.memories[key] = ours.view(dtype(theirs.dtype)) if theirs.dtype in _BITS else ours
            if whole:
                return self.memories[key]
        return self.memories[key].as_strided(tuple(theirs.shape), theirs.stride(), theirs.storage_offset())

    def dtypes(self) -> set[torch.dtype]:
        return {theirs.dtype for theirs, _ in self.tensors.values()}

    def needing_gradients(self) -> list[tuple[torch.Tensor, Any]]:
        return [pair for pair in self.tensors.values() if pair[0].requires_grad]


def function(theirs: Any) -> Any:
    """The function of the same name, or, for op_db's own wrappers, the same code over Rushlight."""
    if theirs is torch.testing._utils.freeze_rng_state or getattr(theirs, "__name__", "") == "freeze_rng_state":
        return contextlib.nullcontext
    if id(theirs) in _NAMES:
        return named(_NAMES[id(theirs)])
    if isinstance(theirs, (torch._ops.OpOverload, torch._ops.OpOverloadPacket)):
        name = theirs._schema.name.split("::")[1] if hasattr(theirs, "_schema") else theirs.__name__
        return named(f"ops.aten.{name}")
    home = getattr(theirs, "__module__", None) or ""
    if home.startswith("torch.testing."):
        return _rebuilt(theirs) if isinstance(theirs, types.FunctionType) else theirs
    if home.split(".")[0] == "torch":
        raise Missing(f"no {home}.{getattr(theirs, '__name__', theirs)}")
    return theirs


def named(path: str) -> Any:
    """What Rushlight has under a name of PyTorch's: "exp", "linalg.qr", "Tensor.exp_"."""
    return walk(rushlight, path.removeprefix("torch."))


def operator(entry: Any) -> Any:
    """What an entry of op_db calls, over Rushlight."""
    for path in (entry.name, f"Tensor.{entry.name}"):
        with contextlib.suppress(Missing):
            theirs = walk(torch, path)
            if theirs is entry.op:
                break
    else:
        return function(entry.op)
    return named(path)


def _rebuilt(theirs: types.FunctionType) -> Any:
    """The same code with Rushlight's functions in its globals, defaults and closure."""
    convert = Translation()

    def turned(value: Any) -> Any:
        if isinstance(value, types.ModuleType):
            return named(value.__name__[6:]) if value.__name__.split(".")[0] == "torch" else value
        return convert(value)

    cells = tuple(types.CellType(turned(cell.cell_contents)) for cell in theirs.__closure__ or ()) or None
    scope: dict[str, Any] = {"__builtins__": __builtins__}
    ours = types.FunctionType(theirs.__code__, scope, theirs.__name__, turned(theirs.__defaults__), cells)
    ours.__kwdefaults__ = turned(theirs.__kwdefaults__)
    for name in _global_names(theirs.__code__):
        if name in theirs.__globals__:
            value = theirs.__globals__[name]
            scope[name] = ours if value is theirs else turned(value)
    return ours


def _global_names(code: types.CodeType) -> set[str]:
    own = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    return own.union(*(_global_names(inner) for inner in code.co_consts if isinstance(inner, types.CodeType)))
