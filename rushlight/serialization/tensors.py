"""All contact of this room with the inside of tensors: taking one apart into bytes, and building one from bytes."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

import rushlight

# Storage class names of PyTorch's files; every other dtype is stored as raw bytes with its name beside it.
STORAGE_NAMES = {
    "float64": "DoubleStorage", "float32": "FloatStorage", "float16": "HalfStorage", "bfloat16": "BFloat16Storage",
    "int64": "LongStorage", "int32": "IntStorage", "int16": "ShortStorage", "int8": "CharStorage",
    "uint8": "ByteStorage", "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage", "complex128": "ComplexDoubleStorage",
}  # fmt: skip


class Described(NamedTuple):
    """A tensor taken apart: its whole storage as bytes, and how the tensor looks at it."""

    storage_key: tuple[int, int] | None  # equal for tensors that share memory; None: shares with nobody
    storage_bytes: np.ndarray
    dtype_name: str
    numel_of_storage: int
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class Blob:
    """The bytes of one storage read from a file, and the first tensor made over them for each dtype."""

    __slots__ = ("data", "first")

    def __init__(self, data: np.ndarray):
        self.data = data
        self.first: dict[str, Any] = {}


def dtype_name(dtype: Any) -> str:
    """`float32` for torch.float32."""
    return str(dtype).removeprefix("torch.")


def find_dtype(name: str) -> Any:
    """The dtype of that name, or None."""
    found = getattr(rushlight, name, None)
    return found if isinstance(found, rushlight.dtype) else None


def describe(tensor: Any) -> Described:
    """Take a CPU tensor apart. The storage's bytes are shared with the tensor, not copied."""
    plain = tensor.detach()
    if plain.dtype.is_complex and plain.is_conj():
        plain = plain.resolve_conj()
    storage = plain.untyped_storage()
    count, item = storage.nbytes(), plain.dtype.itemsize
    return Described(
        storage_key=(storage.data_ptr(), count) if count else None,
        storage_bytes=storage.array(),
        dtype_name=dtype_name(plain.dtype),
        numel_of_storage=count // item,
        offset=int(plain.storage_offset()),
        size=tuple(int(n) for n in plain.size()),
        stride=tuple(int(n) for n in plain.stride()),
    )


def rebuild(
    blob: Blob, name: str, offset: int, size: tuple[int, ...], stride: tuple[int, ...], requires_grad: bool
) -> Any:
    """The tensor of dtype `name` that looks at `blob` so; bounds were checked by the caller.

    Tensors over one blob share memory. The first that covers it whole is not a view of anything, so that the
    parameters of an ordinary state dict are plain tensors.
    """
    item = find_dtype(name).itemsize
    count = len(blob.data) // item
    if name in blob.first:
        tensor = blob.first[name].detach().as_strided(size, stride, offset)
    elif offset == 0 and math.prod(size) == count and _is_contiguous(size, stride):
        tensor = blob.first[name] = from_bytes(blob.data[: count * item], name, size)
    else:
        blob.first[name] = from_bytes(blob.data[: count * item], name, (count,))
        tensor = blob.first[name].as_strided(size, stride, offset)
    return tensor.requires_grad_(True) if requires_grad else tensor


def from_bytes(data: np.ndarray, name: str, size: tuple[int, ...]) -> Any:
    """A contiguous tensor over a uint8 array, whose memory it shares."""
    dtype = find_dtype(name)
    return rushlight.Tensor._of_array(data.view(dtype.storage).reshape(size), dtype)


def storage_of(blob: Blob) -> Any:
    """The blob as the UntypedStorage that `map_location` functions are given."""
    return rushlight.from_numpy(blob.data).untyped_storage()


def meta_tensor(name: str, size: tuple[int, ...], stride: tuple[int, ...], requires_grad: bool) -> Any:
    """A tensor with a shape and no data, for `map_location='meta'`."""
    tensor = rushlight.empty_strided(size, stride, dtype=find_dtype(name), device="meta")
    return tensor.requires_grad_(True) if requires_grad else tensor


def _is_contiguous(size: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Whether these are exactly the strides of a fresh tensor of that size."""
    step = 1
    for length, jump in zip(reversed(size), reversed(stride), strict=True):
        if jump != step:
            return False
        step *= max(length, 1)
    return True
