"""`assert_close`: tensors, numbers, and containers of them, up to tolerances that depend on the dtype."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import rushlight
from rushlight.errors import explain_error

# (rtol, atol); dtypes that are not here are compared exactly
TOLERANCES = {
    rushlight.float16: (1e-3, 1e-5), rushlight.bfloat16: (1.6e-2, 1e-5), rushlight.float32: (1.3e-6, 1e-5),
    rushlight.float64: (1e-7, 1e-7), rushlight.complex64: (1.3e-6, 1e-5), rushlight.complex128: (1e-7, 1e-7),
}  # fmt: skip
_OF_NUMBERS = {bool: rushlight.bool, int: rushlight.int64, float: rushlight.float64, complex: rushlight.complex128}


class _Options:
    def __init__(self, **options: Any) -> None:
        self.__dict__.update(options)

    def tolerances(self, *kinds: Any) -> tuple[float, float]:
        if self.rtol is not None:
            return self.rtol, self.atol
        found = [TOLERANCES.get(kind, (0.0, 0.0)) for kind in kinds]
        return max(r for r, _ in found), max(a for _, a in found)


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None, atol: float | None = None,
    equal_nan: bool = False, check_device: bool = True, check_dtype: bool = True, check_layout: bool = True,
    check_stride: bool = False, msg: str | Callable[[str], str] | None = None,
) -> None:  # fmt: skip
    """|actual − expected| ≤ atol + rtol · |expected|, for every element; sequences and mappings item by item.

    rtol, atol  both or none; by default by dtype, of two dtypes the larger: 1.3e-6 and 1e-5 for float32, 0 for integers
    check_*     what must be equal beside the values
    msg         instead of the message, or a function of it

    Errors: AssertionError, with the number of elements that differ and the largest differences; TypeError for what cannot be
    compared; ValueError for one tolerance without the other.

    >>> import rushlight as torch
    >>> assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.000001]))
    >>> assert_close(1.0, 1.1)
    Traceback (most recent call last):
    AssertionError: the numbers are not close: 1.0 and 1.1 differ by 0.1000...; allowed are 1e-07 + 1e-07 * 1.1.
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            explain_error("assert_close", got=f"rtol={rtol} and atol={atol}", expected="both tolerances or none")
        )
    options = _Options(
        rtol=rtol, atol=atol, equal_nan=equal_nan, device=check_device, dtype=check_dtype, layout=check_layout,
        stride=check_stride, subclasses=allow_subclasses,
    )  # fmt: skip
    problem = _compare(actual, expected, options, "")
    if problem is not None:
        raise AssertionError(msg(problem) if callable(msg) else msg or problem)


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """An older form of `assert_close` that compares neither dtypes nor devices; warns so."""
    warnings.warn(
        "torch.testing.assert_allclose is deprecated. Fix: use torch.testing.assert_close.", FutureWarning, stacklevel=2
    )
    actual, expected = (x if isinstance(x, rushlight.Tensor) else rushlight.tensor(x) for x in (actual, expected))
    if rtol is None and atol is None:
        kinds = [
            {rushlight.float16: (1e-3, 1e-3), rushlight.float32: (1e-4, 1e-5), rushlight.float64: (1e-5, 1e-8)}.get(
                x.dtype, (0.0, 0.0)
            )
            for x in (actual, expected)
        ]
        rtol, atol = max(r for r, _ in kinds), max(a for _, a in kinds)
    assert_close(
        actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=True, check_dtype=False, check_stride=False,
        msg=msg or None,
    )  # fmt: skip


def _at(where: str) -> str:
    return f" at {where}" if where else ""


def _compare(a: Any, b: Any, options: _Options, where: str) -> str | None:
    """What is wrong, or None."""
    if _is_container(a, Sequence) and _is_container(b, Sequence):
        if len(a) != len(b):
            return f"the sequences{_at(where)} have {len(a)} and {len(b)} items."
        found = (_compare(x, y, options, f"{where}[{n}]") for n, (x, y) in enumerate(zip(a, b, strict=True)))
        return next((problem for problem in found if problem), None)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if set(a) != set(b):
            return f"the mappings{_at(where)} have different keys: only the first has {sorted(map(repr, set(a) - set(b)))}, only the second {sorted(map(repr, set(b) - set(a)))}."
        found = (_compare(a[key], b[key], options, f"{where}[{key!r}]") for key in a)
        return next((problem for problem in found if problem), None)
    if a is None or b is None:
        return None if a is b else f"None is compared with {b if a is None else a!r}{_at(where)}."
    if isinstance(a, (int, float, complex)) and isinstance(b, (int, float, complex)):
        return _compare_numbers(a, b, options, where)
    if isinstance(a, (int, float, complex)) or isinstance(b, (int, float, complex)):
        raise _not_comparable(a, b, where)
    related = isinstance(a, type(b)) or isinstance(b, type(a))
    if not related or not options.subclasses and type(a) is not type(b):
        raise _not_comparable(a, b, where)
    try:
        first, second = (x if isinstance(x, rushlight.Tensor) else rushlight.as_tensor(x) for x in (a, b))
    except (TypeError, ValueError, RuntimeError):
        raise _not_comparable(a, b, where) from None
    return _compare_tensors(first, second, options, where)


def _is_container(x: Any, kind: type) -> bool:
    return isinstance(x, kind) and not isinstance(x, (str, bytes))


def _not_comparable(a: Any, b: Any, where: str) -> TypeError:
    return TypeError(
        explain_error(
            "assert_close", got=f"a {type(a).__name__} and a {type(b).__name__}{_at(where)}",
            expected="two tensors, two arrays, two numbers, or containers of them",
        )
    )  # fmt: skip


def _compare_numbers(a: Any, b: Any, options: _Options, where: str) -> str | None:
    if options.dtype and type(a) is not type(b):
        return f"the numbers{_at(where)} are of different types: {type(a).__name__} and {type(b).__name__}. Fix: pass check_dtype=False."
    if type(a) is bool and type(b) is bool:
        return None if a is b else f"the booleans{_at(where)} are not equal: {a} and {b}."
    rtol, atol = options.tolerances(
        *[_OF_NUMBERS[next(k for k in (bool, int, float, complex) if isinstance(x, k))] for x in (a, b)]
    )
    if a == b or options.equal_nan and a != a and b != b:
        return None
    difference = abs(a - b)
    if difference <= atol + rtol * abs(b) and difference != float("inf"):
        return None
    return f"the numbers are not {'close' if rtol or atol else 'equal'}{_at(where)}: {a} and {b} differ by {difference}; allowed are {atol} + {rtol} * {abs(b)}."


def _compare_tensors(a: Any, b: Any, options: _Options, where: str) -> str | None:
    facts = [("shape", tuple(a.shape), tuple(b.shape))]
    if options.layout:
        facts.append(("layout", a.layout, b.layout))
    if options.device:
        facts.append(("device", str(a.device), str(b.device)))
    if options.dtype:
        facts.append(("dtype", a.dtype, b.dtype))
    if options.stride:
        facts.append(("stride", a.stride(), b.stride()))
    for name, first, second in facts:
        if first != second:
            fix = f" Fix: pass check_{name}=False if that does not matter." if name != "shape" else ""
            return f"the tensors{_at(where)} differ in {name}: {first} and {second}.{fix}"
    if a.device.type == "meta" or b.device.type == "meta" or not a.numel():
        return None
    rtol, atol = options.tolerances(a.dtype, b.dtype)
    return _compare_values(a.detach(), b.detach(), rtol, atol, options.equal_nan, where)


def _compare_values(a: Any, b: Any, rtol: float, atol: float, equal_nan: bool, where: str) -> str | None:
    first, second = (_wide(x) for x in (a, b))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        close = (
            np.isclose(first, second, rtol=rtol, atol=atol, equal_nan=equal_nan)
            if rtol or atol
            else _equal(first, second, equal_nan)
        )
        if close.all():
            return None
        wrong = ~close
        difference = np.where(wrong, np.abs(first - second), 0) if first.dtype != bool else wrong.astype(float)
        relative = np.where(wrong, difference / np.abs(second if first.dtype != bool else second.astype(float)), 0)
    count, total = int(wrong.sum()), wrong.size
    lines = [
        f"the tensors are not {'close' if rtol or atol else 'equal'}{_at(where)}.",
        f"elements that differ: {count} of {total} ({100 * count / total:.1f}%)",
    ]
    for name, values, allowed in (("absolute", difference, atol), ("relative", relative, rtol)):
        flat = int(np.nan_to_num(values, nan=np.inf).argmax())
        index = tuple(int(i) for i in np.unravel_index(flat, values.shape))
        lines.append(
            f"largest {name} difference: {values.ravel()[flat]} at index {index} (allowed {allowed}): {first[index]} and {second[index]}"
        )
    return "\n".join(lines)


def _equal(a: np.ndarray, b: np.ndarray, equal_nan: bool) -> np.ndarray:
    return (a == b) | ((a != a) & (b != b)) if equal_nan else a == b


def _wide(x: Any) -> np.ndarray:
    """Values in which differences and tolerances are exact enough: integers stay what they are in object arithmetic's range."""
    array = x.numpy() if x.dtype is not rushlight.bfloat16 else x.float().numpy()
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    return (
        array
        if array.dtype.kind == "b"
        else array.astype(np.int64)
        if array.dtype != np.uint64
        else array.astype(np.float64)
    )
