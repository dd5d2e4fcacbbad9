"""`FloatStorage`, `LongStorage`, ...: typed storages of one dtype, as constructors and for `isinstance`."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight.dtype import BY_NAME

NAMES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "ByteStorage": "uint8", "CharStorage": "int8", "ShortStorage": "int16", "IntStorage": "int32", "LongStorage": "int64",
    "BoolStorage": "bool", "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128",
}  # fmt: skip


class StorageType(type):
    """The class of these classes: a typed storage is an instance of the one of its dtype."""

    dtype: Any

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, rushlight.TypedStorage) and value.dtype is cls.dtype

    def __call__(cls, source: Any = 0) -> Any:
        """A size: a storage of zeros; numbers: a storage that holds them.

        >>> import rushlight as torch
        >>> torch.FloatStorage([1, 2]).tolist(), isinstance(torch.ones(1).storage(), torch.FloatStorage)
        ([1.0, 2.0], True)
        """
        if isinstance(source, rushlight.TypedStorage) and source.dtype is not cls.dtype:
            source = source.tolist()
        return rushlight.TypedStorage(
            source._base if isinstance(source, rushlight.TypedStorage) else source, dtype=cls.dtype
        )

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


globals().update(
    {
        name: StorageType(name, (), {"dtype": BY_NAME[kind], "__doc__": f"A storage of {kind} elements."})
        for name, kind in NAMES.items()
    }
)
