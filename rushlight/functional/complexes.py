"""Complex numbers from and to their parts, and the questions that PyTorch asks about lazy conjugates and signs."""

from __future__ import annotations

import operator
from typing import Any

from rushlight import dtype as dtypes
from rushlight.errors import explain_error
from rushlight.functional.checks import write_apart
from rushlight.functional.registry import FUNCTIONS, public, write_out
from rushlight.ir.op import TABLE
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record


def _tensor(name: str, x: Any, argument: str = "input") -> Any:
    if not isinstance(x, Handle):
        raise TypeError(explain_error(name, got=f"{argument} of type {type(x).__name__}", expected="a tensor"))
    return x


@public()
def polar(abs: Any, angle: Any, *, out: Any = None) -> Any:
    """abs * (cos(angle) + i sin(angle)), of two real tensors of one dtype.

    >>> import rushlight as torch
    >>> torch.polar(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.0]))
    tensor([1.0000+0.0000j, 1.0806+1.6829j])
    """
    kinds = [_tensor("polar", x, name)._meta.dtype for x, name in ((abs, "abs"), (angle, "angle"))]
    if kinds[0] is not kinds[1] or kinds[0] not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(
            explain_error(
                "polar", got=f"{kinds[0]} and {kinds[1]}", expected="both float32 or both float64",
                fix="convert one of them with .to(dtype)",
            )
        )  # fmt: skip
    result = FUNCTIONS["complex"](abs * angle.cos(), abs * angle.sin())
    return result if out is None else write_out(out, result)


@public("complex")
def complex_(real: Any, imag: Any, *, out: Any = None) -> Any:
    """real + i * imag, of two real tensors of one dtype."""
    return write_apart("complex", out, record(TABLE["complex"], (real, imag)))


@public()
def real(input: Any) -> Any:
    """The real parts, a view of a complex tensor; a real tensor as it is."""
    return _tensor("real", input).real


@public()
def imag(input: Any) -> Any:
    """The imaginary parts, a view of a complex tensor."""
    return _tensor("imag", input).imag


@public(method=True)
def isreal(input: Any) -> Any:
    """Where the imaginary part is 0.

    >>> import rushlight as torch
    >>> torch.isreal(torch.tensor([1, 1 + 1j, 2 + 0j]))
    tensor([ True, False,  True])
    """
    if not input.is_complex():
        return FUNCTIONS["ones_like"](input, dtype=dtypes.bool_)
    return input.imag == 0


# `conj` and `neg` give tensors of their own, never marked views, so that there is nothing to resolve.
for _name in ("is_conj", "is_neg", "resolve_conj", "resolve_neg"):
    public(_name)(operator.methodcaller(_name))
