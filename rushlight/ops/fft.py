"""Discrete Fourier transforms over several dimensions: X[k] = scale * sum of x[j] exp(-2 pi i (j1 k1 / n1 + ...)).

`norm` says where the division by n stands, as in PyTorch: "backward" (in the inverse), "forward", or "ortho" (its root in
both). The adjoint of a transform is the transform the other way with the norm `FLIPPED`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight import dtype as dtypes
from rushlight.ir.meta import Meta
from rushlight.ir.op import declare
from rushlight.ops.rules import like
from rushlight.ops.samples import values
from rushlight.ops.tensor_code import T

Ints = Sequence[int]
FLIPPED = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _resized(shape: Ints, dim: int, size: int) -> tuple[int, ...]:
    return tuple(size if d == dim else n for d, n in enumerate(shape))


def _complex_sample(*shape: int) -> np.ndarray:
    return values(*shape) + 1j * values(*shape, seed=1)


# --- complex to complex ---------------------------------------------------------------------------------------------


def _c2c(x: np.ndarray, dim: Ints, norm: str, inverse: bool) -> np.ndarray:
    found = (np.fft.ifftn if inverse else np.fft.fftn)(x, axes=dim, norm=norm)
    return found.astype(x.dtype, copy=False)


def transform(x: Any, dim: Ints, norm: str, inverse: bool) -> Any:
    """The complex transform, in tensor code."""
    return T.apply("fft_c2c_op", (x,), {"dim": tuple(dim), "norm": norm, "inverse": inverse})


declare(
    "fft_c2c_op(Tensor input, int[] dim, str norm, bool inverse)", infer=lambda x, dim, norm, inverse: like(x),
    reference=_c2c, vjp=(lambda g, out, x, dim, norm, inverse: transform(g, dim, FLIPPED[norm], not inverse),),
    samples=lambda: [
        ((_complex_sample(3, 4), (1,), "backward", False), {}), ((_complex_sample(3, 4), (0, 1), "ortho", True), {}),
    ],
    grad_name="FftC2CBackward0", doc="the discrete Fourier transform, or its inverse",
)  # fmt: skip


# --- real to complex ------------------------------------------------------------------------------------------------


def _r2c_infer(x: Meta, dim: Ints, norm: str, onesided: bool) -> Meta:
    last = dim[-1]
    shape = _resized(x.shape, last, x.shape[last] // 2 + 1) if onesided else x.shape
    return like(x, shape=shape, dtype=x.dtype.to_complex())


def _r2c(x: np.ndarray, dim: Ints, norm: str, onesided: bool) -> np.ndarray:
    found = (np.fft.rfftn if onesided else np.fft.fftn)(x, axes=dim, norm=norm)
    return found.astype(np.result_type(x.dtype, np.complex64), copy=False)


def _r2c_rule(g: Any, out: Any, x: Any, dim: Ints, norm: str, onesided: bool) -> Any:
    """What was left out of a one-sided result got no gradient."""
    if onesided:
        last = dim[-1]
        rest = _resized(g.shape, last, x.shape[last] - g.shape[last])
        g = T.cat([g, T.zeros(rest, dtype=g.dtype)], last)
    return transform(g, dim, FLIPPED[norm], True).real


def half_spectrum(x: Any, dim: Ints, norm: str, onesided: bool = True) -> Any:
    """The transform of a real tensor, in tensor code; one-sided: of the last of `dim` only the first n // 2 + 1."""
    return T.apply("fft_r2c_op", (x,), {"dim": tuple(dim), "norm": norm, "onesided": onesided})


declare(
    "fft_r2c_op(Tensor input, int[] dim, str norm, bool onesided)", infer=_r2c_infer, reference=_r2c, vjp=(_r2c_rule,),
    samples=lambda: [
        ((values(2, 5), (1,), "ortho", True), {}), ((values(2, 4), (0, 1), "forward", True), {}),
        ((values(2, 5), (0,), "backward", False), {}),
    ],
    grad_name="FftR2CBackward0", doc="the discrete Fourier transform of real numbers",
)  # fmt: skip


# --- complex to real ------------------------------------------------------------------------------------------------


def _c2r_infer(x: Meta, dim: Ints, norm: str, size: int) -> Meta:
    return like(x, shape=_resized(x.shape, dim[-1], size), dtype=x.dtype.to_real())


def _c2r(x: np.ndarray, dim: Ints, norm: str, size: int) -> np.ndarray:
    found = np.fft.irfftn(x, [*(x.shape[d] for d in dim[:-1]), size], dim, norm)
    return found.astype(x.real.dtype, copy=False)


def _c2r_rule(g: Any, out: Any, x: Any, dim: Ints, norm: str, size: int) -> Any:
    """Every coefficient that also stands for its conjugate, left out of the half spectrum, counts twice."""
    found = half_spectrum(g, dim, FLIPPED[norm])
    last, twice = dim[-1], size - x.shape[dim[-1]]
    if not twice:
        return found
    tail = found.shape[last] - twice - 1
    parts = [found.narrow(last, 0, 1), 2 * found.narrow(last, 1, twice), found.narrow(last, 1 + twice, tail)]
    return T.cat(parts, last)


declare(
    "fft_c2r_op(Tensor input, int[] dim, str norm, int size)", infer=_c2r_infer, reference=_c2r, vjp=(_c2r_rule,),
    samples=lambda: [
        ((_complex_sample(2, 3), (1,), "backward", 5), {}), ((_complex_sample(2, 3), (0, 1), "ortho", 4), {}),
    ],
    grad_name="FftC2RBackward0", doc="the real numbers whose one-sided transform this is",
)  # fmt: skip


def check_dtype(name: str, kind: dtypes.dtype) -> None:
    """Only single and double precision have transforms."""
    if kind in (dtypes.float16, dtypes.bfloat16):
        raise RuntimeError(f"{name}: Unsupported dtype {kind}: expected float32 or float64. Fix: x.float().")
