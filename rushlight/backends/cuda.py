"""`torch.backends.cuda`: flags of matrix products on a GPU; accepted, without effect on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class _MatmulFlags:
    allow_tf32: bool = False
    allow_fp16_reduced_precision_reduction: bool = True


matmul = _MatmulFlags()


def is_built() -> bool:
    """False: this build holds no CUDA backend."""
    return False


# Which kernels of scaled_dot_product_attention may be used: one kernel serves all here, so the switches are remembered only.
_attention = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


def flash_sdp_enabled() -> bool:
    """What `enable_flash_sdp` was given."""
    return _attention["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """Remembered."""
    _attention["flash"] = bool(enabled)


def mem_efficient_sdp_enabled() -> bool:
    """What `enable_mem_efficient_sdp` was given."""
    return _attention["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Remembered."""
    _attention["mem_efficient"] = bool(enabled)


def math_sdp_enabled() -> bool:
    """What `enable_math_sdp` was given."""
    return _attention["math"]


def enable_math_sdp(enabled: bool) -> None:
    """Remembered."""
    _attention["math"] = bool(enabled)


def cudnn_sdp_enabled() -> bool:
    """What `enable_cudnn_sdp` was given."""
    return _attention["cudnn"]


def enable_cudnn_sdp(enabled: bool) -> None:
    """Remembered."""
    _attention["cudnn"] = bool(enabled)


def is_flash_attention_available() -> bool:
    """False: there is no GPU that it could run on."""
    return False


@contextmanager
def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, enable_cudnn: bool = True
) -> Iterator[None]:
    """The four switches set for the length of a `with`."""
    before = dict(_attention)
    _attention.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn)
    try:
        yield
    finally:
        _attention.update(before)
