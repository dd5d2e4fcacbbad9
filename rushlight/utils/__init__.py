"""`torch.utils`: each submodule (`data`, ...) is imported when it is first named."""

from __future__ import annotations

import importlib
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    target = f"{__name__}.{name}"
    try:
        return importlib.import_module(target)
    except ModuleNotFoundError as error:
        if error.name != target:
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
