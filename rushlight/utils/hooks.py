"""PyTorch's place of `RemovableHandle`, which every `register_*hook` returns, and of the mark for hooks that pickles leave out."""

from __future__ import annotations

from typing import Any

from rushlight.autograd.hooks import RemovableHandle
from rushlight.functional.pickling import warn_if_has_hooks


def unserializable_hook(f: Any) -> Any:
    """Mark a hook of a tensor as one that a pickle may leave behind without a warning."""
    f.__torch_unserializable__ = True
    return f


__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]
