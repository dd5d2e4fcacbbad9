"""`torch.backends`: the switches that scripts set. The libraries behind them are not here, so nothing changes."""

from __future__ import annotations

from rushlight.backends import cpu, cuda, cudnn, mkl, mkldnn, mps, nnpack, openmp, opt_einsum, quantized

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "nnpack", "openmp", "opt_einsum", "quantized"]

fp32_precision: str = "none"
