"""`torch.backends.cuda`: flags of matrix products on a GPU; accepted, without effect on the CPU."""

from __future__ import annotations


class _MatmulFlags:
    allow_tf32: bool = False
    allow_fp16_reduced_precision_reduction: bool = True


matmul = _MatmulFlags()


def is_built() -> bool:
    """False: this build holds no CUDA backend."""
    return False
