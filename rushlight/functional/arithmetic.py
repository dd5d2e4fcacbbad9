"""Arithmetic with PyTorch's extra arguments: alpha, rounding modes, reductions that answer in several forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional import old_forms
from rushlight.functional.checks import write_apart
from rushlight.functional.fast import check_exponent, power
from rushlight.functional.quick import binary
from rushlight.functional.registry import METHODS, as_ints, public, rule_helper, write_out
from rushlight.ir.op import TABLE, renamed
from rushlight.lazy.handle import HANDLES, Handle
from rushlight.lazy.record import record
from rushlight.lazy.views import record_inplace
from rushlight.ops.tensor_code import conj as conjugate


def _scaled(name: str, sign: int) -> None:
    """`add` and `sub`, with `alpha`."""
    plain, scaled = TABLE[name], TABLE["add_scaled"]
    plain_, scaled_ = TABLE[name + "_"], TABLE["add_scaled_"]

    def negated(alpha: Any) -> Any:
        return alpha if sign > 0 else -alpha

    def check(input: Any, other: Any, alpha: Any) -> None:
        if isinstance(alpha, float) and all(
            x._meta.dtype.category < dtypes.FLOATING if isinstance(x, Handle) else isinstance(x, int)
            for x in (input, other)
        ):
            raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")

    fast = binary(plain)

    def out_of_place(input: Any, other: Any, *old: Any, alpha: Any = 1, out: Any = None) -> Any:
        if old:
            input, other, alpha = old_forms.scaled(name, input, other, old)
        if alpha.__class__ is int and alpha == 1:
            result = fast(input, other)
        else:
            check(input, other, alpha)
            result = record(scaled, (input, other, negated(alpha)))
        return result if out is None else write_out(out, result)

    def in_place(input: Any, other: Any, *old: Any, alpha: Any = 1) -> Any:
        if old:
            input, other, alpha = old_forms.scaled(name + "_", input, other, old)
        if alpha.__class__ is int and alpha == 1:
            return record_inplace(plain_, (input, other))
        check(input, other, alpha)
        return record_inplace(scaled_, (input, other, negated(alpha)))

    long_name = {"add": "add", "sub": "subtract"}[name]
    out_of_place.__name__, in_place.__name__ = name, name + "_"
    out_of_place.__doc__ = f"input {'+' if sign > 0 else '-'} alpha * other, broadcast."
    public(name, long_name, method=True)(out_of_place)
    public(name + "_", long_name + "_", method=True, function=False)(in_place)


_scaled("add", 1)
_scaled("sub", -1)


_power = binary(TABLE["pow"])


@public(method=True)
def pow(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """input ** exponent. RuntimeError for integers and a number below 0 as the exponent.

    >>> import rushlight as torch
    >>> torch.pow(torch.tensor([1, 2, 3]), 2), torch.pow(2.0, torch.tensor([-1]))
    (tensor([1, 4, 9]), tensor([0.5000]))
    """
    if input.__class__ in HANDLES:
        result = power(input, exponent)
    else:
        check_exponent(input, exponent)
        result = _power(input, exponent)
    return result if out is None else write_out(out, result)


@public(method=True, function=False)
def pow_(input: Any, exponent: Any) -> Any:
    """In-place `pow`."""
    check_exponent(input, exponent)
    return record_inplace(TABLE["pow_"], (input, exponent), ())


@public()
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """other - alpha * input."""
    if not isinstance(input, Handle):
        raise TypeError(explain_error("rsub", got=f"input of type {type(input).__name__}", expected="a tensor"))
    return record(renamed("sub", "RsubBackward0"), (other, input if alpha == 1 else input * alpha))


_true_divide = binary(TABLE["div"])
_MODES = {None: "div", "floor": "div_floor", "trunc": "trunc_divide"}


def _mode(rounding_mode: str | None) -> str:
    if rounding_mode not in _MODES:
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )
    return _MODES[rounding_mode]


@public("div", "divide", method=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """input / other; rounded down or toward zero on request.

    Integers give floating results, unless `rounding_mode` is "trunc" (towards zero) or "floor". RuntimeError where
    shapes cannot be broadcast.

    >>> import rushlight as torch
    >>> torch.div(torch.tensor([7, -7]), 2)
    tensor([ 3.5000, -3.5000])
    >>> torch.div(torch.tensor([7, -7]), 2, rounding_mode="floor")
    tensor([ 3, -4])
    """
    if rounding_mode is None:
        result = _true_divide(input, other)
    else:
        result = record(TABLE[_mode(rounding_mode)], (input, other))
    return result if out is None else write_out(out, result)


@public("div_", "divide_", method=True, function=False)
def div_(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """In-place `div`."""
    return record_inplace(TABLE[_mode(rounding_mode) + "_"], (input, other))


public("true_divide", method=True)(lambda input, other, *, out=None: div(input, other, out=out))
public("true_divide_", method=True, function=False)(lambda input, other: div_(input, other))


@rule_helper
def as_operand(value: Any, like: Any) -> Any:
    """A Python number or tensor as something gradient rules can compute with beside `like`."""
    if isinstance(value, Handle):
        return value
    from rushlight.functional.creation import constant

    return constant(value, like)


@rule_helper
def share_gradient(g: Any, a: Any, b: Any, wins: Any) -> Any:
    """Gradient of maximum/minimum: all of it to the winner, half on a tie."""
    where = record
    tie = a == b
    half = where(TABLE["where"], (tie, g / 2, g))
    return half.masked_fill(~(wins | tie), 0)


@rule_helper
def sgn_gradient(g: Any, out: Any, x: Any) -> Any:
    """Gradient of sgn: zero for real numbers, the turning part for complex ones."""
    if not x.is_complex():
        return zeros_like(g)
    magnitude = x.abs()
    turned = (g / magnitude) - (g.conj() * out * out + g) * 0
    found = (g - (g * out.conj()).real * out) / magnitude
    return record(TABLE["where"], (magnitude == 0, zeros_like(turned), found))


def zeros_like(x: Any) -> Any:
    """Zeros with the shape and dtype of x."""
    from rushlight.functional import FUNCTIONS

    return FUNCTIONS["zeros_like"](x)


@rule_helper
def angle_gradient(g: Any, x: Any) -> Any:
    """Gradient of the angle: perpendicular to the number, over its squared length."""
    if not x.is_complex():
        return zeros_like(x)
    from rushlight.functional import FUNCTIONS

    length = x.real * x.real + x.imag * x.imag
    return FUNCTIONS["complex"](-g * x.imag / length, g * x.real / length)


# --- reductions in several forms ----------------------------------------------------------------------------------


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


@public(method=True)
def clamp_min(input: Any, min: Any) -> Any:
    """At least min.

    >>> import rushlight as torch
    >>> torch.clamp_min(torch.tensor([-1.0, 2.0]), 0)
    tensor([0., 2.])
    """
    return record(TABLE["clamp"], (input, min, None))


@public(method=True)
def clamp_max(input: Any, max: Any) -> Any:
    """At most max.

    >>> import rushlight as torch
    >>> torch.clamp_max(torch.tensor([-1.0, 2.0]), 0)
    tensor([-1.,  0.])
    """
    return record(TABLE["clamp"], (input, None, max))


public("clamp_min_", method=True)(lambda input, min: record_inplace(TABLE["clamp_"], (input, min, None)))
public("clamp_max_", method=True)(lambda input, max: record_inplace(TABLE["clamp_"], (input, None, max)))


@public(method=True)
def softmax(input: Any, dim: int, dtype: Any = None, *, out: Any = None) -> Any:
    """exp(input) / sum(exp(input)) along dim.

    Shapes: any; each slice along dim adds up to 1. RuntimeError for integers, IndexError for a dimension that is not
    there.

    >>> import rushlight as torch
    >>> torch.softmax(torch.tensor([[0.0, 0.0], [1.0, 3.0]]), dim=1)
    tensor([[0.5000, 0.5000],
            [0.1192, 0.8808]])
    """
    result = record(TABLE["softmax"], (input,), (as_ints(dim), dtype))
    return result if out is None else write_out(out, result)


@public(method=True)
def log_softmax(input: Any, dim: int, dtype: Any = None, *, out: Any = None) -> Any:
    """log(softmax(input)) along dim.

    Shapes: any. It is more precise than softmax and log after it. IndexError for a dimension that is not there.

    >>> import rushlight as torch
    >>> torch.log_softmax(torch.zeros(2), dim=0)
    tensor([-0.6931, -0.6931])
    """
    result = record(TABLE["log_softmax"], (input,), (as_ints(dim), dtype))
    return result if out is None else write_out(out, result)


@public()
def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """input where condition holds, other elsewhere; with the condition alone, the positions where it holds.

    Shapes: all three are broadcast; the dtype is the common one. RuntimeError where they cannot be, or for a
    condition that is not bool.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, -2.0])
    >>> torch.where(x > 0, x, 0.0)
    tensor([1., 0.])
    """
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    result = record(TABLE["where"], (condition, input, other))
    return result if out is None else write_out(out, result)


METHODS["where"] = lambda self, condition, other: where(condition, self, other)


@public(method=True, function=False)
def fill_(input: Any, value: Any) -> Any:
    """Set every element."""
    return record_inplace(TABLE["copy_"], (input, value))


public("fill")(lambda input, value: record(TABLE["copy"], (input, value)))


@public(method=True)
def zero_(input: Any) -> Any:
    """Set every element to zero."""
    return record_inplace(TABLE["copy_"], (input, 0))


@public(method=True)
def equal(input: Any, other: Any) -> bool:
    """Whether shapes and all elements agree.

    >>> import rushlight as torch
    >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))
    True
    """
    return tuple(input.shape) == tuple(other.shape) and bool((input == other).all().item())


@public(method=True)
def isclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """|input - other| <= atol + rtol * |other|, elementwise.

    >>> import rushlight as torch
    >>> torch.isclose(torch.tensor([1.0, 2.0]), torch.tensor([1.0 + 1e-7, 3.0]))
    tensor([ True, False])
    """
    if not isinstance(input, Handle) or not isinstance(other, Handle):
        raise TypeError(explain_error("isclose", got="a number", expected="two tensors", fix="torch.tensor(number)"))
    if input.dtype is not other.dtype:
        raise RuntimeError(
            explain_error(
                "isclose",
                got=f"{input.dtype} and {other.dtype}",
                expected="the same dtype",
                fix=f"other.to({input.dtype})",
            )
        )
    if not (rtol >= 0 and atol >= 0):
        raise RuntimeError(
            explain_error("isclose", got=f"rtol={rtol} and atol={atol}", expected="tolerances that are not negative")
        )
    near = input == other
    if input.dtype.category >= dtypes.FLOATING:
        near = near | (((input - other).abs() <= atol + rtol * other.abs()) & input.isfinite() & other.isfinite())
        if equal_nan:
            near = near | (input.isnan() & other.isnan())
    else:
        near = near | ((input.double() - other.double()).abs() <= atol + rtol * other.double().abs())
    return near


@public(method=True)
def allclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are close.

    >>> import rushlight as torch
    >>> torch.allclose(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).all().item())


def _aliases() -> None:
    """PyTorch's other names of ops."""
    from rushlight.functional.registry import function_of

    names = {
        "mul": ("multiply",), "neg": ("negative",), "eq": (), "gt": ("greater",), "ge": ("greater_equal",), "lt": ("less",),
        "le": ("less_equal",), "ne": ("not_equal",), "abs": ("absolute",), "asin": ("arcsin",), "acos": ("arccos",),
        "atan": ("arctan",), "asinh": ("arcsinh",), "acosh": ("arccosh",), "atanh": ("arctanh",), "atan2": ("arctan2",),
        "trunc": ("fix",), "clamp": ("clip",),
    }  # fmt: skip
    for name, others in names.items():
        for suffix in ("", "_"):
            if name + suffix in TABLE:
                function = function_of(TABLE[name + suffix])
                for other in others:
                    public(other + suffix, method=True, function=not suffix)(function)


_aliases()


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
def nan_to_num(input: Any, nan: float = 0.0, posinf: Any = None, neginf: Any = None, *, only_nan: bool = False) -> Any:
    """NaN and infinities replaced by numbers (the dtype's limits for infinities).

    >>> import rushlight as torch
    >>> torch.nan_to_num(torch.tensor([torch.nan, 1.0]))
    tensor([0., 1.])
    """
    if input.dtype.category < dtypes.FLOATING:
        return input.clone()
    found = where(input.isnan(), 0.0 if nan is None else nan, input)
    if only_nan:
        return found
    limits = dtypes.finfo(input.dtype)
    found = where(found.isposinf(), limits.max if posinf is None else posinf, found)
    return where(found.isneginf(), limits.min if neginf is None else neginf, found)


@public(method=True)
def count_nonzero(input: Any, dim: Any = None) -> Any:
    """How many elements are not zero.

    >>> import rushlight as torch
    >>> torch.count_nonzero(torch.tensor([[0, 1], [2, 3]]), dim=1)
    tensor([1, 2])
    """
    return (input != 0).sum(dim)


@public(method=True)
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours, n times.

    >>> import rushlight as torch
    >>> torch.diff(torch.tensor([1, 3, 6]))
    tensor([2, 3])
    """
    from rushlight.functional import FUNCTIONS

    if n < 0 or not input.ndim:
        raise RuntimeError(
            explain_error(
                "diff", got=f"n={n} and shape {list(input.shape)}", expected="n >= 0 and one dimension or more"
            )
        )
    if n == 0:
        return input.clone()
    parts: Sequence[Any] = [p for p in (prepend, input, append) if p is not None]
    x = FUNCTIONS["cat"](parts, dim) if len(parts) > 1 else input
    for _ in range(n):
        size = x.shape[dim]
        if not size:
            return x
        high, low = x.narrow(dim, 1, size - 1), x.narrow(dim, 0, size - 1)
        x = high ^ low if x.dtype is dtypes.bool_ else high - low
    return x


@public(method=True)
def conj(input: Any) -> Any:
    """The complex conjugate; real tensors as they are."""
    return record(TABLE["conj_physical"], (input,)) if input.is_complex() else input
