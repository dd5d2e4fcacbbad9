"""`make_tensor`: random tensors for tests."""

from __future__ import annotations

import warnings
from typing import Any

import rushlight
from rushlight.errors import explain_error

_SMALLEST_RANGE = {rushlight.bool: (0, 2), rushlight.uint8: (0, 10)}


def make_tensor(
    *shape: Any, dtype: Any, device: Any, low: float | None = None, high: float | None = None, requires_grad: bool = False,
    noncontiguous: bool = False, exclude_zero: bool = False, memory_format: Any = None,
) -> Any:  # fmt: skip
    """Values drawn uniformly from [low, high): by default [-9, 9) for floating and complex dtypes, [-9, 10) for signed integers,
    [0, 10) for uint8, both values for bool.

    exclude_zero   zeros become the smallest positive number of the dtype, or 1
    noncontiguous  every other element of a tensor twice as wide

    Errors: ValueError for low > high, NaN, a range outside of the dtype's, and options that exclude each other.

    >>> import rushlight as torch
    >>> x = make_tensor(3, 4, dtype=torch.int8, device="cpu", low=2, high=5)
    >>> x.shape, bool(((x >= 2) & (x < 5)).all())
    (torch.Size([3, 4]), True)
    """
    shape = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    if noncontiguous and memory_format is not None:
        raise ValueError(
            explain_error(
                "make_tensor", got=f"noncontiguous=True and memory_format={memory_format}", expected="one of them"
            )
        )
    if requires_grad and not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(
            explain_error("make_tensor", got=f"requires_grad=True for {dtype}", expected="a floating or complex dtype")
        )
    if noncontiguous and shape and shape[-1] > 1:
        wide = make_tensor(*shape[:-1], 2 * shape[-1], dtype=dtype, device=device, low=low, high=high)
        made = wide[..., ::2]
    else:
        made = _drawn(shape, dtype, device, *_range(dtype, low, high))
    if exclude_zero:
        floating = dtype.is_floating_point or dtype.is_complex
        made[made == 0] = rushlight.finfo(dtype).tiny if floating else 1
    if memory_format is not None:
        made = made.clone(memory_format=memory_format)
    return made.requires_grad_() if requires_grad else made


def _range(dtype: Any, low: Any, high: Any) -> tuple[Any, Any]:
    floating = dtype.is_floating_point or dtype.is_complex
    first, last = _SMALLEST_RANGE.get(dtype, (-9, 9) if floating else (-9, 10) if dtype.is_signed else (0, 10))
    low, high = first if low is None else low, last if high is None else high
    if low != low or high != high:
        raise ValueError(explain_error("make_tensor", got=f"low={low}, high={high}", expected="numbers"))
    if low > high or low == high and not floating:
        raise ValueError(explain_error("make_tensor", got=f"low={low}, high={high}", expected="low < high"))
    if low == high:
        warnings.warn(
            "make_tensor: low == high draws one value only. Fix: use torch.full.", FutureWarning, stacklevel=4
        )
    info = None if dtype is rushlight.bool else rushlight.finfo(dtype) if floating else rushlight.iinfo(dtype)
    smallest, largest = (0, 2) if info is None else (info.min, info.max if floating else info.max + 1)
    if low >= largest or high <= smallest and not low == high:
        raise ValueError(
            explain_error(
                "make_tensor",
                got=f"low={low}, high={high}",
                expected=f"a part of what {dtype} holds, {smallest} to {largest}",
            )
        )
    low, high = max(low, smallest), min(high, largest)
    return (low, high) if floating else (-int(-low // 1), -int(-high // 1))


def _drawn(shape: tuple, dtype: Any, device: Any, low: Any, high: Any) -> Any:
    if dtype.is_complex:
        made = rushlight.empty(shape, dtype=dtype, device=device)
        rushlight.view_as_real(made).uniform_(low, high)
        return made
    if dtype.is_floating_point:
        return rushlight.empty(shape, dtype=dtype, device=device).uniform_(low, high)
    return rushlight.randint(low, high, shape, dtype=dtype, device=device)
