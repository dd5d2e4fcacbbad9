"""What this build has, under the names that PyTorch's scripts ask for."""

from __future__ import annotations

import os
from typing import Any

import rushlight

has_lapack = True  # NumPy's
has_spectral = True  # NumPy's, and kernels of its own
has_mkl = has_mkldnn = has_openmp = has_cuda = has_cudnn = has_mps = False


def init_num_threads() -> None:
    """Take as many threads as there are processors."""
    rushlight.set_num_threads(os.cpu_count() or 1)


def is_distributed(input: Any) -> bool:
    """Whether the tensor's memory is shared between processes in PyTorch's oldest way; never."""
    return False
