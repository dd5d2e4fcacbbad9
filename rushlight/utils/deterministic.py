"""`torch.utils.deterministic`: a flag of PyTorch's deterministic mode."""

from __future__ import annotations

# Remembered. `torch.empty` is never filled for it: reading memory that nobody wrote is the one thing that differs between runs.
fill_uninitialized_memory: bool = True
