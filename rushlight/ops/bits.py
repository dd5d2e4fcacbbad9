"""Views that read the memory as another dtype: bits, the parts of complex numbers, pairs as complex numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.ir.meta import Meta, meta
from rushlight.ir.op import Op
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T
from rushlight.ops.views import put_through, view_op, viewed


def _bits_infer(x: Meta, dtype: Any) -> Meta:
    a, b = x.dtype.itemsize, dtype.itemsize
    if a == b:
        return viewed(x, x.shape, x.stride, 0, dtype)
    if not x.ndim or x.stride[-1] != 1 or (b > a and x.shape[-1] * a % b):
        raise RuntimeError(
            explain_error(
                "view(dtype)",
                got=f"shape {list(x.shape)} of {x.dtype} to {dtype}",
                expected="a last dimension that is dense and whose bytes divide evenly",
            )
        )
    shape = (*x.shape[:-1], x.shape[-1] * a // b)
    stride = tuple(s * a // b for s in x.stride[:-1]) + (1,)
    return meta(shape, dtype, x.device, stride, x.offset * a // b)


def _bits(x: np.ndarray, dtype: Any) -> np.ndarray:
    return x.view(dtype.storage)


view_dtype = view_op(
    "view_dtype(Tensor input, dtype dtype)", public="", infer=_bits_infer, reference=_bits, vjp=None, put=put_through(_bits), put_vjp=None,
    samples=lambda: [((values(2, 4), dtypes.int64), {})], doc="the same bits read as another dtype",
)  # fmt: skip


_HALVES = np.dtype([("real", np.float16), ("imag", np.float16)])


def _part(x: np.ndarray, name: str) -> np.ndarray:
    """The real or the imaginary parts where they lie; the buffer of a complex32 tensor holds bits."""
    return getattr(x, name) if x.dtype.kind == "c" else x.view(_HALVES)[name]


def _complex_part(name: str) -> Op:
    def infer(x: Meta) -> Meta:
        if not x.dtype.is_complex:
            raise RuntimeError(f"{name} is not implemented for tensors with non-complex dtypes; got {x.dtype}.")
        return viewed(x, x.shape, [2 * s for s in x.stride], x.offset + (name == "imag"), x.dtype.to_real())

    rule = {
        "real": lambda g, out, x: T.complex(g, T.zeros_like(g)), "imag": lambda g, out, x: T.complex(T.zeros_like(g), g),
    }[name]  # fmt: skip
    return view_op(
        f"{name}_part(Tensor input)", infer=infer, reference=lambda x: _part(x, name), vjp=(rule,),
        put=put_through(lambda x: _part(x, name)), put_vjp=None, samples=lambda: [((values(2, 3) + 1j * values(2, 3, seed=1),), {})],
        grad_name=f"{name.capitalize()}Backward0", doc=f"the {name} part of a complex tensor",
    )  # fmt: skip


real_part, imag_part = _complex_part("real"), _complex_part("imag")


def _as_real_infer(x: Meta) -> Meta:
    if not x.dtype.is_complex:
        raise RuntimeError(f"view_as_real is only supported for complex tensors; got {x.dtype}.")
    return meta((*x.shape, 2), x.dtype.to_real(), x.device, (*[2 * s for s in x.stride], 1), 2 * x.offset)


view_as_real = view_op(
    "view_as_real(Tensor input)", public="function", infer=_as_real_infer,
    reference=lambda x: np.lib.stride_tricks.as_strided(_part(x, "real"), (*x.shape, 2), (*x.strides, x.itemsize // 2)),
    vjp=(lambda g, out, x: T.view_as_complex(g.contiguous()),),
    put=lambda x, src: np.ascontiguousarray(src).view(x.dtype).reshape(x.shape), put_vjp=None,
    samples=lambda: [((values(2, 3) + 1j * values(2, 3, seed=1),), {})], doc="complex as pairs (real, imaginary)",
)  # fmt: skip


_PAIR = {2: np.uint32, 4: np.complex64, 8: np.complex128}  # of floats of so many bytes


def _as_complex_infer(x: Meta) -> Meta:
    if (
        not x.shape
        or x.shape[-1] != 2
        or x.stride[-1] != 1
        or x.dtype not in (dtypes.float16, dtypes.float32, dtypes.float64)
    ):
        raise RuntimeError(
            explain_error(
                "view_as_complex",
                got=f"shape {list(x.shape)} of {x.dtype}",
                expected="a float tensor whose last dimension is 2 and dense",
            )
        )
    return meta(x.shape[:-1], x.dtype.to_complex(), x.device, tuple(s // 2 for s in x.stride[:-1]), x.offset // 2)


view_as_complex = view_op(
    "view_as_complex(Tensor input)", public="function", infer=_as_complex_infer,
    reference=lambda x: np.ascontiguousarray(x).view(_PAIR[x.dtype.itemsize])[..., 0],
    vjp=(lambda g, out, x: T.view_as_real(g.contiguous()),),
    put=lambda x, src: np.stack([_part(src, "real"), _part(src, "imag")], -1), put_vjp=None, samples=lambda: [((values(3, 2),), {})],
    doc="pairs (real, imaginary) as complex",
)  # fmt: skip
