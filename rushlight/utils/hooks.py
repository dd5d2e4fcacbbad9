"""PyTorch's place of `RemovableHandle`, which every `register_*hook` returns."""

from __future__ import annotations

from rushlight.autograd.hooks import RemovableHandle

__all__ = ["RemovableHandle"]
