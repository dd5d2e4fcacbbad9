"""`torch.backends.opt_einsum`: the package opt_einsum is not used; operands are multiplied from left to right."""

from __future__ import annotations

from typing import Any

enabled: bool = False
strategy: str | None = None


def is_available() -> bool:
    """False: it is not looked for."""
    return False


def get_opt_einsum() -> Any:
    """None."""
    return None
