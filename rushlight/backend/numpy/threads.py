"""How many threads NumPy's matrix products use. NumPy has no name for it; the OpenBLAS in its wheels does."""

from __future__ import annotations

import ctypes
import functools
import glob
import os
from typing import Any

import numpy as np


@functools.cache
def _openblas() -> Any:
    """The library in NumPy's wheel, loaded already; None where NumPy was built with another BLAS."""
    site = os.path.dirname(os.path.dirname(os.path.abspath(np.__file__)))
    for folder in (os.path.join(site, "numpy.libs"), os.path.join(site, "numpy", ".dylibs")):
        for path in glob.glob(os.path.join(folder, "*scipy_openblas*")):
            library = ctypes.CDLL(path)
            if hasattr(library, "scipy_openblas_set_num_threads64_"):
                return library
    return None


def set_threads(count: int) -> None:
    """Limit matrix products to `count` threads, where NumPy's wheel carries its BLAS; elsewhere nothing happens."""
    library = _openblas()
    if library is not None:
        library.scipy_openblas_set_num_threads64_(ctypes.c_int(count))
