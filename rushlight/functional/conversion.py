"""Conversions: dtype, device, `to`, and the `new_*` constructors."""

from __future__ import annotations

import builtins
from typing import Any

from rushlight import device as devices
from rushlight import dtype as dtypes
from rushlight.dtype import dtype as DType
from rushlight.errors import explain_error
from rushlight.functional.creation import size_of
from rushlight.functional.quick import unary
from rushlight.functional.registry import METHODS, public
from rushlight.ir.layout import format_name, stride_of, suggested
from rushlight.ir.op import TABLE
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record
from rushlight.lessons import say

_TO = {"dtype", "device", "non_blocking", "copy", "memory_format", "other"}


def _parse_to(args: tuple, kwargs: dict[str, Any]) -> tuple[Any, Any, bool]:
    """The forms of `to`: (dtype), (device, dtype), (other)."""
    if not kwargs.keys() <= _TO:
        raise TypeError(
            explain_error(
                "to", got=f"the keyword {next(k for k in kwargs if k not in _TO)!r}", expected="one of " + ", ".join(sorted(_TO))
            )
        )  # fmt: skip
    kind, place = kwargs.get("dtype"), kwargs.get("device")
    copy = bool(kwargs.get("copy", False))
    if "other" in kwargs:
        args = (kwargs["other"], *args)
    for index, item in enumerate(args):
        if isinstance(item, DType):
            kind = item
        elif isinstance(item, Handle):
            kind, place = item._meta.dtype, item._meta.device
        elif isinstance(item, (str, devices.device)) or (
            isinstance(item, int) and not isinstance(item, bool) and index == 0
        ):
            place = item
        elif isinstance(item, bool):
            copy = copy or (item and index >= 2)
        elif item is not None:
            kinds = "class" if isinstance(item, builtins.type) else "function" if callable(item) else "other"
            name = getattr(item, "__name__", "") if callable(item) else item.__class__.__name__
            raise TypeError(say("to-of-a-name", got=say(f"to-of-a-name/{kinds}", name=name)))
    return kind, place, copy


@public(method=True, function=False)
def to(input: Any, *args: Any, **kwargs: Any) -> Any:
    """The tensor in another dtype or on another device; itself when nothing changes.

    Forms: `to(dtype)`, `to(device, dtype)`, `to(other)`; `copy=True` always copies. RuntimeError for a device that is
    not here.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2]).to(torch.float64)
    tensor([1., 2.], dtype=torch.float64)
    >>> torch.ones(1).to("cpu").device
    device(type='cpu')
    """
    if len(args) == 1 and args[0].__class__ is DType and not kwargs:
        kind, place, copy = args[0], None, False
    else:
        kind, place, copy = _parse_to(args, kwargs)
    meta = input._meta
    if place is not None:
        found = devices.resolve(place)
        if found.type != meta.device.type:
            if meta.device.type == "meta":
                raise NotImplementedError("Cannot copy out of meta tensor; no data! Fix: create the tensor on the CPU.")
            return record(TABLE["full_op"], (0,), (tuple(meta.shape), kind or meta.dtype, found))
    name = format_name("to", kwargs["memory_format"]) if "memory_format" in kwargs else "preserve_format"
    if kind is None or kind is meta.dtype:
        if name == "preserve_format":
            return input.clone() if copy else input
        if not copy and suggested(meta) == name:
            return input
        return record(TABLE["clone"], (input,), (name.removesuffix("_format"),))
    return _CASTS[kind](input) if name == "preserve_format" else _laid_out(_CASTS[kind](input), name)


def _laid_out(made: Any, name: str) -> Any:
    """A tensor that nobody else holds in the order of memory asked for."""
    if made._meta.stride == stride_of(name, made.shape):
        return made
    return record(TABLE["clone"], (made,), (name.removesuffix("_format"),))


@public(method=True, function=False)
def type(input: Any, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The type's name, or the tensor in another dtype.

    >>> import rushlight as torch
    >>> torch.ones(1).type()
    'torch.FloatTensor'
    >>> torch.ones(1).type(torch.int32)
    tensor([1], dtype=torch.int32)
    """
    if dtype is None:
        from rushlight.ir.inplace import _NAMES

        return f"torch.{_NAMES[input.dtype.name]}Tensor"
    if isinstance(dtype, str):
        from rushlight.ir.inplace import _NAMES

        short = dtype.split(".")[-1].removesuffix("Tensor")
        names = {v: k for k, v in _NAMES.items()}
        if short not in names:
            raise ValueError(f"invalid type: '{dtype}'; expected a name such as 'torch.FloatTensor'")
        dtype = dtypes.BY_NAME[names[short]]
    if not isinstance(dtype, DType):
        name = getattr(dtype, "dtype", None)
        if not isinstance(name, DType):
            raise TypeError(explain_error("type()", got=repr(dtype), expected="a dtype such as torch.float32"))
        dtype = name
    return to(input, dtype)


public("type_as", method=True, function=False)(lambda input, other: to(input, other._meta.dtype))

_METHOD_DTYPES = {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16, "int": dtypes.int32,
    "long": dtypes.int64, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8, "bool": dtypes.bool_,
    "chalf": dtypes.complex32, "cfloat": dtypes.complex64, "cdouble": dtypes.complex128,
}  # fmt: skip


_CASTS = {kind: unary(TABLE["cast"], (kind,)) for kind in dtypes.BY_NAME.values()}


def _converter(name: str, kind: DType) -> Any:
    cast = _CASTS[kind]

    def convert(self: Any, memory_format: Any = None) -> Any:
        if memory_format is not None:
            return to(self, dtype=kind, memory_format=memory_format)
        return self if self._meta.dtype is kind else cast(self)

    convert.__name__ = name
    convert.__doc__ = f"The tensor as {kind}."
    return convert


for _name, _kind in _METHOD_DTYPES.items():
    METHODS[_name] = _converter(_name, _kind)


@public(method=True, function=False)
def cpu(input: Any, memory_format: Any = None) -> Any:
    """The tensor on the CPU."""
    return to(input, devices.cpu, memory_format=memory_format)


@public(method=True, function=False)
def cuda(input: Any, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Any:
    """The tensor on a GPU; raises, because this build has no accelerator backend."""
    return to(input, device="cuda" if device is None else device)


public("pin_memory", method=True, function=False)(lambda input, device=None: input)


def _new(name: str) -> Any:
    def make(self: Any, *size: Any, dtype: Any = None, device: Any = None, **options: Any) -> Any:
        from rushlight.functional import FUNCTIONS

        size = options.pop("size", size)
        return FUNCTIONS[name](size_of(size), dtype=dtype or self.dtype, device=device or self.device, **options)

    make.__doc__ = f"`{name}` with this tensor's dtype and device."
    return make


for _name in ("zeros", "ones", "empty"):
    METHODS[f"new_{_name}"] = _new(_name)


@public(method=True, function=False)
def new_full(
    input: Any, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, **options: Any
) -> Any:  # fmt: skip
    """`full` with this tensor's dtype and device."""
    from rushlight.functional import FUNCTIONS

    return FUNCTIONS["full"](size, fill_value, dtype=dtype or input.dtype, device=device or input.device, **options)


@public(method=True, function=False)
def new_tensor(input: Any, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """`tensor` with this tensor's dtype."""
    from rushlight.functional import FUNCTIONS

    return FUNCTIONS["tensor"](data, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


@public()
def result_type(tensor1: Any, tensor2: Any) -> Any:
    """The dtype of what an operator makes of two tensors or numbers.

    >>> import rushlight as torch
    >>> torch.result_type(torch.ones(2, dtype=torch.int8), 1.5)
    torch.float32
    """
    from rushlight.ir.meta import WEAK
    from rushlight.ops.rules import result_dtype

    def meta(x: Any) -> Any:
        if not isinstance(x, Handle) and x.__class__ not in WEAK:
            raise TypeError(explain_error("result_type", got=f"a {type(x).__name__}", expected="a tensor or a number"))
        return x._meta if isinstance(x, Handle) else WEAK[x.__class__]

    return result_dtype(meta(tensor1), meta(tensor2))


public("promote_types")(dtypes.promote_types)
public("can_cast")(dtypes.can_cast)
public("is_tensor")(lambda obj: isinstance(obj, Handle))
public("is_floating_point")(lambda input: input.dtype.is_floating_point)
public("is_complex")(lambda input: input.dtype.is_complex)
public("numel")(lambda input: input.numel())
public("is_nonzero", method=True)(lambda input: bool(input))
