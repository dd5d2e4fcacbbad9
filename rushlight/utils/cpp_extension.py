"""`torch.utils.cpp_extension`: extensions in C++ are written against PyTorch's C++ library, which is not here."""

from __future__ import annotations

import shutil
from typing import Any

from rushlight.errors import explain_error

__all__ = ["CUDA_HOME", "BuildExtension", "CUDAExtension", "CppExtension", "is_ninja_available", "load", "load_inline"]

CUDA_HOME: str | None = None


def is_ninja_available() -> bool:
    """Whether the program ninja is on the path."""
    return shutil.which("ninja") is not None


def _refuse(name: str) -> NotImplementedError:
    return NotImplementedError(
        explain_error(
            f"torch.utils.cpp_extension.{name}", got="C++ code written against PyTorch's C++ library", expected="Python: that library is not here",
            fix="write the function with tensors' methods, which are compiled together; for its gradient use torch.autograd.Function",
        )
    )  # fmt: skip


def load(name: str, sources: Any, *args: Any, **kwargs: Any) -> Any:
    """NotImplementedError."""
    raise _refuse("load")


def load_inline(name: str, cpp_sources: Any, *args: Any, **kwargs: Any) -> Any:
    """NotImplementedError."""
    raise _refuse("load_inline")


def CppExtension(name: str, sources: Any, *args: Any, **kwargs: Any) -> Any:
    """NotImplementedError."""
    raise _refuse("CppExtension")


def CUDAExtension(name: str, sources: Any, *args: Any, **kwargs: Any) -> Any:
    """NotImplementedError."""
    raise _refuse("CUDAExtension")


class BuildExtension:
    """NotImplementedError when it is made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise _refuse("BuildExtension")
