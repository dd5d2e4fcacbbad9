"""Numbers in order: counted, evenly spaced, and the diagonal of ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rushlight import device as devices
from rushlight import dtype as dtypes
from rushlight.dtype import dtype as DType
from rushlight.errors import explain_error
from rushlight.functional.creation import wants_grad
from rushlight.functional.registry import as_ints, public, write_out
from rushlight.ir.op import TABLE
from rushlight.layout import check_strided
from rushlight.lazy.handle import Handle
from rushlight.lazy.record import record


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, (Handle, np.generic)) else value  # type: ignore[attr-defined]


@public()
def arange(
    *bounds: Any,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **named: Any,
) -> Any:
    """`arange(end)`, `arange(start, end)`, `arange(start, end, step)`: int64 when all are ints, else the default float.

    Shapes: (ceil((end − start) / step),). RuntimeError where the step leads away from the end, or is 0.

    >>> import rushlight as torch
    >>> torch.arange(3), torch.arange(1, 2, 0.5)
    (tensor([0, 1, 2]), tensor([1.0000, 1.5000]))
    """
    check_strided("arange", layout)
    values = [_number(b) for b in bounds]
    if len(values) == 1 and "end" not in named:
        values = [0, values[0]]
    defaults = {"start": 0, "end": None, "step": 1}
    defaults.update(zip(defaults, values, strict=False))
    defaults.update({k: _number(v) for k, v in named.items()})
    start, end, step = defaults["start"], defaults["end"], defaults["step"]
    if dtype is None and out is not None:
        dtype = out.dtype
    if dtype is None:
        dtype = dtypes.int64 if all(isinstance(v, int) for v in (start, end, step)) else dtypes.get_default_dtype()
    if not all(math.isfinite(v) for v in (start, end, step)):
        raise RuntimeError(explain_error("arange", got=f"from {start} to {end} by {step}", expected="finite numbers"))
    if dtype is dtypes.int64:  # the numbers become integers before anything is counted
        if 0 < abs(step) < 1:
            raise ValueError(
                explain_error("arange", got=f"step={step} for torch.int64", expected="a step of at least 1")
            )
        start, end, step = int(start), int(end), int(step)
    result = wants_grad(
        record(TABLE["arange_op"], (), (start, end, step, dtype, devices.resolve(device))), requires_grad
    )
    return result if out is None else out.resize_(result.shape).copy_(result)


@public("range")
def range_(start: Any = 0, end: Any = None, step: Any = 1, **options: Any) -> Any:
    """`arange` with the end included."""
    options.setdefault("dtype", dtypes.get_default_dtype())
    return arange(start, end + step, step, **options)[: int((end - start) / step) + 1]


@public()
def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Any:
    """`steps` evenly spaced values from start to end, both included.

    Shapes: (steps,), both ends included. RuntimeError for a negative number of steps.

    >>> import rushlight as torch
    >>> torch.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    check_strided("linspace", layout)
    kind = dtype or (
        dtypes.of_category(dtypes.COMPLEX)
        if isinstance(start, complex) or isinstance(end, complex)
        else dtypes.get_default_dtype()
    )
    start, end = _ends(start, end, kind)
    static = (start, end, as_ints(steps), kind, devices.resolve(device))
    result = wants_grad(record(TABLE["linspace_op"], (), static), requires_grad)
    return result if out is None else write_out(out, result)


def _ends(start: Any, end: Any, kind: DType) -> tuple[Any, Any]:
    """The first and the last of evenly spaced values: whole numbers where the values are."""
    start, end = _number(start), _number(end)
    return (int(start), int(end)) if kind.category == dtypes.INTEGER else (start, end)


@public()
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, out: Any = None, dtype: DType | None = None, **options: Any
) -> Any:
    """base ** linspace(start, end, steps); exponents of integers are computed in double precision.

    >>> import rushlight as torch
    >>> torch.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    requires_grad = options.pop("requires_grad", False)
    if dtype is not None and dtype.category == dtypes.INTEGER:
        exponents = linspace(*_ends(start, end, dtype), steps, dtype=dtypes.float64, **options)
    else:
        exponents = linspace(start, end, steps, dtype=dtype, **options)
    result = wants_grad((base**exponents).to(dtype or exponents.dtype), requires_grad)
    return result if out is None else write_out(out, result)


@public()
def eye(
    n: int,
    m: int | None = None,
    *,
    out: Any = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Any:
    """Ones on the diagonal, zeros elsewhere.

    >>> import rushlight as torch
    >>> torch.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    check_strided("eye", layout)
    static = (as_ints(n), as_ints(n if m is None else m), dtype or dtypes.get_default_dtype(), devices.resolve(device))
    result = wants_grad(record(TABLE["eye_op"], (), static), requires_grad)
    return result if out is None else write_out(out, result)
