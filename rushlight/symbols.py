"""Numbers that PyTorch's compiler leaves open while it traces. Here sizes are ints: nothing is an instance of these."""

from __future__ import annotations

__all__ = ["SymBool", "SymFloat", "SymInt"]


class SymInt:
    """An int that is not known yet."""


class SymFloat:
    """A float that is not known yet."""


class SymBool:
    """A bool that is not known yet."""
