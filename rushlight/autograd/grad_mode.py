"""PyTorch's place of the grad modes, and of a switch that has no effect here."""

from __future__ import annotations

from typing import Any

from rushlight.autograd.modes import enable_grad, inference_mode, no_grad, set_grad_enabled


class _Multithreading:
    enabled = True


class set_multithreading_enabled:
    """Accepted: a backward pass is a program, which runs on `config.threads` threads, and no Python code of it does.

    >>> import rushlight as torch
    >>> with torch.autograd.set_multithreading_enabled(False):
    ...     torch.autograd.is_multithreading_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        self.mode, self.prev = mode, _Multithreading.enabled
        _Multithreading.enabled = bool(mode)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: Any) -> None:
        _Multithreading.enabled = self.prev

    def clone(self) -> set_multithreading_enabled:
        """Another one of the same mode."""
        return set_multithreading_enabled(self.mode)


def is_multithreading_enabled() -> bool:
    """What `set_multithreading_enabled` was last given; True."""
    return _Multithreading.enabled


__all__ = [
    "enable_grad", "inference_mode", "is_multithreading_enabled", "no_grad", "set_grad_enabled", "set_multithreading_enabled",
]  # fmt: skip
