"""`torch.save`, `torch.load` and `torch.serialization`: PyTorch's own files, read without running them."""

from __future__ import annotations

from rushlight.errors import FileFormatError
from rushlight.serialization.allowed import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from rushlight.serialization.modules import MissingClassError
from rushlight.serialization.reader import load
from rushlight.serialization.refusal import UnsafeFileError
from rushlight.serialization.writer import save

__all__ = [
    "FileFormatError",
    "MissingClassError",
    "UnsafeFileError",
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "safe_globals",
    "save",
]
