"""What `torch.fft` holds: transforms of one, two or more dimensions, their frequencies, and shifts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.conversion import to
from rushlight.functional.nn_pad import pad
from rushlight.functional.rearranging import clone, roll
from rushlight.functional.registry import apply, as_int, as_ints, write_out
from rushlight.functional.sequences import arange
from rushlight.layout import check_strided
from rushlight.lazy.handle import Handle
from rushlight.ops.fft import FLIPPED, check_dtype, half_spectrum, transform
from rushlight.ops.reduce import dtype_name
from rushlight.ops.rules import wrap_dim

Ints = Sequence[int]


# --- arguments ------------------------------------------------------------------------------------------------------


def _operand(name: str, x: Any, complex_too: bool) -> Any:
    """The tensor in a dtype that transforms exist for: integers become the default float."""
    if not isinstance(x, Handle):
        raise TypeError(explain_error(name, got=f"an argument of type {type(x).__name__}", expected="a tensor"))
    kind = x._meta.dtype
    if kind.is_complex and not complex_too:
        raise RuntimeError(
            f"{name}: expects a real input tensor, but got {dtype_name(kind)}. Fix: x.real, or the transform of complex numbers."
        )
    check_dtype(name, kind)
    return x if kind.category >= dtypes.FLOATING else to(x, dtypes.get_default_dtype())


def _norm(name: str, norm: Any) -> str:
    if norm is None:
        return "backward"
    if not isinstance(norm, str):
        raise TypeError(explain_error(name, got=f"norm={norm!r}", expected="a string or None"))
    if norm not in FLIPPED:
        raise RuntimeError(f'{name}: Invalid normalization mode: "{norm}": expected "backward", "ortho" or "forward".')
    return norm


def _one_dim(name: str, x: Any, dim: int) -> int:
    if not x.ndim:
        raise IndexError(
            f"{name}: Dimension specified as {dim} but tensor has no dimensions. Fix: x.reshape(1) makes one."
        )
    return wrap_dim(as_int(dim), x.ndim, name)


def _check_sizes(name: str, sizes: Ints) -> None:
    for n in sizes:
        if n < 1:
            raise RuntimeError(f"{name}: Invalid number of data points ({n}) specified: expected at least 1.")


def _axes(name: str, x: Any, s: Any, dim: Any) -> tuple[list[int], list[int | None]]:
    """The dimensions to transform and the sizes asked for; None (or -1) keeps a dimension's size."""
    sizes = None if s is None else [as_int(s)] if isinstance(s, int) else list(as_ints(tuple(s)))
    if dim is None:
        count = x.ndim if sizes is None else len(sizes)
        if count > x.ndim:
            raise RuntimeError(f"{name}: Got shape with {count} values but input tensor only has {x.ndim} dimensions.")
        dims = list(range(x.ndim - count, x.ndim))
    else:
        dims = [_one_dim(name, x, d) for d in ((dim,) if isinstance(dim, int) else dim)]
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"{name}: FFT dims must be unique; got dim={dim}.")
        if sizes is not None and len(sizes) != len(dims):
            raise RuntimeError(
                f"{name}: When given, dim and shape arguments must have the same length; got dim={dim} and s={s}."
            )
    return dims, [None] * len(dims) if sizes is None else [None if n == -1 else n for n in sizes]


def _fitted(x: Any, dims: Ints, sizes: Ints) -> Any:
    """The input cut off, or continued with zeros, to these sizes."""
    change = {d: n - x.shape[d] for d, n in zip(dims, sizes, strict=True)}
    if not any(change.values()):
        return x
    return pad(x, [c for d in range(x.ndim - 1, min(change) - 1, -1) for c in (0, change.get(d, 0))])


def _complex_sizes(name: str, x: Any, dims: Ints, wanted: Sequence[int | None]) -> list[int]:
    sizes = [x.shape[d] if n is None else n for d, n in zip(dims, wanted, strict=True)]
    _check_sizes(name, sizes)
    return sizes


def _done(name: str, result: Any, out: Any) -> Any:
    if out is None:
        return result
    if result.is_complex() and not out.is_complex():
        raise RuntimeError(
            f"{name}: expects a complex output tensor, but got {dtype_name(out.dtype)}. Fix: give out the dtype {result.dtype}."
        )
    return write_out(out, result)


def _need_dims(name: str, dims: Ints) -> None:
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis; got an empty dim.")


# --- the four kinds of transform --------------------------------------------------------------------------------------


def _complex(name: str, x: Any, dims: list[int], wanted: Any, norm: Any, inverse: bool, out: Any) -> Any:
    """fft and ifft. Of real numbers the inverse is the conjugate of the transform."""
    norm = _norm(name, norm)
    sizes = _complex_sizes(name, x, dims, wanted)
    x = _fitted(x, dims, sizes)
    if not dims:
        return _done(name, clone(x) if x.is_complex() else to(x, x.dtype.to_complex()), out)
    if x.is_complex():
        found = transform(x, dims, norm, inverse)
    elif inverse:
        found = half_spectrum(x, dims, FLIPPED[norm], onesided=False).conj()
    else:
        found = half_spectrum(x, dims, norm, onesided=False)
    return _done(name, found, out)


def _from_real(name: str, x: Any, dims: list[int], wanted: Any, norm: Any, inverse: bool, out: Any) -> Any:
    """rfft and ihfft: half of what the complex transform gives, since the rest are its conjugates."""
    norm = _norm(name, norm)
    _need_dims(name, dims)
    x = _fitted(x, dims, _complex_sizes(name, x, dims, wanted))
    found = half_spectrum(x, dims, FLIPPED[norm]).conj() if inverse else half_spectrum(x, dims, norm)
    return _done(name, found, out)


def _to_real(name: str, x: Any, dims: list[int], wanted: Any, norm: Any, inverse: bool, out: Any) -> Any:
    """irfft and hfft: the last dimension holds the first size // 2 + 1 coefficients."""
    norm = _norm(name, norm)
    _need_dims(name, dims)
    size = 2 * (x.shape[dims[-1]] - 1) if wanted[-1] is None else wanted[-1]
    _check_sizes(name, [size])
    sizes = [*_complex_sizes(name, x, dims[:-1], wanted[:-1]), size // 2 + 1]
    x = _fitted(x, dims, sizes)
    if not x.is_complex():
        x = to(x, x.dtype.to_complex())
    static = {"dim": tuple(dims), "norm": norm if inverse else FLIPPED[norm], "size": size}
    return _done(name, apply("fft_c2r_op", (x if inverse else x.conj(),), static), out)


def fft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Any:
    """X[k] = sum of input[j] exp(-2 pi i j k / n), complex, along one dimension that is cut or filled up to n.

    `norm`: "backward" (no factor), "ortho" (1 / sqrt(n)) or "forward" (1 / n).

    >>> import rushlight as torch
    >>> torch.fft.fft(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    tensor([10.+0.j, -2.+2.j, -2.+0.j, -2.-2.j])
    """
    x = _operand("fft", input, True)
    return _complex("fft", x, [_one_dim("fft", x, dim)], [as_int(n)], norm, False, out)


def ifft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Any:
    """The inverse of `fft`: x[j] = 1/n sum of input[k] exp(2 pi i j k / n).

    >>> import rushlight as torch
    >>> torch.fft.ifft(torch.fft.fft(torch.tensor([1.0, 2.0, 3.0]))).real
    tensor([1., 2., 3.])
    """
    x = _operand("ifft", input, True)
    return _complex("ifft", x, [_one_dim("ifft", x, dim)], [as_int(n)], norm, True, out)


def rfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Any:
    """`fft` of real numbers, of which the first n // 2 + 1 are returned: the others are their conjugates.

    >>> import rushlight as torch
    >>> torch.fft.rfft(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    tensor([10.+0.j, -2.+2.j, -2.+0.j])
    """
    x = _operand("rfft", input, False)
    return _from_real("rfft", x, [_one_dim("rfft", x, dim)], [as_int(n)], norm, False, out)


def irfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Any:
    """The inverse of `rfft`: n real numbers, 2 * (size - 1) unless said otherwise.

    >>> import rushlight as torch
    >>> torch.fft.irfft(torch.fft.rfft(torch.tensor([1.0, 2.0, 4.0])), n=3)
    tensor([1., 2., 4.])
    """
    x = _operand("irfft", input, True)
    return _to_real("irfft", x, [_one_dim("irfft", x, dim)], [as_int(n)], norm, True, out)


def hfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Any:
    """`fft` of a signal with x[-j] = conj(x[j]), given by its first n // 2 + 1 values: n real numbers."""
    x = _operand("hfft", input, True)
    return _to_real("hfft", x, [_one_dim("hfft", x, dim)], [as_int(n)], norm, False, out)


def ihfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Any:
    """The inverse of `hfft`: the first n // 2 + 1 values of `ifft` of real numbers."""
    x = _operand("ihfft", input, False)
    return _from_real("ihfft", x, [_one_dim("ihfft", x, dim)], [as_int(n)], norm, True, out)


# --- several dimensions -----------------------------------------------------------------------------------------------


def fftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Any:
    """`fft` along several dimensions: `dim`, or the last len(s), or all; cut or filled up to the sizes `s`."""
    x = _operand("fftn", input, True)
    return _complex("fftn", x, *_axes("fftn", x, s, dim), norm, False, out)


def ifftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Any:
    """The inverse of `fftn`."""
    x = _operand("ifftn", input, True)
    return _complex("ifftn", x, *_axes("ifftn", x, s, dim), norm, True, out)


def rfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Any:
    """`fftn` of real numbers: of the last dimension only the first s[-1] // 2 + 1 are returned."""
    x = _operand("rfftn", input, False)
    return _from_real("rfftn", x, *_axes("rfftn", x, s, dim), norm, False, out)


def irfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Any:
    """The inverse of `rfftn`."""
    x = _operand("irfftn", input, True)
    return _to_real("irfftn", x, *_axes("irfftn", x, s, dim), norm, True, out)


def hfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Any:
    """`fftn` along all of `dim`, the input being the half, along the last, of a signal with x[-j] = conj(x[j])."""
    x = _operand("hfftn", input, True)
    return _to_real("hfftn", x, *_axes("hfftn", x, s, dim), norm, False, out)


def ihfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Any:
    """The inverse of `hfftn`."""
    x = _operand("ihfftn", input, False)
    return _from_real("ihfftn", x, *_axes("ihfftn", x, s, dim), norm, True, out)


def fft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Any:
    """`fftn` along the last two dimensions."""
    return fftn(input, s, dim, norm, out=out)


def ifft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Any:
    """`ifftn` along the last two dimensions."""
    return ifftn(input, s, dim, norm, out=out)


def rfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Any:
    """`rfftn` along the last two dimensions."""
    return rfftn(input, s, dim, norm, out=out)


def irfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Any:
    """`irfftn` along the last two dimensions."""
    return irfftn(input, s, dim, norm, out=out)


def hfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Any:
    """`hfftn` along the last two dimensions."""
    return hfftn(input, s, dim, norm, out=out)


def ihfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Any:
    """`ihfftn` along the last two dimensions."""
    return ihfftn(input, s, dim, norm, out=out)


# --- frequencies and shifts -------------------------------------------------------------------------------------------


def _frequencies(n: int, d: float, index: Any, out: Any, dtype: Any, requires_grad: bool) -> Any:
    """Whole numbers over n d, in the dtype asked for."""
    step = 1 / (n * d) if n * d else math.inf
    found = to(index * step, dtype or dtypes.get_default_dtype())
    if out is not None:
        found = write_out(out, found)
    return found.requires_grad_() if requires_grad else found


def _indices(name: str, n: int, count: int, dtype: Any, device: Any) -> Any:
    """0, 1, ... in double precision."""
    if dtype is not None and dtype.category < dtypes.FLOATING:
        raise RuntimeError(f"{name} requires a floating point or complex dtype; got {dtype}.")
    if n < 0:
        raise RuntimeError(f"{name}: Trying to create tensor with negative dimension {n}; expected at least 0.")
    return arange(count, dtype=dtypes.float64, device=device)


def fftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """The frequencies that `fft` of n samples, d apart, holds: 0, 1, ..., then the negative ones, over n d.

    >>> import rushlight as torch
    >>> torch.fft.fftfreq(5)
    tensor([ 0.0000,  0.2000,  0.4000, -0.4000, -0.2000])
    """
    check_strided("fftfreq", layout)
    n = as_int(n)
    k = _indices("fftfreq", n, n, dtype, device)
    return _frequencies(n, d, k - n * (k >= (n + 1) // 2), out, dtype, requires_grad)


def rfftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """The frequencies that `rfft` of n samples, d apart, holds: 0, 1, ..., n // 2, over n d."""
    check_strided("rfftfreq", layout)
    n = as_int(n)
    return _frequencies(n, d, _indices("rfftfreq", n, n // 2 + 1, dtype, device), out, dtype, requires_grad)


def _shift(name: str, x: Any, dim: Any, back: bool) -> Any:
    dims = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else as_ints(tuple(dim))
    dims = [_one_dim(name, x, d) for d in dims]
    if not dims:
        raise RuntimeError(f"{name}: got no dimension to shift; `shifts` required. Fix: give a tensor with dimensions.")
    sizes = [x.shape[d] for d in dims]
    return roll(x, [(n + 1) // 2 if back else n // 2 for n in sizes], dims)


def fftshift(input: Any, dim: Any = None) -> Any:
    """The zero frequency moved to the middle: each of `dim` (all, by default) rolled by half its size.

    >>> import rushlight as torch
    >>> torch.fft.fftshift(torch.tensor([0, 1, 2, -2, -1]))
    tensor([-2, -1,  0,  1,  2])
    """
    return _shift("fftshift", input, dim, False)


def ifftshift(input: Any, dim: Any = None) -> Any:
    """The inverse of `fftshift`."""
    return _shift("ifftshift", input, dim, True)
