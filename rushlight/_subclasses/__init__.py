"""`torch._subclasses`: what libraries ask about kinds of tensors that are not here."""

from __future__ import annotations

from rushlight._subclasses import fake_tensor

__all__ = ["fake_tensor"]
