"""`torch.version`: this library's version, the PyTorch whose API it follows, and the GPU toolkits it was built with."""

from __future__ import annotations

from rushlight import __version__

__all__ = ["__version__", "api", "cuda", "debug", "git_version", "hip", "rocm", "xpu"]

api = "2.13"
debug = False
cuda: str | None = None
hip: str | None = None
rocm: str | None = None
xpu: str | None = None
git_version = "unknown"
