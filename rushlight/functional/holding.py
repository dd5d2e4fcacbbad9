"""Methods about the memory that a tensor holds, and what it is not."""

from __future__ import annotations

from typing import Any

from rushlight.errors import explain_error
from rushlight.functional.creation import empty, size_of
from rushlight.functional.registry import METHODS, public
from rushlight.ir.meta import contiguous_stride
from rushlight.lazy.handle import Handle
from rushlight.lazy.memory import stand_for


@public(method=True, function=False)
def set_(input: Any, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Any:
    """Stand for other memory from now on: a tensor's, or a storage's seen through an offset, sizes and strides.

    RuntimeError for memory of another dtype.

    >>> import rushlight as torch
    >>> x, y = torch.zeros(2), torch.arange(4.0)
    >>> x.set_(y.untyped_storage(), 1, (2,), (2,)); y[1] = 9; x
    tensor([1., 3.])
    tensor([9., 3.])
    """
    if source is None:
        value = empty(0, dtype=input.dtype)
    elif isinstance(source, Handle):
        value = source
    else:
        value = source._base
        if value._meta.dtype is not input.dtype:
            value = value.detach().reshape(-1).view(input.dtype)
        size = (value._meta.numel,) if size is None else size
    if value._meta.dtype is not input.dtype:
        got = f"memory of {value._meta.dtype} for a tensor of {input.dtype}"
        raise RuntimeError(explain_error("set_", got=got, expected="one dtype", fix="source.to(...) first"))
    if size is not None:
        shape = size_of((size,))
        steps = contiguous_stride(shape) if stride is None else size_of((stride,))
        value = value.detach().as_strided(shape, steps, storage_offset)
    stand_for(input, value)
    return input


@public(method=True, function=False)
def module_load(input: Any, other: Any, assign: bool = False) -> Any:
    """What `load_state_dict` puts in the place of `input`: its own memory with other's values, or other's."""
    return other.detach() if assign else input.copy_(other).detach()


@public(method=True, function=False)
def const_data_ptr(input: Any) -> int:
    """The address of the first element, for reading."""
    return input.data_ptr()


@public(method=True, function=False)
def storage_type(input: Any) -> Any:
    """The class of the tensor's typed storage, such as torch.FloatStorage."""
    import rushlight

    found = getattr(rushlight, input.type().removeprefix("torch.").removesuffix("Tensor") + "Storage", None)
    if found is not None:
        return found
    raise RuntimeError(explain_error("storage_type", got=str(input.dtype), expected="a dtype that has a typed storage"))


METHODS["is_distributed"] = lambda self: False
METHODS["name"] = property(lambda self: None, doc="The name that a graph would give it: None.")  # type: ignore[assignment]
for _device in ("ipu", "maia", "mtia", "vulkan", "xla"):
    METHODS[f"is_{_device}"] = property(lambda self: False, doc="Whether it is on such a device; never here.")  # type: ignore[assignment]
