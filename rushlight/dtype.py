"""Element types and PyTorch's type-promotion lattice."""

from __future__ import annotations

from typing import Any

import numpy as np

# Categories in promotion order: a higher one wins over a lower one whatever the widths.
BOOL, INTEGER, FLOATING, COMPLEX = range(4)


class dtype:
    """An element type. `storage` is the NumPy type of the buffer, `compute` the one the reference computes in.

    bfloat16 and complex32 have no NumPy type: their buffers are bit patterns (uint16, and uint32: the imaginary float16
    above the real one), computed in float32 and complex64.

    >>> import rushlight as torch
    >>> torch.float32, torch.float32.itemsize, torch.float32.is_floating_point
    (torch.float32, 4, True)
    """

    __slots__ = ("name", "category", "itemsize", "storage", "compute", "is_floating_point", "is_complex", "is_signed")

    def __init__(self, name: str, category: int, storage: Any, compute: Any = None, signed: bool = True):
        self.name = name
        self.category = category
        self.storage = np.dtype(storage)
        self.compute = np.dtype(compute or storage)
        self.itemsize = self.storage.itemsize
        self.is_floating_point = category == FLOATING
        self.is_complex = category == COMPLEX
        self.is_signed = signed

    def __repr__(self) -> str:
        return "torch." + self.name

    def __reduce__(self) -> str:
        return self.name

    def to_real(self) -> dtype:
        """complex32 -> float16, complex64 -> float32, complex128 -> float64, others unchanged."""
        return {complex32: float16, complex64: float32, complex128: float64}.get(self, self)

    def to_complex(self) -> dtype:
        """float16 -> complex32, float32 and bfloat16 -> complex64, float64 -> complex128."""
        return {float16: complex32, bfloat16: complex64, float32: complex64, float64: complex128}.get(self, self)


bool_ = dtype("bool", BOOL, np.bool_, signed=False)
uint8 = dtype("uint8", INTEGER, np.uint8, signed=False)
int8 = dtype("int8", INTEGER, np.int8)
int16 = dtype("int16", INTEGER, np.int16)
int32 = dtype("int32", INTEGER, np.int32)
int64 = dtype("int64", INTEGER, np.int64)
uint16 = dtype("uint16", INTEGER, np.uint16, signed=False)
uint32 = dtype("uint32", INTEGER, np.uint32, signed=False)
uint64 = dtype("uint64", INTEGER, np.uint64, signed=False)
float16 = dtype("float16", FLOATING, np.float16, np.float32)
bfloat16 = dtype("bfloat16", FLOATING, np.uint16, np.float32)
float32 = dtype("float32", FLOATING, np.float32)
float64 = dtype("float64", FLOATING, np.float64)
complex32 = dtype("complex32", COMPLEX, np.uint32, np.complex64)
complex64 = dtype("complex64", COMPLEX, np.complex64)
complex128 = dtype("complex128", COMPLEX, np.complex128)

WIDE_UNSIGNED = (uint16, uint32, uint64)  # they meet no other integers
BITS = (bfloat16, complex32)  # those that NumPy does not have
ALL = (
    bool_, uint8, int8, int16, int32, int64, *WIDE_UNSIGNED, float16, bfloat16, float32, float64, complex32, complex64,
    complex128,
)  # fmt: skip
BY_NAME = {d.name: d for d in ALL} | {
    "half": float16, "float": float32, "double": float64, "short": int16, "int": int32, "long": int64,
    "chalf": complex32, "cfloat": complex64, "cdouble": complex128,
}  # fmt: skip
# Every name under which `rushlight` exports a dtype.
ALIASES = dict(BY_NAME)

_FROM_NUMPY = {d.storage: d for d in ALL if d not in BITS}
_FROM_PYTHON = {bool: bool_, int: int64, complex: complex128}

_default = [float32]


def get_default_dtype() -> dtype:
    """The floating type of `torch.tensor(1.0)`; float32 unless `set_default_dtype` changed it."""
    return _default[0]


def set_default_dtype(d: dtype) -> None:
    """Set the floating type that Python floats become."""
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(f"set_default_dtype: got {d!r}; expected a floating-point dtype such as torch.float64.")
    _default[0] = d


def from_numpy(np_dtype: Any) -> dtype:
    """The dtype of a NumPy array; TypeError for types that tensors cannot hold."""
    try:
        return _FROM_NUMPY[np.dtype(np_dtype).newbyteorder("=")]
    except KeyError:
        raise TypeError(
            f"can't convert np.ndarray of type {np.dtype(np_dtype)}; expected one of float64, float32, float16, "
            "complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8 and bool. Fix: array.astype(...) first."
        ) from None


def of_python(value: Any) -> dtype:
    """The dtype that a Python number becomes: bool, int64, the default float, or its complex sibling."""
    kind = type(value)
    if kind is float:
        return _default[0]
    if kind is complex:
        return _default[0].to_complex()
    found = _FROM_PYTHON.get(kind)
    if found is None:
        raise TypeError(f"got a {kind.__name__}; expected a Python number.")
    return found


def of_category(category: int) -> dtype:
    """The default dtype of a category: what a bare Python number of that category becomes."""
    if category == FLOATING:
        return _default[0]
    if category == COMPLEX:
        return _default[0].to_complex()
    return bool_ if category == BOOL else int64


_INT_ORDER = {uint8: 0, int8: 1, int16: 2, int32: 3, int64: 4}
_FLOAT_ORDER = {float16: 0, bfloat16: 0, float32: 1, float64: 2}


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest dtype of PyTorch's lattice that both convert to.

    >>> promote_types(uint8, int8), promote_types(int64, float16), promote_types(float16, bfloat16)
    (torch.int16, torch.float16, torch.float32)

    RuntimeError for uint16, uint32 and uint64 beside anything but themselves and floats: no lattice holds them.
    """
    if a is b:
        return a
    if a in WIDE_UNSIGNED or b in WIDE_UNSIGNED:
        if FLOATING not in (a.category, b.category):
            raise RuntimeError(
                f"Promotion for uint16, uint32, uint64 types is not supported: got {a} and {b}; expected one dtype, or a float. "
                "Fix: convert one of them first, for example with .to(torch.int64)."
            )
    if a.category != b.category:
        low, high = (a, b) if a.category < b.category else (b, a)
        if high.category == COMPLEX and low.category == FLOATING:
            return promote_types(low.to_complex(), high)
        return high
    if a.category == INTEGER:
        if uint8 in (a, b) and int8 in (a, b):
            return int16
        return a if _INT_ORDER[a] > _INT_ORDER[b] else b
    if a.category == FLOATING:
        if _FLOAT_ORDER[a] == _FLOAT_ORDER[b]:
            return float32
        return a if _FLOAT_ORDER[a] > _FLOAT_ORDER[b] else b
    return a if a.itemsize > b.itemsize else b


def can_cast(source: dtype, target: dtype) -> bool:
    """Whether an in-place result of type `source` may be written to a tensor of type `target`.

    >>> can_cast(float32, int64), can_cast(int64, float32), can_cast(float64, float32)
    (False, True, True)
    """
    return source.category <= target.category


class finfo:
    """Limits of a floating dtype: `bits eps max min tiny smallest_normal resolution dtype`.

    >>> import rushlight as torch
    >>> torch.finfo(torch.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, type: dtype | None = None):
        type = type or get_default_dtype()
        if type.category < FLOATING:
            raise TypeError(f"finfo: got {type}; expected a floating or complex dtype. Fix: use torch.iinfo.")
        real = type.to_real()
        self.dtype = real.name
        self.bits = real.itemsize * 8
        if real is bfloat16:
            self.eps, self.max, self.tiny, self.resolution = 2.0**-7, 3.3895313892515355e38, 2.0**-126, 0.01
        else:
            info = np.finfo(real.storage)
            self.eps, self.max, self.tiny = float(info.eps), float(info.max), float(info.tiny)
            self.resolution = 10.0**-info.precision
        self.min = -self.max
        self.smallest_normal = self.tiny

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.tiny:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer dtype: `bits max min dtype`.

    >>> import rushlight as torch
    >>> torch.iinfo(torch.int8).max
    127
    """

    def __init__(self, type: dtype):
        if type.category != INTEGER:
            raise TypeError(f"iinfo: got {type}; expected an integer dtype. Fix: use torch.finfo.")
        info = np.iinfo(type.storage)
        self.dtype, self.bits, self.max, self.min = type.name, info.bits, int(info.max), int(info.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
