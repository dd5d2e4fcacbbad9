"""torchvision's names on Rushlight: datasets, transforms, picture files and a few models.

`import rushlight.vision as torchvision` is the whole migration. Pictures as PIL objects need pillow
(`pip install rushlight[vision]`); arrays, tensors and the shipped `datasets.Digits` do not.
"""

from __future__ import annotations

import importlib

_ROOMS = ("datasets", "io", "models", "ops", "transforms", "utils")
__all__ = list(_ROOMS)


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "__version__":
        return importlib.import_module("rushlight").__version__
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
