"""Masked reductions: masked elements become what does not change the result, or are counted out of it."""

from __future__ import annotations

import math
from typing import Any

import rushlight
from rushlight.errors import explain_error
from rushlight.masked.filling import all_dims, counts, filled, highest, is_real_float, lowest, spread, widened


def sum(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The sum of what the mask keeps; 0 of nothing. Integers give int64."""
    kind = widened(input, dtype)
    return filled(input, mask, False).sum(all_dims("masked.sum", input, dim) or None, keepdim, dtype=kind)


def prod(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The product of what the mask keeps; 1 of nothing. Integers give int64."""
    x = filled(input, mask, True).to(widened(input, dtype))
    for d in reversed(all_dims("masked.prod", input, dim)):
        x = x.prod(d, keepdim)
    return x


def amax(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The largest of what the mask keeps; of nothing -inf, or the smallest integer."""
    x = input.to(dtype or input.dtype)
    x = x if mask is None else filled(x, mask, lowest("amax", x.dtype))
    return x.amax(all_dims("masked.amax", input, dim), keepdim)


def amin(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The smallest of what the mask keeps; of nothing inf, or the largest integer."""
    x = input.to(dtype or input.dtype)
    x = x if mask is None else filled(x, mask, highest("amin", x.dtype))
    return x.amin(all_dims("masked.amin", input, dim), keepdim)


def argmax(input: Any, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Where the largest of what the mask keeps is, in the dtype of the input (or `dtype`), as PyTorch has it."""
    x = input if mask is None else filled(input, mask, lowest("argmax", input.dtype))
    return x.argmax(dim, bool(keepdim)).to(dtype or input.dtype)


def argmin(input: Any, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Where the smallest of what the mask keeps is, in the dtype of the input (or `dtype`), as PyTorch has it."""
    x = input if mask is None else filled(input, mask, highest("argmin", input.dtype))
    return x.argmin(dim, bool(keepdim)).to(dtype or input.dtype)


def mean(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The mean of what the mask keeps; nan of nothing. ValueError for integers without a floating `dtype`.

    >>> import rushlight as torch
    >>> torch.masked.mean(torch.tensor([1.0, 5.0]), mask=torch.tensor([True, False]))
    tensor(1.)
    """
    kind = dtype or input.dtype
    if not is_real_float(kind):
        raise ValueError(
            explain_error(
                "masked.mean", got=f"a tensor of {kind}", expected="a floating dtype", fix="dtype=torch.float32"
            )
        )
    dims = all_dims("masked.mean", input, dim)
    if mask is None:
        return input.mean(dims or None, keepdim, dtype=kind)
    total = sum(input, dims, keepdim=keepdim, dtype=kind, mask=mask)
    return total / counts(input, mask, dims, keepdim).to(kind)


def median(input: Any, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The lower median of what the mask keeps along dim; nan of nothing. ValueError where nothing of an integer row is kept."""
    x = input.to(dtype or input.dtype)
    if mask is None:
        return x.nanmedian(dim, keepdim).values if x.is_floating_point() else x.median(dim, keepdim).values
    kept = counts(x, mask, all_dims("masked.median", x, dim), keepdim)
    if not x.is_floating_point():
        if bool((kept == 0).any()):
            raise ValueError(
                explain_error(
                    "masked.median", got=f"a row of {x.dtype} of which nothing is kept", expected="a floating dtype for the nan that this gives"
                )
            )  # fmt: skip
        ordered = filled(x, mask, highest("median", x.dtype)).sort(dim).values
        place = (kept if keepdim or not x.ndim else kept.unsqueeze(dim)).sub(1).div(2, rounding_mode="floor")
        found = ordered.gather(dim, place)
        return found if keepdim or not x.ndim else found.squeeze(dim)
    return filled(x, mask, math.nan).nanmedian(dim, keepdim).values


def logsumexp(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """log Σ exp of what the mask keeps; of nothing -inf."""
    kind = dtype or input.dtype
    x = input.to(kind)
    x = x if mask is None else filled(x, mask, lowest("logsumexp", kind))
    return rushlight.logsumexp(x, all_dims("masked.logsumexp", input, dim), keepdim).to(kind)


def logaddexp(input: Any, other: Any, *, dtype: Any = None, input_mask: Any = None, other_mask: Any = None) -> Any:
    """log(exp(input) + exp(other)); a masked element counts as -inf."""
    left, right = (x.to(dtype or x.dtype) for x in (input, other))
    left = left if input_mask is None else filled(left, input_mask, lowest("logaddexp", left.dtype))
    right = right if other_mask is None else filled(right, other_mask, lowest("logaddexp", right.dtype))
    return rushlight.logaddexp(left, right)


def norm(
    input: Any, ord: float = 2.0, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """(Σ |x|^ord)^(1/ord) over what the mask keeps; of nothing 0, and inf for ord = -inf."""
    x = input if dtype is None else input.to(dtype)
    fill = math.inf if ord == -math.inf else 0.0
    dims = all_dims("masked.norm", input, dim)
    return rushlight.linalg.vector_norm(filled(x, mask, fill), ord, dims or None, keepdim)


def var(
    input: Any, dim: Any = None, unbiased: bool | None = None, *, correction: float | None = None, keepdim: bool = False,
    dtype: Any = None, mask: Any = None,
) -> Any:  # fmt: skip
    """Σ (x − mean)² / (n − correction) over the n elements that the mask keeps; correction is 1 unless given.

    Integers are computed in the default dtype. Where n is no more than the correction, the result is nan or inf.
    """
    if unbiased is not None and correction is not None:
        raise AssertionError(explain_error("masked.var", got="both unbiased and correction", expected="one of them"))
    correction = correction if correction is not None else 1.0 if unbiased is None else float(unbiased)
    kind = dtype or input.dtype
    kind = kind if is_real_float(kind) else rushlight.get_default_dtype()
    x = input.to(kind)
    dims = all_dims("masked.var", x, dim)
    if mask is None:
        return x.var(dims or None, correction=correction, keepdim=keepdim).to(kind)
    count = counts(x, mask, dims, True)
    centre = sum(x, dims, keepdim=True, mask=mask) / count.to(kind)
    off = (x - centre).masked_fill(~spread(x, mask), 0)
    squares = (off * off.conj()).real if off.is_complex() else off * off
    total = squares.sum(dims or None, keepdim)
    count = count if keepdim or not x.ndim else count.reshape(total.shape)
    return (total / (count.to(total.dtype) - correction).clamp(min=0)).to(kind)


def std(
    input: Any, dim: Any = None, unbiased: bool | None = None, *, correction: float | None = None, keepdim: bool = False,
    dtype: Any = None, mask: Any = None,
) -> Any:  # fmt: skip
    """The square root of `var`."""
    return var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask).sqrt()
