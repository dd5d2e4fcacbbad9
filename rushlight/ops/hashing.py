"""A number that tells tensors apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.dtype import COMPLEX
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.rules import like, reduced_shape, wrap_dims
from rushlight.ops.samples import values


def _infer(x: Meta, dim: Any, keepdim: bool, mode: int) -> Meta:
    if mode != 0:
        raise RuntimeError(
            explain_error("hash_tensor", got=f"mode={mode}", expected="0: exclusive or, the only mode there is")
        )
    if x.dtype.category == COMPLEX:
        text = explain_error(
            "hash_tensor", got=f"a tensor of {x.dtype}", expected="a real dtype", fix="torch.view_as_real(x)"
        )
        raise NotImplementedError(text)
    dims = wrap_dims(dim, x.ndim, "hash_tensor")
    empty = [d for d in dims if x.ndim and x.shape[d] == 0]
    if empty:
        raise (RuntimeError if dim in (None, ()) else IndexError)(
            explain_error(
                "hash_tensor", got=f"shape {list(x.shape)}, empty along {empty[0]}", expected="something to hash"
            )
        )
    return like(x, shape=reduced_shape(x.shape, dims, keepdim), dtype=dtypes.uint64)


def _reference(x: np.ndarray, dim: Any, keepdim: bool, mode: int) -> np.ndarray:
    bits = x.astype(np.float64 if x.dtype.kind == "f" else np.int64 if x.dtype.kind in "bi" else np.uint64).view(
        np.uint64
    )
    return np.bitwise_xor.reduce(bits, axis=wrap_dims(dim, x.ndim) if x.ndim else None, keepdims=keepdim)


hash_tensor = declare(
    "hash_tensor(Tensor input, int[]? dim=None, bool keepdim=False, *, int mode=0)", infer=_infer, reference=_reference,
    samples=lambda: [((values(2, 3),), {}), ((values(2, 3), 1), {"keepdim": True})],
    doc="the exclusive or of the elements' bits, as 64-bit floats or integers, over `dim` (all by default): a uint64",
)  # fmt: skip
