"""Forms of calls from before PyTorch 1.5 that old optimisers still use: the number first, `add_(alpha, other)`; and `x.new(…)`."""

from __future__ import annotations

from typing import Any

from rushlight.errors import explain_error, warn_user
from rushlight.functional.registry import FUNCTIONS, public, write_out
from rushlight.ir.op import TABLE
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record
from rushlight.lazy.views import record_inplace

_warned: set[str] = set()


def sorted_out(name: str, keyword: str, given: tuple[Any, ...], tensors: int) -> tuple[list[Any], list[Any]]:
    """The tensors and the numbers of an old call, each in order, with one warning per name.

    Errors: TypeError when there are not as many tensors as the op takes.
    """
    found = [x for x in given if isinstance(x, Handle)]
    numbers = [x for x in given if not isinstance(x, Handle)]
    if (
        len(found) != tensors
        or not 1 <= len(numbers) <= 2
        or any(not isinstance(x, (int, float, complex)) for x in numbers)
    ):
        raise TypeError(
            explain_error(
                name, got=f"{len(given)} arguments by position: {', '.join(type(x).__name__ for x in given)}",
                expected=f"{tensors}, then {keyword} by name",
            )
        )  # fmt: skip
    if name not in _warned:
        _warned.add(name)
        warn_user(f"{name}: a number before the tensors is an old form. Fix: write {keyword}= by name.")
    return found, numbers


def scaled(name: str, input: Any, first: Any, rest: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """`(input, other, alpha)` of `add(input, alpha, other)`."""
    (input, other), (alpha, *_) = sorted_out(name, "alpha", (input, first, *rest), 2)
    return input, other, alpha


def _three(name: str, text: str) -> None:
    plain, plain_ = TABLE[name], TABLE[name + "_"]

    def out_of_place(input: Any, tensor1: Any, tensor2: Any, *old: Any, value: Any = 1, out: Any = None) -> Any:
        if old:
            (input, tensor1, tensor2), (value, *_) = sorted_out(name, "value", (input, tensor1, tensor2, *old), 3)
        result = record(plain, (input, tensor1, tensor2, value))
        return result if out is None else write_out(out, result)

    def in_place(input: Any, tensor1: Any, tensor2: Any, *old: Any, value: Any = 1) -> Any:
        if old:
            (input, tensor1, tensor2), (value, *_) = sorted_out(name + "_", "value", (input, tensor1, tensor2, *old), 3)
        return record_inplace(plain_, (input, tensor1, tensor2, value))

    out_of_place.__name__, in_place.__name__ = name, name + "_"
    out_of_place.__doc__, in_place.__doc__ = text, f"In-place `{name}`."
    public(name, method=True)(out_of_place)
    public(name + "_", method=True, function=False)(in_place)


_three("addcmul", "input + value * tensor1 * tensor2")
_three("addcdiv", "input + value * tensor1 / tensor2")


@public(method=True, function=False)
def new(input: Any, *args: Any, device: Any = None) -> Any:
    """A tensor with this one's dtype: of sizes, with arbitrary values; or with the values of a sequence or of a tensor.

    Errors: TypeError for a number that is no size, and for a tensor of another dtype.

    >>> import rushlight as torch
    >>> torch.ones(1).new(2, 3).shape, torch.ones(1).new([1, 2])
    (torch.Size([2, 3]), tensor([1., 2.]))
    """
    data = args[0] if len(args) == 1 else None
    if isinstance(data, Handle):
        if data.dtype is not input.dtype:
            raise TypeError(
                explain_error(
                    "new", got=f"a tensor of {data.dtype}", expected=f"{input.dtype}", fix="x.to(dtype) casts"
                )
            )
        return data.detach()
    size = hasattr(data, "numel")
    if not size and (isinstance(data, (list, tuple)) or hasattr(data, "__array__")):
        return FUNCTIONS["tensor"](data, device=device).to(input.dtype)
    sizes = tuple(data) if size else args or (0,)  # type: ignore[arg-type]
    if any(isinstance(n, bool) or not hasattr(n, "__index__") for n in sizes):
        raise TypeError(
            explain_error(
                "new", got=", ".join(type(n).__name__ for n in sizes), expected="sizes, a sequence or a tensor",
                fix="x.new_tensor(data), x.new_full(size, value)",
            )
        )  # fmt: skip
    return FUNCTIONS["empty"](sizes, dtype=input.dtype, device=device or input.device)
