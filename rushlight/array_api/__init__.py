"""The Python array API standard's names over tensors: what `tensor.__array_namespace__()` returns.

PyTorch's functions differ from the standard in names of arguments (`dim` for `axis`), in some results (`nonzero`, `max` along a
dimension) and in what may be a Python number; here they are as the standard has them, but for this:

- uint16, uint32 and uint64 are left out, since few functions take them; sums and products of uint8 are int64, which holds the same numbers.
- `x.size` is a method, as in PyTorch; the number of elements is `x.numel()`.
- The only device is the CPU.

>>> import rushlight as torch
>>> xp = torch.ones(2, 3).__array_namespace__()
>>> xp.sum(xp.asarray([[1, 2], [3, 4]]), axis=0)
tensor([4, 6])
"""

from __future__ import annotations

from rushlight import (
    bool,
    complex64,
    complex128,
    e,
    finfo,
    float32,
    float64,
    iinfo,
    inf,
    int8,
    int16,
    int32,
    int64,
    nan,
    newaxis,
    pi,
    uint8,
)
from rushlight.array_api import creation, dtypes, elementwise, fft, linalg, manipulation, reductions, searching
from rushlight.array_api.creation import *  # noqa: F403
from rushlight.array_api.dtypes import *  # noqa: F403
from rushlight.array_api.dtypes import __array_namespace_info__
from rushlight.array_api.elementwise import *  # noqa: F403
from rushlight.array_api.linalg import matmul, matrix_transpose, tensordot, vecdot
from rushlight.array_api.manipulation import *  # noqa: F403
from rushlight.array_api.reductions import *  # noqa: F403
from rushlight.array_api.searching import *  # noqa: F403

__array_api_version__ = "2024.12"
__all__ = [
    "__array_api_version__", "__array_namespace_info__", "bool", "complex128", "complex64", "e", "fft", "finfo", "float32", "float64",
    "iinfo", "inf", "int16", "int32", "int64", "int8", "linalg", "matmul", "matrix_transpose", "nan", "newaxis", "pi",
    "tensordot", "uint8", "vecdot", *creation.__all__, *dtypes.__all__, *elementwise.__all__, *manipulation.__all__,
    *reductions.__all__, *searching.__all__,
]  # fmt: skip
