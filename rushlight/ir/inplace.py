"""The shape and dtype rule of in-place ops, derived from the op they are the sibling of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta

if TYPE_CHECKING:
    from rushlight.ir.op import Op

_NAMES = {
    "float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long", "int32": "Int",
    "int16": "Short", "int8": "Char", "uint8": "Byte", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64",
    "bool": "Bool", "complex32": "ComplexHalf", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
}  # fmt: skip


def inplace_infer(op: Op) -> Callable[..., Meta]:
    """Run the op's own rule, then ask that the result fits the tensor that is written."""

    def infer(target: Meta, *others: Any, **static: Any) -> Meta:
        result = op.infer(target, *others, **static)
        if result.shape != target.shape:
            raise RuntimeError(
                explain_error(
                    f"{op.name}_",
                    got=f"a result of shape {list(result.shape)} for a tensor of shape {list(target.shape)}",
                    expected="the shape of the tensor that is written: an in-place op cannot broadcast its target",
                    fix=f"use {op.name} and bind the result",
                )
            )
        if not dtypes.can_cast(result.dtype, target.dtype):
            raise RuntimeError(
                f"{op.name}_: result type {_NAMES[result.dtype.name]} can't be cast to the desired output type "
                f"{_NAMES[target.dtype.name]}. Fix: use {op.name} (not in place), or convert the target with "
                f".to({result.dtype})."
            )
        return target.variant(requires_grad=False, leaf=False)

    return infer
