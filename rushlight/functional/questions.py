"""What tensors and objects are: the questions that PyTorch has as functions."""

from __future__ import annotations

from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.registry import METHODS, public
from rushlight.lazy.handle import Handle


@public()
def typename(obj: Any) -> str:
    """The name of an object's type, or of a class; for tensors the name that `type()` gives.

    >>> import rushlight as torch
    >>> torch.typename(torch.tensor([1, 2]))
    'torch.LongTensor'
    """
    if isinstance(obj, Handle):
        return METHODS["type"](obj)
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    home = getattr(named, "__module__", "") or ""
    return named.__qualname__ if home in ("", "builtins") else f"{home}.{named.__qualname__}"


@public(method=True)
def is_same_size(input: Any, other: Any) -> bool:
    """Whether two tensors have one shape."""
    return tuple(input.shape) == tuple(other.shape)


@public()
def is_signed(input: Any) -> bool:
    """Whether the dtype has negative values."""
    return bool(input.dtype.is_signed)


@public()
def is_inference(input: Any) -> bool:
    """Whether the tensor was made in inference mode."""
    return bool(input.is_inference())


@public()
def get_device(input: Any) -> int:
    """-1: the CPU."""
    return int(input.get_device())


@public()
def is_storage(obj: Any) -> bool:
    """Whether an object is a storage.

    >>> import rushlight as torch
    >>> torch.is_storage(torch.zeros(2).untyped_storage()), torch.is_storage([1])
    (True, False)
    """
    import rushlight

    return isinstance(obj, (rushlight.UntypedStorage, rushlight.TypedStorage))


@public()
def set_flush_denormal(mode: bool) -> bool:
    """False: this build keeps denormal numbers, whatever `mode` asks; as PyTorch answers where the system cannot switch."""
    return False


@public()
def set_default_tensor_type(t: Any) -> None:
    """Set the default dtype by a tensor type's name, such as 'torch.DoubleTensor'.

    >>> import rushlight as torch
    >>> torch.set_default_tensor_type("torch.DoubleTensor"); torch.get_default_dtype()
    torch.float64
    >>> torch.set_default_tensor_type("torch.FloatTensor")
    """
    names = {"FloatTensor": "float32", "DoubleTensor": "float64", "HalfTensor": "float16", "BFloat16Tensor": "bfloat16"}
    short = (t if isinstance(t, str) else getattr(t, "__name__", repr(t))).split(".")[-1]
    if short not in names:
        raise TypeError(
            explain_error(
                "set_default_tensor_type", got=repr(t), expected=f"one of {', '.join(f'torch.{n}' for n in names)}"
            )
        )
    dtypes.set_default_dtype(dtypes.BY_NAME[names[short]])


@public()
def _assert(condition: Any, message: str) -> None:
    """`assert condition, message`, as a function: one that torch.fx can record.

    >>> import rushlight as torch
    >>> torch._assert(torch.ones(2).sum() == 2, "two ones")
    """
    if not condition:
        raise AssertionError(message)
