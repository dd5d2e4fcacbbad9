"""Making arrays."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight.errors import explain_error

__all__ = [
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like", "linspace", "meshgrid", "ones", "ones_like",
    "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
    """An array of a number, nested sequences, or another array. `copy=False` raises ValueError where a copy is needed."""
    if copy is False and not hasattr(obj, "__dlpack__"):
        raise ValueError(
            explain_error(
                "asarray", got=f"copy=False for a {type(obj).__name__}", expected="an array whose memory can be shared"
            )
        )
    made = rushlight.asarray(obj, dtype=dtype, device=device, copy=True if copy else None)
    if copy is False and isinstance(obj, rushlight.Tensor) and made.dtype is not obj.dtype:
        raise ValueError(
            explain_error("asarray", got=f"copy=False and dtype={dtype} for {obj.dtype}", expected="the same dtype")
        )
    return made


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Any:
    """start, start + step, ... below `stop`; nothing if there is no such number."""
    start, stop = (0, start) if stop is None else (start, stop)
    if (stop - start) * step <= 0:
        kind = dtype or (
            rushlight.get_default_dtype() if any(isinstance(x, float) for x in (start, stop, step)) else rushlight.int64
        )
        return rushlight.empty(0, dtype=kind, device=device)
    return rushlight.arange(start, stop, step, dtype=dtype, device=device)


def linspace(
    start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True
) -> Any:
    """`num` numbers from `start` to `stop`, which is the last unless `endpoint` is False."""
    complex_ = isinstance(start, complex) or isinstance(stop, complex)
    kind = dtype or (rushlight.get_default_dtype().to_complex() if complex_ else rushlight.get_default_dtype())
    if endpoint or not num:
        return rushlight.linspace(start, stop, num, dtype=kind, device=device)
    return rushlight.linspace(start, stop, num + 1, dtype=kind, device=device)[:-1]


def _shape(shape: Any) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """Memory as it is found."""
    return rushlight.empty(_shape(shape), dtype=dtype, device=device)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """All 0."""
    return rushlight.zeros(_shape(shape), dtype=dtype, device=device)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """All 1."""
    return rushlight.ones(_shape(shape), dtype=dtype, device=device)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """All `fill_value`, in the dtype of its kind."""
    return rushlight.full(_shape(shape), fill_value, dtype=dtype, device=device)


def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """As `empty`, of the shape of `x`."""
    return rushlight.empty_like(x, dtype=dtype, device=device)


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """As `zeros`, of the shape of `x`."""
    return rushlight.zeros_like(x, dtype=dtype, device=device)


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """As `ones`, of the shape of `x`."""
    return rushlight.ones_like(x, dtype=dtype, device=device)


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """As `full`, of the shape of `x`."""
    return rushlight.full_like(x, fill_value, dtype=dtype, device=device)


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None) -> Any:
    """1 on the k-th diagonal, else 0."""
    columns = n_rows if n_cols is None else n_cols
    distance = rushlight.arange(columns, device=device) - rushlight.arange(n_rows, device=device)[:, None]
    return (distance == k).to(dtype or rushlight.get_default_dtype())


def tril(x: Any, /, *, k: int = 0) -> Any:
    """What lies on the k-th diagonal of each matrix and below."""
    return rushlight.tril(x, k)


def triu(x: Any, /, *, k: int = 0) -> Any:
    """What lies on the k-th diagonal of each matrix and above."""
    return rushlight.triu(x, k)


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Any]:
    """Coordinates of a grid, an array for each axis."""
    return list(rushlight.meshgrid(*arrays, indexing=indexing)) if arrays else []


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """An array over another library's memory."""
    made = rushlight.from_dlpack(x)
    return made.clone() if copy else made
