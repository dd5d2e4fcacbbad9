"""Dtypes: what they are, which can hold which, and what an operation on several gives."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight.errors import explain_error

__all__ = ["astype", "can_cast", "isdtype", "result_type"]

_NUMBERS = (bool, int, float, complex)
_SIGNED = {n: getattr(rushlight, n) for n in ("int8", "int16", "int32", "int64")}
_UNSIGNED = {"uint8": rushlight.uint8}
_REAL = {n: getattr(rushlight, n) for n in ("float32", "float64")}
_COMPLEX = {n: getattr(rushlight, n) for n in ("complex64", "complex128")}
_KINDS = {
    "bool": {"bool": rushlight.bool}, "signed integer": _SIGNED, "unsigned integer": _UNSIGNED,
    "integral": {**_SIGNED, **_UNSIGNED}, "real floating": _REAL, "complex floating": _COMPLEX,
    "numeric": {**_SIGNED, **_UNSIGNED, **_REAL, **_COMPLEX},
}  # fmt: skip


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """The values in another dtype; a copy also in the same one, unless `copy` is False."""
    if x.dtype.is_complex and not dtype.is_complex:
        raise TypeError(
            explain_error("astype", got=f"{x.dtype} to {dtype}", expected="a complex dtype", fix="real(x) or imag(x)")
        )
    return x.to(device=device, dtype=dtype, copy=copy)


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether promotion leads from the first dtype (or array's dtype) to the second. It leads from no kind to another, but from real to
    complex floats."""
    first = from_.dtype if isinstance(from_, rushlight.Tensor) else from_
    return _rank(first) == _rank(to) and rushlight.promote_types(first, to) is to


def _rank(dtype: Any) -> int:
    """Booleans, integers, floats."""
    return 2 if dtype.is_floating_point or dtype.is_complex else int(dtype is not rushlight.bool)


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether it is of a kind: another dtype, 'bool', 'integral', 'real floating', ..., or one of a tuple of kinds."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if not isinstance(kind, str):
        return dtype is kind
    if kind not in _KINDS:
        raise ValueError(explain_error("isdtype", got=f"{kind!r}", expected=f"one of {', '.join(_KINDS)}"))
    halves = {"real floating", "numeric"}
    return dtype in _KINDS[kind].values() or kind in halves and dtype in (rushlight.float16, rushlight.bfloat16)


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype of an operation on these arrays, dtypes and Python numbers."""
    kinds = [
        x.dtype if isinstance(x, rushlight.Tensor) else x for x in arrays_and_dtypes if not isinstance(x, _NUMBERS)
    ]
    if not kinds:
        raise ValueError(
            explain_error("result_type", got="Python numbers only", expected="an array or a dtype among them")
        )
    found = kinds[0]
    for kind in kinds[1:]:
        found = rushlight.promote_types(found, kind)
    for number in arrays_and_dtypes:
        if isinstance(number, _NUMBERS):
            found = rushlight.result_type(rushlight.empty(1, dtype=found), number)
    return found


class __array_namespace_info__:
    """What this namespace can do, where, and in which dtypes."""

    def capabilities(self) -> dict[str, Any]:
        """Masks and shapes that depend on values are possible; dimensions are as many as memory allows for."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Any:
        """The CPU."""
        return rushlight.device("cpu")

    def devices(self) -> list[Any]:
        """The CPU."""
        return [rushlight.device("cpu")]

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """What is made of Python numbers of each kind."""
        real = rushlight.get_default_dtype()
        return {
            "real floating": real,
            "complex floating": real.to_complex(),
            "integral": rushlight.int64,
            "indexing": rushlight.int64,
        }

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """Dtypes by name, of a kind or of all."""
        kinds = ("bool", "numeric") if kind is None else kind if isinstance(kind, tuple) else (kind,)
        found: dict[str, Any] = {}
        for one in kinds:
            found.update(_KINDS[one])
        return found
