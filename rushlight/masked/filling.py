"""What the functions of this room share: the mask spread over the input, and the values that masked elements take."""

from __future__ import annotations

import math
from typing import Any

import rushlight
from rushlight.errors import explain_error


def spread(input: Any, mask: Any) -> Any:
    """The mask as booleans of input's shape. IndexError when it has more dimensions, RuntimeError when it does not fit."""
    if mask.ndim > input.ndim:
        raise IndexError(
            explain_error(
                "torch.masked", got=f"a mask of shape {list(mask.shape)} for an input of shape {list(input.shape)}",
                expected="no more dimensions than the input has",
            )
        )  # fmt: skip
    mask = mask if mask.dtype is rushlight.bool else mask != 0
    return mask.expand(input.shape)


def filled(input: Any, mask: Any, value: Any) -> Any:
    """input with `value` where the mask does not hold."""
    return input if mask is None else input.masked_fill(~spread(input, mask), value)


def counts(input: Any, mask: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
    """How many elements each result is made of."""
    kept = rushlight.ones(input.shape, dtype=rushlight.int64) if mask is None else spread(input, mask).long()
    return kept.sum(dims, keepdim) if input.ndim else kept


def _input_mask(input: Any, *_: Any, mask: Any = None, **__: Any) -> Any:
    """Which elements of the input an operation sees."""
    return rushlight.ones(input.shape, dtype=rushlight.bool) if mask is None else spread(input, mask)


_KEEP_SHAPE = ("softmax", "log_softmax", "softmin", "normalize", "cumsum", "cumprod")


def _output_mask(
    op: Any, input: Any, *args: Any, dim: Any = None, keepdim: bool = False, mask: Any = None, **_: Any
) -> Any:
    """Which elements of the result of an operation of this room are made of something."""
    seen = _input_mask(input, mask=mask)
    if op.__name__ in _KEEP_SHAPE:
        return seen
    skipped = 1 if op.__name__ == "norm" else 0  # its first argument is the order
    if dim is None and len(args) > skipped:
        dim = args[skipped]
    if dim is None and op.__name__ == "median":
        dim = -1
    return seen.any(all_dims(op.__name__, input, dim), keepdim) if input.ndim else seen


def all_dims(op: str, input: Any, dim: Any) -> tuple[int, ...]:
    """`dim` as a tuple of dimensions from 0; none given means all."""
    if dim is None or dim == ():
        return tuple(range(input.ndim))
    given = (dim,) if isinstance(dim, int) else tuple(dim)
    ndim = max(input.ndim, 1)
    for d in given:
        if not -ndim <= d < ndim:
            raise IndexError(
                explain_error(op, got=f"dim={d} for shape {list(input.shape)}", expected=f"{-ndim} to {ndim - 1}")
            )
    found = tuple(d % ndim for d in given)
    if len(set(found)) != len(found):
        raise RuntimeError(explain_error(op, got=f"dim={dim}", expected="each dimension once"))
    return tuple(sorted(found))


def lowest(op: str, kind: Any) -> Any:
    """What no element of a dtype is below."""
    return _limit(op, kind, "min", -math.inf)


def highest(op: str, kind: Any) -> Any:
    """What no element of a dtype is above."""
    return _limit(op, kind, "max", math.inf)


def _limit(op: str, kind: Any, end: str, infinite: float) -> Any:
    if kind.is_floating_point or kind.is_complex and op == "logsumexp":
        return infinite
    if kind is rushlight.bool or kind.is_complex:
        raise NotImplementedError(
            explain_error(f"masked.{op}", got=f"a mask and an input of {kind}", expected="an integer or floating dtype")
        )
    return getattr(rushlight.iinfo(kind), end)


def is_real_float(kind: Any) -> bool:
    """Whether a mean of the dtype is of that dtype."""
    return bool(kind.is_floating_point or kind.is_complex)


def widened(input: Any, dtype: Any) -> Any:
    """The dtype of sums and products: int64 of integers and bool."""
    return dtype or (input.dtype if is_real_float(input.dtype) else rushlight.int64)
