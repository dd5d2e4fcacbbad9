"""`torch.sparse.FloatTensor` and its kin: the types of old, as constructors and for `isinstance`."""

from __future__ import annotations

from typing import Any

from rushlight.dtype import BY_NAME
from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS
from rushlight.sparse.coo import CooTensor
from rushlight.sparse.create import sparse_coo_tensor


class SparseTensorType(type):
    """The class of these classes: a sparse COO tensor is an instance of the one of its dtype."""

    dtype: Any

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, CooTensor) and value.dtype is cls.dtype

    def __call__(cls, *args: Any) -> CooTensor:
        """(indices, values), (indices, values, size), or sizes alone.

        >>> import rushlight as torch
        >>> torch.sparse.FloatTensor(torch.tensor([[0, 1]]), torch.ones(2), torch.Size([3])).to_dense()
        tensor([1., 1., 0.])
        """
        if not args or isinstance(args[0], int):
            return sparse_coo_tensor(args or (0,), dtype=cls.dtype)
        if len(args) == 1:
            return sparse_coo_tensor(tuple(args[0]), dtype=cls.dtype)
        values = args[1] if hasattr(args[1], "_meta") else FUNCTIONS["tensor"](args[1], dtype=cls.dtype)
        if values.dtype is not cls.dtype:
            raise TypeError(explain_error(f"torch.sparse.{cls.__name__}", got=f"values of {values.dtype}", expected=f"{cls.dtype}", fix="torch.sparse_coo_tensor takes any dtype"))  # fmt: skip
        return sparse_coo_tensor(*args)

    def __repr__(cls) -> str:
        return f"<class 'torch.sparse.{cls.__name__}'>"


def _type(name: str, kind: str) -> Any:
    return SparseTensorType(name, (), {"dtype": BY_NAME[kind], "__doc__": f"Sparse tensors of {kind}."})


FloatTensor, DoubleTensor = _type("FloatTensor", "float32"), _type("DoubleTensor", "float64")
HalfTensor, BFloat16Tensor = _type("HalfTensor", "float16"), _type("BFloat16Tensor", "bfloat16")
LongTensor, IntTensor, ShortTensor = (
    _type("LongTensor", "int64"),
    _type("IntTensor", "int32"),
    _type("ShortTensor", "int16"),
)
CharTensor, ByteTensor = _type("CharTensor", "int8"), _type("ByteTensor", "uint8")
