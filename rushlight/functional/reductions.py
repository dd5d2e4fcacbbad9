"""Sums, means, extremes, variances, in the several forms that PyTorch has, and their gradient rules."""

from __future__ import annotations

from typing import Any

from rushlight.functional.checks import write_apart
from rushlight.functional.elementwise import nan_to_num, where
from rushlight.functional.registry import as_ints, public, rule_helper, write_out
from rushlight.ir.op import TABLE, renamed
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record
from rushlight.ops.tensor_code import conj as conjugate


def _named(fields: str, values: tuple) -> Any:
    from rushlight.functional.results import RESULTS

    return RESULTS[fields](*values)


def _extreme(name: str) -> None:
    other_op, dim_op, all_op = (
        {"max": "maximum", "min": "minimum"}[name],
        name + "_dim",
        {"max": "amax", "min": "amin"}[name],
    )

    def extreme(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None) -> Any:
        if isinstance(dim, Handle) or other is not None:
            found = record(TABLE[other_op], (input, dim if other is None else other))
            return found if out is None else write_out(out, found)
        if dim is None:
            if input.numel() == 0:
                raise RuntimeError(
                    f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument."
                )
            found = record(TABLE[all_op], (input,), ((), False))
            return found if out is None else write_out(out, found)
        found = _named(name, record(TABLE[dim_op], (input,), (as_ints(dim), keepdim)))
        return found if out is None else write_out(out, tuple(found))

    extreme.__name__ = name
    extreme.__doc__ = f"The {name} of all elements; with dim: (values, indices); with a tensor: the {name} of the two."
    public(name, method=True)(extreme)


_extreme("max")
_extreme("min")


@public(method=True)
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False, out: Any = None) -> Any:
    """(smallest, largest).

    >>> import rushlight as torch
    >>> torch.aminmax(torch.tensor([1, 9, 3]))
    torch.return_types.aminmax(
    min=tensor(1),
    max=tensor(9))
    """
    where = () if dim is None else (dim,)
    found = (input.amin(where, keepdim), input.amax(where, keepdim))
    if out is not None:
        found = tuple(write_apart("aminmax", target, value, input) for target, value in zip(out, found, strict=True))
    return _named("aminmax", found)


@rule_helper
def value_selecting_gradient(g: Any, index: Any, x: Any, dim: int, keepdim: bool) -> Any:
    """Gradient of max/min/median/… along dim: to the element that was picked."""
    if not x.ndim:
        return g
    if not keepdim:
        g, index = g.unsqueeze(dim), index.unsqueeze(dim)
    from rushlight.functional import FUNCTIONS

    return FUNCTIONS["zeros"](x.shape, dtype=g.dtype).scatter(dim, index, g)


@rule_helper
def prod_gradient(g: Any, out: Any, x: Any, dim: int | None, keepdim: bool) -> Any:
    """Gradient of a product: the product of the other elements, exact where elements are zero."""
    if dim is None:
        flat = x.reshape(-1)
        return (g * _product_of_others(flat, 0)).reshape(x.shape)
    if not keepdim and x.ndim:
        g = g.unsqueeze(dim)
    return g * _product_of_others(x, dim) if x.ndim else g


def _product_of_others(x: Any, dim: int) -> Any:
    """For each element along dim, the product of the others: products from the left times products from the right."""
    from rushlight.functional import FUNCTIONS

    n = x.shape[dim]
    if n == 0:
        return x
    one = FUNCTIONS["ones_like"](x.narrow(dim, 0, 1))
    left = FUNCTIONS["cat"]([one, x.narrow(dim, 0, n - 1)], dim).cumprod(dim)
    right = FUNCTIONS["cat"]([x.narrow(dim, 1, n - 1), one], dim).flip(dim).cumprod(dim).flip(dim)
    return conjugate(left * right)


@rule_helper
def cumprod_gradient(g: Any, out: Any, x: Any, dim: int) -> Any:
    """Gradient of a running product; exact also at zeros, quadratic in the length of dim there."""
    if not x.ndim:
        return g
    from rushlight.functional import FUNCTIONS

    n = x.shape[dim]
    parts = []
    for k in range(n):
        # d out[j] / d x[k] = prod of x[i], i <= j, i != k: a running product with x[k] left out
        pieces = []
        if k:
            pieces.append(x.narrow(dim, 0, k))
        pieces.append(FUNCTIONS["ones_like"](x.narrow(dim, k, 1)))
        if k + 1 < n:
            pieces.append(x.narrow(dim, k + 1, n - k - 1))
        running = FUNCTIONS["cat"](pieces, dim).cumprod(dim)
        parts.append((g * conjugate(running)).narrow(dim, k, n - k).sum(dim, True))
    return FUNCTIONS["cat"](parts, dim) if parts else g


@rule_helper
def logcumsumexp_gradient(g: Any, out: Any, x: Any, dim: int) -> Any:
    """Gradient of logcumsumexp: exp(x) times the sum from the right of g exp(-out), whose log neither overflows nor vanishes."""
    if not x.ndim:
        return g
    from rushlight.functional import FUNCTIONS

    def from_the_right(log_g: Any) -> Any:
        return ((log_g - out).flip(dim).logcumsumexp(dim).flip(dim) + x).exp()

    if g.is_complex():
        return from_the_right(g.conj().log()).conj()
    where = FUNCTIONS["where"]
    # a log of zero that stays finite, as infinities would make NaN of a second derivative
    up, down = (where(side > 0, where(side > 0, side, 1.0).log(), _LOG_OF_NOTHING) for side in (g, -g))
    return from_the_right(up) - from_the_right(down)


_LOG_OF_NOTHING = -1e30


def _variance(name: str) -> None:
    def variance(
        input: Any,
        dim: Any = None,
        unbiased: Any = None,
        keepdim: bool = False,
        *,
        correction: Any = None,
        out: Any = None,
    ) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased is None else int(unbiased)
        found = record(TABLE["var"], (input,), (as_ints(dim), keepdim, correction))
        found = record(renamed("sqrt", "StdBackward0"), (found,)) if name == "std" else found
        return found if out is None else write_out(out, found)

    variance.__name__ = name
    variance.__doc__ = "The variance (or its root) over dim; the count is lessened by `correction` (1 by default)."
    public(name, method=True)(variance)

    def with_mean(
        input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
    ) -> tuple:
        from rushlight.functional import FUNCTIONS

        if isinstance(dim, bool):
            dim, unbiased = None, dim
        return (
            FUNCTIONS[name](input, dim, unbiased, keepdim, correction=correction),
            FUNCTIONS["mean"](input, dim, keepdim),
        )

    public(f"{name}_mean")(with_mean)


_variance("var")
_variance("std")


@public("sum", method=True)
def sum_(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None, axis: Any = None
) -> Any:
    """The sum over dim (all by default)."""
    result = record(TABLE["sum"], (input,), (as_ints(dim if axis is None else axis), keepdim, dtype))
    return result if out is None else write_out(out, result)


@public("mean", method=True)
def mean(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None, axis: Any = None
) -> Any:
    """The mean over dim (all by default).

    >>> import rushlight as torch
    >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]]).mean(dim=1)
    tensor([1.5000, 3.5000])
    """
    result = record(TABLE["mean"], (input,), (as_ints(dim if axis is None else axis), keepdim, dtype))
    return result if out is None else write_out(out, result)


@public(method=True)
def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The sum of what is not NaN."""
    found = nan_to_num(input, 0.0, None, None, only_nan=True).sum(dim, keepdim, dtype=dtype)
    return found if out is None else write_out(out, found)


@public(method=True)
def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The mean of what is not NaN."""
    valid = ~input.isnan()
    total = where(valid, input, 0.0).sum(dim, keepdim, dtype=dtype)
    found = total / valid.sum(dim, keepdim)
    return found if out is None else write_out(out, found)


@public(method=True)
def count_nonzero(input: Any, dim: Any = None) -> Any:
    """How many elements are not zero.

    >>> import rushlight as torch
    >>> torch.count_nonzero(torch.tensor([[0, 1], [2, 3]]), dim=1)
    tensor([1, 2])
    """
    return (input != 0).sum(dim)
