"""`torch.onnx`: what code asks on its way through a model. Exporting is not here yet.

>>> import rushlight as torch
>>> torch.onnx.is_in_onnx_export()
False
"""

from __future__ import annotations

from typing import Any, NoReturn

from rushlight.errors import explain_error

__all__ = ["export", "is_in_onnx_export"]


def is_in_onnx_export() -> bool:
    """False."""
    return False


def export(*args: Any, **kwargs: Any) -> NoReturn:
    """NotImplementedError."""
    raise NotImplementedError(
        explain_error(
            "torch.onnx.export",
            got="a call",
            expected="none: there is no exporter yet",
            fix="torch.save(model.state_dict(), path), and export from PyTorch, which reads that file",
        )
    )
