"""Special functions and numeric odds and ends whose signature or name differs from the op's."""

from __future__ import annotations

import math
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.registry import FUNCTIONS, METHODS, as_int, public, write_out
from rushlight.functional.results import RESULTS
from rushlight.ir.op import TABLE
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record


@public()
def polygamma(n: int, input: Any, *, out: Any = None) -> Any:
    """The n-th derivative of digamma.

    >>> import rushlight as torch
    >>> torch.polygamma(1, torch.tensor([1.0]))
    tensor([1.6449])
    """
    n = as_int(n)
    if n < 0:
        raise RuntimeError(explain_error("polygamma", got=f"n={n}", expected="n >= 0"))
    result = record(TABLE["polygamma_op"], (input,), (n,))
    return result if out is None else write_out(out, result)


METHODS["polygamma"] = lambda self, n: polygamma(n, self)
METHODS["polygamma_"] = lambda self, n: self.copy_(polygamma(n, self))


@public(method=True)
def mvlgamma(input: Any, p: int) -> Any:
    """The log of the multivariate gamma function of dimension p."""
    if p < 1:
        raise RuntimeError(explain_error("mvlgamma", got=f"p={p}", expected="p >= 1"))
    if input.dtype.category < dtypes.FLOATING:
        input = input.to(dtypes.get_default_dtype())
    offsets = FUNCTIONS["arange"](p, dtype=input.dtype) / -2
    return (input.unsqueeze(-1) + offsets).lgamma().sum(-1) + p * (p - 1) / 4 * math.log(math.pi)


public("mvlgamma_", method=True, function=False)(lambda input, p: input.copy_(mvlgamma(input, p)))


@public(method=True)
def frexp(input: Any) -> Any:
    """(mantissa, exponent) with input = mantissa * 2**exponent."""
    return RESULTS["frexp"](*record(TABLE["frexp_op"], (input,)))


@public(method=True)
def ldexp(input: Any, other: Any, *, out: Any = None) -> Any:
    """input * 2**other."""
    if not isinstance(input, Handle):
        raise TypeError(explain_error("ldexp", got=f"input of type {type(input).__name__}", expected="a tensor"))
    result = input * FUNCTIONS["pow"](2.0, other)
    return result if out is None else write_out(out, result)


public("ldexp_", method=True, function=False)(lambda input, other: input.copy_(ldexp(input, other)))


def _double(x: Any) -> Any:
    if isinstance(x, Handle):
        return x.to(dtypes.complex128 if x.is_complex() else dtypes.float64)  # type: ignore[attr-defined]
    return complex(x) if isinstance(x, complex) else float(x)


@public(method=True)
def float_power(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """input ** exponent, computed and returned in double precision."""
    result = FUNCTIONS["pow"](_double(input), _double(exponent))
    return result if out is None else write_out(out, result)
