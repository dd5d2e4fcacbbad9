"""`FloatTensor`, `LongTensor`, ...: the tensor types of old, as constructors and for `isinstance`."""

from __future__ import annotations

from typing import Any

from rushlight.dtype import BY_NAME
from rushlight.tensor import Tensor

_NAMES = {
    "FloatTensor": "float32", "DoubleTensor": "float64", "HalfTensor": "float16", "BFloat16Tensor": "bfloat16", "ByteTensor": "uint8",
    "CharTensor": "int8", "ShortTensor": "int16", "IntTensor": "int32", "LongTensor": "int64", "BoolTensor": "bool",
}  # fmt: skip


class TensorType(type):
    """The class of these classes: a tensor is an instance of the one of its dtype."""

    dtype: Any

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype is cls.dtype and value.layout.name == "strided"

    def __call__(cls, *args: Any) -> Any:
        """Sizes: a tensor with arbitrary values; a sequence, an array or a tensor: its values.

        >>> import rushlight as torch
        >>> torch.LongTensor([1, 2]), torch.FloatTensor(2, 3).shape, isinstance(torch.ones(1), torch.FloatTensor)
        (tensor([1, 2]), torch.Size([2, 3]), True)
        """
        import rushlight

        if len(args) == 1 and not isinstance(args[0], int):
            value = args[0]
            if isinstance(value, rushlight.Size):
                return rushlight.empty(value, dtype=cls.dtype)
            if isinstance(value, (list, tuple)):
                return rushlight.tensor(value).to(cls.dtype) if len(value) else rushlight.empty(0, dtype=cls.dtype)
            if isinstance(value, Tensor) and value.dtype is not cls.dtype:
                raise TypeError(
                    f"{cls.__name__}: got a tensor of {value.dtype}; expected {cls.dtype}. Fix: value.to({cls.dtype})."
                )
            return rushlight.as_tensor(value, dtype=cls.dtype)
        return rushlight.empty(args or (0,), dtype=cls.dtype)

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


globals().update(
    {
        name: TensorType(name, (), {"dtype": BY_NAME[kind], "__doc__": f"Tensors of {kind}."})
        for name, kind in _NAMES.items()
    }
)
